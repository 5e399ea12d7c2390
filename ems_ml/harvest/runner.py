"""Inside the sandbox: keeps an interpreter warm and forks it for each fault.

`ENV/bin/python -P runner.py CONFIG` runs as the sandboxed process, with the harvest environment's interpreter, and
stands alone (standard library, pytest and coverage). It reads one JSON request a line from stdin and answers one
JSON line on its first stdout. The package's tree is read-only for it; what a test writes goes to its own TMPDIR.

Requests: {"do": "baseline", "coverage": bool, ...} runs all tests, tells which pass, how long they take, and
which of them reach which line; {"do": "warm", "modules": [...]} imports what tests will need;
{"do": "try", ...} runs chosen tests against the tree as it is now, and tells the failures with their stacks.
Each run happens in a forked child with limits of its own, ended with its whole session at its time.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import linecache
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from typing import Any

QUIET = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cov", "-p", "no:benchmark"]
RUNNERS = ("_pytest", "pluggy", "pytest", "unittest", "hypothesis")
HEAD, TAIL = 30, 70  # frames kept of a very deep stack, from its start and its end
LONGEST_MESSAGE = 2000
SAID = "stderr"  # file of the scratch folder with what a child's pytest says where it cannot begin


def _is_runner(frame: Any) -> bool:
    name = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0] in RUNNERS or name == "__main__"


def _imports(frame: Any) -> bool:
    """Whether a frame is of the import system: at the head of a stack, it imports the test file for the runner."""
    return (frame.f_globals.get("__name__") or "").partition(".")[0] == "importlib"


def _collapsed(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As Python prints it: of repeats in a row three, the last with a count. Of what is too deep the middle goes."""
    kept: list[dict[str, Any]] = []
    for frame in frames:
        last = kept[-3:]
        if len(last) == 3 and all(one[k] == frame[k] for one in last for k in ("file", "line", "function")):
            kept[-1]["repeated"] += 1
        else:
            kept.append(frame)
    return kept if len(kept) <= HEAD + TAIL else kept[:HEAD] + kept[-TAIL:]


def _stack(error: BaseException) -> tuple[Any, list[dict[str, Any]]]:
    """The traceback from the first frame that is not the runner's, and its frames with their real lines."""
    first = error.__traceback__
    while first is not None and (_is_runner(first.tb_frame) or _imports(first.tb_frame)):
        first = first.tb_next
    start = first if first is not None else error.__traceback__
    frames = []
    for frame, line in traceback.walk_tb(start):
        file = frame.f_code.co_filename
        frames.append(
            {
                "file": file,
                "function": frame.f_code.co_name,
                "line": line,
                "module": frame.f_globals.get("__name__"),
                "code": linecache.getline(file, line, frame.f_globals).strip(),
                "repeated": 0,
            }
        )
    return start, _collapsed(frames)


def _record(error: BaseException, relation: str | None) -> dict[str, Any]:
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        message = str(error)
    except Exception as broken:  # the class under test may be the mutated one
        message = f"<str() raised {type(broken).__name__}>"
    frames = _stack(error)[1]
    if isinstance(error, SyntaxError) and error.filename:  # Python prints where it is as a frame of its own
        message = str(error.msg)
        code = (error.text or "").strip()
        place = {"file": error.filename, "function": "", "line": error.lineno, "module": None, "code": code}
        frames.append({**place, "repeated": 0})
    return {"type": name, "message": message[:LONGEST_MESSAGE], "relation": relation, "frames": frames}


def describe(error: BaseException) -> dict[str, Any]:
    """An exception with its causes, the nearest first, and its text as Python prints it."""
    chain: list[dict[str, Any]] = []
    current, seen = error, {id(error)}
    while True:
        cause, relation = current.__cause__, "cause"
        if cause is None and not current.__suppress_context__:
            cause, relation = current.__context__, "context"
        if cause is None or id(cause) in seen or len(chain) >= 10:
            break
        seen.add(id(cause))
        chain.append(_record(cause, relation))
        current = cause
    try:
        printed = traceback.TracebackException(type(error), error, _stack(error)[0], compact=True)
        text = "".join(printed.format())
    except Exception as broken:  # formatting runs the mutated class's own methods
        text = f"<formatting raised {type(broken).__name__}>"
    return {**_record(error, None), "chain": chain, "text": text[:200_000]}


