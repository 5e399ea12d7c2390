"""Go's panics, fatal errors and printed stacks in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ems_ml.parse.blocks import Block, Node
from ems_ml.parse.go_frames import CREATED, go_function, go_place, go_role, is_machinery, is_panic
from ems_ml.parse.grammar import Prefix
from ems_ml.parse.message import INTERLEAVED, MESSAGE_LINES
from ems_ml.parse.text import read_text
from ems_ml.types import ErrorEvent, Frame, RawReport

_GOROUTINE = re.compile(
    r"(?P<before>.{0,400}?)goroutine \d{1,12}(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[(?P<state>[^\]\n]{1,200})\]:\s*$"
)
_PANIC = re.compile(r"(?:^|(?<=\s))(?:http: )?panic(?: serving \S+)?: (?P<message>.*)$")
_FATAL = re.compile(r"(?:^|(?<=\s))fatal error: (?P<message>.*)$")
_AGAIN = re.compile(r"\s*(?:\[recovered(?:, repanicked)?\]|panic: )")
_RECOVERED = re.compile(r" \[recovered(?:, repanicked)?\]$")
_SIGNAL = re.compile(r"\[signal (?P<signal>\w+): ")
_ELIDED = re.compile(r"\s*\.\.\.(?:\d+ frames elided|additional frames elided)?\.\.\.\s*$")
_RACE = re.compile(r"(?P<before>.{0,400}?)WARNING: DATA RACE\s*$")
_ACCESS = re.compile(
    r"(?P<what>(?:Previous )?(?:atomic )?(?:[Ww]rite|[Rr]ead)) at 0x[0-9a-f]+ by (?P<who>[^\n]{1,80}):\s*$"
)
#: So many lines may stand between the panic's words and the first goroutine.
_ABOVE = 40


class GoParser:
    """Reads `Form.TEXT`. None where a text holds no goroutine's stack and no data race. `language` is "go"."""

    name = "go"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, (self,))

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every panic in `lines`, in order. Of a crash only the goroutine that it began in is read."""
        nodes: list[Node] = []
        at = floor = 0
        while at < len(lines):
            line = lines[at]
            if "goroutine " in line and (found := _GOROUTINE.match(line)):
                stack = _Stack(lines, at, floor, found["before"])
                node = stack.read()
                at = floor = stack.at
                if node is None and nodes:
                    nodes[-1].block.end = at  # another goroutine of the same crash
                elif node is not None:
                    nodes.append(node)
            elif "DATA RACE" in line and (found := _RACE.match(line)):
                node, at = _race(lines, at, Prefix(found["before"]))
                floor = at
                nodes.append(node)
            else:
                at += 1
        return nodes


def _block(start: int, type_: str = "", message: str = "") -> Block:
    return Block(type=type_, message=message, language="go", judge=go_role, start=start, end=start + 1)


def read_frames(lines: Sequence[str], at: int, prefix: Prefix) -> tuple[list[Frame], int]:
    """The frames from line `at` on, as Go prints them: raise point first; and the index of the line after them."""
    frames: list[Frame] = []
    missed = 0
    end = at
    while at < len(lines):
        rest = prefix.strip(lines[at])
        if rest is None:
            missed += 1
            if missed > INTERLEAVED:
                break
            at += 1
            continue
        if _ELIDED.match(rest):
            at = end = at + 1
            continue
        function = go_function(rest)
        if function is None:
            break
        below = prefix.strip(lines[at + 1]) if at + 1 < len(lines) else None
        place = go_place(below) if below is not None else None
        if place is None and not (rest.rstrip().endswith(")") or CREATED.match(rest.strip())):
            break
        frames.append(Frame(file=place[0] if place else "", function=function, line=place[1] if place else None))
        at = end = at + (2 if place else 1)
        missed = 0
    return frames, end


class _Stack:
    """The stack of one goroutine, with the panic that is named above it. `at` is the first line after it."""

    def __init__(self, lines: Sequence[str], first: int, floor: int, before: str) -> None:
        self.lines = lines
        self.first = first
        self.floor = floor
        self.prefix = Prefix(before)
        if not self.prefix.blank and first + 1 < len(lines) and self.prefix.strip(lines[first + 1]) is None:
            self.prefix = Prefix("")
        self.at = first + 1
        self.start = first
        told = self.prefix.strip(lines[first]) or ""
        self.indent = told[: len(told) - len(told.lstrip())]

    def _rest(self, index: int) -> str | None:
        """A line without what stands before each line, as deep as the goroutine's own line or deeper."""
        rest = self.prefix.strip(self.lines[index])
        return rest.removeprefix(self.indent) if rest is not None else None

    def read(self) -> Node | None:
        """None where the stack belongs to the crash before it, or is empty."""
        frames, self.at = read_frames(self.lines, self.first + 1, self.prefix)
        self.at = max(self.at, self.first + 1)
        type_, messages = self._named()
        if not type_:
            if self.floor and self._only_blank_since(self.floor):
                return None
            return self._logged(frames)
        if len(messages) == 1 and type_ == "panic" and self._recovered(frames):
            frames = frames[next((n for n, frame in enumerate(frames) if is_panic(frame)), 0) :]
        return _chained(self.start, self.at, type_, messages, frames)

    def _recovered(self, frames: list[Frame]) -> bool:
        """Whether the stack was printed by what recovered: it stands above the call that raised."""
        return "panic serving " in self.lines[self.start] or any(
            f.function.startswith("runtime/debug.") for f in frames
        )

    def _only_blank_since(self, floor: int) -> bool:
        return not any((self._rest(index) or "").strip() for index in range(floor, self.first))

    def _named(self) -> tuple[str, list[str]]:
        """`panic` or `fatal error`, and the messages of what was raised: the first, and again while recovering."""
        begin = max(self.floor, self.first - _ABOVE)
        for index in range(self.first - 1, begin - 1, -1):
            rest = self._rest(index)
            if rest is None or (_AGAIN.match(rest) and rest[:1].isspace()):
                continue
            if found := _FATAL.search(rest):
                self.start = index
                return "fatal error", [found["message"].strip()]
            if found := _PANIC.search(rest):
                self.start = index
                return "panic", self._messages(index, found["message"])
        return "", []

    def _messages(self, index: int, first: str) -> list[str]:
        messages = [first]
        for below in range(index + 1, min(self.first, index + MESSAGE_LINES)):
            rest = self._rest(below)
            if rest is None:
                continue
            if rest[:1].isspace() and rest.strip().startswith("panic: "):
                messages.append(rest.strip().removeprefix("panic: "))
            elif rest.startswith(("[signal ", "goroutine ")):
                break
            else:
                messages[-1] += "\n" + rest
        return [_RECOVERED.sub("", message.rstrip()).rstrip() for message in messages]

    def _logged(self, frames: list[Frame]) -> Node | None:
        """A stack that the program printed itself, mostly after it recovered: what raised lies below `panic`."""
        below = next((index for index, frame in enumerate(frames) if is_panic(frame)), None)
        if below is None:
            if not frames:
                return None
            block = _block(self.first)
            block.frames, block.end, block.stack = list(reversed(frames)), self.at, True
            return Node(block)
        above = ""
        for index in range(self.first - 1, max(self.floor, self.first - 4) - 1, -1):
            rest = (self._rest(index) or "").strip()
            if rest:
                above, self.start = rest, index
                break
        return _chained(self.start, self.at, "panic", [above], frames[below:])


