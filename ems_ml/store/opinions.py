"""Second opinions: what the models before would have decided while they ran beside those in use."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from ems_ml.ports import Opinion
from ems_ml.store import patterns
from ems_ml.store.database import Database
from ems_ml.store.schema import event as events
from ems_ml.store.schema import second_opinion
from ems_ml.types import Assignment, Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """An event about which the two sets of models differ."""

    event: str
    project: str
    pattern: str  # where it stands
    other: str | None  # where the models before would have put it; None: into a pattern of its own
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How often two sets of models differed."""

    asked: int
    differed: int
    last: tuple[Differing, ...]


def note(connection: Connection, number: int, project: str, opinion: Opinion, decided: Assignment) -> None:
    """Keep an opinion beside the decision, in the transaction that stores the event. Two new patterns are the same."""
    other = _place(connection, opinion.assignment)
    connection.execute(
        insert(second_opinion).values(
            event=number,
            project=project,
            models=opinion.models,
            decided_by=opinion.decided_by,
            decision=opinion.assignment.decision,
            pattern=other,
            probability=opinion.assignment.probability,
            differs=other != _place(connection, decided),
        )
    )


def _place(connection: Connection, assignment: Assignment) -> str | None:
    """The pattern that an event joins; None where it opens one."""
    if assignment.decision is not Decision.JOINED:
        return None
    return patterns.resolve_id(connection, assignment.pattern)


class Opinions:
    """What two sets of models said of the same events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def compared(self, before: str, after: str, *, limit: int = 10) -> Compared:
        """How often the set `before` differed from `after`, which decided, and the latest such events."""
        mine = (second_opinion.c.models == before, second_opinion.c.decided_by == after)
        differs = second_opinion.c.differs.is_(True)
        count = select(func.count()).select_from(second_opinion).where(*mine)
        last = (
            select(
                events.c.id, events.c.project, events.c.pattern, second_opinion.c.pattern, second_opinion.c.probability
            )
            .join(events, events.c.number == second_opinion.c.event)
            .where(*mine, differs)
            .order_by(second_opinion.c.event.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return Compared(
                asked=int(connection.execute(count).scalar_one()),
                differed=int(connection.execute(count.where(differs)).scalar_one()),
                last=tuple(
                    Differing(event=event, project=project, pattern=pattern, other=other, probability=probability)
                    for event, project, pattern, other, probability in connection.execute(last)
                ),
            )
