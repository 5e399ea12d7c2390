"""Failures out of JUnit XML, as `pytest --junitxml` and other runners write it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from ems_ml.errors import InputError
from ems_ml.ingest.reportlog import FILE_LIMIT, reports_of_lines
from ems_ml.ingest.unpack import unpack_file
from ems_ml.types import Form, Problem, RawReport

_WHEN = re.compile(r"failed on (?P<when>setup|teardown)|(?P<collect>collection failure)")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")  # the text is decoded already, whatever encoding this names
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def read_test_reports(path: Path, *, project: str = "default") -> Iterator[RawReport | Problem]:
    """The failures in a report of tests, plain or compressed: pytest's report log, or JUnit XML.

    What cannot be read of it is a `Problem`. Raises `InputError` where there is no such file, or it is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint="name a file of pytest --report-log or --junitxml"
        ) from error
    text = unpack_file(data, limit=FILE_LIMIT).decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise InputError(f"{path} is empty", hint="name a file of pytest --report-log or --junitxml")
    if text.lstrip().startswith("<"):
        yield from reports_of_junit(text, project=project)
    else:
        yield from reports_of_lines(text.splitlines(), project=project)


def reports_of_junit(text: str, *, project: str = "default") -> Iterator[RawReport | Problem]:
    """The failed and broken test cases of a document. A document that is cut off gives those before its end.

    The time of a failure is its suite's beginning. Documents with a DTD are refused: no runner writes one, and it can
    make a small file fill the memory.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        yield Problem(id="", problem="the XML has a document type, which reports of tests never have")
        return
    plain = _NOT_IN_XML.sub("\ufffd", _DECLARATION.sub("", text, count=1))
    document = io.BytesIO(plain.encode("utf-8", "replace"))
    time: datetime | None = None
    try:
        for event, element in ElementTree.iterparse(document, ("start", "end")):
            if event == "start" and element.tag == "testsuite":
                time = _time(element.get("timestamp"))
            elif event == "end" and element.tag == "testcase":
                yield from _failures(element, project, time)
                element.clear()
    except ElementTree.ParseError as error:
        yield Problem(id="", problem=f"the XML is broken: {error}")


def _failures(case: ElementTree.Element, project: str, time: datetime | None) -> Iterator[RawReport]:
    test = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
    for failure in case:
        if failure.tag not in ("failure", "error"):
            continue
        message = failure.get("message") or ""
        told = _WHEN.search(message)
        record = {
            "$report_type": "TestReport",
            "nodeid": test,
            "when": "call" if told is None else told["when"] or "collect",
            "outcome": "failed",
            "longrepr": failure.text if failure.text and failure.text.strip() else message,
        }
        yield RawReport(payload=record, form=Form.PYTEST, project=project, time=time, source="pytest")


def _time(stated: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(stated) if stated else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