def _chained(start: int, end: int, type_: str, messages: list[str], frames: list[Frame]) -> Node:
    """The panic raised last, those that it interrupted as its chain, each with the frames that it was raised in."""
    node: Node | None = None
    rest = frames
    top: Node | None = None
    for number, message in enumerate(reversed(messages)):
        if number:
            place = next((index for index, frame in enumerate(rest) if is_panic(frame)), len(rest))
            rest = rest[place:]
        rest = _without_machinery(rest)
        block = _block(start, type_, message)
        block.frames, block.end, block.headed = list(reversed(rest)), end, True
        made = Node(block)
        if node is None:
            top = made
        else:
            node.cause = ("context", made)
        node = made
    assert top is not None  # there is one message at least
    return top


def _without_machinery(frames: list[Frame]) -> list[Frame]:
    """Without what the runtime runs to raise: the raise point is where the program stood."""
    kept = next((index for index, frame in enumerate(frames) if not is_machinery(frame)), 0)
    return frames[kept:]


def _race(lines: Sequence[str], at: int, prefix: Prefix) -> tuple[Node, int]:
    """A report of the race detector: the access that was seen is the error, the one before stands beside it."""
    top = Node(_block(at, "DATA RACE"))
    top.block.headed = True
    begin, end = at + 1, at + 1
    while begin < min(len(lines), at + MESSAGE_LINES):
        rest = prefix.strip(lines[begin])
        if rest is not None and rest.startswith("====="):
            end = begin + 1
            break
        found = _ACCESS.search(rest) if rest is not None else None
        if found is None:
            begin += 1
            continue
        frames, after = read_frames(lines, begin + 1, prefix)
        message = f"{found['what']} by {re.sub(r'[0-9]+', 'N', found['who'])}"
        if not top.block.frames:
            top.block.message, top.block.frames = message, list(reversed(frames))
        else:
            block = _block(begin, found["what"])
            block.frames, block.end = list(reversed(frames)), after
            top.beside.append(Node(block))
        begin = end = max(after, begin + 1)
    top.block.end = end
    return top, end
