"""Accepting errors: parsed and redacted at once, and durably in the inbox before anybody is told so."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ems_ml.build import System
from ems_ml.events import EventDropped, EventReceived
from ems_ml.types import ErrorEvent, Problem, RawReport

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Ids of what was accepted, and what could not be read."""

    ids: tuple[str, ...]
    problems: tuple[str, ...] = ()


def accept(system: System, reports: Iterable[RawReport | Problem]) -> Accepted:
    """Parse, redact and store in the inbox, in one transaction. Raises `StoreError`; then nothing is accepted."""
    events: list[ErrorEvent] = []
    problems: list[str] = []
    for report in reports:
        if isinstance(report, Problem):
            problems.append(report.problem)
        else:
            events.append(system.understand(report))
    system.store.inbox.put(events)
    for event in events:
        system.bus.publish(EventReceived(event=event.id, project=event.project, source=event.source))
    if problems:
        count_refused(system, "unreadable", len(problems))
    return Accepted(ids=tuple(event.id for event in events), problems=tuple(problems))


def count_refused(system: System, reason: str, number: int = 1) -> None:
    """Count what was received and refused before it became an event."""
    system.store.count("received", amount=number)
    system.store.count("dropped", reason, number)
    log.warning("refused %s: %s", number, reason)
    system.bus.publish(EventDropped(event="", project="", reason=reason))


def count_lost(system: System, reason: str, number: int) -> None:
    """Count what a client says it threw away; it was never received here."""
    system.store.count("dropped", f"client_{reason}"[:80], number)


@dataclass(slots=True)
class Gauge:
    """How full the inbox is, looked at no more than once a second. `most`: where it counts as overloaded."""

    system: System
    most: int
    _looked: float = field(default=float("-inf"))
    _waiting: int = 0

    def overloaded(self) -> bool:
        """Whether so much waits that nothing more should be accepted."""
        now = time.monotonic()
        if now - self._looked >= 1.0:
            self._looked, self._waiting = now, self.system.store.inbox.waiting()
        return self._waiting >= self.most
