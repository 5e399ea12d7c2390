"""Python's tracebacks in a text, in every form that they are printed, logged, pasted and quoted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ems_ml.parse.blocks import Block, Join, Node, assemble, join_of
from ems_ml.parse.grammar import HEADER, MEMBER, STACK_HEADER, UPSIDE_DOWN, Prefix, exception_in, frame_in, indent_of
from ems_ml.parse.message import read_message
from ems_ml.parse.pytest_console import is_error_line, read_failure
from ems_ml.parse.text import read_text
from ems_ml.parse.traceback import TracebackReader
from ems_ml.types import ErrorEvent, RawReport

_INTERESTING = re.compile(
    r"^\s*E {2,}|Traceback \(|File |Cell In|Input In|the above exception|The above exception|(?<!-)-{3,} ?(?:\d|\.\.\.)"
    r"|Call stack:|\(most recent call"
)


class PythonParser:
    """Reads `Form.TEXT`. None where a text holds no frame and no traceback."""

    name = "python"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, (self,))

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every error in `lines`, with its causes, in order."""
        return assemble(find_blocks(lines))


def find_blocks(lines: Sequence[str]) -> list[Block | Join]:
    """Every traceback in `lines`, and what is said between them, in order."""
    items: list[Block | Join] = []
    group = -1  # column of the plus sign of the exception group that we are in
    at = floor = 0
    while at < len(lines):
        line = lines[at]
        if not _INTERESTING.search(line):
            at += 1
            continue
        if join := join_of(line):
            items.append(join)
            at += 1
        elif is_error_line(line):
            begin = at
            block, at = read_failure(lines, at, floor)
            block.start, block.end = begin, at
            items.append(block)
            floor = at
        elif group >= 0 and (member := MEMBER.search(line)):
            at = _member(lines, at, member, items)
        elif (header := HEADER.search(line)) or STACK_HEADER.search(line) or UPSIDE_DOWN.search(line) or frame_in(line):
            begin = at
            block, at = TracebackReader(lines, at).read()
            block.start, block.end = begin, at
            if header and header[0].startswith("+ "):
                group = header.start()
            elif group >= 0:
                block.margin = _margin(line)
                if block.margin < group:
                    group = block.margin = -1
            if block.frames or block.type:
                items.append(block)
                floor = at
        else:
            at += 1
    return items


def _member(lines: Sequence[str], at: int, member: re.Match[str], items: list[Block | Join]) -> int:
    """Read a member of a group that has no traceback of its own; others are found by their header."""
    column = lines[at].rfind("+")
    if at + 1 >= len(lines) or HEADER.search(lines[at + 1]):
        return at + 1
    prefix = Prefix(lines[at + 1][: column + 1])
    rest = prefix.strip(lines[at + 1])
    found = exception_in(rest.strip(), sure=True) if rest is not None else None
    if found is None or rest is None:
        return at + 1
    message, end = read_message(lines, at + 1, prefix, indent_of(rest), found[1])
    items.append(Block(type=found[0], message=message, margin=column, headed=True, member=True, start=at, end=end))
    return end


def _margin(line: str) -> int:
    """The column of the last bar before the words of a header or frame."""
    words = HEADER.search(line)
    before = line[: words.start()] if words else (found.prefix if (found := frame_in(line)) else "")
    return before.rstrip().rfind("|") if before.rstrip().endswith("|") else -1
