"""The default encoder: a tokenizer and a matrix. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.errors import ModelError
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StaticEncoder:
    """The mean of a text's token vectors, brought to length 1.

    The folder is that of sentence-transformers' `StaticEmbedding` (`tokenizer.json` and `model.safetensors` with
    `embedding.weight` of shape (tokens, dimension)); `SentenceTransformer(folder).encode(texts)` gives the same
    vectors before they are brought to length 1.
    """

    def __init__(self, tokenizer: Any, weights: NDArray[np.float32], version: str) -> None:
        self._tokenizer = tokenizer
        self._weights = weights
        self.version = version
        self.dimension = int(weights.shape[1])

    @classmethod
    def load(cls, folder: Path, *, version: str) -> StaticEncoder:
        """Reads a folder. Raises `ModelError` where it cannot be read."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            weights = load_file(folder / "model.safetensors")["embedding.weight"]
        except Exception as error:  # tokenizers and safetensors raise bare Exceptions of their own
            raise ModelError(
                f"the encoder in {folder} cannot be read: {error}", hint="install ems-ml again, or train an own encoder"
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(tokenizer, np.ascontiguousarray(weights, dtype=np.float32), version)

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        """See `ems_ml.ports.Encoder`."""
        return self.encode_texts([signature.text for signature in signatures])

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimension), of length 1, or 0 for a text without tokens."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        encode = self._tokenizer.encode_batch_fast
        for row, encoding in enumerate(encode(list(texts), add_special_tokens=False)):
            ids = encoding.ids
            if ids:
                vectors[row] = self._weights[ids].mean(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors
