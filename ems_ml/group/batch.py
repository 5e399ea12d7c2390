"""Clustering of many errors at once, with scikit-learn's manners: for study and for regrouping."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import AgglomerativeClustering

from ems_ml.group.common import Commonness
from ems_ml.group.index import SAME_LINE, ExemplarIndex
from ems_ml.group.pairs import PairModel, features_beside
from ems_ml.ports import NEAR
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.int64]

ALL_PAIRS = 2_000  # errors up to which every pair is judged
TOGETHER = 1_000  # exact signatures that may be judged as one heap of errors beyond that
AT_ONCE = 256  # errors that are encoded, or judged beside their nearest, at once


class PatternGrouper(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Average-linkage clusters of signatures under 1 - p(same cause).

    `model` is a trained `PairModel`, `encoder` gives the vectors, `threshold` in (0, 1) is the p(same cause) that
    two clusters must reach on average to be one. After `fit`, `labels_` has shape (n,): cluster numbers from 0,
    which mean nothing beyond this fit.

    Up to 2,000 errors all O(n^2) pairs are judged. Beyond that, errors of one exact signature are taken for one, each
    is judged beside those before it that an index finds, and only heaps that these pairs hold together are clustered,
    each by all of its pairs: two clusters can only become one where some pair reaches the threshold. A heap of more
    than 1,000 exact signatures is cut at its least likely pairs.
    """

    def __init__(self, *, model: PairModel, encoder: Any, threshold: float = 0.5) -> None:
        self.model = model
        self.encoder = encoder
        self.threshold = threshold

    def fit(self, X: Sequence[Signature], y: object = None) -> Self:
        """Cluster the signatures `X`; `y` is ignored.

        X: read by its numbers, again and again, and not held: it may read them from a disk. What is held of an exact
        signature are its vector (twice), links, candidates and counts, by their sizes 2 to 3 KB.
        """
        self.labels_: NDArray[np.int64] = self._all_pairs(X) if len(X) <= ALL_PAIRS else self._by_heaps(X)
        return self

    def _all_pairs(self, X: Sequence[Signature]) -> Numbers:
        common = Commonness()
        for signature in X:
            common.add(signature)
        return self._clusters(X, self.encoder.encode(X), common)

    def _clusters(self, signatures: Sequence[Signature], vectors: Floats, common: Commonness) -> Numbers:
        """Clusters by all pairs."""
        count = len(signatures)
        if count < 2:
            return np.zeros(count, dtype=np.int64)
        others = list(zip(signatures, vectors, strict=True))
        distance = np.zeros((count, count))
        for row, (signature, vector) in enumerate(others[:-1]):
            shares = self.model.predict(features_beside(signature, vector, others[row + 1 :], common))
            distance[row, row + 1 :] = distance[row + 1 :, row] = 1 - shares
        found: Numbers = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1 - self.threshold
        ).fit_predict(distance)
        return found

    def _by_heaps(self, X: Sequence[Signature]) -> Numbers:
        known: dict[str, int] = {}
        kinds = np.fromiter((known.setdefault(one.exact, len(known)) for one in X), dtype=np.int64, count=len(X))
        first = np.unique(kinds, return_index=True)[1]  # of each kind: the number of its first error
        del known
        vectors, near, common = self._nearest(X, first)
        labels = np.zeros(len(first), dtype=np.int64)
        made = 0
        for heap in _heaps(*self._likely(X, first, vectors, near, common), len(first)):
            told = self._clusters([X[first[kind]] for kind in heap], vectors[heap], common)
            labels[heap] = made + told
            made += int(told.max()) + 1
        return labels[kinds]

    def _nearest(self, X: Sequence[Signature], first: Numbers) -> tuple[Floats, NDArray[np.int32], Commonness]:
        """Vectors of the kinds, the kinds before each that are nearest to it (-1: none), and what is common."""
        index = ExemplarIndex()
        vectors: list[Floats] = []
        near = np.full((len(first), NEAR + SAME_LINE), -1, dtype=np.int32)
        for start in range(0, len(first), AT_ONCE):
            some = [X[number] for number in first[start : start + AT_ONCE]]
            vectors.append(self.encoder.encode(some))
            for kind, (signature, vector) in enumerate(zip(some, vectors[-1], strict=True), start):
                found = index.near(signature, vector, NEAR)
                near[kind, : len(found)] = found
                index.add(kind, signature, vector)
            if index.loose > index.scanned:
                index.settle()
        return np.concatenate(vectors), near, index.common

    def _likely(
        self, X: Sequence[Signature], first: Numbers, vectors: Floats, near: NDArray[np.int32], common: Commonness
    ) -> tuple[NDArray[np.float64], Numbers]:
        """The pairs of kinds, shape (m, 2), that reach the threshold, and p(same cause) of each."""
        shares: list[NDArray[np.float64]] = [np.zeros(0)]
        pairs: list[Numbers] = [np.zeros((0, 2), dtype=np.int64)]
        for start in range(0, len(first), AT_ONCE):
            rows = []
            here, column = np.nonzero(near[start : start + AT_ONCE] >= 0)
            both = np.stack([here + start, near[here + start, column]], axis=1)
            for kind in range(start, min(len(first), start + AT_ONCE)):
                beside = [(X[first[other]], vectors[other]) for other in near[kind] if other >= 0]
                rows.append(features_beside(X[first[kind]], vectors[kind], beside, common))
            told = self.model.predict(np.concatenate(rows))
            shares.append(told[told >= self.threshold])
            pairs.append(both[told >= self.threshold])
        return np.concatenate(shares), np.concatenate(pairs)


def _heaps(shares: NDArray[np.float64], pairs: Numbers, count: int) -> Iterator[Numbers]:
    """What likely pairs hold together, likeliest first, at most `TOGETHER` in one heap."""
    leads, sizes = np.arange(count), np.ones(count, dtype=np.int64)

    def root(one: int) -> int:
        while leads[one] != one:
            leads[one] = leads[leads[one]]
            one = leads[one]
        return one

    for at in np.argsort(-shares, kind="stable"):
        one, other = sorted((root(pairs[at, 0]), root(pairs[at, 1])))
        if one != other and sizes[one] + sizes[other] <= TOGETHER:
            leads[other] = one
            sizes[one] += sizes[other]
    members: dict[int, list[int]] = defaultdict(list)
    for kind in range(count):
        members[root(kind)].append(kind)
    return (np.asarray(some, dtype=np.int64) for some in members.values())
