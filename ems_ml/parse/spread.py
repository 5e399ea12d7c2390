"""Traces that were folded into something else, brought back to the interpreter's own lines.

Three folds are known: escaped into one line (JSON, `repr`), squeezed into one line by lost line ends, and
drawn into a box by rich.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ems_ml.parse.blocks import JOIN
from ems_ml.parse.grammar import HEADER, HEADER_LINE, frame_in, plausible

LINE_END = re.compile(r"\r\n|\n|\r")

_TRACE_WORDS = re.compile(
    r'Traceback \(most recent call last\)|File "|^\s*at \S.*[\w>)]:\d|^\s*at \S+\(|^goroutine \d+ \['
    r"|^\s*#\d+ +\S|panicked at ",
    re.M,
)
_ESCAPED = re.compile(
    r'call last\):?\\{1,8}[nr]|\\n {0,12}File \\{0,8}"|\\n(?:\\{1,8}t| {0,12})at [\w$.<>/@]'
    r"|goroutine \d{1,9} \[[^\]]{1,80}\]:\\{1,8}n"
    r"|\\n {0,8}#\d{1,5} +(?:0x|[\w:~<>]+ \()"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_RAISED = re.compile(r"\s*[\w.]+(?:Error|Exception): ")
_CLOSING = re.compile(r"""["']?[\]})"'\s]{0,8}$""")
_SQUEEZED = re.compile(r'call last\):? +(?:\.\.\. +)?File "')
_PIECE = re.compile(rf'(?:^| +)(?=File "[^"]*", line \d|{HEADER.pattern}|{JOIN.pattern})')
_RAISED_INSIDE = re.compile(r"(?<!except)(?<!raise) (?P<type>[^\W\d][\w.]*)(?:: (?P<message>.*))?$")

_BOX_TOP = re.compile(r"^(?P<before>[^\u256d]*)\u256d\u2500+ (?:Exception Group )?Traceback \(most recent call last\)")
_BOX_FRAME = re.compile(r"(?P<file>\S.*?):(?P<line>\d{1,9}) in (?P<function>\S+)\s*$")
_BOX_NAMED = re.compile(r"in (?P<function>\S+):(?P<line>\d{1,9})\s*$")
_BOX_CODE = re.compile(r"\u2771 *\d{1,9}(?P<code>.*)$")
_BOX_LISTING = re.compile(r"[\u2771\s]*\d{1,9}(?: |$)|\u256d|\u2570|\u2502")
_GUIDE = re.compile(r"[\u2502\u258f ]+")
_BOX_LINES = 5_000


def is_escaped(line: str) -> bool:
    """Whether a whole trace stands escaped in `line`, not as part of another exception's message."""
    if line.startswith('{"log":"') and line.rstrip().endswith("}"):
        return True
    if "\\n" in line and _ESCAPED.search(line):
        return not _RAISED.match(line)
    return line.startswith("{") and line.rstrip().endswith("}") and "call last)" in line


def unescape(line: str) -> list[str]:
    """The lines of a trace that stands escaped in one line; of a JSON object only the trace."""
    start = line.find("{")
    if start >= 0 and line.rstrip().endswith("}"):
        try:
            told = json.loads(line[start:])
            if line.startswith('{"log":"') and isinstance(
                told["log"], str
            ):  # docker's own: one line of the program each
                return LINE_END.split(told["log"].rstrip("\r\n"))
            found = _longest_trace(told)
        except (ValueError, RecursionError):
            found = ""
        if found:
            return LINE_END.split(found)
    for _ in range(4):  # escaped again by each system that it passed
        if "\n" in line or "\\" not in line:
            break
        line = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), line)
    parts = LINE_END.split(line)
    if len(parts) > 1 and _CLOSING.fullmatch(parts[-1]):
        parts.pop()
    elif parts[-1].rstrip().endswith(("}", "]")) or parts[-1].count('"') % 2 or parts[-1].count("'") % 2:
        parts[-1] = _CLOSING.sub("", parts[-1])
    return parts


def is_squeezed(line: str) -> bool:
    """Whether a whole trace stands in `line`, its line ends turned into spaces."""
    return _SQUEEZED.search(line) is not None


def unsqueeze(line: str) -> list[str]:
    """The lines of a trace whose line ends got lost. What follows a frame is its source, up to an exception."""
    lines: list[str] = []
    for piece in _PIECE.split(line):
        found = frame_in(piece)
        if found is None or found.prefix.strip():
            lines.append(piece.strip())
            continue
        code, raised = _source_and_exception(found.rest)
        lines.append(f"  {piece[: len(piece) - len(found.rest)].strip() if found.rest else piece.strip()}")
        lines.extend(part for part in (f"    {code}" if code else "", raised) if part)
    return lines


def _source_and_exception(text: str) -> tuple[str, str]:
    """What stands after a frame: source, then maybe `Type: message`."""
    for found in re.finditer(r"(?:^| )(?=[^\W\d][\w.]*(?:: |$))", text):
        rest = text[found.end() :]
        type_ = rest.partition(":")[0].strip()
        if plausible(type_) and not text[: found.start()].endswith(("except", "raise")):
            return text[: found.start()].strip(), rest
    return text.strip(), ""


def unbox(lines: Sequence[str]) -> Iterator[str]:
    """`lines` with each box that rich drew written as the interpreter would have."""
    at = 0
    while at < len(lines):
        top = _BOX_TOP.match(lines[at]) if "\u256d" in lines[at] else None
        if top is None:
            yield lines[at]
            at += 1
            continue
        yield f"{top['before']}{HEADER_LINE}"
        end = at + 1
        while end < min(len(lines), at + _BOX_LINES) and not lines[end].startswith(top["before"] + "\u2570"):
            if lines[end].strip() and "\u2502" not in lines[end]:
                break
            end += 1
        for line in _box_frames([_inside(line, len(top["before"])) for line in lines[at + 1 : end]]):
            yield f"{top['before']}{line}"
        at = end + 1 if end < len(lines) and "\u2570" in lines[end] else end


def _inside(line: str, margin: int) -> str:
    text = line[margin:].strip()
    return text.removeprefix("\u2502").removesuffix("\u2502").rstrip().removeprefix(" ")


def _box_frames(rows: Sequence[str]) -> Iterator[str]:
    """The frames in a box: a place that is too long for it goes on in the next row."""
    pending = ""
    for row in rows:
        if code := _BOX_CODE.match(row.lstrip()):
            yield f"    {_GUIDE.sub(' ', code['code'], count=1).strip()}"
        if not row.strip() or _BOX_LISTING.match(row.lstrip()) or row.startswith("  "):
            pending = ""
            continue
        pending += row
        if named := _BOX_NAMED.match(pending):
            yield f'  File "<string>", line {named["line"]}, in {named["function"]}'
        elif found := _BOX_FRAME.match(pending):
            yield f'  File "{found["file"]}", line {found["line"]}, in {found["function"]}'
        else:
            continue
        pending = ""


def _longest_trace(value: Any) -> str:
    """The string in a decoded JSON value that holds a trace: of several, the longest."""
    best = ""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            if item and all(isinstance(part, str) for part in item):
                item = "\n".join(part.rstrip("\n") for part in item)
            else:
                stack.extend(item)
        if isinstance(item, str) and len(item) > len(best) and _TRACE_WORDS.search(item):
            best = item
    return best
