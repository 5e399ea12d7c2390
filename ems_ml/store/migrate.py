"""Runs the Alembic migrations of `ems_ml/store/migrations`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from ems_ml.errors import StoreError


def config(engine: Engine) -> Config:
    """Alembic's configuration for our scripts and this engine."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    made.attributes["engine"] = engine
    return made


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Brings the database to a revision, in one transaction. Raises `StoreError` for one from a newer EMS."""
    try:
        command.upgrade(config(engine), revision)
    except CommandError as error:
        raise StoreError(
            f"the database cannot be migrated: {error}", hint="it was made by a newer ems-ml; upgrade this installation"
        ) from error
