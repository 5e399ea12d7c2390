"""Failures of past test runs: read out of report logs and JUnit XML, stored and grouped once."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ems_ml.ingest.junit import read_test_reports, reports_of_junit
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.service import cli
from ems_ml.types import ErrorEvent, Problem, RawReport

CODE = """\
def price(item):
    return item["price"]
"""
TESTS = """\
import pytest
from cart import price

def test_price():
    price({})

def test_fine():
    pass

@pytest.fixture
def till():
    raise RuntimeError("no till")

def test_till(till):
    pass
"""
FAILED = {
    "$report_type": "TestReport",
    "nodeid": "tests/test_cart.py::test_price",
    "when": "call",
    "outcome": "failed",
    "stop": 1700000000.0,
    "longrepr": {
        "reprcrash": {"path": "/srv/shop/cart.py", "lineno": 2, "message": "KeyError: 'price'"},
        "reprtraceback": {
            "reprentries": [
                {
                    "type": "ReprEntry",
                    "data": {
                        "lines": ["    def price(item):", ">       return item['price']", "E       KeyError: 'price'"],
                        "reprfileloc": {"path": "shop/cart.py", "lineno": 2, "message": "KeyError"},
                    },
                }
            ]
        },
    },
}


def events(found: list[RawReport | Problem]) -> list[ErrorEvent]:
    parser = ParserChain(default_parsers())
    return [parser.parse(one) for one in found if isinstance(one, RawReport)]


def log(path: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


@pytest.fixture
def junit(tmp_path: Path) -> Path:
    """What pytest itself writes of a run with a failure and a broken fixture."""
    (tmp_path / "cart.py").write_text(CODE)
    (tmp_path / "test_cart.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=run.xml", "--rootdir=."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return tmp_path / "run.xml"


def test_pytests_own_junit_gives_the_errors_with_their_frames(junit: Path) -> None:
    found = list(read_test_reports(junit))
    price, till = events(found)
    assert (price.error.type, price.error.message) == ("KeyError", "'price'")
    assert [(frame.file, frame.line) for frame in price.error.frames] == [("test_cart.py", 5), ("cart.py", 2)]
    assert (till.error.type, till.error.message) == ("RuntimeError", "no till")
    assert price.attributes == {"test": "test_cart::test_price", "when": "call"}
    assert till.attributes["when"] == "setup"
    assert price.time is not None


def test_a_junit_document_that_is_cut_off_gives_what_stands_before(junit: Path) -> None:
    text = junit.read_text()
    *found, problem = reports_of_junit(text[: text.index('name="test_till"')])
    assert [event.error.type for event in events(found)] == ["KeyError"]
    assert isinstance(problem, Problem)
    assert "broken" in problem.problem


@pytest.mark.parametrize(
    "text",
    ['<!DOCTYPE x [<!ENTITY a "aa">]><testsuite/>', "<testsuite><testcase", "<not & xml>"],
)
def test_bad_xml_is_a_problem(text: str) -> None:
    (problem,) = reports_of_junit(text)
    assert isinstance(problem, Problem)


def test_a_junit_failure_without_a_text_keeps_its_message() -> None:
    text = (
        '<?xml version="1.0" encoding="latin-1"?><testsuites><testsuite timestamp="2024-05-06T07:08:09">'
        '<testcase name="t"><failure message="ValueError: böd"/></testcase></testsuite></testsuites>'
    )
    (event,) = events(list(reports_of_junit(text)))
    assert (event.error.type, event.error.message) == ("ValueError", "böd")
    assert event.time == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_a_compressed_log_with_bad_lines_is_read_to_its_end(tmp_path: Path) -> None:
    plain = log(tmp_path / "log.jsonl", '{"cut', FAILED, "[]", {"$report_type": "SessionFinish"})
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    found = list(read_test_reports(packed))
    assert [type(one) for one in found] == [Problem, RawReport, Problem]
    (event,) = events(found)
    assert (event.error.type, event.time) == ("KeyError", datetime.fromtimestamp(1700000000, UTC))


def test_failures_are_stored_and_grouped_once(
    toy_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {**FAILED, "nodeid": "tests/test_cart.py::test_other"}
    file = log(tmp_path / "log.jsonl", {"$report_type": "SessionStart"}, FAILED, other, FAILED)
    assert cli.run(["harvest", "reports", str(file), "--project", "shop", "--json"]) == 0
    (first,) = json.loads(capsys.readouterr().out)["files"]
    assert (first["failures"], first["stored"], first["again"], first["patterns"]) == (3, 2, 1, 1)
    assert cli.run(["harvest", "reports", str(file), "--project", "shop", "--json"]) == 0
    (second,) = json.loads(capsys.readouterr().out)["files"]
    assert (second["failures"], second["stored"], second["again"], second["patterns"]) == (3, 0, 3, 0)
    assert cli.run(["pattern", "list", "--project", "shop", "--json"]) == 0
    (pattern,) = json.loads(capsys.readouterr().out)["patterns"]
    assert pattern["count"] == 2


def test_what_cannot_be_read_is_told_and_the_other_files_go_on(
    toy_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = log(tmp_path / "good.jsonl", FAILED, "not json")
    empty = tmp_path / "empty.xml"
    empty.touch()
    files = [str(tmp_path / "missing.jsonl"), str(empty), str(good)]
    assert cli.run(["harvest", "reports", *files, "--store", "sqlite://", "--json"]) == 15
    said = capsys.readouterr()
    assert [(one["stored"], one["broken"]) for one in json.loads(said.out)["files"]] == [(0, 1), (0, 1), (1, 1)]
    assert "missing.jsonl" in said.err
    assert "line 2 is not JSON" in said.err
