"""Deterministic steps at toy sizes: an encoder that hashes words, a ranker with a fixed prior, a pair model by hand."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ems_ml.group.forest import stump
from ems_ml.group.pairs import FEATURE_NAMES, PairModel
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, RankedStrategy, Role, Signature

PRIORS = {
    "KeyError": ("default_missing", 0.7),
    "AttributeError": ("guard_none", 0.6),
    "IndexError": ("guard_empty", 0.6),
}
NAMES = ("guard_none", "guard_empty", "default_missing", "catch_exception")


class ToyEncoder:
    """Word counts hashed into 64 dimensions, of length 1."""

    version = "toy-encoder"
    dimension = 64

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        vectors = np.zeros((len(signatures), self.dimension), dtype=np.float32)
        for row, signature in enumerate(signatures):
            for word in signature.text.split():
                vectors[row, zlib.crc32(word.encode("utf-8", "replace")) % self.dimension] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(lengths, lengths, 1)).astype(np.float32)


class ToyRanker:
    """A fixed prior by exception type; the rest is shared evenly."""

    version = "toy-ranker"

    def rank(self, signatures: Sequence[Signature], vectors: NDArray[np.float32]) -> list[tuple[RankedStrategy, ...]]:
        return [self._ranked(signature) for signature in signatures]

    def _ranked(self, signature: Signature) -> tuple[RankedStrategy, ...]:
        best, share = PRIORS.get(signature.type, ("catch_exception", 0.4))
        rest = (1 - share) / (len(NAMES) - 1)
        found = [RankedStrategy(name=n, probability=share if n == best else rest, why=(signature.type,)) for n in NAMES]
        return tuple(sorted(found, key=lambda ranked: -ranked.probability))


def toy_pair_model() -> PairModel:
    """p = 0.95 for the same raise point and type, 0.6 for the same raise point, else 0.05."""
    place, kind = (
        FEATURE_NAMES.index("frames in a row from the raise point"),
        FEATURE_NAMES.index("same exception type"),
    )
    odds = {p: math.log(p / (1 - p)) for p in (0.05, 0.6, 0.95)}
    tree = stump(place, 0.5, odds[0.05], stump(kind, 0.5, odds[0.6], odds[0.95]))
    return PairModel(forest=tree, version="toy")


def an_event(
    name: str,
    *,
    kind: str = "KeyError",
    message: str = "'tea'",
    where: str = "price_of",
    caller: str = "main",
    code: str = "return prices[name]",
    **fields: object,
) -> ErrorEvent:
    """An error raised in `shop/<where>.py:<where>`, called from `caller`."""
    frames = (
        Frame(file="/srv/a/shop/app.py", function=caller, line=7, code="run(order)"),
        Frame(file=f"/srv/a/shop/{where}.py", function=where, line=3, code=code),
    )
    return ErrorEvent(id=name, error=ExceptionRecord(type=kind, message=message, frames=frames)).with_(**fields)


def in_test(name: str, where: str = "test_it") -> Frame:
    return Frame(file=f"/srv/a/tests/{name}.py", function=where, line=1, role=Role.TEST, in_app=False)
