"""What every method of grouping promises, and the frame that those that score pairs of traces share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from ems_ml.train.grouping.stream import Replay, Stream, never, own, taught
from ems_ml.train.grouping.tuning import aim, best_threshold, search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


class Method(Protocol):
    """A way to tell which errors have one cause."""

    @property
    def name(self) -> str:
        """As the tables show it."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What `fit` has chosen, for the report."""

    def fit(self, tune: Sequence[Stream]) -> Self:
        """Choose parameters and threshold on the tune split."""

    def replay(self, stream: Stream) -> Replay:
        """Judge the traces one after the other, each from those before it alone."""


class PairMethod(ABC):
    """A method that scores a trace with each earlier one; a pattern is as near as its nearest member.

    `grid` holds the values that are tried of each parameter, `start` those that the search begins at.
    """

    name = ""
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}
    start: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *, threshold: float = 1.0, **setting: Any) -> None:
        self.threshold = threshold
        self.setting: dict[str, Any] = {**self.start, **setting}

    @abstractmethod
    def matrix(self, stream: Stream) -> Numbers:
        """`scores[i, j]` of each trace i with each earlier one j < i, shape (n, n)."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {**self.setting, "threshold": self.threshold}

    def with_(self, setting: Mapping[str, Any]) -> Self:
        """The same method with another setting."""
        return type(self)(threshold=self.threshold, **setting)

    def fit(self, tune: Sequence[Stream]) -> Self:
        """The setting that ranks best on the tune split, then the threshold with the best pairwise F1 there."""

        def value(setting: Mapping[str, Any]) -> float:
            other = self.with_(setting)
            return aim([taught(other.matrix(stream), stream.causes) for stream in tune], tune)

        if self.grid:
            self.setting = search(self.grid, self.setting, value)
        self.threshold = best_threshold([self.matrix(stream) for stream in tune], tune)
        return self

    def replay(self, stream: Stream) -> Replay:
        scores = self.matrix(stream)
        return Replay(taught(scores, stream.causes), own(scores, stream.causes, self.threshold))


class Rule(PairMethod):
    """A method that says "the same" or nothing. `keys` are a trace's hashes: the same is what shares one of them."""

    @abstractmethod
    def keys(self, stream: Stream) -> list[tuple[Hashable, ...]]:
        """The hashes of each trace; each trace has as many."""

    def fit(self, tune: Sequence[Stream]) -> Self:
        """The setting that ranks best; what a rule calls the same it joins."""
        if self.grid:
            self.setting = search(
                self.grid,
                self.setting,
                lambda setting: aim([taught(self.with_(setting).matrix(s), s.causes) for s in tune], tune),
            )
        return self

    def matrix(self, stream: Stream) -> Numbers:
        keys = self.keys(stream)
        same = np.zeros((len(keys), len(keys)))
        for column in zip(*keys, strict=True):
            known: dict[Hashable, int] = {}
            codes = np.asarray([known.setdefault(key, len(known)) for key in column])
            same = np.maximum(same, codes[:, None] == codes[None, :])
        return never(np.tril(same, -1))
