"""The literature's similarities of two stacks: PrefixMatch, TraceSim, FaST. A frame is its file and function.

What is rare is counted over the stream's traces so far, the arriving one with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ems_ml.train.grouping.methods import PairMethod
from ems_ml.train.grouping.stacks import Stacks, stacks_of
from ems_ml.train.grouping.stream import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Codes = NDArray[np.int64]


class PrefixMatch(PairMethod):
    """Frames that agree in a row from the raise point, by the length of the longer stack (Modani et al., 2007)."""

    name = "PrefixMatch"

    def matrix(self, stream: Stream) -> Numbers:
        stacks = stacks_of(stream)
        frames, lengths = stacks.frames, stacks.lengths
        by_stack = []
        for stack, length in zip(frames, lengths, strict=True):
            agree = np.cumprod((frames == stack) & (frames >= 0), axis=1).sum(axis=1)
            by_stack.append(agree / np.maximum(1, np.maximum(length, lengths)))
        return stacks.spread([by_stack[which] for which in stacks.which])


class TraceSim(PairMethod):
    """Weighted edit distance of two stacks (Vasiliev et al., MaLTeSQuE 2020), as 1 - distance / total weight.

    A frame at position p (1: the raise point) weighs `p^-alpha * sigmoid(beta * (ln(N / df) - gamma))`. Leaving a frame
    out costs its weight, changing one into another costs both; so what is left is the heaviest common subsequence.
    """

    name = "TraceSim"
    grid: ClassVar = {
        "alpha": (0.0, 0.2, 0.5, 1.0, 2.0, 3.0),
        "beta": (0.0, 0.5, 1.0, 2.0, 4.0),
        "gamma": (0.0, 0.5, 1.0, 2.0, 3.0, 5.0),
    }
    start: ClassVar = {"alpha": 0.5, "beta": 1.0, "gamma": 1.0}

    def matrix(self, stream: Stream) -> Numbers:
        stacks = stacks_of(stream)
        near = np.arange(1, stacks.frames.shape[1] + 1) ** -float(self.setting["alpha"])
        rows = []
        for place, which in enumerate(stacks.which.tolist()):
            occurs = stacks.occurs[place]
            rarity = np.log((place + 1) / np.maximum(occurs, 1))
            weigh = 1 / (1 + np.exp(-self.setting["beta"] * (rarity - self.setting["gamma"])))
            rows.append(self._with_all(stacks, which, near, weigh))
        return stacks.spread(rows)

    def _with_all(self, stacks: Stacks, which: int, near: Numbers, weigh: Numbers) -> Numbers:
        padded = np.append(weigh, 0.0)  # -1, beyond the end, weighs nothing
        weights = near * padded[stacks.frames]
        mine, length = stacks.frames[which], int(stacks.lengths[which])
        held = np.zeros((len(weights), weights.shape[1] + 1))
        for p in range(length):
            pair = np.where(stacks.frames == mine[p], weights[which, p] + weights, 0.0)
            held[:, 1:] = np.maximum(held[:, 1:], held[:, :-1] + pair)
            held = np.maximum.accumulate(held, axis=1)
        total = weights.sum(axis=1) + weights[which].sum()
        share: Numbers = np.divide(held[:, -1], total, out=np.zeros_like(total), where=total > 0)
        return share


class FaST(PairMethod):
    """Alignment in linear time (Rodrigues, Aloise, Fernandes, MSR 2022), in [-1, 1]: `ems_ml.align.fast_similarity`.

    A frame at position p (1: the raise point) weighs `p^-alpha * exp(-beta * df / N)`. The k-th occurrences of a frame
    in both stacks are a pair, which adds `(w1 + w2) * exp(-gamma * |p1 - p2|)`; a frame alone takes its weight away.
    """

    name = "FaST"
    grid: ClassVar = {
        "alpha": (0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0),
        "beta": (0.0, 0.3, 1.0, 3.0, 10.0, 30.0),
        "gamma": (0.0, 0.05, 0.2, 0.5, 1.0, 3.0),
    }
    start: ClassVar = {"alpha": 0.5, "beta": 1.0, "gamma": 0.2}

    def matrix(self, stream: Stream) -> Numbers:
        stacks = stacks_of(stream)
        near = np.arange(1, stacks.frames.shape[1] + 1) ** -float(self.setting["alpha"])
        occurrence, at = _occurrences(stacks)
        local = np.zeros((len(stacks.frames), stacks.places))  # near-ness of a place, summed over its occurrences
        for row, length in enumerate(stacks.lengths):
            np.add.at(local[row], stacks.frames[row, :length], near[:length])
        rows = []
        for place, which in enumerate(stacks.which.tolist()):
            weigh = np.exp(-self.setting["beta"] * stacks.occurs[place] / (place + 1))
            total = local @ weigh
            total = total + total[which]
            length = int(stacks.lengths[which])
            theirs = at[:, occurrence[which, :length]]  # (U, length): the partner's position, 0 where there is none
            mine = np.arange(1, length + 1)
            paired = theirs > 0
            both = (near[:length] + near[theirs - 1]) * weigh[stacks.frames[which, :length]] * paired
            apart = np.abs(mine - theirs)
            won = (both * np.exp(-self.setting["gamma"] * apart)).sum(axis=1)
            score = won - (total - both.sum(axis=1))
            rows.append(np.divide(score, total, out=np.zeros_like(total), where=total > 0))
        return stacks.spread(rows)


def _occurrences(stacks: Stacks) -> tuple[Codes, Codes]:
    """Frames told apart by their how-manieth occurrence: as numbers, and where each stands in each stack (0: nowhere).

    Shapes (U, L) and (U, T), T the number of different ones.
    """
    numbers: dict[tuple[int, int], int] = {}
    occurrence = np.zeros_like(stacks.frames)
    for row, length in enumerate(stacks.lengths):
        seen: dict[int, int] = {}
        for p, place in enumerate(stacks.frames[row, :length].tolist()):
            seen[place] = seen.get(place, 0) + 1
            occurrence[row, p] = numbers.setdefault((place, seen[place]), len(numbers))
    at = np.zeros((len(stacks.frames), max(1, len(numbers))), dtype=np.int64)
    for row, length in enumerate(stacks.lengths):
        at[row, occurrence[row, :length]] = np.arange(1, length + 1)
    return occurrence, at
