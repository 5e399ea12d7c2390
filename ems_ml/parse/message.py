"""Reading an exception's message: where it ends is not marked, so it is judged by what follows."""

from __future__ import annotations

from collections.abc import Sequence

from ems_ml.parse.blocks import JOIN, MESSAGE_CHARS
from ems_ml.parse.grammar import (
    ENDS_MESSAGE,
    HEADER,
    MEMBER,
    STACK_HEADER,
    Prefix,
    frame_in,
    indent_of,
)

#: How many lines of somebody else may stand between two lines of a traceback that has log columns.
INTERLEAVED = 20
#: How many lines a message may have.
MESSAGE_LINES = 200


def read_message(lines: Sequence[str], index: int, prefix: Prefix, indent: int, first: str) -> tuple[str, int]:
    """The message that begins with `first` in line `index`, and the index of the first line after it.

    It goes on until a blank line, a line with another prefix, or what begins a log line, a prompt, another
    traceback. Beyond a blank line only what is indented deeper, after lines that were so too, still counts.
    """
    parts = [first]
    size = len(first)
    at = index + 1
    while at < len(lines) and len(parts) < MESSAGE_LINES and size < MESSAGE_CHARS:
        line = lines[at]
        rest = prefix.strip(line)
        bare = rest is None and _margin_goes_on(lines, at, prefix)
        if bare:
            rest = line  # the interpreter leaves the margin out where a message has several lines
        if rest is None or JOIN.search(line) or HEADER.search(line) or MEMBER.search(line):
            break
        if ENDS_MESSAGE.match(rest) or STACK_HEADER.search(rest) or frame_in(line):
            break
        if not rest.strip():
            follow = _goes_on(lines, at, prefix, indent, parts)
            if follow is None:
                break
            parts.extend([""] * (follow - at))
            at = follow
            continue
        if indent_of(rest) < indent and not bare:
            break
        parts.append(_dedent(rest, indent).rstrip())
        size += len(parts[-1])
        at += 1
    message = "\n".join(parts).strip("\n").rstrip()
    if message.endswith("`") and message.count("`") % 2:
        message = message[:-1]  # the whole trace was quoted as code
    return message, at


def _margin_goes_on(lines: Sequence[str], at: int, prefix: Prefix) -> bool:
    """Whether the margin of an exception group comes back after a line without it."""
    if prefix.text.strip(" |") or not prefix.text.strip() or lines[at].lstrip().startswith("+--"):
        return False
    for line in lines[at : at + INTERLEAVED]:
        if prefix.strip(line) is not None or MEMBER.search(line) or line.strip().startswith("+--"):
            return True
        if HEADER.search(line) or JOIN.search(line) or not line.strip():
            return False
    return False


def _goes_on(lines: Sequence[str], at: int, prefix: Prefix, indent: int, parts: list[str]) -> int | None:
    """The line after a gap where the message goes on."""
    for index in range(at + 1, min(at + 3, len(lines))):
        rest = prefix.strip(lines[index])
        if rest is None:
            return None
        if rest.strip():
            begun = len(parts) == 1 and not parts[0]
            deeper = indent_of(rest) >= indent + 4 and parts[-1].startswith("    ")
            return index if (begun or deeper) and not ENDS_MESSAGE.match(rest) else None
    return None


def _dedent(rest: str, indent: int) -> str:
    if not indent:
        return rest
    stripped = rest.lstrip()
    return " " * max(0, indent_of(rest) - indent) + stripped
