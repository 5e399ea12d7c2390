"""The tables whose rows belong to patterns, told apart row by row, and what follows when their rows change hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, FromClause, Table, Text, and_, cast, exists, func, select, update

from ems_ml.store.schema import event as events
from ems_ml.store.schema import exact, exemplar, project
from ems_ml.store.schema import pattern as pattern_table

T = TypeVar("T")

CHUNK = 400  # values in one statement


@dataclass(frozen=True, slots=True)
class Thing:
    """One of the tables whose rows belong to a pattern: its name in `regrouped`, and how its rows are told apart."""

    name: str
    table: Table
    key: ColumnElement[Any]
    rows: FromClause  # the table, joined to what tells the exact signature of a row
    exact: ColumnElement[Any]

    @property
    def mark(self) -> ColumnElement[Any]:
        return cast(self.key, Text)


EVENT = Thing("event", events, events.c.number, events, events.c.exact)
EXACT = Thing("exact", exact, exact.c.key, exact, exact.c.key)
EXEMPLAR = Thing(
    "exemplar",
    exemplar,
    exemplar.c.number,
    exemplar.join(events, and_(events.c.project == exemplar.c.project, events.c.id == exemplar.c.event)),
    events.c.exact,
)
#: Exemplars first: they are found by the pattern and the exact signature of their event.
THINGS = (EXEMPLAR, EXACT, EVENT)


def turn(connection: Connection, name: str) -> None:
    """Every process reads the project's exemplars anew, and what is being grouped at this moment is grouped again."""
    connection.execute(
        update(project).where(project.c.name == name).values(epoch=project.c.epoch + 1, sequence=project.c.sequence + 1)
    )


def count_again(connection: Connection, ids: Iterable[str]) -> None:
    """Count, first and last moment and example of patterns, from the events that they hold; empty ones stay as is."""
    for some in chunks(sorted(ids)):
        query = (
            select(
                events.c.pattern,
                func.count().label("count"),
                func.min(events.c.time).label("first"),
                func.max(events.c.time).label("last"),
                func.min(events.c.number).label("number"),
            )
            .where(events.c.pattern.in_(some))
            .group_by(events.c.pattern)
        )
        for row in connection.execute(query).all():
            holds = exists().where(
                events.c.project == pattern_table.c.project,
                events.c.id == pattern_table.c.example,
                events.c.pattern == row.pattern,
            )
            first = select(events.c.id).where(events.c.number == row.number).scalar_subquery()
            mine = pattern_table.c.id == row.pattern
            connection.execute(
                update(pattern_table).where(mine).values(count=row.count, first_seen=row.first, last_seen=row.last)
            )
            connection.execute(update(pattern_table).where(mine, ~holds).values(example=first))


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The items, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
