"""The outside of the sandbox: plants faults in a working copy and talks with the runner inside."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from ems_ml import sandbox
from ems_ml.errors import InputError, UsageError
from ems_ml.harvest.plan import Reach
from ems_ml.harvest.traces import Places, cleaned, digest, judge
from ems_ml.harvest.types import Bounds, Fault, Prepared
from ems_ml.types import Condition

RUNNER = Path(__file__).with_name("runner.py")
CONDITIONS = Path(__file__).with_name("conditions.py")
#: What "-P" says to a Python that has it.
RUN_ALONE = "import sys; del sys.path[0], sys.argv[0]; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
GRACE_SECONDS = 15.0  # beyond a fault's own time, before the runner itself counts as hanging
TREE_MEMORY = 2 * 1024**3
TREE_DISK = 512 * 1024**2  # of all that the tests write together
FILE_BYTES = 64 * 1024**2
CLAIM_SECONDS = 5.0  # a process that was killed lets go of its package a moment later
MOST_RAW_TRACES = 25  # of one fault, before those that do not count are taken out


class Lost(Exception):
    """The runner ended, hung or took too much; `reason` is the outcome of the fault it was at."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def claim(folder: Path, name: str) -> TextIO:
    """A folder of the cache for this process alone, until what is returned is closed or the process ends, however.

    Raises `UsageError` where another process has it.
    """
    claimed = open(folder / "lock", "w")  # noqa: SIM115 (held as long as the caller works)
    deadline = time.monotonic() + CLAIM_SECONDS
    while True:
        try:
            fcntl.flock(claimed, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return claimed
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                claimed.close()
                raise UsageError(
                    f"another process harvests {name} in this cache", hint="wait for it, or set EMS_CACHE"
                ) from error
        time.sleep(0.1)


class Worker:
    """One working copy of a package and one warm runner over it. Use as a context manager."""

    def __init__(self, prepared: Prepared, bounds: Bounds) -> None:
        self.prepared, self.bounds = prepared, bounds
        self.tree = prepared.folder / "work"
        self.home = prepared.folder / "home"
        self.source = self.tree / prepared.source.relative_to(prepared.tree)
        self.modules: list[str] = []
        self._stack = contextlib.ExitStack()
        self._running: sandbox.Running | None = None
        self._unread = b""

    def __enter__(self) -> Self:
        self._claimed = claim(self.prepared.folder, self.prepared.name)
        self._outlive_leftovers()
        self._fresh_copy()
        shutil.rmtree(self.home, ignore_errors=True)
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)
        self._claimed.close()

    def _outlive_leftovers(self) -> None:
        """Wait until the runner of a killed process has gone, which its supervisor sees to."""
        import psutil

        name = str(self.tree)
        left = [one for one in psutil.process_iter(["cmdline"]) if any(name in a for a in one.info["cmdline"] or ())]
        if psutil.wait_procs(left, timeout=15)[1]:
            self._claimed.close()
            raise UsageError(f"processes of an earlier harvest still run in {name}", hint="end them, then run again")

    @property
    def isolation(self) -> sandbox.Isolation:
        assert self._running is not None
        return self._running.isolation

    @property
    def places(self) -> Places:
        env = self.prepared.python.parent.parent
        return Places(tree=self.tree, source=self.source, tops=self.prepared.tops, home=self.home, env=env)

    def _fresh_copy(self) -> None:
        shutil.rmtree(self.tree, ignore_errors=True)
        sandbox.copy_tree(self.prepared.tree, self.tree)

    def _start(self) -> None:
        config = {
            "tree": str(self.tree),
            "source": str(self.source),
            "tops": self.prepared.tops,
            "measured": [f"{self.source / top}{end}" for top in self.prepared.tops for end in ("/**", ".py")],
            "home": str(self.home),
        }
        log = self._stack.enter_context(open(self.prepared.folder / "runner.log", "ab"))  # noqa: SIM115
        self._running = self._stack.enter_context(
            sandbox.start(
                [str(self.prepared.python), *self._way_in(), str(RUNNER), json.dumps(config)],
                cwd=self.tree,
                limits=sandbox.Limits(memory_bytes=TREE_MEMORY, processes=128, file_bytes=FILE_BYTES),
                env={
                    "PYTHONHASHSEED": "0",
                    "PYTHONNOUSERSITE": "1",
                    "PYTHONPYCACHEPREFIX": str(self.home / "pycache"),
                    "HYPOTHESIS_STORAGE_DIRECTORY": str(self.home / "hypothesis"),
                },
                readable=[
                    *(python.parent.parent for python in (self.prepared.python, self.prepared.python.resolve())),
                    *(RUNNER, CONDITIONS, self.tree),
                ],
                home=self.home,
                stdin=subprocess.PIPE,
                stderr=log,
            )
        )
        self._unread = b""
        self._ask({"do": "warm", "modules": ["pytest", "_pytest.assertion.rewrite", *self.modules]}, 120)

    def _way_in(self) -> tuple[str, ...]:
        """Arguments of Python before a script whose own folder is not to be imported from."""
        version = tuple(int(part) for part in self.prepared.python_version.split(".")[:2])
        return ("-P",) if version >= (3, 11) else ("-c", RUN_ALONE)

    def restart(self) -> None:
        """A new runner over a fresh copy, after the old one was lost."""
        self._stack.close()
        self._stack = contextlib.ExitStack()
        self._fresh_copy()
        shutil.rmtree(self.home / "scratch", ignore_errors=True)
        self._start()

    def _ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """One request and its answer; raises `Lost` where none comes in time or memory."""
        assert self._running is not None
        popen = self._running.popen
        assert popen.stdin is not None
        assert popen.stdout is not None
        try:
            popen.stdin.write(json.dumps(request).encode() + b"\n")
            popen.stdin.flush()
        except BrokenPipeError as error:
            raise Lost("crashed") from error
        deadline = time.monotonic() + seconds + GRACE_SECONDS
        parts = [self._unread]
        while b"\n" not in parts[-1]:
            if select.select([popen.stdout], [], [], 0.2)[0]:
                parts.append(os.read(popen.stdout.fileno(), 1 << 20))
                if not parts[-1]:
                    raise Lost("crashed")
            elif time.monotonic() > deadline:
                raise Lost("timed_out")
            elif self._running.memory_bytes() > TREE_MEMORY:
                raise Lost("memory")
            elif _disk_bytes(self.home) > TREE_DISK:
                raise Lost("disk")
        line, _, self._unread = b"".join(parts).partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _request(self, **more: Any) -> dict[str, Any]:
        return {
            "seconds": self.bounds.fault_seconds,
            "memory": self.bounds.fault_memory,
            "file_bytes": FILE_BYTES,
            **more,
        }

    def baseline(self) -> tuple[Reach, int]:
        """Run all tests twice on healthy code, once under coverage. The reach of those that pass both times, and
        how many are left out. Raises `InputError` where none pass."""
        passed: list[dict[str, float]] = []
        records: list[dict[str, Any]] = []
        for coverage in (False, True):
            request = self._request(
                do="baseline", coverage=coverage, compile=not coverage, args=list(self.prepared.tests), tests=None
            )
            request |= {"seconds": self.bounds.baseline_seconds, "patience": 3 * self.bounds.slowest_test}
            request |= {"per_function": self.bounds.per_test_function, "enough_seconds": 0.8 * request["seconds"]}
            try:
                answer = self._ask(request, self.bounds.baseline_seconds)
            except Lost as lost:
                raise InputError(
                    f"the tests of {self.prepared.name} cannot be run: {lost.reason}", hint="harvest another package"
                ) from lost
            records = answer["records"]
            if answer["ended"] != "exited" or not records or records[-1]["kind"] != "end":
                why = records[-1].get("error", "") if records else ""
                raise InputError(
                    f"the tests of {self.prepared.name} do not come to their end: {answer['ended']} {why}",
                    hint="raise the baseline's time, or harvest another package",
                )
            outcomes = [record for record in records if record["kind"] == "test"]
            broken = {r["test"] for r in outcomes if not r["passed"]}
            passed.append({r["test"]: r["seconds"] for r in outcomes if r["passed"] and r["test"] not in broken})
        self._check_origin(records[-1]["where"])
        slowest = self.bounds.slowest_test
        tests = tuple(sorted(t for t in passed[0] if passed[0][t] <= slowest and t in passed[1]))
        if not tests:
            raise InputError(
                f"no test of {self.prepared.name} passes on healthy code: {_why(records)}",
                hint="harvest another package",
            )
        self.modules = records[-1]["modules"]
        with contextlib.suppress(Lost):  # what cannot be warmed is imported by each child
            self._ask({"do": "warm", "modules": self.modules}, 120)
        found = max((record["found"] for record in records if record["kind"] == "collected"), default=len(tests))
        return Reach(tests=tests, lines=self._lines(records, tests)), found - len(tests)

    def _check_origin(self, where: Mapping[str, str | None]) -> None:
        for top, file in where.items():
            if file is not None and not file.startswith(f"{self.source}/"):
                raise InputError(f"tests import {top} from {file}, not from the copy", hint="harvest another package")

    def _lines(self, records: list[dict[str, Any]], tests: tuple[str, ...]) -> dict[str, dict[int, frozenset[int]]]:
        index = {test: position for position, test in enumerate(tests)}
        lines: dict[str, dict[int, frozenset[int]]] = {}
        names: list[str] = next((record["names"] for record in records if record["kind"] == "contexts"), [])
        for record in (record for record in records if record["kind"] == "lines"):
            file = os.path.relpath(record["file"], self.tree)
            for line, contexts in record["lines"].items():
                reached = frozenset(index[names[at]] for at in contexts if names[at] in index)
                if reached:
                    lines.setdefault(file, {})[int(line)] = reached
        return lines

    def try_fault(self, fault: Fault, healthy: str, tests: list[str]) -> dict[str, Any]:
        """Plant one fault, run `tests`, mend it again: the outcome and the traces that count."""
        target = self.tree / fault.file
        began = time.monotonic()
        target.write_text(fault.plant(healthy), encoding="utf-8", newline="")
        try:
            answer = self._run_tests(tests, fault)
        except Lost as lost:
            self.restart()
            return {"outcome": lost.reason, "traces": [], "asserted": 0, "seconds": time.monotonic() - began}
        finally:
            shutil.copy2(self.prepared.tree / fault.file, target)
        if not self.isolation.filesystem:
            self._fresh_copy()  # nothing kept the tests from writing into it
        return {**self._judged(answer, fault.condition), "seconds": round(time.monotonic() - began, 3)}

    def _run_tests(self, tests: list[str], fault: Fault) -> dict[str, Any]:
        """Collect only what is named; where the fault changes the names, collect the files."""
        condition: dict[str, Any] | None = None
        if fault.condition is not None:
            place = {"file": str(self.tree / fault.file), "start": fault.start + 1, "end": fault.end}
            condition = {**asdict(fault.condition), **place}
        functions = sorted({test.partition("[")[0] for test in tests})
        answer: dict[str, Any] = {}
        for args in (functions, sorted({test.partition("::")[0] for test in tests})):
            request = self._request(do="try", args=args, tests=tests, most=MOST_RAW_TRACES, condition=condition)
            answer = self._ask(request, self.bounds.fault_seconds)
            end = answer["records"][-1] if answer["records"] else {}
            if end.get("code") != 4:  # pytest: a named test was not found
                break
        return answer

    def _judged(self, answer: Mapping[str, Any], condition: Condition | None = None) -> dict[str, Any]:
        records = answer["records"]
        kept: dict[str, dict[str, Any]] = {}
        told = {"asserted": 0, "elsewhere": 0, "import": 0}
        hog = False
        for raw in (record for record in records if record["kind"] == "trace"):
            trace = cleaned(raw, self.places)
            verdict = judge(trace, at_import=condition is not None)
            if trace["type"] == "MemoryError":
                hog = True
            elif verdict == "kept":
                kept.setdefault(digest(trace), trace)
            else:
                told[verdict] += 1
        ran = any(record["kind"] == "test" for record in records)
        ended = any(record["kind"] == "end" for record in records)
        crashed = any(record["kind"] == "crash" for record in records)
        if kept:
            outcome = "kept"
        elif hog or (crashed and "MemoryError" in json.dumps(records[-1])):
            outcome = "memory"
        elif answer["ended"] == "timeout" or answer["ended"] == "signal 24":  # SIGXCPU
            outcome = "timed_out"
        elif told["asserted"]:
            outcome = "asserted_only"
        elif told["elsewhere"]:
            outcome = "elsewhere_only"
        elif told["import"] or (ended and not ran):
            outcome = "broke_import"
        elif not ended or crashed:
            outcome = "crashed"
        else:
            outcome = "survived"
        traces = list(kept.values())[: self.bounds.traces_per_fault]
        return {"outcome": outcome, "traces": traces, "asserted": told["asserted"]}


def _why(records: list[dict[str, Any]]) -> str:
    """What broke most tests of a run, in one short line."""
    broken = [record["error"] for record in records if record["kind"] == "broken"]
    traces = [f"{r['type']}: {r['message']}" for r in records if r["kind"] == "trace"]
    counted = Counter(" ".join(said.split())[:200] for said in broken or traces)
    return counted.most_common(1)[0][0] if counted else "none was found, or all are skipped or too slow"


def _disk_bytes(folder: Path) -> int:
    """What the files below a folder take on the disk."""
    total = 0
    for path, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # tests remove files meanwhile
                total += os.lstat(os.path.join(path, file)).st_blocks * 512
    return total
