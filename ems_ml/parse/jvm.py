"""Stack traces of the Java virtual machine (Java, Kotlin, Scala, Groovy, Android) in a text."""

from __future__ import annotations

from collections.abc import Sequence

from ems_ml.parse.above import Named, message_until, named_above, prefix_at
from ems_ml.parse.blocks import Block, Node
from ems_ml.parse.grammar import ENDS_MESSAGE, Prefix, indent_of
from ems_ml.parse.jvm_frames import (
    BARE,
    CIRCULAR,
    INSIDE,
    INTRODUCED,
    MORE,
    QUALIFIED,
    SIMPLE,
    is_type,
    jvm_frame,
    jvm_role,
    named_so,
)
from ems_ml.parse.message import INTERLEAVED
from ems_ml.parse.text import read_text
from ems_ml.types import ErrorEvent, Frame, RawReport

#: A message of several lines, below the words that introduce it, has at most so many.
_MESSAGE_LINES = 60


class JvmParser:
    """Reads `Form.TEXT`. None where a text holds no frame of a JVM. `language` is "java", whatever was compiled."""

    name = "java"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, (self,))

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every error in `lines`, with its causes, in order; where none has frames, those that are named alone."""
        nodes: list[Node] = []
        at = floor = 0
        while at < len(lines):
            if jvm_frame(lines[at]) is None:
                at += 1
                continue
            trace = _Trace(lines, at, floor)
            nodes.append(trace.read())
            at = floor = trace.at
        return nodes or _bare(lines)


def _bare(lines: Sequence[str]) -> list[Node]:
    """Exceptions whose frames were left out, as the machine does for those that are thrown often."""
    found = ((index, BARE.match(line.strip())) for index, line in enumerate(lines) if "." in line)
    return [
        Node(_block(index, match["type"], (match["message"] or "").strip(), headed=bool(match["before"])))
        for index, match in found
        if match and is_type(match["type"])
    ]


def _block(start: int, type_: str = "", message: str = "", *, headed: bool = False) -> Block:
    return Block(
        type=type_, message=message, headed=headed, language="java", judge=jvm_role, start=start, end=start + 1
    )


def _named(rest: str) -> Named | None:
    """The exception that a line names."""
    if introduced := INTRODUCED.match(rest):
        named = _named_plainly(introduced["rest"])
        return Named(named.type, named.message, sure=True) if named else None
    return _named_plainly(rest)


def _named_plainly(text: str) -> Named | None:
    if (found := QUALIFIED.match(text)) and is_type(found["type"]):
        return Named(found["type"], found["message"] or "", sure=named_so(found["type"]))
    if found := INSIDE.search(text):
        return Named(found["type"], found["message"] or "", sure=True)
    if (found := SIMPLE.match(text)) and is_type(found["type"]):
        return Named(found["type"], found["message"] or "")
    return None


class _Trace:
    """One trace with its causes, from its first frame on. A builder; `at` is the first line after it."""

    def __init__(self, lines: Sequence[str], first: int, floor: int) -> None:
        self.lines = lines
        self.at = first
        found = jvm_frame(lines[first])
        self.prefix: Prefix = prefix_at(lines, first, found.before if found else "")
        named = named_above(lines, first, floor, self.prefix, _named, _is_inner)
        self.top = Node(_block(first))
        self.column = 0  # of the words that name it
        self.wrapping = False
        if named:
            index, told = named
            self.top.block = _block(index, told.type, message_until(lines, index, first, self.prefix, told.message))
            self.column = self._introduced_at(index)
        elif "State:" in (lines[first - 1] if first > floor else ""):
            self.top.block.stack = True  # of a thread dump
        self.open: list[tuple[int, Node]] = [(self.column, self.top)]
        self.outer: dict[int, list[Frame]] = {}  # by a node's identity, the frames of what it was printed within

    def _introduced_at(self, index: int) -> int:
        rest = self.prefix.strip(self.lines[index]) or ""
        return indent_of(rest) if rest.strip() else 0

    def read(self) -> Node:
        missed = blanks = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            rest = self.prefix.strip(line)
            found = jvm_frame(rest) if rest is not None else None
            if rest is None:
                missed += 1
                if missed > INTERLEAVED:
                    break
            elif not rest.strip():
                blanks += 1
                if blanks > 1:
                    break
            elif found:
                self.open[-1][1].block.frames.append(found.frame)
            elif more := MORE.match(rest):
                self._common(int(more["count"]))
            elif CIRCULAR.match(rest):
                pass
            elif not self._introduce(rest):
                break
            if rest is not None and rest.strip():
                missed = blanks = 0
                self.open[-1][1].block.end = self.at + 1
            self.at += 1
        self.at = max(node.block.end for _, node in self.open)
        return self._finished()

    def _introduce(self, rest: str) -> bool:
        """Begin the exception that `rest` introduces as a cause or as suppressed; False where it does neither."""
        found = INTRODUCED.match(rest)
        if found is None or found["word"].startswith("Exception"):
            return False
        named = _named_plainly(found["rest"]) or Named("", found["rest"])
        end = self._message_end()
        message = message_until(self.lines, self.at, end, self.prefix, named.message)
        node = Node(_block(self.at, named.type, message))
        column = indent_of(rest)
        while len(self.open) > 1 and self.open[-1][0] > column:
            self.open.pop()
        owner = self.open[-1][1]
        self.outer[id(node)] = owner.block.frames
        if found["word"] == "Suppressed: ":
            while len(self.open) > 1 and self.open[-1][0] >= column:
                self.open.pop()
            owner = self.open[-1][1]
            self.outer[id(node)] = owner.block.frames
            owner.beside.append(node)
            self.open.append((column, node))
        elif found["word"] == "Wrapped by: ":
            node.cause = ("cause", owner)
            self.top = node if owner is self.top else self.top
            self.open[-1] = (self.open[-1][0], node)
        else:
            owner.cause = ("cause", node)
            self.open[-1] = (self.open[-1][0], node)
        self.at = end - 1
        return True

    def _message_end(self) -> int:
        """The first line after the message that begins in this one: it may have several lines before the frames."""
        for index in range(self.at + 1, min(self.at + 1 + _MESSAGE_LINES, len(self.lines))):
            rest = self.prefix.strip(self.lines[index])
            if rest is None or ENDS_MESSAGE.match(rest):
                break
            if jvm_frame(rest) or MORE.match(rest):
                return index
            if INTRODUCED.match(rest) or CIRCULAR.match(rest):
                return index if index == self.at + 1 else self.at + 1
        return self.at + 1

    def _common(self, count: int) -> None:
        """`... 12 more`: the oldest calls are those of the trace that this one was printed within."""
        node = self.open[-1][1]
        outer = self.outer.get(id(node), [])
        if 0 < count <= len(outer):
            node.block.frames.extend(outer[-count:])

    def _finished(self) -> Node:
        """The error raised last, each trace's raise point at its end, as everywhere here."""
        open_, seen = [self.top], []
        while open_:
            node = open_.pop()
            seen.append(node)
            open_.extend(node.beside)
            if node.cause:
                open_.append(node.cause[1])
        for node in seen:
            node.block.frames.reverse()
        if not self.top.block.type and self.top.cause:
            # Its beginning was cut off: what is known to be raised last is the cause.
            _, cause = self.top.cause
            cause.block.start = self.top.block.start
            return cause
        return self.top


def _is_inner(rest: str) -> bool:
    """Whether a line belongs to the trace before."""
    return jvm_frame(rest) is not None or MORE.match(rest) is not None
