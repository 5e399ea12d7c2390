"""Failures as pytest-reportlog records them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from ems_ml.parse.base import event_of
from ems_ml.parse.blocks import Block, Join, Node, assemble, join_of
from ems_ml.parse.lines import clean
from ems_ml.parse.pytest_console import entry_code, entry_function, entry_message, exception_of
from ems_ml.parse.python import find_blocks
from ems_ml.types import ErrorEvent, Form, Frame, RawReport

_NATIVE = "ReprEntryNative"


class PytestParser:
    """Reads `Form.PYTEST`: a failed `TestReport` or `CollectReport`. None for a record of something else."""

    name = "pytest"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        if report.form is not Form.PYTEST or not isinstance(report.payload, Mapping):
            return None
        record = report.payload
        if record.get("outcome") != "failed":
            return None
        nodes = _nodes(record.get("longrepr"))
        if not nodes:
            return None
        return event_of(nodes, report, parser=self.name, attributes=_attributes(record))


def _nodes(longrepr: object) -> list[Node]:
    if isinstance(longrepr, str):
        return _from_text(longrepr)
    if not isinstance(longrepr, Mapping):
        return []
    chain = longrepr.get("chain")
    links = [link for link in chain if isinstance(link, list) and len(link) >= 2] if isinstance(chain, list) else []
    links = links or [[longrepr.get("reprtraceback"), longrepr.get("reprcrash"), None]]
    items: list[Block | Join] = []
    for link in links:
        items.extend(_from_link(link[0], link[1]))
        description = link[2] if len(link) > 2 else None
        if isinstance(description, str) and (join := join_of(description)):
            items.append(join)
    return assemble(items)


def _from_link(traceback: object, crash: object) -> list[Block | Join]:
    """One exception of the chain; where pytest kept the interpreter's own text, what that says."""
    entries = traceback.get("reprentries") if isinstance(traceback, Mapping) else None
    entries = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    if entries and all(entry.get("type") == _NATIVE for entry in entries):
        text = "".join(line for entry in entries for line in _lines(entry))
        if blocks := find_blocks(clean(text)[0]):
            return blocks
    frames = [frame for entry in entries if (frame := _frame(entry)) is not None]
    type_, message, last = _exception(entries, crash)
    frames += last
    if not frames and isinstance(crash, Mapping) and isinstance(crash.get("path"), str):
        frames = [Frame(file=crash["path"], line=_integer(crash.get("lineno")))]
    if not frames and not type_ and not message:
        return []
    return [Block(frames=frames, type=type_, message=message, headed=True)]


def _frame(entry: Mapping[str, Any]) -> Frame | None:
    data = entry.get("data")
    place = data.get("reprfileloc") if isinstance(data, Mapping) else None
    if not isinstance(place, Mapping) or not isinstance(place.get("path"), str):
        return None
    lines = _lines(entry)
    said = place.get("message")
    named = said.removeprefix("in ") if isinstance(said, str) and said.startswith("in ") else ""
    return Frame(
        file=place["path"],
        function=named or entry_function(lines),
        line=_integer(place.get("lineno")),
        code=entry_code(lines),
    )


def _exception(entries: list[Mapping[str, Any]], crash: object) -> tuple[str, str, list[Frame]]:
    told = crash.get("message") if isinstance(crash, Mapping) else None
    message = told if isinstance(told, str) else entry_message(_lines(entries[-1])) if entries else ""
    return exception_of(textwrap.dedent(message), _last_place(entries))


def _last_place(entries: list[Mapping[str, Any]]) -> str:
    for entry in reversed(entries):
        data = entry.get("data")
        place = data.get("reprfileloc") if isinstance(data, Mapping) else None
        said = place.get("message") if isinstance(place, Mapping) else None
        if isinstance(said, str) and said.isidentifier():
            return said
    return ""


def _from_text(text: str) -> list[Node]:
    """A collection error, or a fixture that does not exist: pytest keeps only what it would print."""
    lines, _ = clean(text)
    if nodes := assemble(find_blocks(lines)):
        return nodes
    message = entry_message(lines) or text.strip()
    if not message:
        return []
    type_, message, frames = exception_of(message, "")
    return [Node(Block(frames=frames, type=type_, message=message))]


def _attributes(record: Mapping[str, Any]) -> dict[str, str]:
    found = {"test": record.get("nodeid"), "when": record.get("when")}
    return {key: value for key, value in found.items() if isinstance(value, str) and value}


def _lines(entry: Mapping[str, Any]) -> list[str]:
    data = entry.get("data")
    lines = data.get("lines") if isinstance(data, Mapping) else None
    return [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []


def _integer(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None
