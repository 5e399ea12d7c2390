"""Runs a project's tests within bounds and reads what they did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ems_ml.fix.command import SuiteCommand
from ems_ml.repo import Worktree
from ems_ml.sandbox import Completed, Limits, run
from ems_ml.types import ExceptionRecord, Frame

RECORDER = Path(__file__).with_name("recorder.py")
MIB = 1 << 20
OUTPUT_BYTES = 4 * MIB
MEMORY_BYTES = 4096 * MIB
PROCESSES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One exception that failed a test. `chain`: the one raised last first."""

    id: str  # test id; the file's where it failed at collection; "" for a command that does not tell its tests
    when: str  # setup, call, teardown, collect
    chain: tuple[ExceptionRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """What one run of a test command did."""

    outcomes: Mapping[str, str]  # test id -> passed, failed, skipped, xfailed, xpassed
    failures: tuple[Failure, ...]
    structured: bool  # the tests told each result themselves; else only exit code and output are known
    complete: bool  # ended by itself, and every test session in it to its end
    reason: str  # exited, timeout, memory, killed
    returncode: int
    seconds: float
    output: str
    isolation: str

    @property
    def passed(self) -> frozenset[str]:
        return self.with_outcome("passed")

    @property
    def failed(self) -> frozenset[str]:
        return self.with_outcome("failed")

    def with_outcome(self, outcome: str) -> frozenset[str]:
        return frozenset(test for test, what in self.outcomes.items() if what == outcome)

    def counts(self) -> dict[str, int]:
        """Outcome -> number of tests, sorted."""
        values = list(self.outcomes.values())
        return {name: values.count(name) for name in sorted(set(values))}

    def last_words(self) -> str:
        """The last line of the output that says something, or how the run ended."""
        if self.reason != "exited":
            return {"timeout": "it ran out of time", "memory": "it ran out of memory"}.get(self.reason, "it was killed")
        lines = [line.strip(" =") for line in self.output.splitlines() if line.strip(" =-")]
        return lines[-1][:200] if lines else f"exit code {self.returncode}, nothing printed"


@dataclass(slots=True)
class SuiteBench:
    """Runs one test command on a worktree as often as asked."""

    worktree: Worktree
    command: SuiteCommand
    import_roots: tuple[str, ...] = ("",)  # folders that come first on PYTHONPATH, relative to the tree
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    _runs: int = 0

    def run(self, *, seconds: float, select: Sequence[str] = ()) -> SuiteRun:
        """Run all tests, or those of `select`, for at most `seconds`.

        A command that does not record its tests always runs whole.
        """
        self._runs += 1
        plugin, record_folder = self.worktree.folder / "plugin", self.worktree.folder / "run"
        plugin.mkdir(exist_ok=True)
        record_folder.mkdir(exist_ok=True)
        shutil.copyfile(RECORDER, plugin / "ems_recorder.py")
        shutil.rmtree(self.worktree.tree / ".pytest_cache", ignore_errors=True)
        record = record_folder / f"{self._runs}.jsonl"
        env = self._environment(plugin, record)
        if select:
            chosen = record_folder / f"{self._runs}.select"
            chosen.write_text("\n".join(select) + "\n", encoding="utf-8")
            env["EMS_SELECT"] = str(chosen)
        completed = run(
            self.command.argv + self._files(select),
            cwd=self.worktree.tree,
            limits=Limits(
                seconds=max(seconds, 0.1), output_bytes=OUTPUT_BYTES, memory_bytes=MEMORY_BYTES, processes=PROCESSES
            ),
            env=env,
            network=self.network,
            user="same",  # the tests are the user's own, and run as they run them
            readable=[plugin, *(Path(path) for path in self.command.readable)],
            writable=[self.worktree.tree, record_folder],
        )
        return _read(record, completed)

    def _environment(self, plugin: Path, record: Path) -> dict[str, str]:
        roots = [str(self.worktree.tree / root) if root else str(self.worktree.tree) for root in self.import_roots]
        return {
            "PATH": self.command.path,
            "NO_COLOR": "1",
            **self.env,
            "PYTEST_ADDOPTS": f"-p ems_recorder {self.env.get('PYTEST_ADDOPTS', '')}".strip(),
            "PYTHONPATH": ":".join([*roots, str(plugin), *filter(None, [self.env.get("PYTHONPATH")])]),
            "EMS_RECORD": str(record),
        }

    def _files(self, select: Sequence[str]) -> tuple[str, ...]:
        """For our own pytest command: the test files, so that the others need not be collected."""
        if self.command.kind != "pytest":
            return ()
        files = tuple(dict.fromkeys(test.split("::", 1)[0] for test in select))
        return files if all((self.worktree.tree / file).is_file() for file in files) else ()


def _read(record: Path, completed: Completed) -> SuiteRun:
    lines: list[dict[str, Any]] = []
    if record.is_file():
        for text in record.read_bytes().decode("utf-8", "replace").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue  # the last line of a killed run
    started = sum(line["kind"] == "start" for line in lines)
    finished = sum(line["kind"] == "finish" for line in lines)
    outcomes: dict[str, str] = {}
    for line in lines:
        if line["kind"] == "test":
            _note(outcomes, line)
    failures = tuple(
        Failure(id=line["id"], when=line["when"], chain=tuple(_exception(each) for each in line["chain"]))
        for line in lines
        if line["kind"] == "failure"
    )
    return SuiteRun(
        outcomes=outcomes,
        failures=failures,
        structured=bool(started),
        complete=completed.reason == "exited" and started == finished,
        reason=completed.reason,
        returncode=completed.returncode,
        seconds=completed.seconds,
        output=completed.text,
        isolation=completed.isolation.level,
    )


def _note(outcomes: dict[str, str], line: Mapping[str, Any]) -> None:
    """A test's outcome is its call's, unless any phase failed or its setup skipped it."""
    test, outcome = line["id"], line["outcome"]
    decides = outcome in ("failed", "skipped") or line["when"] in ("call", "collect")
    if decides and outcomes.get(test) != "failed":
        outcomes[test] = outcome


def _exception(data: Mapping[str, Any]) -> ExceptionRecord:
    frames = tuple(
        Frame(file=frame["file"], function=frame["function"], line=frame["line"], module=frame["module"])
        for frame in data["frames"]
    )
    return ExceptionRecord(
        type=data["type"], message=data["message"], frames=frames, relation=data.get("relation") or None
    )
