"""The words of regrouping: what a project holds, what a person's decisions bind, what other models would change.

`store` reads the first two and writes the last, `group` makes it, the service shows it; none of them knows another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ems_ml.types import ErrorEvent, PatternStatus, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ems_ml.ports import Exemplar

NEVER: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The events of one pattern that are the same beyond doubt: regrouping moves them together or not at all."""

    number: int  # of its first event, in the order of storing
    event: str  # the id of its first event, which stands for all of them
    pattern: str
    key: str  # exact signature, or the hash of a client's fingerprint
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """A unit as the line would see its first event today: normalised, and embedded by the models that regroup."""

    unit: Unit
    event: ErrorEvent
    signature: Signature
    vector: NDArray[np.float32]
    key: str  # its exact signature under today's normaliser and rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What people decided in a project, by the patterns that their words concern now.

    `whole`: merged, split or told apart by a person, and never taken apart. `decided`: those among them that were
    merged or split, whose keys decide. `apart`: told apart, or split from each other, each pair in both orders.
    `status`: patterns that are not open; events never cross from one status to another.
    """

    whole: frozenset[str] = NEVER
    decided: frozenset[str] = NEVER
    apart: frozenset[tuple[str, str]] = frozenset()
    status: Mapping[str, PatternStatus] = field(default_factory=dict)

    def status_of(self, pattern: str) -> PatternStatus:
        return self.status.get(pattern, PatternStatus.OPEN)

    def forbids(self, one: str, other: str) -> bool:
        """Whether events of these two patterns must not come together."""
        return one != other and ((one, other) in self.apart or self.status_of(one) != self.status_of(other))


class Kind(StrEnum):
    """What becomes of events that leave the id under which they stand."""

    MERGED = "merged"  # the pattern ends, its id leads to the other one
    SPLIT = "split"  # they become a new pattern
    MOVED = "moved"  # they go to another pattern, and the one that they leave goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Events that would change their pattern together, with two of them side by side for a person to judge."""

    kind: Kind
    pattern: str  # where they are now
    into: str  # where they would be; of a split the new id, which is drawn anew until it is applied
    events: int
    probability: float  # p(same cause) of `example` and `beside`, as the new models say it
    example: str  # id of one of them
    beside: str  # id of the event that it joined; of a split, of one that stays
    matched: tuple[str, ...] = ()
    differed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A unit's way from one pattern to another."""

    pattern: str
    key: str
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """ "Is this the same as ...?", which a person would be asked about a pattern; `other` None: no question."""

    pattern: str
    other: str | None = None
    probability: float = 0.0
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that regrouping a project would write, and what it is expected to cost."""

    project: str
    changes: Sequence[Change]  # the most events first
    moves: Sequence[Move]
    made: Mapping[str, Unit]  # new pattern -> its first unit
    merged: Mapping[str, str]  # pattern that ends -> the one that its id leads to
    keys: Mapping[str, str]  # exact signatures that no event had before -> pattern
    asked: Sequence[Asked]
    exemplars: Sequence[Exemplar]  # what stands for the patterns from now on
    status: Mapping[str, PatternStatus]  # of the patterns that are not open, under which it was made
    units: int
    wrong_merges: float  # expected, by the models' own calibrated probabilities
    wrong_splits: float

    def count(self, kind: Kind) -> int:
        return sum(change.kind is kind for change in self.changes)

    @property
    def events(self) -> int:
        """How many events change their pattern."""
        return sum(change.events for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regrouping:
    """A regrouping that was applied, as it is kept."""

    number: int
    run: str  # shared by the projects that were regrouped together
    project: str
    time: datetime
    actor: str
    models: str  # the set of models by which: "v2", "shipped"
    models_before: str  # those that were in use until then
    merged: int
    split: int
    moved: int
    events: int
    rows: int  # that were written
    wrong_merges: float
    wrong_splits: float
    seconds: float
    undone: datetime | None = None
    undone_by: str | None = None

    @property
    def id(self) -> str:
        return f"R{self.number}"


class NewExemplars(Protocol):
    """What regrouping needs of an index of exemplars."""

    def wants(self, pattern: str, signature: Signature) -> bool: ...

    def add(self, exemplars: Iterable[Exemplar]) -> None: ...

    def near(self, signature: Signature, vector: NDArray[np.float32], count: int) -> list[Exemplar]: ...

    @property
    def common(self) -> object: ...
