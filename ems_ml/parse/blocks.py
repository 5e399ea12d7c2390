"""One traceback as it stood in a text, and how several of them join into errors with their causes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ems_ml.parse.frames import bounded, role_in
from ems_ml.types import ExceptionRecord, Frame, Role

#: A message is cut after so many characters; nothing beyond tells one error from another.
MESSAGE_CHARS = 10_000
#: A chain is cut after so many causes.
CHAIN_LENGTH = 50
#: So many blocks are looked at to know where an error ends.
WALK = 10_000

_JOINS = {
    "During handling of the above exception, another exception occurred": "context",
    "The above exception was the direct cause of the following exception": "cause",
}
JOIN = re.compile("|".join(_JOINS))


@dataclass(slots=True)
class Block:
    """One traceback: frames, then the exception's line. A builder: filled while its lines are read."""

    frames: list[Frame] = field(default_factory=list)
    type: str = ""
    message: str = ""
    headed: bool = False  # whether a header stood above it
    margin: int = -1  # column of the exception group's margin that it stands behind; -1: none
    member: bool = False  # listed as a member of an exception group
    stack: bool = False  # a stack that was printed, not a traceback: only frames
    language: str = "python"
    judge: Callable[[Frame], Role] = role_in  # whose code a frame of this language runs
    start: int = 0  # the lines that it stood in: the first, and the first after it
    end: int = 0
    notes: dict[str, str] = field(default_factory=dict)  # what else is told, for the event's attributes

    @property
    def weak(self) -> bool:
        """Whether nothing says that this is an error: frames alone."""
        return self.stack or not (self.headed or self.type)

    def record(self, relation: str | None) -> ExceptionRecord:
        frames = tuple(self._judged(frame) for frame in bounded(self.frames))
        return ExceptionRecord(type=self.type, message=self.message[:MESSAGE_CHARS], frames=frames, relation=relation)

    def _judged(self, frame: Frame) -> Frame:
        role = self.judge(frame)
        return replace(frame, role=role, in_app=role is Role.APP)


@dataclass(frozen=True, slots=True)
class Join:
    """The sentence between two tracebacks that says how they belong together."""

    relation: str


@dataclass(slots=True)
class Node:
    """A traceback with what it stands on: its cause, the members of its group, and what was told beside it."""

    block: Block
    cause: tuple[str, Node] | None = None
    members: list[Node] = field(default_factory=list)
    beside: list[Node] = field(default_factory=list)  # suppressed on the way, where memory was freed ...

    def chain(self) -> list[tuple[str, Block]]:
        """Members in order, each with its own causes, then the causes, the nearest first, then what stood beside."""
        return [(relation, node.block) for relation, node in self._walk(CHAIN_LENGTH)]

    def span(self) -> tuple[int, int]:
        """The lines that it stood in, with all that hangs on it: the first, and the first after it."""
        blocks = [self.block, *(node.block for _, node in self._walk(WALK))]
        return min(block.start for block in blocks), max(block.end for block in blocks)

    def _walk(self, limit: int) -> list[tuple[str, Node]]:
        """What hangs on it, in order. Without recursion: a chain may be long."""
        found: list[tuple[str, Node]] = []
        open_: list[tuple[str, Node]] = self._below()
        while open_ and len(found) < limit:
            found.append(open_.pop())
            open_.extend(found[-1][1]._below())
        return found

    def _below(self) -> list[tuple[str, Node]]:
        """What stands below, in the reverse of its order: as a stack takes it."""
        below = [("context", other) for other in reversed(self.beside)]
        if self.cause:
            below.append(self.cause)
        below.extend(("member", member) for member in reversed(self.members))
        return below


def join_of(line: str) -> Join | None:
    """The join that `line` states."""
    found = JOIN.search(line)
    return Join(_JOINS[found[0]]) if found else None


def assemble(items: list[Block | Join]) -> list[Node]:
    """The errors of a text, in order: blocks with a join between them are one error with its causes.

    Members of an exception group stand behind a deeper margin than the group itself.
    """
    done: list[Node] = []
    open_: list[Node] = []  # the node last read at each margin, the outermost first
    join: Join | None = None
    for item in items:
        if isinstance(item, Join):
            join = item
            continue
        node = Node(item)
        while open_ and open_[-1].block.margin > item.margin:
            open_.pop()
        before = open_.pop() if open_ and open_[-1].block.margin == item.margin else None
        siblings = open_[-1].members if open_ else done
        if before is not None and join is not None:
            node.cause = (join.relation, before)
            if siblings and siblings[-1] is before:
                siblings.pop()
        siblings.append(node)
        open_.append(node)
        join = None
    return _worth_keeping(done)


def _worth_keeping(nodes: list[Node]) -> list[Node]:
    """Without printed stacks and without bare frames, where there is something better."""
    real = [node for node in nodes if not node.block.stack]
    headed = [node for node in real if not node.block.weak]
    return headed or real