def _fewer(items: list[Any], most: int) -> list[Any]:
    """At most so many parameter sets of each test function, evenly chosen, and no property tests.

    Some packages repeat a test a thousand times; property tests take seconds each and try other values each time.
    """
    functions: dict[str, list[Any]] = {}
    for item in items:
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            continue
        functions.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [
        group[i * len(group) // most] if len(group) > most else group[i]
        for group in functions.values()
        for i in range(min(len(group), most))
    ]


class Recorder:
    """The pytest plugin: picks tests, follows them, and writes each outcome at once, so that a kill loses none."""

    def __init__(self, out: Any, request: dict[str, Any], tracer: Any) -> None:
        self.out, self.tracer = out, tracer
        self.wanted = set(request["tests"]) if request["tests"] is not None else None
        self.most = request.get("most", 0)
        self.patience = request.get("patience", 0)
        self.per_function = request.get("per_function", 0)
        self.until = time.monotonic() + request.get("enough_seconds", 1e9)
        self.session: Any = None
        self.traces = self.outcomes = 0

    def _tell(self, record: dict[str, Any]) -> None:
        self.out.write(json.dumps(record) + "\n")
        self.out.flush()

    def pytest_collection_modifyitems(self, session: Any, config: Any, items: list[Any]) -> None:
        found = len(items)
        if self.wanted is not None:
            items[:] = [item for item in items if item.nodeid in self.wanted]
        if self.per_function:
            items[:] = _fewer(items, self.per_function)
        self._tell({"kind": "collected", "count": len(items), "found": found})

    def pytest_sessionstart(self, session: Any) -> None:
        self.session = session

    def pytest_internalerror(self, excrepr: Any, excinfo: Any) -> None:
        self._tell({"kind": "broken", "error": f"pytest: {excinfo.typename}: {excinfo.value}"[:500]})

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        if self.tracer is not None:
            self.tracer.switch_context(nodeid)
        if self.patience:
            signal.setitimer(signal.ITIMER_REAL, self.patience, 1.0)

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        if self.patience:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if time.monotonic() > self.until:
            self.session.shouldstop = "enough time was spent on healthy code"

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if call.excinfo is None:
            return
        test = getattr(report, "nodeid", "")
        try:
            described = describe(_collected(call.excinfo.value))
        except RecursionError:
            return
        self._tell({"kind": "trace", "test": test, "when": getattr(call, "when", "collect"), **described})
        self.traces += 1
        if self.most and self.traces >= self.most:
            self.session.shouldstop = "enough traces"

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes += 1
            passed = report.outcome == "passed" and not hasattr(report, "wasxfail")
            self._tell(
                {
                    "kind": "test",
                    "test": report.nodeid,
                    "when": report.when,
                    "passed": passed,
                    "skipped": report.outcome == "skipped",
                    "seconds": report.duration,
                }
            )


def _collected(error: BaseException) -> BaseException:
    """What a test file's import really raised: pytest puts an error of its own around it."""
    return error.__cause__ if type(error).__name__ == "CollectError" and error.__cause__ is not None else error


def _watching(told: dict[str, Any]) -> Any:
    """The plugin that keeps a bad environment around one statement: `conditions.py`, which lies beside this file."""
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conditions.py")
    spec = importlib.util.spec_from_file_location("ems_conditions", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plugin(module.Watch(told))


def _remove(folder: str) -> None:
    """A folder whatever the modes of what is in it, which a killed child could not set back."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(path, name), 0o700)
    shutil.rmtree(folder, ignore_errors=True)


class TooSlow(BaseException):
    """A test takes longer than is allowed on healthy code; no `except Exception` of its own may catch it."""


def _too_slow(number: int, frame: object) -> None:
    raise TooSlow


def _arguments(request: dict[str, Any], config: dict[str, Any]) -> list[str]:
    return [
        "-q",
        "--tb=no",
        "--no-header",
        "--color=no",
        "-o",
        "addopts=",
        "-W",
        "ignore::pytest.PytestConfigWarning",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",  # the runner has imported plugins before
        "-W",
        "ignore::pytest.PytestUnknownMarkWarning",  # the marks of the plugins in QUIET
        *QUIET,
        "--rootdir",
        config["tree"],
        "--basetemp",
        os.path.join(request["scratch"], "base"),
        *(["--continue-on-collection-errors"] if request["do"] == "baseline" else []),  # the other files count
        *request["args"],
    ]


def _run_tests(request: dict[str, Any], config: dict[str, Any]) -> None:
    """In the child: the package under test comes from the tree, whatever the runner has imported before."""
    import pytest

    tops = set(config["tops"])
    for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path[:0] = [config["source"], config["tree"]] if config["source"] != config["tree"] else [config["tree"]]
    sys.dont_write_bytecode = not request.get("compile", False)
    sys.argv = ["pytest"]
    os.chdir(config["tree"])
    tracer = None
    if request.get("coverage"):
        import coverage

        tracer = coverage.Coverage(
            data_file=request["scratch"] + "/coverage",
            config_file=False,
            include=config["measured"],
        )
        tracer.start()
    with open(request["out"], "w") as out:
        watching = [_watching(request["condition"])] if request.get("condition") else []
        recorder = Recorder(out, request, tracer)
        signal.signal(signal.SIGALRM, _too_slow)
        code = pytest.main(_arguments(request, config), plugins=[recorder, *watching])
        if int(code) in (3, 4) and not recorder.outcomes:
            recorder._tell({"kind": "broken", "error": f"pytest: {_said(request)}"})
        if watching and not recorder.traces:
            _tell_import(recorder, tops)
        if tracer is not None:
            tracer.stop()
            _tell_lines(tracer, recorder)
        # In the order in which they were first imported: some (_asyncio before asyncio) bear no other.
        loaded = [n for n, m in sys.modules.items() if _is_foreign(n, m, config)] if "coverage" in request else []
        recorder._tell(
            {
                "kind": "end",
                "code": int(code),
                "modules": loaded,
                "where": {top: getattr(sys.modules.get(top), "__file__", None) for top in tops},
            }
        )


def _said(request: dict[str, Any]) -> str:
    """The end of what was said on stderr: why a conftest, a plugin or a setting of the project stops pytest."""
    sys.stderr.flush()
    with open(os.path.join(request["scratch"], SAID), "rb") as said:
        said.seek(max(0, os.fstat(said.fileno()).st_size - LONGEST_MESSAGE))
        lines = said.read().decode("utf-8", "replace").splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip()) or "it ended without a reason"


def _tell_import(recorder: Recorder, tops: set[str]) -> None:
    """What importing the package raises: pytest tells nobody where a conftest could not be imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
        del sys.modules[name]
    for top in sorted(tops):
        try:
            importlib.import_module(top)
        except Exception as error:  # whatever it is, it is the answer
            recorder._tell({"kind": "trace", "test": "", "when": "collect", **describe(error)})


def _is_foreign(name: str, module: Any, config: dict[str, Any]) -> bool:
    """Whether a module can be imported before the fault is planted: neither the package, nor a test of it."""
    file = getattr(module, "__file__", None)
    return (
        isinstance(file, str)
        and not file.startswith(config["tree"])
        and name.partition(".")[0] not in config["tops"]
        and not name.startswith("__")
    )


def _tell_lines(tracer: Any, recorder: Recorder) -> None:
    """Which tests reach which lines; a test is told by its position, because names would be repeated a lot."""
    data = tracer.get_data()
    names = sorted(data.measured_contexts())
    recorder._tell({"kind": "contexts", "names": names})
    position = {name: index for index, name in enumerate(names)}
    for file in data.measured_files():
        by_line = data.contexts_by_lineno(file)
        lines = {str(line): [position[name] for name in contexts] for line, contexts in by_line.items()}
        recorder._tell({"kind": "lines", "file": file, "lines": lines})


def _limit(request: dict[str, Any]) -> None:
    limits = {"RLIMIT_CPU": int(request["seconds"]) + 2, "RLIMIT_FSIZE": request["file_bytes"]}
    with contextlib.suppress(FileNotFoundError), open("/proc/self/statm") as statm:  # Linux
        limits["RLIMIT_AS"] = int(statm.read().split()[0]) * resource.getpagesize() + request["memory"]
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))


