"""The new tests on the old code: whether a commit mended a crash, and how that crash looked."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ems_ml.harvest.commits import Candidate
from ems_ml.harvest.eras import Builder, Environment, Era, Way, place
from ems_ml.harvest.libraries import lacking_library
from ems_ml.harvest.traces import cleaned, digest, judge
from ems_ml.harvest.types import Bounds, Prepared
from ems_ml.harvest.worker import MOST_RAW_TRACES, Lost, Worker

REPLAY_OUTCOMES = (
    "kept",  # a test that passes after the fix raised in the project's code before it
    "passes_before",  # the new tests pass on the old code
    "asserted_only",  # they fail on it, but only by assertions of their own
    "elsewhere_only",  # they raise on it, but in test or runner code
    "feature",  # they need a name that does not exist before
    "still_fails",  # what raises before the fix raises after it, too: the environment, not the code
    "flaky",  # it raised once, and not again
    "not_collected",  # the tests cannot be imported, or none of them is run
    "timed_out",
    "memory",
    "disk",
    "crashed",
    "no_environment",  # what the commit needs cannot be had on this interpreter
)
LENIENT = ["-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning", "-W", "ignore::FutureWarning"]
LENIENT += ["-o", "required_plugins=", "-o", "minversion=0", "-o", "xfail_strict=false"]
LENIENT += ["--continue-on-collection-errors"]  # the other files count
NO_WARNING_IS_AN_ERROR = ["-o", "filterwarnings="]
#: Until then pytest-asyncio took every async test for its own; later a project says so where it wants it.
ASYNCIO_AUTO, _AUTO = "2022", ["-o", "asyncio_mode=auto"]
UNEXPLAINED = ("not_collected", "crashed", "no_environment", "still_fails")  # outcomes with a reason beside them
LONGEST_REASON = 300  # characters
_GENERATED = re.compile(r"_?version(?:_info)?\.py$|_?version__\.py$")
_MISSING = re.compile(
    r"has no attribute '(\w+)'|cannot import name '(\w+)'|No module named '(?:[\w.]*\.)?(\w+)'"
    r"|name '(\w+)' is not defined|unexpected keyword argument '(\w+)'|^'?(\w+)'?$"
)
_SAID = re.compile(r"^(?:E\s+)?(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Warning|Failure)): (?P<message>.+)$", re.M)
_MISSING_TYPES = ("AttributeError", "ImportError", "ModuleNotFoundError", "NameError", "TypeError", "KeyError")


class Replayer(Worker):
    """One working copy of a history and a warm runner in the environment of an era. Use as a context manager."""

    def __init__(self, builder: Builder, project: str, era: Era, way: Way, env: Environment, bounds: Bounds) -> None:
        folder = builder.folder
        tree = folder / "work"
        prepared = Prepared(
            name=project,
            version=era.name,
            licence="",
            folder=folder,
            tree=tree,
            source=tree / era.layout.source,
            tops=era.layout.tops,
            tests=(),
            python=env.python,
            python_version=env.version,
        )
        super().__init__(prepared, bounds)
        self.builder, self.repository, self.day = builder, builder.repository, way.day
        self.env = env.python.parent.parent
        self.commit = era.candidates[0].commit
        self._added: set[str] = set()  # distributions that were asked for beside what the era declares
        self._more: list[str] = []  # arguments for pytest that the candidate at hand needs

    def _fresh_copy(self) -> None:
        shutil.rmtree(self.tree, ignore_errors=True)
        index = self.prepared.folder / "index"
        index.unlink(missing_ok=True)
        place(self.repository, self.commit, self.tree, index)
        self._bring_generated()

    def _bring_generated(self) -> None:
        """What the build makes and git does not hold, the file of the version, as the environment got it."""
        for packages in self.env.glob("lib/python*/site-packages"):
            for top in self.prepared.tops:
                for file in (packages / top).rglob("*.py"):
                    target = self.source / file.relative_to(packages)
                    if _GENERATED.search(file.name) and target.parent.is_dir() and not target.exists():
                        shutil.copyfile(file, target)

    def replay(self, candidate: Candidate) -> dict[str, Any]:
        """One outcome of `REPLAY_OUTCOMES`, the tests that were run, and the traces of a crash that was mended.

        Beside an outcome of `UNEXPLAINED` stands its "reason".
        """
        began = time.monotonic()
        self.commit = candidate.commit
        self._more = _AUTO if candidate.time < ASYNCIO_AUTO else []
        try:
            place(self.repository, candidate.commit, self.tree, self.prepared.folder / "index")
            outcome, traces, reason = self._try(candidate)
        except Lost as lost:
            outcome, traces, reason = lost.reason, [], "the runner ended"
            self.restart()
        finally:
            self._write(candidate, after=True)
        return {
            "outcome": outcome,
            "tests": sorted({trace["test"] for trace in traces}) or list(candidate.tests),
            "traces": traces,
            "seconds": round(time.monotonic() - began, 3),
            **({"reason": reason[:LONGEST_REASON]} if outcome in UNEXPLAINED else {}),
        }

    def _write(self, candidate: Candidate, *, after: bool) -> None:
        for change in candidate.sources:
            text = change.after if after else change.before
            path = self.tree / change.path
            if text is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="")

    def _try(self, candidate: Candidate) -> tuple[str, list[dict[str, Any]], str]:
        self._write(candidate, after=False)
        answer = self._begin(candidate)
        outcome, crashes = self._read(answer, candidate)
        if not crashes:
            return outcome, [], self._why(answer)
        files = sorted({trace["test"].partition("::")[0] for trace in crashes})
        tests = sorted({trace["test"] for trace in crashes})
        self._write(candidate, after=True)
        fixed = self._run(files, tests)
        passed = _passed(fixed)
        crashes = [trace for trace in crashes if trace["test"] in passed]
        if not crashes:
            return "still_fails", [], self._why(fixed)
        self._write(candidate, after=False)
        again = {_place_of(trace) for trace in self._crashes(self._run(files, tests))}
        crashes = [trace for trace in crashes if _place_of(trace) in again]
        return ("kept", crashes, "") if crashes else ("flaky", [], "")

    def _begin(self, candidate: Candidate) -> dict[str, Any]:
        """The new tests on the old code. What keeps them from being collected is mended where it can be."""
        tests = candidate.tests
        answer = self._run(tests, None)
        if _code(answer) == 4 and tests != candidate.test_files:  # a test has another name than it seems
            tests = candidate.test_files
            answer = self._run(tests, None)
        while not _ran(answer):
            said = " ".join(self._all_said(answer))
            library = lacking_library(said, self.prepared.tops)
            if library and library not in self._added:
                self._added.add(library)
                if not self.builder.add(self.prepared.python, library, self.day):
                    break
            elif "Warning" in said and not {*NO_WARNING_IS_AN_ERROR} <= {*self._more}:
                self._more = [*self._more, *NO_WARNING_IS_AN_ERROR]
            else:
                break
            answer = self._run(tests, None)
        return answer

    def _run(self, args: Sequence[str], tests: list[str] | None) -> dict[str, Any]:
        request = self._request(do="try", args=[*LENIENT, *self._more, *args], tests=tests, most=MOST_RAW_TRACES)
        return self._ask(request, self.bounds.fault_seconds)

    def _all_said(self, answer: Mapping[str, Any]) -> list[str]:
        """What an answer says of why tests do not run, most telling first, without paths of this machine."""
        records = answer["records"]
        said = [one["error"] for kind in ("broken", "crash") for one in records if one["kind"] == kind]
        said += [f"{one['type']}: {one['message']}" for one in records if one["kind"] == "trace"]
        return [self.places.text(one) for one in said]

    def _why(self, answer: Mapping[str, Any]) -> str:
        """The reason for an outcome of `UNEXPLAINED`, in one line."""
        said = self._all_said(answer)
        if said:
            told = list(_SAID.finditer(said[0]))
            line = f"{told[-1]['type']}: {told[-1]['message']}" if told else said[0].strip().splitlines()[-1]
            return " ".join(line.split())
        if any(record["kind"] == "test" for record in answer["records"]):
            return "every test is skipped"
        return "no test is found" if answer["ended"] == "exited" else f"the run ended by {answer['ended']}"

    def _crashes(self, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The traces of tests that raised in the project's code, each different one once."""
        found: dict[str, dict[str, Any]] = {}
        for raw in (record for record in answer["records"] if record["kind"] == "trace"):
            trace = cleaned(raw, self.places)
            if judge(trace) == "kept":
                found.setdefault(digest(trace), trace)
        return list(found.values())[: self.bounds.traces_per_fault]

    def _read(self, answer: Mapping[str, Any], candidate: Candidate) -> tuple[str, list[dict[str, Any]]]:
        records = answer["records"]
        raised = [cleaned(record, self.places) for record in records if record["kind"] == "trace"]
        crashes = self._crashes(answer)
        real = [trace for trace in crashes if not needs_new_name(trace, candidate)]
        if real:
            return "kept", real
        verdicts = {judge(trace) for trace in raised}
        said = [found.groupdict() for one in self._all_said(answer) if (found := _SAID.search(one))]
        if any(needs_new_name(trace, candidate) for trace in (*raised, *(said if not _ran(answer) else ()))):
            return "feature", []
        if answer["ended"] in ("timeout", "signal 24"):  # SIGXCPU
            return "timed_out", []
        crashed = any(record["kind"] == "crash" for record in records)
        if crashed and any(record["kind"] == "collected" for record in records):
            return "crashed", []
        if crashed or not _ran(answer):
            return "not_collected", []
        if "asserted" in verdicts:
            return "asserted_only", []
        return ("elsewhere_only" if verdicts else "passes_before"), []


