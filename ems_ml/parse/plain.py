"""The last parser of a chain: it always answers."""

from __future__ import annotations

from ems_ml.parse.base import make_event
from ems_ml.parse.blocks import MESSAGE_CHARS
from ems_ml.parse.grammar import EXCEPTION_IN_LINE, exception_in
from ems_ml.parse.lines import clean
from ems_ml.types import ErrorEvent, ExceptionRecord, RawReport

#: A type may be searched for in so many of the last lines.
_LINES = 5_000


class PlainParser:
    """Takes the last line that looks like `Type: message`, else the first line that says anything.

    `language` is "text": nothing more is known than these words. There are no frames.
    """

    name = "plain"

    def parse(self, report: RawReport) -> ErrorEvent:
        lines, left_out = clean(report.text or _payload_text(report))
        type_, message = _exception(lines[-_LINES:]) or ("", _first(lines))
        return make_event(
            report,
            ExceptionRecord(type=type_, message=message[:MESSAGE_CHARS]),
            parser=self.name,
            language="text",
            attributes={"characters_left_out": str(left_out)} if left_out else {},
        )


def _exception(lines: list[str]) -> tuple[str, str] | None:
    for line in reversed(lines):
        if found := exception_in(line.strip(), sure=False):
            return found
    for line in reversed(lines):
        if inside := EXCEPTION_IN_LINE.search(line):
            return inside["type"], inside["message"].strip()
    return None


def _first(lines: list[str]) -> str:
    """The first line with a letter or digit in it; the first that is not blank where none has."""
    told = [line.strip() for line in lines if line.strip()]
    return next((line for line in told if any(char.isalnum() for char in line)), told[0] if told else "")


def _payload_text(report: RawReport) -> str:
    """The message of a structured report that no other parser understood."""
    payload = report.payload or {}
    for key in ("message", "title", "longrepr", "culprit"):
        value = payload.get(key)
        if isinstance(value, str) and value:
            return value
    return ""
