"""Stacks of native programs in a text: gdb, AddressSanitizer and its siblings, glibc's backtrace(3), systemd."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ems_ml.parse.above import prefix_at
from ems_ml.parse.blocks import Block, Node
from ems_ml.parse.grammar import Prefix
from ems_ml.parse.native_frames import goes_on, is_machinery, native_frame, native_role
from ems_ml.parse.text import read_text
from ems_ml.types import ErrorEvent, Frame, RawReport

_SANITIZER = re.compile(
    r"(?P<tool>\w+Sanitizer): (?:attempting (?=double-free))?(?P<type>[A-Za-z][\w-]*)(?P<message>.*)$"
)
_ERROR = re.compile(r"(?:==\d+==)?\s*(?:ERROR|WARNING): (?=\w+Sanitizer: )")
_UNDEFINED = re.compile(r"(?P<file>\S[^:\n]*):(?P<line>\d{1,9}):(?P<column>\d{1,9}): runtime error: (?P<message>.*)$")
_LEAK = re.compile(
    r"(?P<type>(?:Direct|Indirect) leak) of (?P<message>\d+ byte\(s\) in \d+ object\(s\) allocated from):?"
)
_ACCESS = re.compile(
    r"(?:READ|WRITE) of size \d+ at 0x[0-9a-f]+ thread T\d+|The signal is caused by an? \w+ memory access|Hint: .*"
)
_BESIDE = re.compile(
    r"\s*(?P<type>(?:previously )?allocated|freed|Thread T\d+ created|Memory was marked)\b.*(?:here|from"
    r"|by T\d+.*):\s*$"
)
_SIGNAL = re.compile(
    r"(?:Program|Thread \d[^\n]{0,100}?) (?:received|terminated with) signal (?P<type>SIG\w+), (?P<message>[^\n]*?)\.?$"
)
_ASSERTION = re.compile(
    r"(?P<program>[\w./-]+): (?P<file>[^\s:]+):(?P<line>\d+): (?P<function>.{1,500}?): "
    r"(?P<message>Assertion [`'].*' failed\.)$"
)
_TERMINATE = re.compile(r"terminate called after throwing an instance of '(?P<type>[^']+)'")
_WHAT = re.compile(r"\s*what\(\):\s+(?P<message>.*)$")
_GLIBC = re.compile(
    r"\*\*\* (?P<message>(?:Error in|stack smashing|buffer overflow|invalid)[^\n]*?)(?: \*\*\*)?:?\s*"
    r"(?:terminated)?$|^(?P<malloc>(?:double free|free\(\)|malloc\(\)|munmap_chunk|corrupted|realloc\(\)"
    r"|malloc_consolidate)[^\n]*)$"
)
_CAUGHT = re.compile(
    r"(?:[Cc]aught |[Ff]atal )?[Ss]ignal:? (?P<number>\d+)|Segmentation fault|Aborted|Floating point exception"
    r"|Bus error|Illegal instruction"
)
_THREAD = re.compile(r"\s*Thread \d+ \(")
_LISTING = re.compile(r"(?P<line>\d{1,9})\t(?P<code>.*)$")
#: So many lines above a first frame may say what failed.
_ABOVE = 30
#: Between a sanitizer's stacks.
_BETWEEN = 12
#: What raises and reports stands in so many frames nearest the end.
_MACHINERY = 20
#: Sanitizers name these by a sentence.
_SENTENCES = {"attempting": "bad-free", "requested": "allocation-size-too-big", "allocator": "out-of-memory"}


class NativeParser:
    """Reads `Form.TEXT`. None where a text holds no native stack. `language` is "native"."""

    name = "native"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, (self,))

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every error in `lines`, in order."""
        nodes: list[Node] = []
        node: Node | None
        at = floor = 0
        while at < len(lines):
            line = lines[at]
            if ": runtime error: " in line and (found := _UNDEFINED.search(line)):
                node, at = _undefined(lines, at, found)
            elif (frame := native_frame(line)) is not None:
                first = at
                prefix = prefix_at(lines, at, frame.before)
                frames, at = _stack(lines, at, prefix)
                node = _report(lines, first, floor, prefix, frames, at, nodes)
            else:
                at += 1
                continue
            floor = at
            if node is not None:
                nodes.append(node)
        return nodes


def _block(start: int, end: int, type_: str = "", message: str = "") -> Block:
    return Block(type=type_, message=message.strip(), language="native", judge=native_role, start=start, end=end)


def _stack(lines: Sequence[str], at: int, prefix: Prefix) -> tuple[list[Frame], int]:
    """The frames from line `at` on, raise point first, and the index of the line after them."""
    frames: list[Frame] = []
    last = -2
    while at < len(lines):
        rest = prefix.strip(lines[at])
        if rest is None:
            break
        joined, after = rest, at + 1
        while after < min(len(lines), at + 6) and goes_on(joined):
            more = prefix.strip(lines[after])
            if more is None or not more.startswith("    ") or native_frame(more):
                break
            joined, after = f"{joined.rstrip()} {more.strip()}", after + 1
        found = native_frame(joined)
        if found is None:
            listed = _LISTING.match(rest)
            if listed and frames and frames[-1].line == int(listed["line"]):
                frames[-1] = replace(frames[-1], code=listed["code"].strip() or None)
                at += 1
                continue
            break
        if frames and found.number >= 0 and found.number <= last:
            break  # another stack
        frames.append(found.frame)
        last = found.number
        at = after
    return frames, max(at, 0)


