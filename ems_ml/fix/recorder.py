"""Runs inside the tested project's interpreter and writes down what its tests did, one JSON line each.

It is copied out as the module `ems_recorder` and needs nothing but the standard library of Python 3.8+. Two doors:
a pytest plugin (`-p ems_recorder`, so any command that ends in pytest records), and a unittest runner
(`python -m ems_recorder ARGUMENTS`). The environment says where and what:

EMS_RECORD  the file to append to
EMS_SELECT  a file of test ids, one a line; others are left out. A whole test file may be named
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from types import TracebackType
from typing import Any

RECORD = os.environ.get("EMS_RECORD", "")
OWNER = "EMS_RECORD_OWNER"
MAX_FRAMES = 200
MAX_MESSAGE = 4000


def _write(**record: object) -> None:
    line = json.dumps(record, default=str) + "\n"
    with open(RECORD, "ab") as file:
        file.write(line.encode("utf-8", "surrogatepass"))


def _selected() -> set[str] | None:
    path = os.environ.get("EMS_SELECT")
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        return {line.rstrip("\n") for line in file if line.strip()}


def _frames(tb: TracebackType | None) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    for frame, line in traceback.walk_tb(tb):
        code = frame.f_code
        frames.append(
            {
                "file": os.path.abspath(code.co_filename) if code.co_filename[:1] != "<" else code.co_filename,
                "function": code.co_name,
                "line": line,
                "module": frame.f_globals.get("__name__"),
            }
        )
    if len(frames) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        frames = frames[:half] + frames[-half:]
    return frames


def _chain(raised: BaseException) -> list[dict[str, Any]]:
    """The exception and what led to it, the one raised last first."""
    error: BaseException | None = raised
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    relation: str | None = None
    while error is not None and id(error) not in seen and len(found) < 20:
        seen.add(id(error))
        kind = type(error)
        module = getattr(kind, "__module__", None)
        name = kind.__name__ if module in (None, "builtins") else f"{module}.{kind.__name__}"
        try:
            message = str(error)
        except Exception as second:
            message = f"<no message: {type(second).__name__}>"
        frames = _frames(error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename:
            frames.append(
                {"file": os.path.abspath(error.filename), "function": "<module>", "line": error.lineno, "module": None}
            )
        found.append({"type": name, "message": message[:MAX_MESSAGE], "frames": frames, "relation": relation})
        if error.__cause__ is not None:
            error, relation = error.__cause__, "cause"
        elif error.__context__ is not None and not error.__suppress_context__:
            error, relation = error.__context__, "context"
        else:
            error = None
    return found


# --- pytest -----------------------------------------------------------------------------------------------


def pytest_configure(config: Any) -> None:
    """Take part in the outermost run and its workers only, and let nothing stop that run early."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    inner = os.environ.get(OWNER) not in (None, "", str(os.getpid())) and not worker
    if not RECORD or inner:
        return
    if not worker:
        os.environ[OWNER] = str(os.getpid())
        _write(kind="start", pid=os.getpid())
    config.option.maxfail = 0
    config.option.continue_on_collection_errors = True
    config.pluginmanager.register(_Recorder(bool(worker)), "ems_recorder_active")


def pytest_unconfigure(config: Any) -> None:
    if os.environ.get(OWNER) == str(os.getpid()):
        del os.environ[OWNER]


class _Recorder:
    def __init__(self, worker: bool) -> None:
        self.worker = worker

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        wanted = _selected()
        if wanted is None:
            return
        kept: list[Any] = []
        left: list[Any] = []
        for item in items:
            inside = any(item.nodeid.startswith(name + "::") for name in wanted)
            (kept if inside or item.nodeid in wanted else left).append(item)
        if left:
            config.hook.pytest_deselected(items=left)
            items[:] = kept

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if call.excinfo is not None:
            wanted = call.excinfo.value
            # What a test module raised at import is wrapped by pytest; the cause is what is wanted.
            cause = wanted.__cause__
            if type(wanted).__name__ == "CollectError" and cause is not None:
                wanted = cause
            _write(kind="failure", id=report.nodeid, when=getattr(report, "when", "collect"), chain=_chain(wanted))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not self.worker:
            outcome = report.outcome
            if hasattr(report, "wasxfail"):
                outcome = "xfailed" if report.outcome == "skipped" else "xpassed"
            _write(kind="test", id=report.nodeid, when=report.when, outcome=outcome, seconds=report.duration)

    def pytest_collectreport(self, report: Any) -> None:
        if not self.worker and report.outcome == "failed":
            _write(kind="test", id=report.nodeid, when="collect", outcome="failed", seconds=0)

    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        if not self.worker:
            _write(kind="finish", pid=os.getpid(), status=int(exitstatus))


# --- unittest ---------------------------------------------------------------------------------------------


def _unittest_main() -> None:
    import time
    import unittest

    class Result(unittest.TextTestResult):
        began = 0.0

        def startTest(self, test: Any) -> None:
            self.began = time.time()
            super().startTest(test)

        def note(self, test: Any, outcome: str, error: Any = None) -> None:
            if error is not None:
                _write(kind="failure", id=test.id(), when="call", chain=_chain(error[1]))
            _write(kind="test", id=test.id(), when="call", outcome=outcome, seconds=time.time() - self.began)

        def addSuccess(self, test: Any) -> None:
            super().addSuccess(test)
            self.note(test, "passed")

        def addError(self, test: Any, err: Any) -> None:
            super().addError(test, err)
            self.note(test, "failed", err)

        def addFailure(self, test: Any, err: Any) -> None:
            super().addFailure(test, err)
            self.note(test, "failed", err)

        def addSkip(self, test: Any, reason: str) -> None:
            super().addSkip(test, reason)
            self.note(test, "skipped")

        def addExpectedFailure(self, test: Any, err: Any) -> None:
            super().addExpectedFailure(test, err)
            self.note(test, "xfailed")

        def addUnexpectedSuccess(self, test: Any) -> None:
            super().addUnexpectedSuccess(test)
            self.note(test, "xpassed")

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
            super().addSubTest(test, subtest, err)
            if err is not None:
                self.note(test, "failed", err)

    class Loader(unittest.TestLoader):
        def discover(self, *args: Any, **kwargs: Any) -> Any:
            suite = super().discover(*args, **kwargs)
            wanted = _selected()
            if wanted is None:
                return suite

            def walk(tests: Any) -> Any:
                for test in tests:
                    if isinstance(test, unittest.TestSuite):
                        yield from walk(test)
                    elif test.id() in wanted:
                        yield test

            return unittest.TestSuite(walk(suite))

    _write(kind="start", pid=os.getpid())
    runner = unittest.TextTestRunner(resultclass=Result)  # type: ignore[arg-type]
    program = unittest.main(
        module=None, argv=["python -m unittest", *sys.argv[1:]], testRunner=runner, testLoader=Loader(), exit=False
    )
    status = 0 if program.result.wasSuccessful() else 1
    _write(kind="finish", pid=os.getpid(), status=status)
    sys.exit(status)


if __name__ == "__main__":
    _unittest_main()
