"""Stacks of JavaScript and TypeScript in a text: Node, Deno, browsers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ems_ml.parse.above import Named, message_until, named_above, prefix_at
from ems_ml.parse.blocks import Block, Node
from ems_ml.parse.grammar import indent_of
from ems_ml.parse.javascript_frames import INSIDE, MATCHING, NAMED_SO, TYPE, js_frame, js_role
from ems_ml.parse.message import INTERLEAVED
from ems_ml.parse.text import read_text
from ems_ml.types import ErrorEvent, Frame, RawReport

#: Levels and labels that stand where a type could.
_NO_TYPES = frozenset({"at", "Node", "Error_", "stack", "message", "code", "name", "Note", "Stack", "cause", "errors"})
_CAUSE = re.compile(r"(?P<indent>\s*)(?:\[cause\]|cause): (?P<rest>.*)$")
_ERRORS = re.compile(r"\s*(?:\[errors\]|errors): \[")
_CLOSING = re.compile(r"\s*(?:[\]}],?\s*)+$")
#: `file:line`, below it the source line and a caret, as Node prints before what was not caught.
_PLACE = re.compile(r"\s*(?P<file>\S.*?):(?P<line>\d{1,9})$")
_CARET = re.compile(r"\s*\^+\s*$")
#: Properties of an error that are printed behind its stack.
_PROPERTIES = 200
_MESSAGE_LINES = 60


class JavaScriptParser:
    """Reads `Form.TEXT`. None where a text holds no frame of JavaScript. `language` is "javascript"."""

    name = "javascript"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, (self,))

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every error in `lines`, with its causes, in order."""
        nodes: list[Node] = []
        at = floor = 0
        while at < len(lines):
            if js_frame(lines[at]) is None:
                at += 1
                continue
            stack = _Stack(lines, at, floor)
            node = stack.read()
            at = floor = stack.at
            if node is not None:
                nodes.append(node)
        return nodes


def _block(start: int, type_: str = "", message: str = "") -> Block:
    return Block(type=type_, message=message, language="javascript", judge=js_role, start=start, end=start + 1)


def _named(rest: str) -> Named | None:
    """The error that a line names."""
    if (found := TYPE.match(rest)) and _may_be(found["type"], introduced=bool(found["introduced"])):
        sure = bool(found["introduced"]) or NAMED_SO.match(found["type"]) is not None
        return Named(found["type"], found["message"] or "", sure=sure)
    if found := INSIDE.search(rest):
        return Named(found["type"], found["message"], sure=True)
    if rest.startswith("Uncaught "):  # what was thrown need not be an error
        return Named("", rest.removeprefix("Uncaught ").removeprefix("(in promise) "), sure=True)
    return None


def _may_be(name: str, *, introduced: bool) -> bool:
    """Whether a name may be an error's: not a log's level, nor a label."""
    last = name.rpartition(".")[2]
    return introduced or (last[:1].isupper() and not last.isupper() and name not in _NO_TYPES)


