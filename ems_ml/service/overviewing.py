"""The use case behind the first page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ems_ml.build import System, measure
from ems_ml.service.reading import buckets, floor, row, rows
from ems_ml.service.views import Overview, Suggestion
from ems_ml.types import PatternStatus


def overview(system: System, *, hours: int = 24, project: str | None = None, limit: int = 5) -> Overview:
    """What came in, what became of it, and what waits for a person. `limit`: patterns in each list."""
    now = datetime.now(UTC)
    since = now - timedelta(hours=hours)
    counters = system.store.counters()
    patterns = system.store.patterns(project)
    open_ones = [one for one in patterns if one.status is PatternStatus.OPEN]
    by_id = {one.id: one for one in patterns}
    suggested = [
        (one, by_id[one.suggestion.pattern], one.suggestion.probability)
        for one in open_ones
        if one.suggestion is not None and one.suggestion.pattern in by_id
    ]
    start = floor(since, timedelta(hours=1))
    times = system.store.events.times(since=start, project_name=project)
    return Overview(
        received=counters.get(("received", ""), 0),
        processed=counters.get(("processed", ""), 0),
        dropped={reason: value for (name, reason), value in sorted(counters.items()) if name == "dropped"},
        waiting=system.store.inbox.waiting(),
        open_patterns=len(open_ones),
        new_patterns=sum(one.first_seen >= since for one in patterns),
        hours=hours,
        over_time=buckets(times, start, now, timedelta(hours=1)),
        top=rows(system, sorted(open_ones, key=lambda one: (-one.count, one.id))[:limit], counts=True),
        newest=rows(system, sorted(open_ones, key=lambda one: one.first_seen, reverse=True)[:limit]),
        suggestions=tuple(
            Suggestion(pattern=row(system, one), other=row(system, other), probability=probability)
            for one, other, probability in sorted(suggested, key=lambda three: -three[2])[:limit]
        ),
        resources=measure(system.settings.home),
    )
