"""Our own grouping, judged through its port: index, exact signature and grouper as they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from ems_ml.ports import Candidates, Encoder, Exemplar, Grouper
from ems_ml.train.grouping.stream import Held, Own, Replay, Stream, Taught, numbered
from ems_ml.types import Assignment, Decision, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]


class Index(Protocol):
    """What holds the exemplars of one project; `ems_ml.group.HeldExemplars` is one."""

    def wants(self, pattern: str, signature: Signature) -> bool: ...

    def add(self, exemplars: Iterable[Exemplar]) -> None: ...

    def near(self, signature: Signature, vector: Vector, count: int) -> list[Exemplar]: ...

    @property
    def common(self) -> object:
        """What the grouper reads as `Candidates.common`."""


class Memory:
    """One project's patterns as the store keeps them: what an arriving error may be compared with.

    Mirrors `ems_ml.store.events`, without a database: exemplars that the index wants, and the pattern of each exact
    signature.
    """

    def __init__(self, index: Index, near: int) -> None:
        self._index = index
        self._near = near
        self._exact: dict[str, tuple[str, str]] = {}  # exact signature -> pattern, an event of it
        self._by_pattern: dict[str, list[Exemplar]] = {}

    def candidates(self, signature: Signature, vector: Vector) -> Candidates:
        near = self._index.near(signature, vector, self._near)
        known, example = self._exact.get(signature.exact, (None, ""))
        if known is not None:
            present = {id(found) for found in near}
            near += [found for found in self._by_pattern.get(known, ()) if id(found) not in present]
        return Candidates(exact=known, near=tuple(near), example=example, common=self._index.common)

    def add(self, event: str, pattern: str, signature: Signature, vector: Vector, *, corrected: bool) -> None:
        """Keep the event; `corrected`: a person said which pattern, so that the exact signature now stands for it."""
        if corrected or signature.exact not in self._exact:
            self._exact[signature.exact] = (pattern, event)
        if self._index.wants(pattern, signature):
            exemplar = Exemplar(event=event, pattern=pattern, signature=signature, vector=vector)
            self._index.add([exemplar])
            self._by_pattern.setdefault(pattern, []).append(exemplar)


class Ours:
    """`grouper` with `encoder` and an index. `near` exemplars are handed to the grouper, as the store does.

    Its thresholds stand in the model's manifest; they were set on the tune split by `ems train`.
    """

    name = "ours"

    def __init__(
        self,
        *,
        grouper: Grouper,
        encoder: Encoder,
        new_index: Callable[[], Index],
        near: int,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.grouper = grouper
        self.encoder = encoder
        self.new_index = new_index
        self.near = near
        self.parameters: Mapping[str, Any] = parameters or {}

    def with_grouper(self, grouper: Grouper) -> Ours:
        """The same with another grouper."""
        return Ours(grouper=grouper, encoder=self.encoder, new_index=self.new_index, near=self.near)

    def fit(self, tune: Sequence[Stream]) -> Self:
        """Nothing: the models are as they serve."""
        return self

    def replay(self, stream: Stream) -> Replay:
        return Replay(self.taught(stream), self.own(stream))

    def taught(self, stream: Stream) -> Taught:
        """Patterns are the true causes; the grouper tells up to ten neighbours, so a rank beyond those is 0."""
        count = len(stream)
        best, rank, right = np.full(count, -np.inf), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
        vectors = self.encoder.encode(stream.signatures)
        memory = Memory(self.new_index(), self.near)
        for i, trace in enumerate(stream.traces):
            told = self._assign(stream, i, vectors[i], memory)
            order = [neighbour.pattern for neighbour in told.nearest]
            if i:
                best[i] = told.probability
            if trace.cause in order:
                rank[i] = order.index(trace.cause) + 1
                right[i] = rank[i] == 1
            memory.add(trace.event.id, trace.cause, trace.signature, vectors[i], corrected=True)
        return Taught(best=best, rank=rank, right=right)

    def own(self, stream: Stream) -> Own:
        """The decisions of the grouper; a suggestion opens a pattern."""
        vectors = self.encoder.encode(stream.signatures)
        memory = Memory(self.new_index(), self.near)
        held, number = Held(), dict[str, int]()
        patterns, joined, wrong, asked = [], [], [], []
        for i, trace in enumerate(stream.traces):
            told = self._assign(stream, i, vectors[i], memory)
            cause = int(stream.causes[i])
            patterns.append(told.pattern)
            joined.append(told.decision is Decision.JOINED)
            asked.append(told.decision is Decision.SUGGESTED)
            wrong.append(joined[-1] and held.cause(number[told.pattern]) != cause)
            held.add(number.setdefault(told.pattern, len(number)), cause)
            memory.add(trace.event.id, told.pattern, trace.signature, vectors[i], corrected=False)
        return Own(labels=numbered(patterns), joined=_flags(joined), wrong=_flags(wrong), asked=_flags(asked))

    def _assign(self, stream: Stream, i: int, vector: Vector, memory: Memory) -> Assignment:
        trace = stream.traces[i]
        return self.grouper.assign(trace.event, trace.signature, vector, memory.candidates(trace.signature, vector))


def _flags(values: Sequence[bool]) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=bool)
