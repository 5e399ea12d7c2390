"""Reports that name the exception first and its frames below: finding the line above the frames that names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ems_ml.parse.blocks import JOIN, MESSAGE_CHARS
from ems_ml.parse.grammar import ENDS_MESSAGE, HEADER, Prefix, frame_in
from ems_ml.parse.message import INTERLEAVED, MESSAGE_LINES

#: How many lines are asked whether they begin with a prefix too.
_FOLLOWING = 8


@dataclass(frozen=True, slots=True)
class Named:
    """A line that names an exception. `sure`: nothing but an exception is named so."""

    type: str
    message: str
    sure: bool = False


Matcher = Callable[[str], Named | None]


def prefix_at(lines: Sequence[str], at: int, before: str) -> Prefix:
    """What stands before each line of a trace, judged from `before`, which stood before its first frame."""
    prefix = Prefix(before)
    if prefix.blank:
        return prefix
    near = [*lines[max(0, at - 2) : at], *lines[at + 1 : at + 1 + _FOLLOWING]]
    comes_back = not near or any(prefix.strip(line) is not None for line in near)
    return prefix if comes_back else Prefix("")


def named_above(
    lines: Sequence[str], first: int, floor: int, prefix: Prefix, match: Matcher, stop: Callable[[str], bool]
) -> tuple[int, Named] | None:
    """The line between `floor` and the frame in line `first` that names the exception, and what it names.

    Its message may have several lines, so the nearest line that is `sure` counts, else the nearest that fits. A whole
    Python traceback may be part of the message; what it names does not count.
    """
    best: tuple[int, Named] | None = None
    missed = blanks = 0
    for index in range(first - 1, max(floor, first - MESSAGE_LINES) - 1, -1):
        line = lines[index]
        rest = prefix.strip(line)
        if rest is None:
            missed += 1
            if missed > INTERLEAVED:
                break
            continue
        if stop(rest):
            break
        if not rest.strip():
            blanks += 1
            if best is not None or blanks > 3:
                break
            continue
        if header := HEADER.search(rest):
            return _quoting(lines, index, rest[: header.start()], rest, floor, prefix, match) or best
        named = match(rest)
        if named is not None and (best is None or named.sure):
            if quoted := _quoted(lines, index, floor, prefix, match):
                return quoted
            if named.sure:
                return index, named
            best = (index, named)
        elif best is not None and first - index > _FOLLOWING:
            break
        if ENDS_MESSAGE.match(rest):
            break
    return best


def _quoted(lines: Sequence[str], index: int, floor: int, prefix: Prefix, match: Matcher) -> tuple[int, Named] | None:
    """What a line names may be a Python traceback's last line, as part of a message: then what stands above that."""
    for above in range(index - 1, max(floor, index - MESSAGE_LINES) - 1, -1):
        rest = prefix.strip(lines[above])
        if rest is None:
            return None
        if header := HEADER.search(rest):
            return _quoting(lines, above, rest[: header.start()], rest, floor, prefix, match)
        inside = not rest.strip() or rest.startswith(" ") or frame_in(rest) or JOIN.search(rest)
        if not inside and match(rest) is None:
            return None
    return None


def _quoting(
    lines: Sequence[str], index: int, before: str, rest: str, floor: int, prefix: Prefix, match: Matcher
) -> tuple[int, Named] | None:
    """The exception whose message begins with the header of a Python traceback, or goes on with it."""
    if before.strip():
        return (index, named) if (named := match(rest)) else None
    above = prefix.strip(lines[index - 1]) if index > floor else None
    named = match(above) if above else None
    return (index - 1, named) if named else None


def message_until(lines: Sequence[str], index: int, end: int, prefix: Prefix, first: str) -> str:
    """The message that begins with `first` in line `index` and goes on up to line `end`."""
    parts = [first.rstrip()]
    size = len(first)
    for line in lines[index + 1 : end]:
        rest = prefix.strip(line)
        if rest is None:
            continue
        parts.append(rest.rstrip())
        size += len(rest)
        if size > MESSAGE_CHARS:
            break
    return "\n".join(parts).strip("\n").rstrip()
