"""Opening a database: SQLite with the settings that make it safe for several processes, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ems_ml.errors import MissingExtra, StoreError, UsageError
from ems_ml.store.schema import HEAD, metadata

BUSY_SECONDS = 30
MIGRATING = 0x454D53  # PostgreSQL's advisory lock that is held while the tables are made


class Database:
    """An open database with the current schema. `write` is one transaction that no other process interleaves."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(ems_write=True)
        # A database in memory is one connection, which threads take in turns.
        self._turn = threading.Lock() if isinstance(engine.pool, StaticPool) else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with clear_errors(self.engine.url), self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with clear_errors(self.engine.url), self._turn, self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Opens, makes or migrates the database. Raises `StoreError` or `UsageError` with the remedy."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            f"not a database URL: {url!r}",
            hint="write it like sqlite:////path/ems.db or postgresql+psycopg://user@host/db",
        ) from error
    with clear_errors(parsed):
        engine = _engine(parsed)
        database = Database(engine)
        _bring_up_to_date(database)
    return database


@contextmanager
def clear_errors(url: URL) -> Iterator[None]:
    """Turns what a driver raises into a `StoreError` that names the remedy; never shows a password."""
    shown = url.render_as_string(hide_password=True)
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the database {shown} failed: {error.orig}", hint=_remedy(str(error.orig), url)) from error
    except NoSuchModuleError as error:
        raise UsageError(f"no driver for {shown}", hint="use a sqlite:/// or postgresql+psycopg:// URL") from error
    except ModuleNotFoundError as error:
        if error.name in ("psycopg", "psycopg2"):
            raise MissingExtra("a PostgreSQL database", "postgres") from error
        raise
    except SQLAlchemyError as error:
        raise StoreError(f"the database {shown} failed: {error}", hint="run `ems doctor`") from error


def _remedy(message: str, url: URL) -> str:
    lowered = message.lower()
    if "readonly" in lowered or "read-only" in lowered or "unable to open" in lowered:
        return "make the data folder writable, name another one with EMS_HOME, or use --store sqlite://"
    if "full" in lowered:
        return "free disk space; nothing that was stored is lost"
    if "malformed" in lowered or "not a database" in lowered:
        return f"move {url.database} away, or restore it from a backup"
    if "locked" in lowered:
        return "another process holds the database; try again, or stop that process"
    return "check that the database server runs and that the URL is right (`ems doctor`)"


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": BUSY_SECONDS}}
    in_memory = not url.database or url.database == ":memory:"
    if in_memory:
        options["poolclass"] = StaticPool
    else:
        folder = Path(str(url.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the data folder {folder} cannot be made: {error.strerror}",
                hint="make it writable, or name another one with EMS_HOME",
            ) from error
    engine = create_engine(url, **options)

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute("PRAGMA foreign_keys=ON")
        if not in_memory:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # an accepted event survives a power cut

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("ems_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _bring_up_to_date(database: Database) -> None:
    with database.engine.connect() as connection:
        current = _version(connection)
    if current == HEAD:
        return
    with database.write() as connection:
        if connection.dialect.name == "postgresql":  # SQLite's write transaction is exclusive already
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        current = _version(connection)  # another process may have been first
        if current is None and not inspect(connection).has_table("event"):
            metadata.create_all(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
            return
    if current != HEAD:
        from ems_ml.store.migrate import upgrade  # alembic is slow to import and only needed here

        upgrade(database.engine)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)
