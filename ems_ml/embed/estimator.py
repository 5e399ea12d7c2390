"""An encoder with scikit-learn's manners, for notebooks and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TraceEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Signatures to vectors of shape (n, dimension), by an encoder that is trained already (`fit` learns nothing).

    `read` turns a report's text into a `Signature` (None: `X` holds signatures already).
    """

    def __init__(self, *, encoder: Any, read: Any = None) -> None:
        self.encoder = encoder
        self.read = read

    def fit(self, X: Sequence[Signature | str], y: object = None) -> Self:
        """Only notes the number of output features."""
        self.n_features_out_ = self.encoder.dimension
        return self

    def transform(self, X: Sequence[Signature | str]) -> NDArray[np.float32]:
        """One vector a report."""
        signatures = list(X) if self.read is None else [self.read(text) for text in X]
        vectors: NDArray[np.float32] = self.encoder.encode(signatures)
        return vectors
