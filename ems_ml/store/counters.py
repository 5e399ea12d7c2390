"""Honest accounting: how many events came in, were processed, were dropped and why. Written with what they count."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ems_ml.store.schema import counter

# Built once: a statement costs more to build than to run.
_RAISE = (
    update(counter)
    .where(counter.c.name == bindparam("of"), counter.c.label == bindparam("labelled"))
    .values(value=counter.c.value + bindparam("amount"))
)


def add(connection: Connection, name: str, label: str = "", amount: int = 1) -> None:
    """Adds to a counter inside the caller's write transaction."""
    more = {"of": name, "labelled": label, "amount": amount}
    if connection.execute(_RAISE, more).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(counter).values(name=name, label=label, value=amount))
    except IntegrityError:  # another process made this counter at the same moment
        connection.execute(_RAISE, more)


def read(connection: Connection) -> dict[tuple[str, str], int]:
    """All counters: (name, label) -> value."""
    return {(row.name, row.label): row.value for row in connection.execute(select(counter))}