class _Stack:
    """One stack with its causes, from its first frame on. A builder; `at` is the first line after it."""

    def __init__(self, lines: Sequence[str], first: int, floor: int) -> None:
        self.lines = lines
        self.at = first
        found = js_frame(lines[first])
        self.styled = found.styled if found else "v8"
        self.prefix = prefix_at(lines, first, found.before if found else "")
        self.floor = floor
        self.top = Node(_block(first))
        self.named = named_above(lines, first, floor, self.prefix, _named, _is_inner)
        column = 0
        if self.named:
            index, told = self.named
            message = message_until(lines, index, first, self.prefix, told.message)
            self.top.block = _block(index, told.type, message)
            self.top.block.headed = True
            column = indent_of(self.prefix.strip(lines[index]) or "")
        self.open: list[tuple[int, Node]] = [(column, self.top)]
        self.gaps: dict[int, list[tuple[int, int]]] = {}  # by a node's identity: after which frame how many lack
        self.inside = 0  # how many lines of properties we are in
        self.grouped: dict[int, int] = {}  # by a node's identity: the column of its list of members

    def read(self) -> Node | None:
        missed = blanks = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            rest = self.prefix.strip(line)
            if rest is None:
                missed += 1
                if missed > INTERLEAVED:
                    break
            elif not rest.strip():
                blanks += 1
                if blanks > 1 or not self.inside:
                    break
            elif not self._take(rest):
                break
            else:
                missed = blanks = 0
                self.open[-1][1].block.end = max(self.open[-1][1].block.end, self.at + 1)
            self.at += 1
        self.at = max(self.at if self.inside else 0, *(node.block.end for _, node in self.open))
        return self._finished()

    def _take(self, rest: str) -> bool:
        """Use a line; False where the stack ends before it."""
        found = js_frame(rest)
        node = self.open[-1][1]
        if found and found.styled == self.styled:
            if self.inside and indent_of(rest) <= self.open[0][0]:
                return False  # another stack, directly below
            node.block.frames.append(found.frame)
            self.inside += found.opens
            return True
        if matching := MATCHING.match(rest):
            self.gaps.setdefault(id(node), []).append((len(node.block.frames), int(matching["count"])))
            return True
        if not self.inside:
            return False
        self.inside += 1
        return self._property(rest)

    def _property(self, rest: str) -> bool:
        """A line among the properties behind a stack: maybe a cause, or members."""
        column = indent_of(rest)
        if self.inside > _PROPERTIES:
            return False
        if found := _CAUSE.match(rest):
            self._close(column)
            if named := _named(found["rest"]):
                self._open_node(column, named, "cause")
            return True
        if _ERRORS.match(rest):
            self._close(column)
            self.grouped[id(self.open[-1][1])] = column
            return True
        self._close(column)
        owner = self.open[-1][1]
        if id(owner) in self.grouped and column > self.grouped[id(owner)] and (named := _named(rest)):
            self._open_node(column, named, "member")
            return True
        if _CLOSING.match(rest) and column <= self.open[0][0]:
            self.open[-1][1].block.end = self.at + 1
            self.inside = 0
        return True

    def _close(self, column: int) -> None:
        """Back to the error whose properties stand in this column."""
        while len(self.open) > 1 and self.open[-1][0] >= column:
            self.open.pop()

    def _open_node(self, column: int, named: Named, relation: str) -> None:
        end = self._message_end(column)
        node = Node(_block(self.at, named.type, message_until(self.lines, self.at, end, self.prefix, named.message)))
        owner = self.open[-1][1]
        if relation == "cause":
            owner.cause = (relation, node)
        else:
            owner.members.append(node)
        self.open.append((column, node))
        node.block.end = end
        self.at = end - 1

    def _message_end(self, column: int) -> int:
        """The first line after the message that begins in this one."""
        for index in range(self.at + 1, min(self.at + 1 + _MESSAGE_LINES, len(self.lines))):
            rest = self.prefix.strip(self.lines[index])
            if rest is None or (rest.strip() and indent_of(rest) < column):
                break
            if js_frame(rest):
                return index
        return self.at + 1

    def _finished(self) -> Node | None:
        """The error raised last, each stack's raise point at its end; None where a single frame means nothing."""
        seen = [self.top]
        for node in seen:
            seen.extend(node.members)
            if node.cause:
                seen.append(node.cause[1])
        for node in seen:
            self._fill(node)
        for node in seen:
            node.block.frames.reverse()
        top = self.top.block
        if self.styled != "v8" and not self.named and len(top.frames) < 2:
            return None
        self._printed_above(top)
        return self.top

    def _fill(self, node: Node) -> None:
        """`... 5 lines matching cause stack trace ...`: they are the cause's, below the frame that both have."""
        frames = node.block.frames
        below = node.cause[1].block.frames if node.cause else []
        for place, count in reversed(self.gaps.get(id(node), [])):
            if place and (shared := frames[place - 1]) in below:
                start = below.index(shared) + 1
                frames[place:place] = below[start : start + count]

    def _printed_above(self, block: Block) -> None:
        """What Node prints above an error that nobody caught: the place, its source line, a caret."""
        for index in range(block.start - 1, max(self.floor, block.start - 6) - 1, -1):
            if not _CARET.match(self.prefix.strip(self.lines[index]) or ""):
                continue
            for above in range(index - 1, max(self.floor, index - 4) - 1, -1):
                place = _PLACE.match(self.prefix.strip(self.lines[above]) or "")
                if place and above + 1 < index:
                    self._take_code(block, place, (self.prefix.strip(self.lines[above + 1]) or "").strip(), above)
                    return

    def _take_code(self, block: Block, place: re.Match[str], code: str, above: int) -> None:
        file, line = place["file"].removeprefix("file://"), int(place["line"])
        block.start = above
        for index, frame in enumerate(block.frames):
            if frame.file == file and frame.line == line:
                block.frames[index] = replace(frame, code=code or None)
        written = not file.startswith("<")  # not a text that was evaluated, such as JSON
        if block.type == "SyntaxError" and written and not any((f.file, f.line) == (file, line) for f in block.frames):
            block.frames.append(Frame(file=file, line=line, code=code or None))


def _is_inner(rest: str) -> bool:
    """Whether a line belongs to the stack before."""
    return js_frame(rest) is not None
