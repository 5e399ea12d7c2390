"""The stacks of a stream as arrays, so that an arriving trace meets all earlier ones at once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.align.frames import places
from ems_ml.train.grouping.stream import Stream, lower, numbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Stacks:
    """The distinct stacks of a stream, raise point first. U stacks of at most L frames at V places.

    `which` (n,): the stack of each trace. `frames` (U, L): places as numbers, -1 beyond the end. `lengths` (U,).
    `occurs` (n, V): in how many traces a place occurs, up to and with the n-th.
    """

    which: Codes
    frames: Codes
    lengths: Codes
    occurs: Numbers

    @property
    def places(self) -> int:
        return int(self.occurs.shape[1])

    def spread(self, rows: list[Numbers]) -> Numbers:
        """Scores of each arriving trace with each distinct stack as scores with each earlier trace, (n, n)."""
        return lower([row[self.which[:i]] for i, row in enumerate(rows)])


def stacks_of(stream: Stream) -> Stacks:
    """The stacks of a stream; a frame is its file and function."""
    stacks = [tuple(reversed(places(signature.frames))) for signature in stream.signatures]
    which = numbered(stacks)
    distinct = list(dict.fromkeys(stacks))
    place_of: dict[Hashable, int] = {}
    for stack in distinct:
        for place in stack:
            place_of.setdefault(place, len(place_of))
    lengths = np.asarray([len(stack) for stack in distinct], dtype=np.int64)
    frames = np.full((len(distinct), max(1, int(lengths.max(initial=0)))), -1, dtype=np.int64)
    held = np.zeros((len(distinct), len(place_of)))
    for row, stack in enumerate(distinct):
        frames[row, : len(stack)] = [place_of[place] for place in stack]
        held[row, frames[row, : len(stack)]] = 1
    return Stacks(which=which, frames=frames, lengths=lengths, occurs=np.cumsum(held[which], axis=0))