def fork_and_wait(request: dict[str, Any], config: dict[str, Any]) -> str:
    """Run the tests in a child; "exited", "timeout" or "signal N"."""
    os.makedirs(os.path.join(request["scratch"], "tmp"), exist_ok=True)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            said = os.open(os.path.join(request["scratch"], SAID), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for number, to in ((0, nowhere), (1, nowhere), (2, said)):
                os.dup2(to, number)
            os.environ["TMPDIR"] = os.path.join(request["scratch"], "tmp")
            import tempfile

            tempfile.tempdir = None
            _limit(request)
            _run_tests(request, config)
        except BaseException as error:  # told to the parent, which must hear of everything that ends a child
            with contextlib.suppress(OSError), open(request["out"], "a") as out:
                out.write(json.dumps({"kind": "crash", "error": repr(error)[:500]}) + "\n")
        finally:
            os._exit(0)
    deadline = time.monotonic() + request["seconds"]
    done = status = 0
    while not done and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            time.sleep(0.004)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and whatever the tests have started in its session
    if not done:
        os.waitpid(child, 0)
        return "timeout"
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exited"


def _answer(request: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "warm":
        kept = []
        for name in request["modules"]:
            with contextlib.suppress(BaseException):  # what cannot be imported early is imported in the child
                importlib.import_module(name)
                kept.append(name)
        return {"warmed": len(kept)}
    request["scratch"] = os.path.join(config["home"], "scratch")
    request["out"] = os.path.join(config["home"], "outcome.jsonl")
    with contextlib.suppress(FileNotFoundError):
        os.remove(request["out"])
    began = time.monotonic()
    ended = fork_and_wait(request, config)
    records = []
    with contextlib.suppress(FileNotFoundError), open(request["out"], encoding="utf-8", errors="replace") as out:
        for line in out:
            with contextlib.suppress(ValueError):  # the last line of a killed child may be torn
                records.append(json.loads(line))
    _remove(request["scratch"])
    return {"ended": ended, "seconds": time.monotonic() - began, "records": records}


def main() -> None:
    config = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line), config)) + "\n")


if __name__ == "__main__":
    main()
