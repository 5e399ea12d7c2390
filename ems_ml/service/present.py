"""The views as the JSON of the public contract: fields may be added, never renamed (see `docs/api/json.md`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ems_ml.build import Check, Resources
from ems_ml.service.views import Bucket, EventRow, FixRow, Health, Overview, PatternDetail, PatternRow
from ems_ml.types import ExceptionRecord, Neighbour, RankedStrategy


def time(moment: datetime) -> str:
    """RFC 3339, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")


def row(view: PatternRow) -> dict[str, Any]:
    """A pattern in a list."""
    return {
        "id": view.id,
        "project": view.project,
        "title": view.title,
        "type": view.type,
        "message": view.message,
        "raised_at": {"file": view.file, "function": view.function, "line": view.line},
        "status": view.status.value,
        "count": view.count,
        "first_seen": time(view.first_seen),
        "last_seen": time(view.last_seen),
        "example": view.example,
        "strategies": strategies(view.strategies),
        "suggestion": None if view.suggestion is None else neighbour(view.suggestion),
        "merged_into": view.merged_into,
    }


def detail(view: PatternDetail) -> dict[str, Any]:
    """A pattern with all that is known about it."""
    return row(view.row) | {
        "decision": None if view.decision is None else view.decision.value,
        "probability": round(view.probability, 4),
        "nearest": [neighbour(one) for one in view.nearest],
        "why": dict(view.why),
        "versions": dict(view.versions),
        "error": record(view.event.error) | {"chain": [record(one) for one in view.event.chain]},
        "events": [event(one) for one in view.events],
        "over_time": buckets(view.over_time),
        "fixes": [fix(one) for one in view.fixes],
        "merged": list(view.merged),
    }


def record(view: ExceptionRecord) -> dict[str, Any]:
    """An exception with its frames, raise point last."""
    return {
        "type": view.type,
        "message": view.message,
        "frames": [
            {
                "file": frame.file,
                "function": frame.function,
                "line": frame.line,
                "in_app": frame.in_app,
                "role": frame.role.value,
                "code": frame.code,
            }
            for frame in view.frames
        ],
    }


def event(view: EventRow) -> dict[str, Any]:
    return {
        "id": view.id,
        "time": time(view.time),
        "source": view.source,
        "release": view.release,
        "message": view.message,
        "decision": None if view.decision is None else view.decision.value,
        "probability": round(view.probability, 4),
        "test": view.test,
    }


def fix(view: FixRow) -> dict[str, Any]:
    return {
        "time": time(view.time),
        "verdict": view.verdict,
        "strategy": view.strategy,
        "branch": view.branch,
        "commit": view.commit,
        "reason": view.reason,
        "patch": view.diff,
        "seconds": round(view.seconds, 2),
    }


def buckets(views: Sequence[Bucket]) -> list[dict[str, Any]]:
    return [{"start": time(one.start), "count": one.count} for one in views]


def strategies(ranked: Sequence[RankedStrategy]) -> list[dict[str, Any]]:
    return [{"name": one.name, "probability": round(one.probability, 6), "why": list(one.why)} for one in ranked]


def neighbour(view: Neighbour) -> dict[str, Any]:
    return {"pattern": view.pattern, "probability": round(view.probability, 4), "example": view.example}


def overview(view: Overview) -> dict[str, Any]:
    """The first page."""
    return {
        "received": view.received,
        "processed": view.processed,
        "dropped": dict(view.dropped),
        "waiting": view.waiting,
        "open_patterns": view.open_patterns,
        "new_patterns": view.new_patterns,
        "hours": view.hours,
        "over_time": buckets(view.over_time),
        "top": [row(one) for one in view.top],
        "newest": [row(one) for one in view.newest],
        "suggestions": [
            {"pattern": one.pattern.id, "other": one.other.id, "probability": round(one.probability, 4)}
            for one in view.suggestions
        ],
        "resources": resources(view.resources),
    }


def health(view: Health) -> dict[str, Any]:
    """What the doctor saw."""
    return {"ok": view.ok, "checks": [check(one) for one in view.checks], "resources": resources(view.resources)}


def check(view: Check) -> dict[str, Any]:
    return {"name": view.name, "state": view.state.value, "detail": view.detail, "remedy": view.remedy}


def resources(view: Resources) -> dict[str, Any]:
    numbers: Mapping[str, Any] = {
        "cpu": round(view.cpu, 4),
        "memory_used": view.memory_used,
        "memory_total": view.memory_total,
        "disk_used": view.disk_used,
        "disk_total": view.disk_total,
        "disk_free": view.disk_free,
        "load": dict(view.load),
    }
    processes = [
        {"name": one.name, "pid": one.pid, "cpu": round(one.cpu, 4), "memory": one.memory} for one in view.processes
    ]
    return {**numbers, "processes": processes}
