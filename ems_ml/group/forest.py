"""A forest of regression trees served from plain arrays: what scikit-learn fitted, without scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ARRAYS = ("roots", "feature", "threshold", "left", "right", "value")


@dataclass(frozen=True)
class Forest:
    """The sum of its trees is a log-odds. Nodes of all trees lie in one set of arrays, each of shape (nodes,).

    A row goes left where its feature is at most the threshold. A leaf's `feature` is -1, and it leads to itself.
    `value` is what the tree would say if it ended there; `bias` is added once.
    """

    roots: NDArray[np.int32]  # (trees,)
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]
    bias: float
    slope: float = 1.0  # of the calibration: raw = slope * (bias + sum) + offset
    offset: float = 0.0

    def raw(self, rows: Floats) -> NDArray[np.float64]:
        """Log-odds, shape (n,), of rows of shape (n, features)."""
        told: NDArray[np.float64] = self.value[self._leaves(rows)].sum(axis=1, dtype=np.float64) + self.bias
        return self.slope * told + self.offset

    def predict(self, rows: Floats) -> NDArray[np.float64]:
        """Probabilities, shape (n,)."""
        return probabilities(self.raw(rows))

    def pulls(self, row: Floats) -> NDArray[np.float64]:
        """How far each feature moved one row's log-odds, shape (features,).

        Saabas' path attribution: at each split the change of the node's value counts for the feature that was asked.
        """
        moved = np.zeros(row.shape[0], dtype=np.float64)
        nodes = self.roots
        while True:
            asked = self.feature[nodes]
            inner = asked >= 0
            if not inner.any():
                return moved * self.slope
            goes = np.where(row[asked] <= self.threshold[nodes], self.left[nodes], self.right[nodes])
            following = np.where(inner, goes, nodes)
            np.add.at(moved, asked[inner], (self.value[following] - self.value[nodes])[inner].astype(np.float64))
            nodes = following

    def calibrated(self, slope: float, offset: float) -> Forest:
        """The same with another straight line between its sum and its log-odds."""
        return replace(self, slope=slope, offset=offset)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `from_arrays` reads, by name."""
        found: dict[str, NDArray[np.generic]] = {name: getattr(self, name) for name in ARRAYS}
        return found | {"line": np.asarray([self.bias, self.slope, self.offset], dtype=np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], features: int) -> Forest:
        """Raises `KeyError` for a missing array, `ValueError` where they do not fit each other or the features."""
        parts = {name: np.asarray(arrays[name]) for name in ARRAYS}
        bias, slope, offset = (float(number) for number in np.asarray(arrays["line"], dtype=np.float64))
        nodes = len(parts["feature"])
        links = np.concatenate([parts["roots"], parts["left"], parts["right"]])
        if any(len(parts[name]) != nodes for name in ARRAYS[1:]) or not nodes:
            raise ValueError("the arrays of a forest have different lengths")
        if links.min() < 0 or links.max() >= nodes or parts["feature"].max() >= features:
            raise ValueError("a forest leads to a node or a feature that is not there")
        inner = parts["feature"] >= 0
        at = np.arange(nodes)
        if (parts["left"][inner] <= at[inner]).any() or (parts["right"][inner] <= at[inner]).any():
            raise ValueError("a forest runs in a circle")
        return cls(**parts, bias=bias, slope=slope, offset=offset)

    def _leaves(self, rows: Floats) -> NDArray[np.int32]:
        flat, width = np.ascontiguousarray(rows).ravel(), rows.shape[1]
        asked, starts = np.maximum(self.feature, 0), width * np.arange(len(rows))[:, None]
        nodes = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        while True:
            goes = flat.take(starts + asked.take(nodes)) <= self.threshold.take(nodes)
            following = np.where(goes, self.left.take(nodes), self.right.take(nodes))
            if (following == nodes).all():  # a leaf leads to itself
                return nodes
            nodes = following


def probabilities(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """What log-odds say, as probabilities."""
    shares: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return shares


def stump(feature: int, threshold: float, below: Forest | float, above: Forest | float) -> Forest:
    """A tree by hand: `below` where the feature is at most the threshold, else `above`; a number is a log-odds.

    >>> stump(0, 0.5, -1.0, stump(1, 0.5, 0.0, 2.0)).raw(np.asarray([[0, 1], [1, 0], [1, 1]], np.float32)).tolist()
    [-1.0, 0.0, 2.0]
    """
    nodes: list[tuple[int, float, int, int, float]] = [(feature, threshold, 0, 0, 0.0)]
    ends = []
    for branch in (below, above):
        start = len(nodes)
        ends.append(start)
        if isinstance(branch, Forest):
            each = zip(branch.feature, branch.threshold, branch.left, branch.right, branch.value, strict=True)
            nodes += [(int(f), float(t), int(x) + start, int(y) + start, float(v)) for f, t, x, y, v in each]
        else:
            nodes.append((-1, 0.0, start, start, branch))
    nodes[0] = (feature, threshold, ends[0], ends[1], 0.0)
    features, thresholds, left, right, values = (np.asarray(column) for column in zip(*nodes, strict=True))
    return Forest(
        roots=np.zeros(1, dtype=np.int32),
        feature=features.astype(np.int32),
        threshold=thresholds.astype(np.float32),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        value=values.astype(np.float32),
        bias=0.0,
    )
