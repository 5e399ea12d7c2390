"""The default encoder: a tokenizer and a matrix. No torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.embed.text import TEXTS
from ems_ml.errors import ModelError
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


CONFIG = "config_sentence_transformers.json"
PLAIN = "signature"  # what a folder reads that does not say


class StaticEncoder:
    """The mean of a text's token vectors, brought to length 1.

    The folder is that of sentence-transformers' `StaticEmbedding` (`tokenizer.json` and `model.safetensors` with
    `embedding.weight` of shape (tokens, dimension)); `SentenceTransformer(folder).encode(texts)` gives the same
    vectors before they are brought to length 1, but for its rounding. Which text of a signature it reads (one of
    `ems_ml.embed.text.TEXTS`) its `config_sentence_transformers.json` tells in `text`.
    """

    def __init__(self, tokenizer: Any, weights: NDArray[np.float32], version: str, *, text: str = PLAIN) -> None:
        self._tokenizer = tokenizer
        self._weights = weights
        self._text_of = TEXTS[text]
        self.text = text
        self.version = version
        self.dimension = int(weights.shape[1])

    @classmethod
    def load(cls, folder: Path, *, version: str) -> StaticEncoder:
        """Reads a folder. Raises `ModelError` where it cannot be read, or was made for a text that is not known."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            weights = load_file(folder / "model.safetensors")["embedding.weight"]
            config = json.loads((folder / CONFIG).read_text()) if (folder / CONFIG).is_file() else {}
            text = str(config.get("text", PLAIN))
        except Exception as error:  # tokenizers and safetensors raise bare Exceptions of their own
            raise ModelError(
                f"the encoder in {folder} cannot be read: {error}", hint="install ems-ml again, or train an own encoder"
            ) from error
        if text not in TEXTS:
            raise ModelError(
                f"the encoder in {folder} was made for the text {text!r}, which this version does not make",
                hint="install the newer ems-ml that made it, or train an own encoder",
            )
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(tokenizer, np.ascontiguousarray(weights, dtype=np.float32), version, text=text)

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        """See `ems_ml.ports.Encoder`."""
        return self.encode_texts([self._text_of(signature) for signature in signatures])

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimension), of length 1, or 0 for a text without tokens."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        encode = self._tokenizer.encode_batch_fast
        for row, encoding in enumerate(encode(list(texts), add_special_tokens=False)):
            ids = encoding.ids
            if ids:
                vectors[row] = self._weights.take(ids, axis=0).sum(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors
