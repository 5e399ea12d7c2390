"""The exemplars of one project in memory: by exact signature, by the application's line, and nearest by embedding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.group.views import Commonness, own_site
from ems_ml.ports import Exemplar
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

PER_PATTERN = 8  # exemplars kept of one pattern
SAME_LINE = 8  # newest exemplars with the same line in the application, beside the nearest by embedding


class ExemplarIndex:
    """Exact scan over normalised vectors; `add` is amortised O(dimension), `near` O(exemplars x dimension)."""

    def __init__(self) -> None:
        self._exemplars: list[Exemplar] = []
        self._vectors: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self._held: dict[str, set[str]] = defaultdict(set)  # pattern -> exact signatures among its exemplars
        self._at_site: dict[int, list[int]] = defaultdict(list)  # the application's line -> numbers of exemplars
        self.common = Commonness()

    def __len__(self) -> int:
        return len(self._exemplars)

    def wants(self, pattern: str, signature: Signature) -> bool:
        """Whether this event would tell the index something new about the pattern."""
        held = self._held.get(pattern, set())
        return signature.exact not in held and len(held) < PER_PATTERN

    def add(self, exemplars: Iterable[Exemplar]) -> None:
        for exemplar in exemplars:
            size, dimension = len(self._exemplars), len(exemplar.vector)
            if self._vectors.shape[1] != dimension or size == len(self._vectors):
                grown = np.zeros((max(64, 2 * size), dimension), dtype=np.float32)
                if self._vectors.shape[1] == dimension:
                    grown[:size] = self._vectors[:size]
                self._vectors = grown
            self._vectors[size] = exemplar.vector
            self._exemplars.append(exemplar)
            self._held[exemplar.pattern].add(exemplar.signature.exact)
            self.common.add(exemplar.signature)
            site = own_site(exemplar.signature)
            if site is not None:
                self._at_site[site].append(size)

    def near(self, signature: Signature, vector: NDArray[np.float32], count: int) -> list[Exemplar]:
        """Up to `count` exemplars by falling dot product, ties in order of arrival; then of the same own line."""
        size = len(self._exemplars)
        if not size:
            return []
        likeness = self._vectors[:size] @ vector
        if count < size:
            best = np.argpartition(-likeness, count)[:count]
            best = best[np.lexsort((best, -likeness[best]))]
        else:
            best = np.lexsort((np.arange(size), -likeness))
        found = best.tolist()
        site = own_site(signature)
        if site is not None:
            near = set(found)
            found += [number for number in self._at_site.get(site, ())[-SAME_LINE:] if number not in near]
        return [self._exemplars[number] for number in found]
