"""Failures out of the files that `pytest --report-log` writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ems_ml.errors import InputError
from ems_ml.ingest.unpack import unpack_file
from ems_ml.types import Form, Problem, RawReport

#: Of a file, unpacked, in bytes.
FILE_LIMIT = 500_000_000
_KINDS = frozenset({"TestReport", "CollectReport"})


def reports_of_lines(lines: Iterable[str], *, project: str = "default") -> Iterator[RawReport | Problem]:
    """The failed tests and failed collections among the records; a line that is no record is a `Problem`."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            found = _report(line, number, project)
            if found is not None:
                yield found


def read_reportlog(path: Path, *, project: str = "default") -> Iterator[RawReport | Problem]:
    """The failures in a whole file, plain or compressed by gzip, bzip2 or xz. Raises `InputError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint="name a file that pytest --report-log wrote"
        ) from error
    text = unpack_file(data, limit=FILE_LIMIT).decode("utf-8", errors="replace")
    yield from reports_of_lines(text.splitlines(), project=project)


def tail_reportlog(
    path: Path, stop: threading.Event, *, project: str = "default", every: float = 0.2
) -> Iterator[RawReport | Problem]:
    """The failures in a plain file while pytest still writes it, until `stop` is set or the session finished.

    The file may not exist yet. A line counts when its end is written. `every`: seconds between two looks.
    """
    number = 0
    rest = b""
    position = 0
    while True:
        stopping = stop.is_set()
        if path.exists():
            with path.open("rb") as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
        *lines, rest = rest.split(b"\n")
        for line in lines:
            number += 1
            text = line.decode("utf-8", errors="replace")
            if text.strip() and (found := _report(text, number, project)) is not None:
                yield found
            if '"$report_type": "SessionFinish"' in text:
                return
        if stopping:
            return
        stop.wait(every)


def is_reportlog(first_line: str) -> bool:
    """Whether a file that begins so was written by `pytest --report-log`."""
    return first_line.startswith("{") and ('"$report_type"' in first_line or '"pytest_version"' in first_line)


def _report(line: str, number: int, project: str) -> RawReport | Problem | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Problem(id="", problem=f"line {number} is not JSON: {error}")
    if not isinstance(record, dict):
        return Problem(id="", problem=f"line {number} is not a JSON object")
    if record.get("$report_type") not in _KINDS or record.get("outcome") != "failed":
        return None
    return RawReport(payload=record, form=Form.PYTEST, project=project, time=_time(record), source="pytest")


def _time(record: Mapping[str, Any]) -> datetime | None:
    stop = record.get("stop")
    try:
        return datetime.fromtimestamp(stop, UTC) if isinstance(stop, (int, float)) else None
    except (ValueError, OverflowError, OSError):
        return None
