"""An encoder that remembers: by content and model together."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.ports import Encoder
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CachedEncoder:
    """Asks `inner` only for texts that it has not seen; keeps the `size` used last."""

    def __init__(self, inner: Encoder, *, size: int = 20_000) -> None:
        self.inner = inner
        self.size = size
        self.version = inner.version
        self.dimension = inner.dimension
        self._known: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        """See `ems_ml.ports.Encoder`."""
        keys = [self._key(signature) for signature in signatures]
        fresh = {key: signature for key, signature in zip(keys, signatures, strict=True) if key not in self._known}
        found = dict(zip(fresh, self.inner.encode(list(fresh.values())), strict=True)) if fresh else {}
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float32)
        for row, key in enumerate(keys):
            vector = found.get(key)
            if vector is None:
                vector = self._known[key]
                self._known.move_to_end(key)
            vectors[row] = vector
        self._known |= found
        while len(self._known) > self.size:
            self._known.popitem(last=False)
        return vectors

    def _key(self, signature: Signature) -> bytes:
        return hashlib.sha256(f"{self.version}\x1f{signature.text}".encode("utf-8", "replace")).digest()
