"""Use cases that change something: classify, decide, fix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ems_ml.build import System, problem_to_json, result_to_json, shorten
from ems_ml.errors import InputError, UsageError
from ems_ml.events import FixTried, PatternChanged
from ems_ml.service.reading import row_of
from ems_ml.service.views import Classified, PatternRow
from ems_ml.types import PatternStatus, Problem, RawReport, Verdict

STATUSES = {
    "resolve": PatternStatus.RESOLVED,
    "ignore": PatternStatus.IGNORED,
    "reopen": PatternStatus.OPEN,
}
ACTIONS = ("merge", "split", "apart", *STATUSES)


def classify_text(
    system: System, text: str, *, project: str = "default", record: bool = True, source: str = "stdin", id: str = ""
) -> Classified:
    """One report as text. `record`: whether it is stored as an event. Raises `InputError` for an empty one."""
    if not text.strip():
        raise InputError("the report is empty", hint="paste an error report: a traceback, or a log")
    kept, _ = shorten(text, system.settings.max_report_bytes)
    return classify_report(system, RawReport(text=kept, project=project, source=source, id=id), record=record)


def classify_report(
    system: System, report: RawReport, *, source: Path | None = None, record: bool = True
) -> Classified:
    """One report in any form. `source`: a folder with the code that the trace names, for lines that it lacks."""
    result = system.line(source=source, record=record).process(report)
    return Classified(
        result=result,
        json=result_to_json(result),
        pattern=row_of(system, result.assignment.pattern) if record else None,
    )


def classify_batch(
    system: System, reports: Iterable[RawReport | Problem], *, source: Path | None = None
) -> Iterator[dict[str, Any]]:
    """The public answer for each report, in order; what cannot be answered becomes `{"id", "problem"}`."""
    for answer in system.line(source=source).process_many(reports):
        yield problem_to_json(answer) if isinstance(answer, Problem) else result_to_json(answer)


def json_line(answer: Mapping[str, Any]) -> str:
    """An answer as one line."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")) + "\n"


def decide(
    system: System, action: str, pattern: str, *, other: str = "", events: Sequence[str] = (), by: str = ""
) -> PatternRow:
    """A person's decision: it binds at once and is kept as training data. Answers the pattern as it is then.

    merge: `pattern` becomes part of `other` (answers that). split: `events` leave `pattern` (answers the new one).
    apart: `pattern` and `other` are never the same. resolve, ignore, reopen: its status. `by`: who decided.
    Raises `NotFound`, `UsageError`.
    """
    decisions = system.store.decisions
    actor = by or "unknown"
    if action in ("merge", "apart") and not other:
        raise UsageError(f"{action} needs a second pattern", hint="name two patterns")
    if action == "merge":
        changed = decisions.merge(pattern, other, actor=actor).id
    elif action == "split":
        changed = decisions.split(pattern, tuple(events), actor=actor).id
    elif action == "apart":
        decisions.apart(pattern, other, actor=actor)
        changed = pattern
    elif action in STATUSES:
        changed = decisions.set_status(pattern, STATUSES[action], actor=actor).id
    else:
        raise UsageError(f"there is no action {action!r}", hint=f"use one of {', '.join(ACTIONS)}")
    system.bus.publish(PatternChanged(pattern=changed, action=action))
    return row_of(system, changed)


def fix(
    system: System,
    repo: Path,
    report: RawReport,
    *,
    test_command: str | None = None,
    budget: float = 300.0,
    python: str | None = None,
    branch: str | None = None,
    publish: bool = True,
    pattern: str | None = None,
) -> Verdict:
    """Find a repair of the error in a git repository and prove it with its tests. The attempt is recorded.

    `pattern`: the one that the error belongs to, where it is known; else it is looked up without recording the error.
    """
    event = system.understand(report)
    if pattern is None:
        assignment = system.line(record=False).process_event(event).assignment
        pattern = assignment.pattern if assignment.decision.value == "joined" else None
    verdict = system.repair(
        repo, event, test_command=test_command, budget=budget, python=python, branch=branch, publish=publish
    )
    system.store.record_fix(event.project, event.id, pattern, verdict)
    system.bus.publish(FixTried(event=event.id, pattern=pattern, verdict=verdict.verdict, strategy=verdict.strategy))
    return verdict
