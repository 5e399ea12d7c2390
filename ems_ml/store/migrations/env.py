"""Alembic's entry: migrates over the engine that `ems_ml.store.migrate` hands it."""

from __future__ import annotations

from alembic import context

from ems_ml.store.schema import metadata

engine = context.config.attributes["engine"]
with engine.execution_options(ems_write=True).begin() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