def _report(
    lines: Sequence[str], first: int, floor: int, prefix: Prefix, frames: list[Frame], end: int, nodes: list[Node]
) -> Node | None:
    """The error that a stack belongs to; None where it is a part of the one before."""
    if not frames:
        return None
    ordered = list(reversed(_without_machinery(frames)))
    block = _named(lines, first, floor, prefix, end)
    block.frames = ordered
    before = nodes[-1] if nodes and first - nodes[-1].span()[1] <= _BETWEEN else None
    if block.type.startswith("Indirect") and before:
        before.members.append(Node(block))
        return None
    if beside := _beside(lines, first, floor, prefix):
        if before is None:
            return Node(block)
        block.type, block.message = beside, ""
        before.beside.append(Node(block))
        return None
    if not block.type and nodes and _told_again(nodes[-1].block, block):
        return None
    if not block.type and before and _is_other_thread(lines, first, floor, prefix):
        before.block.end = end
        return None
    return Node(block)


def _told_again(before: Block, again: Block) -> bool:
    """Whether gdb prints the same stack once more, maybe whole after its last call alone: then the longer one "
    "counts."""
    known, told = before.frames[-1], again.frames[-1]
    if (known.function, known.file, known.line) != (told.function, told.file, told.line):
        return False
    if len(again.frames) > len(before.frames):
        before.frames = [*again.frames[:-1], replace(told, code=told.code or known.code)]
    before.end = again.end
    return True


def _without_machinery(frames: list[Frame]) -> list[Frame]:
    """Without what raises and reports. Above a signal's handler stands the handler, below it what failed."""
    below = next((n + 1 for n, frame in enumerate(frames) if frame.function == "<signal handler called>"), 0)
    rest = frames[below:] or frames
    raising = [n for n, frame in enumerate(rest[:_MACHINERY]) if is_machinery(frame)]
    return (rest[raising[-1] + 1 :] if raising else rest) or rest


def _beside(lines: Sequence[str], first: int, floor: int, prefix: Prefix) -> str:
    """What a sanitizer says of a second stack: where memory was freed, or allocated."""
    rest = prefix.strip(lines[first - 1]) if first > floor else None
    found = _BESIDE.match(rest) if rest else None
    return found["type"] if found else ""


def _is_other_thread(lines: Sequence[str], first: int, floor: int, prefix: Prefix) -> bool:
    near = [prefix.strip(line) or "" for line in lines[max(floor, first - 2) : first]]
    return any(_THREAD.match(line) or not line.strip() for line in near)


def _named(lines: Sequence[str], first: int, floor: int, prefix: Prefix, end: int) -> Block:
    """What the lines above a stack say of the error, nearest first."""
    told: list[str] = []
    what = signal = signal_message = ""
    reported: Block | None = None
    signal_at = first
    for index in range(first - 1, max(floor, first - _ABOVE) - 1, -1):
        rest = prefix.strip(lines[index])
        if rest is None:
            rest = lines[index]
        if (leak := _LEAK.search(rest)) and not told:
            return _headed(index, end, leak["type"], leak["message"])
        if (found := _SANITIZER.search(rest)) and _ERROR.search(rest) and not signal:
            reported = _sanitized(index, end, found, told)
            if found["type"] != "ABRT":
                return reported
            signal = "SIGABRT"  # the program ended itself: what it said before tells more
            continue
        if found := _ACCESS.search(rest):
            told.append(found[0].rstrip("."))
        elif found := _WHAT.match(rest):
            what = found["message"]
        elif found := _TERMINATE.search(rest):
            return _headed(index, end, found["type"], what)
        elif found := _ASSERTION.search(rest):
            return _headed(index, end, signal or "SIGABRT", found["message"])
        elif found := _GLIBC.search(rest.strip()):
            return _headed(index, end, signal or "SIGABRT", found["message"] or found["malloc"])
        elif not signal and (found := _SIGNAL.search(rest.strip())):
            signal, signal_message, signal_at = found["type"], found["message"], index
            if signal != "SIGABRT":
                break
        elif not signal and first - index <= 4 and (found := _CAUGHT.search(rest)):
            return _headed(index, end, "signal", found[0])
    if reported is not None:
        return reported
    block = _block(signal_at, end, signal, signal_message)
    block.headed = bool(signal)
    return block


def _sanitized(index: int, end: int, found: re.Match[str], told: Sequence[str]) -> Block:
    """What a sanitizer's first line says, with the access that stands below it."""
    parts = list(reversed(told))
    if found["type"] in ("SEGV", "FPE", "BUS", "ILL", "stack-overflow") or not parts:
        parts.insert(0, found["message"].partition(" (pc ")[0].strip())
    block = _headed(index, end, _SENTENCES.get(found["type"], found["type"]), "; ".join(parts))
    block.notes["tool"] = found["tool"]
    return block


def _headed(start: int, end: int, type_: str, message: str) -> Block:
    block = _block(start, end, type_, message)
    block.headed = True
    return block


def _undefined(lines: Sequence[str], at: int, found: re.Match[str]) -> tuple[Node, int]:
    """UndefinedBehaviorSanitizer: a line with the place, then maybe a stack."""
    prefix = Prefix(lines[at][: found.start()])
    block = _headed(at, at + 1, "runtime error", found["message"])
    block.notes["tool"] = "UndefinedBehaviorSanitizer"
    after = at + 1
    frames: list[Frame] = []
    if after < len(lines) and (rest := prefix.strip(lines[after])) is not None and native_frame(rest):
        frames, after = _stack(lines, after, prefix)
    here = Frame(file=found["file"], line=int(found["line"]))
    block.frames = list(reversed(_without_machinery(frames))) if frames else [here]
    block.end = after
    return Node(block), max(after, at + 1)
