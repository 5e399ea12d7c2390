"""What programs in other languages really print: the committed traces, and programs that are run here and now.

Go is not on the CI machine, so its traces are only read from the file.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.types import RawReport

HERE = Path(__file__).resolve().parents[1] / "languages"
ROWS = [json.loads(line) for line in (HERE / "traces.jsonl").read_text(encoding="utf-8").splitlines()]
PROJECTS = sorted({row["project"] for row in ROWS})
#: These say no more than their names.
SILENT = {"java.lang.StackOverflowError", "java.util.NoSuchElementException"}
#: The goroutine that Go prints first is the one that waits for the one that is stuck.
OTHERWISE = {("go:order-wait", "nightly"): "main.nightly"}


def wrong(row: dict[str, str]) -> list[str]:
    """What is read of a trace otherwise than its program was made to fail."""
    event = ParserChain(default_parsers()).parse(RawReport(text=row["text"]))
    own = [frame.function for frame in event.error.frames if frame.in_app]
    function = OTHERWISE.get((row["cause"], row["entry"]), row["function"])
    found = {
        "language": event.language == row["language"],
        "type": event.error.type == row["type"],
        "function": bool(own) and own[-1].endswith(function),
        "message": bool(event.error.message) or row["type"] in SILENT,
        "more": not event.more,
    }
    return [f"{row['id']}: {name} ({event.error.type}, {own[-1:]})" for name, right in found.items() if not right]


@pytest.mark.parametrize("project", PROJECTS)
def test_every_committed_trace_is_read_with_its_type_and_its_raise_point(project: str) -> None:
    rows = [row for row in ROWS if row["project"] == project]
    causes = Counter(row["cause"] for row in rows)
    assert len(causes) >= 12
    assert set(causes.values()) == {6}
    assert [problem for row in rows for problem in wrong(row)] == []


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("languages_make", HERE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["java", "node", "gdb", "sanitizer"])
def test_programs_that_fail_here_and_now_are_read(kind: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    make = maker()
    for tool in make.KINDS[kind].missing():
        need(tool)
    rows = list(make.make(kind, tmp_path, few=True))
    assert len({row["cause"] for row in rows}) == len(make.KINDS[kind].causes)
    assert [problem for row in rows for problem in wrong(row)] == []
