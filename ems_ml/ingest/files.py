"""Reports out of files and pipes: whatever their encoding, compression and form."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ems_ml.errors import InputError
from ems_ml.ingest.envelope import parse_envelope, parse_event, sentry_report
from ems_ml.ingest.reportlog import is_reportlog, reports_of_lines
from ems_ml.ingest.unpack import unpack_file
from ems_ml.types import Problem, RawReport

#: Larger files and pipes are refused, in bytes, also after decompression.
FILE_LIMIT = 200_000_000
#: Of a report that is too long, this part of the limit is its beginning; the rest is its end.
HEAD_SHARE = 0.25

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SENTRY_KEYS = frozenset({"exception", "logentry", "event_id", "sentry.interfaces.Exception"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file held. `cut`: characters left out because the report was longer than the limit."""

    reports: tuple[RawReport, ...]
    problems: tuple[Problem, ...] = ()
    cut: int = 0


def read_file(path: Path, *, project: str = "default", limit: int = 1_000_000) -> Reading:
    """The reports in a file. `limit`: characters of one report that are kept. Raises `InputError`."""
    try:
        with path.open("rb") as stream:
            return read_stream(stream, name=str(path), project=project, limit=limit)
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder", hint="name a file, or - for standard input") from error
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint="name a file that exists, or - for standard input"
        ) from error


def read_stream(
    stream: BinaryIO, *, name: str = "standard input", project: str = "default", limit: int = 1_000_000
) -> Reading:
    """The same from a binary stream, such as `sys.stdin.buffer`."""
    data = stream.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise InputError(
            f"{name} has more than {FILE_LIMIT} bytes", hint="give the part with the error: tail -c 1000000 FILE"
        )
    return read_bytes(data, name=name, project=project, limit=limit)


def read_bytes(
    data: bytes, *, name: str = "standard input", project: str = "default", limit: int = 1_000_000
) -> Reading:
    """The same from bytes. What kind of report it is, its content tells."""
    source = "stdin" if name == "standard input" else "file"
    text = decode(unpack_file(data, limit=FILE_LIMIT), name=name)
    start = text.lstrip()[:1]
    if start == "{":
        structured = _structured(text, project, source)
        if structured is not None:
            return structured
    kept, cut = shorten(text, limit)
    return Reading(reports=(RawReport(text=kept, project=project, source=source),), cut=cut)


def read_jsonl(
    lines: Iterable[str], *, project: str = "default", limit: int = 1_000_000
) -> Iterator[RawReport | Problem]:
    """One report a line: `{"id": str, "text": str, "project"?, "time"?, "release"?}`, in order.

    A line that is none gives a `Problem` with its number; blank lines are skipped.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _contract_line(line, number, project, limit)


def decode(data: bytes, *, name: str) -> str:
    """Bytes as text: by their byte order mark, else UTF-8 with broken bytes replaced.

    Raises `InputError` where there is nothing, or nothing that is text.
    """
    encoding, mark = encoding_of(data, name=name)
    return data[mark:].decode(encoding, errors="replace")


def encoding_of(data: bytes, *, name: str) -> tuple[str, int]:
    """How the text that begins with `data` is encoded, and how many bytes its byte order mark takes.

    "utf-8" where nothing speaks for another one. Raises `InputError` where there is nothing, or nothing that is text.
    """
    if not data.strip():
        raise InputError(f"{name} is empty", hint="give an error report: a traceback, a log, a Sentry event")
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    sample = data[:4096]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        halves = sample[offset::2], sample[1 - offset :: 2]
        if len(sample) >= 4 and halves[0].count(0) > 0.8 * len(halves[0]) and halves[1].count(0) < 0.1 * len(sample):
            return encoding, 0
    controls = sum(1 for byte in sample if byte < 32 and byte not in b"\t\n\r\x0b\x0c\x1b\x08")
    if b"\x00" in sample or controls > 0.1 * len(sample):
        raise InputError(f"{name} is binary, not text", hint="give the log or traceback as text")
    return "utf-8", 0


def shorten(text: str, limit: int) -> tuple[str, int]:
    """`text` with its middle left out where it is longer than `limit`, and how many characters that were."""
    if len(text) <= limit:
        return text, 0
    head = int(limit * HEAD_SHARE)
    tail = limit - head - 1
    return f"{text[:head]}\n{text[len(text) - tail :]}", len(text) - head - tail


def _structured(text: str, project: str, source: str) -> Reading | None:
    """A Sentry event, an envelope or pytest's report log; None where it is other JSON, or only looks like it."""
    body = text.strip()
    first, _, rest = body.partition("\n")
    if is_reportlog(first):
        found = list(reports_of_lines(body.splitlines(), project=project))
        return Reading(
            reports=tuple(item for item in found if isinstance(item, RawReport)),
            problems=tuple(item for item in found if isinstance(item, Problem)),
        )
    header = _object(first)
    if header is not None and rest:
        item = _object(rest.partition("\n")[0])
        if item is not None and isinstance(item.get("type"), str) and not _SENTRY_KEYS & item.keys():
            envelope = parse_envelope(body.encode("utf-8", errors="replace"))
            return Reading(reports=envelope.reports(project=project))
    whole = header if not rest else _object(body)
    if whole is not None and _SENTRY_KEYS & whole.keys():
        return Reading(reports=(sentry_report(parse_event(body.encode()), project=project, source=source),))
    return None


def _contract_line(line: str, number: int, project: str, limit: int) -> RawReport | Problem:
    record = _object(line)
    if record is None:
        return Problem(id="", problem=f"line {number} is not a JSON object")
    id, text = record.get("id"), record.get("text")
    name = id if isinstance(id, str) else str(id) if isinstance(id, int) else ""
    if not name:
        return Problem(id="", problem=f'line {number} has no "id"')
    if not isinstance(text, str):
        return Problem(id=name, problem=f'line {number} has no "text" that is a string')
    if not text.strip():
        return Problem(id=name, problem=f'line {number} has an empty "text"')
    try:
        time = _time(record.get("time"))
    except ValueError:
        return Problem(id=name, problem=f'line {number} has a "time" that is not in RFC 3339: {record["time"]!r}')
    given, release = record.get("project"), record.get("release")
    return RawReport(
        text=shorten(text, limit)[0],
        id=name,
        project=given if isinstance(given, str) and given else project,
        time=time,
        release=release if isinstance(release, str) and release else None,
        source="file",
    )


def _time(given: object) -> datetime | None:
    """RFC 3339 or seconds since 1970. Raises `ValueError`."""
    if given is None:
        return None
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        try:
            return datetime.fromtimestamp(given, UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(given) from error
    if not isinstance(given, str):
        raise ValueError(given)
    time = datetime.fromisoformat(given)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
