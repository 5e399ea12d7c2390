"""Events that were accepted and not yet processed. What is in here survives a crash; what fails is kept aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select, update

from ems_ml.store import counters
from ems_ml.store.codec import dumps, loads
from ems_ml.store.database import Database
from ems_ml.store.schema import inbox
from ems_ml.types import ErrorEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An accepted event with its place in the queue."""

    number: int
    event: ErrorEvent


class Inbox:
    """Written by the API, emptied by the worker. `Events.commit` deletes what it stores, in its own transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, events: Sequence[ErrorEvent]) -> None:
        """Accepts redacted events durably, and counts them as received."""
        if not events:
            return
        now = datetime.now(UTC)
        with self._database.write() as connection:
            connection.execute(
                insert(inbox),
                [
                    {"id": e.id, "project": e.project, "received": now, "event": dumps(e), "problem": None}
                    for e in events
                ],
            )
            counters.add(connection, "received", amount=len(events))

    def take(self, limit: int) -> list[Waiting]:
        """The oldest that wait, without removing them: committing does."""
        query = (
            select(inbox.c.number, inbox.c.event).where(inbox.c.problem.is_(None)).order_by(inbox.c.number).limit(limit)
        )
        with self._database.read() as connection:
            return [Waiting(number=row.number, event=loads(ErrorEvent, row.event)) for row in connection.execute(query)]

    def set_aside(self, number: int, problem: str, *, reason: str) -> None:
        """An event that cannot be processed stays in the table with its problem, and is counted as dropped, once."""
        with self._database.write() as connection:
            one = inbox.c.number == number
            done = connection.execute(
                update(inbox).where(one, inbox.c.problem.is_(None)).values(problem=problem[:2000])
            )
            if done.rowcount:
                counters.add(connection, "dropped", reason)

    def discard(self, number: int, *, reason: str) -> None:
        """An event that needs no processing (one that is stored already) leaves, and is counted as dropped, once."""
        with self._database.write() as connection:
            if connection.execute(delete(inbox).where(inbox.c.number == number)).rowcount:
                counters.add(connection, "dropped", reason)

    def waiting(self) -> int:
        with self._database.read() as connection:
            query = select(func.count()).select_from(inbox).where(inbox.c.problem.is_(None))
            return int(connection.execute(query).scalar_one())
