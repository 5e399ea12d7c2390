"""Reports out of files: every encoding and form, and one clear line for what is none."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.errors import InputError
from ems_ml.ingest.files import read_bytes, read_file, read_jsonl, shorten
from ems_ml.ingest.reportlog import read_reportlog, tail_reportlog
from ems_ml.types import Form, Problem, RawReport


def told(refused: InputError) -> None:
    """Each refusal names its remedy."""
    assert refused.hint


TRACE = 'Traceback (most recent call last):\n  File "é.py", line 1, in <module>\nValueError: bad\n'
FAILED = {
    "$report_type": "TestReport",
    "nodeid": "t.py::t",
    "outcome": "failed",
    "when": "call",
    "longrepr": "x",
    "stop": 5,
}
PASSED = FAILED | {"outcome": "passed"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_any_unicode_encoding(encoding: str) -> None:
    (report,) = read_bytes(TRACE.encode(encoding)).reports
    assert (report.text, report.form) == (TRACE, Form.TEXT)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(tmp_path: Path, pack: object) -> None:
    (tmp_path / "log").write_bytes(pack(TRACE.encode()))  # type: ignore[operator]
    (report,) = read_file(tmp_path / "log", project="shop").reports
    assert (report.text, report.project, report.source) == (TRACE, "shop", "file")


def test_broken_utf8_is_replaced_not_refused() -> None:
    (report,) = read_bytes(b"ValueError: \xff\xfe\n").reports
    assert report.text == "ValueError: \ufffd\ufffd\n"


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "is empty"), (b" \n\t\n", "is empty"), (b"\x7fELF\x02\x01\x01\x00\x00", "is binary"),
                       (bytes(range(1, 32)) * 9, "is binary"), (b"\x1f\x8b\x08broken", "gzip data is broken")]
)  # fmt: skip
def test_what_is_no_text_is_refused_with_a_remedy(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_bytes(data)
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_file(tmp_path / "none.txt")
    with pytest.raises(InputError, match="is a folder"):
        read_file(tmp_path)


def test_a_long_report_keeps_its_ends_and_counts_the_rest() -> None:
    reading = read_bytes(b"start" + b"x" * 5_000 + b"end", limit=1_000)
    (report,) = reading.reports
    assert len(report.text) == 1_000
    assert report.text.startswith("start")
    assert report.text.endswith("end")
    assert reading.cut == 5_008 - 999
    assert shorten("abc", 3) == ("abc", 0)


def test_content_tells_the_form() -> None:
    event = {"event_id": "a" * 32, "exception": {"values": []}}
    (report,) = read_bytes(json.dumps(event, indent=1).encode()).reports
    assert (report.form, report.id) == (Form.SENTRY, "a" * 32)
    envelope = b'{}\n{"type":"event"}\n' + json.dumps(event).encode()
    (report,) = read_bytes(envelope).reports
    assert report.form is Form.SENTRY
    log = "\n".join(json.dumps(record) for record in ({"pytest_version": "9", "$report_type": "SessionStart"}, FAILED))
    (report,) = read_bytes(log.encode()).reports
    assert report.form is Form.PYTEST
    (report,) = read_bytes(b'{"some": "other json"}').reports
    assert report.form is Form.TEXT


def test_contract_lines_in_order_with_their_problems() -> None:
    lines = [
        '{"id": "1", "text": "a", "project": "p", "time": "2024-01-31T12:00:00Z", "release": "2"}',
        "",
        "not json",
        '{"text": "no id"}',
        '{"id": "4"}',
        '{"id": "5", "text": " "}',
        '{"id": "6", "text": "x", "time": "yesterday"}',
        '{"id": 7, "text": "x"}',
    ]
    found = list(read_jsonl(lines))
    assert found[0] == RawReport(
        id="1", text="a", project="p", time=datetime(2024, 1, 31, 12, tzinfo=UTC), release="2", source="file"
    )
    assert [(item.id, item.problem) for item in found[1:6] if isinstance(item, Problem)] == [
        ("", "line 3 is not a JSON object"),
        ("", 'line 4 has no "id"'),
        ("4", 'line 5 has no "text" that is a string'),
        ("5", 'line 6 has an empty "text"'),
        ("6", "line 7 has a \"time\" that is not in RFC 3339: 'yesterday'"),
    ]
    assert found[6] == RawReport(id="7", text="x", source="file")


@given(line=st.text())
def test_any_line_is_a_report_or_a_problem(line: str) -> None:
    assert all(isinstance(item, (RawReport, Problem)) for item in read_jsonl([line]))


@given(data=st.binary(max_size=100))
def test_any_bytes_are_reports_or_refused(data: bytes) -> None:
    try:
        read_bytes(data)
    except InputError as refused:
        told(refused)


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress)])
def test_a_report_log_gives_its_failures(tmp_path: Path, suffix: str, pack: object) -> None:
    path = tmp_path / f"log.jsonl{suffix}"
    lines = [json.dumps(PASSED), json.dumps(FAILED), "{broken", ""]
    path.write_bytes(pack("\n".join(lines).encode()))  # type: ignore[operator]
    report, problem = read_reportlog(path, project="shop")
    assert isinstance(report, RawReport)
    assert (report.payload, report.project, report.time) == (FAILED, "shop", datetime.fromtimestamp(5, UTC))
    assert isinstance(problem, Problem)
    assert "line 3" in problem.problem


def test_a_report_log_is_followed_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    failures = tail_reportlog(path, threading.Event(), every=0.001)
    text = json.dumps(FAILED)
    path.write_text(f"{text}\n{text[:20]}", encoding="utf-8")
    assert isinstance(next(failures), RawReport)
    with path.open("a", encoding="utf-8") as file:
        file.write(text[20:] + '\n{"exitstatus": 1, "$report_type": "SessionFinish"}\n')
    assert len(list(failures)) == 1


def test_following_ends_when_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert list(tail_reportlog(tmp_path / "none.jsonl", stop)) == []
