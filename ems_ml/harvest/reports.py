"""Reports of past test runs: each failure becomes an error of its project, stored and grouped as if it came now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ems_ml.errors import EmsError
from ems_ml.types import Decision, Problem, RawReport, Result

MOST_PROBLEMS = 5  # of one file that are told; all are counted

Read = Callable[[Path], Iterator[RawReport | Problem]]
Line = Callable[[Iterable[RawReport | Problem]], Iterator[Result | Problem]]
Known = Callable[[str, str], bool]  # project, id -> whether the store holds that event


@dataclass(slots=True, kw_only=True)
class ReportFile:
    """What one file held. `failures` is the sum of `stored`, `again` and those that became problems."""

    file: str
    failures: int = 0
    stored: int = 0
    again: int = 0  # in the store already, or twice in the file
    patterns: int = 0  # that did not exist before
    broken: int = 0  # lines or failures that could not be read or answered
    problems: list[str] = field(default_factory=list)

    def problem(self, said: str) -> None:
        """Count what could not be read."""
        self.broken += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(said)


def harvest_reports(files: Sequence[Path], *, read: Read, known: Known, line: Line) -> list[ReportFile]:
    """Bring the failures of each file into the store, in the order given; a file that was read before adds nothing.

    A failure's id says its test, its time and its traceback, so that the same run counts once however often it is
    read. What cannot be read is counted, and stops nothing.
    """
    return [_harvest(path, read, known, line) for path in files]


def _harvest(path: Path, read: Read, known: Known, line: Line) -> ReportFile:
    found = ReportFile(file=str(path))
    try:
        for answer in line(_new(read(path), known, found)):
            if isinstance(answer, Problem):
                found.problem(answer.problem)
            else:
                found.stored += 1
                found.patterns += answer.assignment.decision is not Decision.JOINED
    except EmsError as error:
        found.problem(str(error))
    return found


def _new(reports: Iterator[RawReport | Problem], known: Known, found: ReportFile) -> Iterator[RawReport | Problem]:
    seen: set[str] = set()
    for report in reports:
        if isinstance(report, Problem):
            yield report
            continue
        found.failures += 1
        named = replace(report, id=_identity(report))
        if named.id in seen or known(named.project, named.id):
            found.again += 1
            continue
        seen.add(named.id)
        yield named


def _identity(report: RawReport) -> str:
    record = report.payload or {}
    time = report.time.isoformat() if report.time else ""
    said = [record.get("nodeid"), record.get("when"), time, record.get("longrepr"), report.text]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:32]
