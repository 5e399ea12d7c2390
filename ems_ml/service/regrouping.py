"""Use cases of regrouping: what other models would change, the change, the way back. Plain values, the public JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ems_ml.build import Planned, System, apply_regrouping, plan_regrouping, undo_regrouping, versions
from ems_ml.errors import NotFound, UsageError
from ems_ml.regrouping import Change, Kind, Regrouping
from ems_ml.service import present

Progress = Callable[[str, int, int], None]
MESSAGE = 300  # characters of a message beside a change


def silent(what: str, done: int, total: int) -> None:
    """The progress display that shows nothing."""


def look(
    system: System,
    *,
    project: str | None = None,
    models: str | None = None,
    limit: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """What a set of models (None: the one in use) would merge, split and move, and what that costs. Writes nothing.

    limit: how many changes of each project are told, those of the most events; None: all.
    """
    found = plan_regrouping(system, project=project, version=models, progress=progress)
    return {
        "applied": False,
        "models": found[0].models if found else models or versions.in_use(system.settings.models),
        "in_use": versions.in_use(system.settings.models),
        "projects": [_planned(system, one, limit) for one in found],
    }


def regroup(
    system: System,
    *,
    project: str | None = None,
    models: str | None = None,
    days: float | None = None,
    limit: int | None = None,
    by: str = "cli",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Regroup, put the models to use and begin a transition; what was written, without projects that did not change."""
    before = versions.in_use(system.settings.models)
    made = apply_regrouping(system, project=project, version=models, days=days, actor=by, progress=progress)
    now = versions.in_use(system.settings.models)
    return {
        "applied": True,
        "models": now,
        "in_use": now,
        "before": before,
        "projects": [_applied(system, one, limit) for one in made],
        "transition": _transition(system),
    }


def undo(system: System, id: str = "", *, by: str = "cli") -> dict[str, Any]:
    """Take a regrouping back by its id, or all of the last run. Raises `NotFound`, `UsageError`."""
    back = undo_regrouping(system, number=_number(id) if id else None, actor=by)
    return {"undone": [told(one) for one in back], "in_use": versions.in_use(system.settings.models)}


def listing(system: System, *, limit: int = 10) -> dict[str, Any]:
    """Every regrouping, the latest first, and how the transition goes. limit: events that both sets differ about."""
    return {
        "in_use": versions.in_use(system.settings.models),
        "transition": _transition(system, limit=limit),
        "regroupings": [told(one) for one in system.store.regroupings.listed()],
    }


def end(system: System) -> dict[str, Any] | None:
    """End the transition; how it went, None where none ran."""
    went = _transition(system)
    versions.end_transition(system.settings.models)
    return went


def told(one: Regrouping) -> dict[str, Any]:
    """A regrouping that was applied."""
    return {
        "id": one.id,
        "project": one.project,
        "time": present.time(one.time),
        "by": one.actor,
        "models": one.models,
        "models_before": one.models_before,
        "merged": one.merged,
        "split": one.split,
        "moved": one.moved,
        "events": one.events,
        "cost": _cost(one.rows, one.seconds, one.wrong_merges, one.wrong_splits),
        "undone": None if one.undone is None else present.time(one.undone),
        "undone_by": one.undone_by,
    }


def _number(id: str) -> int:
    digits = id.strip().upper().removeprefix("R")
    if not digits.isdigit():
        raise UsageError(f"{id!r} is no regrouping's id", hint="it looks like R1; see ems regroup --list")
    return int(digits)


def _cost(rows: int, seconds: float, wrong_merges: float, wrong_splits: float) -> dict[str, Any]:
    return {
        "rows_written": rows,
        "seconds": round(seconds, 2),
        "expected_wrong_merges": round(wrong_merges, 2),
        "expected_wrong_splits": round(wrong_splits, 2),
    }


def _planned(system: System, one: Planned, limit: int | None) -> dict[str, Any]:
    plan = one.plan
    counts = {kind.value: plan.count(kind) for kind in Kind}
    return {
        "project": plan.project,
        **counts,
        "events": plan.events,
        "versions": {"encoder": one.encoder, "grouper": one.grouper},
        "cost": {"events_encoded": plan.units} | _cost(one.rows, one.seconds, plan.wrong_merges, plan.wrong_splits),
        "changes": _changes(system, plan.project, plan.changes, limit, fresh=set(plan.made)),
    }


def _applied(system: System, one: Regrouping, limit: int | None) -> dict[str, Any]:
    _, changes = system.store.regroupings.get(one.number)
    return told(one) | {"changes": _changes(system, one.project, changes, limit)}


def _changes(
    system: System, project: str, changes: Sequence[Change], limit: int | None, fresh: set[str] | None = None
) -> list[dict[str, Any]]:
    """fresh: patterns that do not exist yet; their ids are not told, for they will be others."""
    return [
        {
            "kind": change.kind.value,
            "pattern": change.pattern,
            "into": None if fresh is not None and change.into in fresh else change.into,
            "events": change.events,
            "probability": round(change.probability, 4),
            "example": _example(system, project, change.example),
            "beside": _example(system, project, change.beside),
            "matched": list(change.matched),
            "differed": list(change.differed),
        }
        for change in changes[:limit]
    ]


def _example(system: System, project: str, event: str) -> dict[str, Any]:
    """An event as a person can judge it beside another."""
    stored = system.store.events.get(project, event)
    if stored is None:
        raise NotFound(f"there is no event {event} in project {project}", hint="run ems regroup again")
    error = stored.event.error
    raised = error.frames[-1] if error.frames else None
    return {
        "event": event,
        "type": error.type,
        "message": error.message[:MESSAGE],
        "raised_at": None
        if raised is None
        else {"file": raised.file, "function": raised.function, "line": raised.line},
    }


def _transition(system: System, *, limit: int = 10) -> dict[str, Any] | None:
    now = versions.transition(system.settings.models)
    if now is None:
        return None
    found = system.store.opinions.compared(now.before, now.after, limit=limit)
    return {
        "before": now.before,
        "after": now.after,
        "begun": present.time(now.begun),
        "until": present.time(now.until),
        "asked": found.asked,
        "differed": found.differed,
        "last": [
            {
                "event": one.event,
                "project": one.project,
                "pattern": one.pattern,
                "other": one.other,
                "probability": round(one.probability, 4),
            }
            for one in found.last
        ],
    }
