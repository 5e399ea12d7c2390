"""Failures as pytest prints them on a terminal, with long or short tracebacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ems_ml.parse.blocks import JOIN, Block
from ems_ml.parse.grammar import HEADER, exception_in, frame_in, indent_of
from ems_ml.parse.traceback import TracebackReader
from ems_ml.types import Frame

#: `E       ValueError: bad`
ERROR_LINE = re.compile(r"(?P<indent>\s*)E(?P<text> {2,}.*| *)$")
TITLE = re.compile(r"\s*_{3,} (?P<title>\S.*?) _{3,}\s*$")
_RULE = re.compile(r"\s*(?:={3,}.*={3,}|-{3,} Captured .*-{3,})\s*$")
_BETWEEN = re.compile(r"\s*(?:_ ){5,}_?\s*$")
#: `src/cart.py:12: in total`, `src/cart.py:12: ValueError`, `src/cart.py:12: `
PLACE = re.compile(
    r"\s*(?P<file>(?:[A-Za-z]:[\\/])?[^\s:\"'][^:\"']*?\.pyx?|<[\w .]{1,200}>):(?P<line>\d{1,9}):"
    r"(?: in (?P<function>\S+)| (?P<type>[^\W\d][\w.]*))?\s*$"
)
_DEF = re.compile(r"[>\s]*(?:async )?def (?P<name>\w+)")
_LOOK_BACK = 100


def entry_function(lines: Sequence[str]) -> str:
    """The function whose source pytest shows in an entry; `<module>` where it shows none."""
    for line in lines:
        if found := _DEF.match(line):
            return found["name"]
    return "<module>" if lines else ""


def entry_code(lines: Sequence[str]) -> str | None:
    """The source line that ran: marked by `>`, or in a short traceback the only one."""
    marked = [line for line in lines if line.startswith(">")]
    if marked:
        return marked[-1][1:].strip() or None
    plain = (line.strip() for line in lines if line.strip() and not ERROR_LINE.match(line))
    return next((line for line in plain if line != "???"), None)


def entry_message(lines: Sequence[str]) -> str:
    """The text of the lines that begin with E, without their common indentation."""
    texts = [found["text"].rstrip() for line in lines if (found := ERROR_LINE.match(line))]
    margin = min((indent_of(text) for text in texts if text.strip()), default=0)
    return "\n".join(text[margin:] for text in texts).strip("\n")


def exception_of(message: str, named: str) -> tuple[str, str, list[Frame]]:
    """Type and message out of pytest's words, and the frame that a `SyntaxError` names there.

    `named`: the type as pytest states it beside the place, "" where it does not. It shortens
    `AssertionError: assert ...` to `assert ...`.
    """
    lines = message.split("\n")
    if frame_in(lines[0]):
        block, _ = TracebackReader(lines, 0).read()
        if block.type:
            return block.type, block.message, block.frames
    found = exception_in(lines[0], sure=bool(named))
    if found and (not named or found[0].rpartition(".")[2] == named):
        return found[0], "\n".join((found[1], *lines[1:])).strip("\n"), []
    if lines[0].startswith("fixture '") and lines[0].endswith(" not found"):
        named = named or "FixtureLookupError"
    return named or ("AssertionError" if lines[0].startswith("assert ") else ""), message, []


def is_error_line(line: str) -> bool:
    found = ERROR_LINE.match(line)
    return found is not None and bool(found["text"].strip())


def read_failure(lines: Sequence[str], at: int, floor: int) -> tuple[Block, int]:
    """The failure whose first E line is `lines[at]`, and the index of the first line after it.

    Its frames stand above, but not above `floor`, where what was read before ends.
    """
    start = _beginning(lines, at, floor)
    end = at
    while end < len(lines) and ERROR_LINE.match(lines[end]):
        end += 1
    message = entry_message(lines[at:end])
    place = None
    for index in range(end, min(end + 3, len(lines))):
        if place := PLACE.match(lines[index]):
            break
        if lines[index].strip():
            break
    block = Block(headed=True, frames=_frames(lines[start:at]))
    type_ = ""
    if place and not place["function"]:
        end = index + 1
        type_ = place["type"] or ""
        body = lines[_entry_start(lines, start, at) : at]
        frame = Frame(file=place["file"].strip(), line=int(place["line"]), function=entry_function(body))
        block.frames.append(
            replace(frame, code=entry_code([line.lstrip() if line.lstrip()[:1] == ">" else line for line in body]))
        )
    block.type, block.message, last = exception_of(message, type_)
    block.frames.extend(last)
    return block, end


def _beginning(lines: Sequence[str], at: int, floor: int) -> int:
    for index in range(at - 1, max(floor, at - _LOOK_BACK * 10) - 1, -1):
        line = lines[index]
        if TITLE.match(line) or _RULE.match(line) or JOIN.search(line) or HEADER.search(line):
            return index + 1
    return max(floor, at - _LOOK_BACK * 10)


def _entry_start(lines: Sequence[str], start: int, at: int) -> int:
    for index in range(at - 1, start - 1, -1):
        if _BETWEEN.match(lines[index]) or PLACE.match(lines[index]):
            return index + 1
    return start


def _frames(lines: Sequence[str]) -> list[Frame]:
    """The frames before the last one: each ends, or in the short form begins, with its place."""
    frames: list[Frame] = []
    entry: list[str] = []
    for index, line in enumerate(lines):
        place = PLACE.match(line)
        if place is None:
            if _BETWEEN.match(line):
                entry = []
            elif line.strip() or entry:
                entry.append(line)
            continue
        frame = Frame(file=place["file"].strip(), line=int(place["line"]), function=place["function"] or "")
        if place["function"]:
            below = lines[index + 1].strip() if index + 1 < len(lines) else ""
            frame = replace(frame, code=below if below not in ("", "???") and not PLACE.match(below) else None)
        else:
            frame = replace(frame, function=entry_function(entry), code=entry_code(entry))
        frames.append(frame)
        entry = []
    return frames
