"""Clustering of many errors at once, with scikit-learn's manners: for study and for regrouping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import AgglomerativeClustering

from ems_ml.group.common import Commonness
from ems_ml.group.pairs import PairModel, pair_features
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PatternGrouper(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Average-linkage clusters of signatures under 1 - p(same cause). O(n^2) pairs: for thousands, not millions.

    `model` is a trained `PairModel`, `encoder` gives the vectors, `threshold` in (0, 1) is the p(same cause) that
    two clusters must reach on average to be one. After `fit`, `labels_` has shape (n,): cluster numbers from 0,
    which mean nothing beyond this fit.
    """

    def __init__(self, *, model: PairModel, encoder: Any, threshold: float = 0.5) -> None:
        self.model = model
        self.encoder = encoder
        self.threshold = threshold

    def fit(self, X: Sequence[Signature], y: object = None) -> Self:
        """Cluster the signatures `X`; `y` is ignored."""
        count = len(X)
        if count < 2:
            self.labels_: NDArray[np.int64] = np.zeros(count, dtype=np.int64)
            return self
        vectors = self.encoder.encode(X)
        rows, columns = np.triu_indices(count, k=1)
        common = Commonness()
        for signature in X:
            common.add(signature)
        features = np.stack(
            [
                pair_features(X[i], vectors[i], X[j], vectors[j], common)
                for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
            ]
        )
        distance = np.zeros((count, count))
        distance[rows, columns] = distance[columns, rows] = 1 - self.model.predict(features)
        self.labels_ = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1 - self.threshold
        ).fit_predict(distance)
        return self
