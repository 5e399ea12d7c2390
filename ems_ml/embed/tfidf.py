"""TF-IDF over a trace's tokens, reduced to a fixed dimension: the baseline that a trained encoder must beat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from ems_ml.errors import ModelError
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TfidfEncoder:
    """Fitted on texts; `dimension` is at most `components`, and less where there are fewer texts or words."""

    def __init__(self, *, components: int = 256, random_state: int = 0) -> None:
        self.components = components
        self.random_state = random_state
        self.dimension = components
        self.version = "tfidf-unfitted"

    def fit(self, signatures: Sequence[Signature]) -> Self:
        """Learns words and their rarity."""
        self._words = TfidfVectorizer(token_pattern=r"[^\W\d_]{2,}|<\w+>", sublinear_tf=True, min_df=1)
        matrix = self._words.fit_transform([signature.text for signature in signatures])
        size = min(self.components, min(matrix.shape) - 1)
        self._reduce = TruncatedSVD(n_components=max(1, size), random_state=self.random_state).fit(matrix)
        self.dimension = max(1, size)
        content = hashlib.sha256("\n".join(self._words.get_feature_names_out()).encode()).hexdigest()[:8]
        self.version = f"tfidf-{self.dimension}-{content}"
        return self

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        """See `ems_ml.ports.Encoder`. Raises `ModelError` before `fit`."""
        if not hasattr(self, "_words"):
            raise ModelError("this TF-IDF encoder has not seen any texts", hint="call fit first")
        if not signatures:
            return np.zeros((0, self.dimension), dtype=np.float32)
        matrix = self._words.transform([signature.text for signature in signatures])
        reduced: NDArray[np.float32] = normalize(self._reduce.transform(matrix)).astype(np.float32)
        return reduced
