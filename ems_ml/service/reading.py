"""Use cases that only look: the list of patterns, one pattern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from ems_ml.build import StoredEvent, System
from ems_ml.errors import NotFound
from ems_ml.service.views import (
    Bucket,
    EventRow,
    FixRow,
    PatternDetail,
    PatternPage,
    PatternRow,
)
from ems_ml.types import Pattern, PatternStatus, Verdict

Sort = Literal["last_seen", "first_seen", "count"]
DAYS = 14  # of the small chart beside a pattern


def list_patterns(
    system: System,
    *,
    search: str = "",
    status: PatternStatus | None = None,
    project: str | None = None,
    sort: str = "last_seen",
    limit: int = 50,
    offset: int = 0,
    counts: bool = False,
) -> PatternPage:
    """A slice of the patterns. `search`: words that an event's type, message or stack must hold, or a pattern's id.

    `sort`: "last_seen", "first_seen" or "count", the largest first. Merged ones only where that `status` is asked for.
    `counts`: with the events a day of the last 14 days.
    """
    found = system.store.patterns(project, status=status)
    if search.strip():
        hits = system.store.events.search(search, project_name=project)
        found = [one for one in found if one.id in hits or one.id.lower() == search.strip().lower()]
    if sort == "count":
        found.sort(key=lambda one: (-one.count, one.id))
    elif sort == "first_seen":
        found.sort(key=lambda one: one.first_seen, reverse=True)
    return PatternPage(rows=rows(system, found[offset : offset + limit], counts=counts), total=len(found))


def pattern_detail(system: System, pattern: str, *, events: int = 50, event: str = "") -> PatternDetail:
    """One pattern; a merged id leads to the pattern that it lives in. Raises `NotFound`.

    `event`: the one whose trace and reason are told; where none is named, the example's.
    """
    found = system.store.pattern(pattern)
    example = _example(system, found)
    if example is None:
        raise NotFound(f"the example of {found.id} is missing", hint="run `ems doctor`")
    shown = system.store.events.get(found.project, event) if event else example
    if shown is None or shown.pattern != found.id:
        raise NotFound(f"{found.id} has no event {event}", hint=f"see its events: ems pattern show {found.id}")
    assignment = shown.assignment
    merged = system.store.patterns(found.project, status=PatternStatus.MERGED)
    return PatternDetail(
        row=pattern_row(found, example, _daily(system, found.id)),
        event=shown.event,
        why=assignment.why,
        decision=assignment.decision,
        probability=assignment.probability,
        nearest=assignment.nearest,
        versions=shown.versions,
        events=tuple(_event_row(one) for one in system.store.events.of_pattern(found.id, limit=events)),
        over_time=_over_days(system, found.id),
        fixes=tuple(_fix_row(time, verdict) for time, verdict in system.store.fixes(found.id)),
        merged=tuple(one.id for one in merged if one.merged_into == found.id),
    )


def pattern_row(pattern: Pattern, example: StoredEvent | None, counts: Sequence[int] = ()) -> PatternRow:
    """A pattern with its example as a row; without the example, type and title are all that is known."""
    error = example.event.error if example else None
    raised = error.frames[-1] if error and error.frames else None
    return PatternRow(
        id=pattern.id,
        project=pattern.project,
        title=pattern.title,
        type=pattern.type,
        message=error.message if error else "",
        file=raised.file if raised else "",
        function=raised.function if raised else "",
        line=raised.line if raised else None,
        status=pattern.status,
        count=pattern.count,
        first_seen=pattern.first_seen,
        last_seen=pattern.last_seen,
        example=pattern.example,
        strategies=pattern.strategies,
        suggestion=pattern.suggestion,
        merged_into=pattern.merged_into,
        counts=tuple(counts),
    )


def row_of(system: System, pattern: str) -> PatternRow:
    """One pattern by its id as a row. Raises `NotFound`."""
    return row(system, system.store.pattern(pattern))


def row(system: System, pattern: Pattern) -> PatternRow:
    """A pattern as a row."""
    return pattern_row(pattern, _example(system, pattern))


def rows(system: System, patterns: Iterable[Pattern], *, counts: bool = False) -> tuple[PatternRow, ...]:
    """Patterns as rows; `counts`: with their events a day."""
    return tuple(pattern_row(one, _example(system, one), _daily(system, one.id) if counts else ()) for one in patterns)


def _example(system: System, pattern: Pattern) -> StoredEvent | None:
    return system.store.events.get(pattern.project, pattern.example)


def _daily(system: System, pattern: str) -> tuple[int, ...]:
    return tuple(bucket.count for bucket in _over_days(system, pattern))


def _over_days(system: System, pattern: str) -> tuple[Bucket, ...]:
    day = timedelta(days=1)
    now = datetime.now(UTC)
    start = floor(now, day) - (DAYS - 1) * day
    return buckets(system.store.events.times(since=start, pattern=pattern), start, now, day)


def floor(moment: datetime, step: timedelta) -> datetime:
    """The start of the period of length `step` that a moment lies in, counted from 1970 in UTC."""
    since = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - since) % step


def buckets(times: Iterable[datetime], start: datetime, end: datetime, step: timedelta) -> tuple[Bucket, ...]:
    """How many of `times` fall into each period from `start` on, empty ones included; later than `end` is left out."""
    number = int((end - start) / step) + 1
    counts = [0] * number
    for moment in times:
        at = int((moment - start) / step)
        if 0 <= at < number:
            counts[at] += 1
    return tuple(Bucket(start=start + at * step, count=count) for at, count in enumerate(counts))


def _event_row(stored: StoredEvent) -> EventRow:
    return EventRow(
        id=stored.event.id,
        time=stored.time,
        source=stored.event.source,
        release=stored.event.release,
        message=stored.event.error.message,
        decision=stored.assignment.decision,
        probability=stored.assignment.probability,
        test=stored.event.attributes.get("test", ""),
    )


def _fix_row(time: datetime, verdict: Verdict) -> FixRow:
    return FixRow(
        time=time,
        verdict=verdict.verdict.value,
        strategy=verdict.strategy,
        branch=verdict.branch,
        commit=verdict.commit,
        reason=verdict.reason,
        diff=verdict.patch.diff if verdict.patch else "",
        seconds=verdict.seconds,
    )
