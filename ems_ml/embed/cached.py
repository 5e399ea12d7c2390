"""An encoder that remembers: by content and model together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.ports import Encoder
from ems_ml.types import FrameKey, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Key = tuple[str, str, tuple[FrameKey, ...]]  # version of the encoder, text, frames


class CachedEncoder:
    """Asks `inner` only for what it has not seen; keeps the `size` used last.

    Known again by all that an encoder may read: the text, the template and type in it, and the frames.
    """

    def __init__(self, inner: Encoder, *, size: int = 20_000) -> None:
        self.inner = inner
        self.size = size
        self.version = inner.version
        self.dimension = inner.dimension
        self._known: OrderedDict[Key, NDArray[np.float32]] = OrderedDict()

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

    def _key(self, signature: Signature) -> Key:
        return self.version, signature.text, signature.frames
