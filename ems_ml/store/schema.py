"""The tables. A change here comes with a migration; a test holds the two against each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

ID = 200  # characters of an event's id
HEAD = "0002"  # the newest migration, which a fresh database is made at


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware moments, kept as UTC: SQLite itself forgets the zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

project = Table(
    "project",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("sequence", Integer, nullable=False, default=0),  # patterns made so far: a lost race is seen by it
    Column("epoch", Integer, nullable=False, default=0),  # merges and splits so far: indexes are rebuilt by it
)

pattern = Table(
    "pattern",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project", ForeignKey("project.name"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("type", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False, index=True),
    Column("example", String(ID), nullable=False),
    Column("merged_into", ForeignKey("pattern.id"), nullable=True, index=True),
    Column("strategies", JSON, nullable=False),
    Column("suggestion", JSON, nullable=True),
)

event = Table(
    "event",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # order of storing
    Column("id", String(ID), nullable=False),
    Column("project", ForeignKey("project.name"), nullable=False),
    Column("pattern", ForeignKey("pattern.id"), nullable=False, index=True),
    Column("exact", String(32), nullable=False),
    Column("time", UtcDateTime, nullable=False, index=True),  # when it happened; when it was stored, where not told
    Column("source", String(40), nullable=False),
    Column("search", Text, nullable=False),  # what a search looks into, in lower case
    Column("event", Text, nullable=False),  # the redacted ErrorEvent as JSON
    Column("assignment", Text, nullable=False),
    Column("strategies", JSON, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("ms", Float, nullable=False),
    Index("ux_event_project_id", "project", "id", unique=True),
)

exemplar = Table(
    "exemplar",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("project", ForeignKey("project.name"), nullable=False, index=True),
    Column("pattern", ForeignKey("pattern.id"), nullable=False, index=True),
    Column("event", String(ID), nullable=False),
    Column("encoder", String(120), nullable=False),
    Column("signature", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # an index knows exemplars by number: that of one that was removed must not come again
)

exact = Table(
    "exact",
    metadata,
    Column("project", ForeignKey("project.name"), primary_key=True),
    Column("key", String(64), primary_key=True),  # an exact signature, or the hash of a client's fingerprint
    Column("pattern", ForeignKey("pattern.id"), nullable=False, index=True),
)

decision = Table(
    "decision",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("time", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(20), nullable=False),
    Column("project", ForeignKey("project.name"), nullable=False),
    Column("payload", JSON, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(ID), nullable=False),
    Column("project", String(200), nullable=False),
    Column("received", UtcDateTime, nullable=False),
    Column("event", Text, nullable=False),
    Column("problem", Text, nullable=True),  # why it could not be processed; such a row is kept aside
    Index("ix_inbox_project_id", "project", "id"),
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("label", String(80), primary_key=True, default=""),
    Column("value", Integer, nullable=False, default=0),
)

api_key = Table(
    "api_key",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of a key of 128 random bits; the key itself is not kept
    Column("project", ForeignKey("project.name"), nullable=False),
    Column("scope", String(20), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("revoked", Boolean, nullable=False, default=False),
)

fix_attempt = Table(
    "fix_attempt",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("time", UtcDateTime, nullable=False),
    Column("project", ForeignKey("project.name"), nullable=False),
    Column("event", String(ID), nullable=False),
    Column("pattern", ForeignKey("pattern.id"), nullable=True, index=True),
    Column("verdict", Text, nullable=False),  # the Verdict as JSON
)

regrouping = Table(
    "regrouping",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run", String(16), nullable=False),  # shared by the projects that were regrouped together
    Column("project", ForeignKey("project.name"), nullable=False, index=True),
    Column("time", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("models", String(40), nullable=False),
    Column("models_before", String(40), nullable=False),
    Column("told", JSON, nullable=False),  # counts, cost, expected errors
    Column("changes", JSON, nullable=False),  # every merge, split and move, with its example
    Column("last_event", Integer, nullable=False),  # numbers above these came later
    Column("last_exemplar", Integer, nullable=False),
    Column("last_decision", Integer, nullable=False),
    Column("undone", UtcDateTime, nullable=True),
    Column("undone_by", String(200), nullable=True),
)

regrouped = Table(  # every row of the tables of events, exact signatures and exemplars whose pattern was changed
    "regrouped",
    metadata,
    Column("regrouping", ForeignKey("regrouping.number"), primary_key=True),
    Column("thing", String(10), primary_key=True),  # "event", "exemplar": by number; "exact": by key
    Column("key", String(64), primary_key=True),
    Column("was", String(40), nullable=True),  # its pattern before; None where the row was made
    Column("given", String(40), nullable=False),
)

regrouped_pattern = Table(
    "regrouped_pattern",
    metadata,
    Column("regrouping", ForeignKey("regrouping.number"), primary_key=True),
    Column("pattern", String(40), primary_key=True, index=True),  # not a foreign key: undoing removes those made
    Column("before", JSON, nullable=True),  # what of its row was changed; None where it was made
    Column("home", String(40), nullable=True),  # of one that was made: where most of its events came from
    Column("question", JSON, nullable=True),  # what a person was asked about it from then on
)

second_opinion = Table(  # what the models before would have decided, while both run side by side
    "second_opinion",
    metadata,
    Column("event", ForeignKey("event.number"), primary_key=True),
    Column("project", ForeignKey("project.name"), nullable=False, index=True),
    Column("models", String(40), nullable=False),
    Column("decided_by", String(40), nullable=False),
    Column("decision", String(20), nullable=False),
    Column("pattern", String(40), nullable=True),  # None where it would have opened a new one
    Column("probability", Float, nullable=False),
    Column("differs", Boolean, nullable=False),
)
