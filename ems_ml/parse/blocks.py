"""One traceback as it stood in a text, and how several of them join into errors with their causes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ems_ml.parse.frames import bounded, classified
from ems_ml.types import ExceptionRecord, Frame

#: A message is cut after so many characters; nothing beyond tells one error from another.
MESSAGE_CHARS = 10_000
#: A chain is cut after so many causes.
CHAIN_LENGTH = 50

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

    def record(self, relation: str | None) -> ExceptionRecord:
        frames = tuple(classified(frame) for frame in bounded(self.frames))
        return ExceptionRecord(type=self.type, message=self.message[:MESSAGE_CHARS], frames=frames, relation=relation)


@dataclass(frozen=True, slots=True)
class Join:
    """The sentence between two tracebacks that says how they belong together."""

    relation: str


@dataclass(slots=True)
class Node:
    """A traceback with what it stands on: its cause, and the members of its group."""

    block: Block
    cause: tuple[str, Node] | None = None
    members: list[Node] = field(default_factory=list)

    def chain(self) -> list[tuple[str, Block]]:
        """Members in order, each with its own causes, then the causes, the nearest first. Without recursion."""
        found: list[tuple[str, Block]] = []
        open_: list[tuple[str, Node]] = self._below()
        while open_ and len(found) < CHAIN_LENGTH:
            relation, node = open_.pop()
            found.append((relation, node.block))
            open_.extend(node._below())
        return found

    def _below(self) -> list[tuple[str, Node]]:
        """What stands below, in the reverse of its order: as a stack takes it."""
        below = [("member", member) for member in reversed(self.members)]
        return [self.cause, *below] if self.cause else below


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
    headed = [node for node in real if node.block.headed or node.block.type]
    return headed or real
