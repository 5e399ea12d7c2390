"""Times as tables hold them: ISO 8601, seconds or milliseconds since 1970, and what people write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from dateutil import parser

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WRITTEN = re.compile(r"\d.*\D.*\d.*\D.*\d|\d{8}")  # at least three numbers, or a date without separators
_FIRST = re.compile(r"\s*(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}")
_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e8, 1.0))  # ns, µs, ms, s since 1970: from, units a second
LONGEST = 60  # characters


def time_of(value: object, *, day_first: bool = False) -> datetime | None:
    """A time with its zone (UTC where none is told); None for what is none. Never raises.

    >>> time_of("24.11.2026 13:05", day_first=True).isoformat()
    '2026-11-24T13:05:00+00:00'
    >>> time_of(1764000000000).isoformat(), time_of("KeyError: 7")
    ('2025-11-24T16:00:00+00:00', None)
    """
    if isinstance(value, datetime):
        return _zoned(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _since(float(value))
    text = str(value).strip()
    if not text or len(text) > LONGEST:
        return None
    if _NUMBER.fullmatch(text):
        return _since(float(text)) or _written(text, day_first)
    try:
        return _zoned(datetime.fromisoformat(text))
    except ValueError:
        return _written(text, day_first)


def day_comes_first(values: Iterable[object]) -> bool:
    """Whether dates such as 03/04/2026 are of April: one of them begins with a day that is no month, or has dots."""
    found = [(text, match) for text in map(str, values) if (match := _FIRST.match(text))]
    if any(int(match[2]) > 12 for _, match in found):
        return False
    return any(int(match[1]) > 12 or "." in text[: match.end()] for text, match in found)


def _since(number: float) -> datetime | None:
    for least, units in _SCALES:
        if number >= least:
            try:
                return datetime.fromtimestamp(number / units, UTC)
            except (OverflowError, ValueError, OSError):
                return None
    return None


def _written(text: str, day_first: bool) -> datetime | None:
    if not _WRITTEN.search(text):
        return None
    try:
        return _zoned(parser.parse(text, dayfirst=day_first))
    except (parser.ParserError, OverflowError, ValueError, TypeError, IndexError):
        return None


def _zoned(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None