def needs_new_name(trace: Mapping[str, Any], candidate: Candidate) -> bool:
    """Whether a trace only says that a name is missing which the commit brings in: a feature, not a crash."""
    if trace["type"] not in _MISSING_TYPES:
        return False
    found = _MISSING.search(trace["message"])
    if found is None:
        return False
    word = re.compile(rf"\b{next(name for name in found.groups() if name)}\b")
    stems = [Path(change.path).stem for change in candidate.sources if change.before is None]
    before = [change.before for change in candidate.sources if change.before is not None]
    new = any(word.search(line) for line in (*candidate.added, *stems))
    return new and not any(word.search(text) for text in before)


def _ran(answer: Mapping[str, Any]) -> bool:
    """Whether at least one test was run, whatever came of it."""
    return any(record["kind"] == "test" and not record["skipped"] for record in answer["records"])


def _code(answer: Mapping[str, Any]) -> int | None:
    ends = [record for record in answer["records"] if record["kind"] == "end"]
    return int(ends[-1]["code"]) if ends else None


def _passed(answer: Mapping[str, Any]) -> set[str]:
    tests = [record for record in answer["records"] if record["kind"] == "test"]
    failed = {record["test"] for record in tests if not record["passed"]}
    return {record["test"] for record in tests if record["passed"]} - failed


def _place_of(trace: Mapping[str, Any]) -> tuple[object, ...]:
    """What must be the same when a crash comes again; its message may hold an address or a time."""
    return trace["test"], trace["type"], *((frame["file"], frame["line"]) for frame in trace["frames"])
