"""Honest accounting: how many events came in, were processed, were dropped and why. Written with what they count."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from ems_ml.store.schema import counter


def add(connection: Connection, name: str, label: str = "", amount: int = 1) -> None:
    """Adds to a counter inside the caller's write transaction."""
    raise_it = (
        update(counter).where(counter.c.name == name, counter.c.label == label).values(value=counter.c.value + amount)
    )
    if connection.execute(raise_it).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(counter).values(name=name, label=label, value=amount))
    except IntegrityError:  # another process made this counter at the same moment
        connection.execute(raise_it)


def read(connection: Connection) -> dict[tuple[str, str], int]:
    """All counters: (name, label) -> value."""
    return {(row.name, row.label): row.value for row in connection.execute(select(counter))}
