"""The migrations lead to the tables as `schema` tells them, and keep what an older database held."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from toy_steps import ToyEncoder

from ems_ml.group import ExemplarIndex
from ems_ml.store import SqlStore
from ems_ml.store.migrate import config
from ems_ml.store.schema import HEAD, metadata


def opened(url: str) -> SqlStore:
    return SqlStore(url, new_index=ExemplarIndex, encoder=ToyEncoder.version)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_migrations_make_the_tables_of_the_schema(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'ems.db'}" if kind == "sqlite" else str(request.getfixturevalue("postgres"))
    engine = create_engine(url)
    command.upgrade(config(engine), "head")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    command.downgrade(config(engine), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_the_newest_migration_is_the_head_of_a_fresh_database(tmp_path: Path) -> None:
    engine = create_engine("sqlite://")
    assert ScriptDirectory.from_config(config(engine)).get_heads() == [HEAD]


def test_an_older_database_is_brought_up_and_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "ems.db"
    engine = create_engine(f"sqlite:///{path}")
    command.upgrade(config(engine), "0001")
    engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO project VALUES ('shop', 0, 0)")
        assert "AUTOINCREMENT" not in exemplars(connection)
    with opened(f"sqlite:///{path}") as store:
        assert store.projects() == ["shop"]
        assert store.regroupings.listed() == []
    with sqlite3.connect(path) as connection:
        assert "AUTOINCREMENT" in exemplars(connection)
    with opened(f"sqlite:///{tmp_path / 'fresh.db'}"), sqlite3.connect(tmp_path / "fresh.db") as connection:
        assert "AUTOINCREMENT" in exemplars(connection)


def exemplars(connection: sqlite3.Connection) -> str:
    """How the table was made."""
    return str(connection.execute("SELECT sql FROM sqlite_master WHERE name = 'exemplar'").fetchone()[0])
