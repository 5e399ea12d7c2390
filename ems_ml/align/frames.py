"""Alignment of two stacks, from the raise point outward. All functions take frames raise point last.

A frame is the same where file and function are; line numbers never count. Everything is bounded to the
`LIMIT` frames nearest the raise point.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ems_ml.types import FrameKey

LIMIT = 40

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Pairs of indices into the two stacks (None: no partner), raise point last; `share` of weight aligned, [0, 1]."""

    pairs: tuple[tuple[int | None, int | None], ...]
    share: float


def places(frames: Sequence[FrameKey]) -> list[Place]:
    """File and function of the frames nearest the raise point."""
    return [(frame.file, frame.function) for frame in frames[-LIMIT:]]


def in_a_row(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """How many parts of two stacks agree in a row, counted from where both begin."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count


def align(a: Sequence[FrameKey], b: Sequence[FrameKey]) -> Alignment:
    """Longest common subsequence in which a frame weighs more the nearer it stands to the raise point.

    A frame `d` steps from the raise point weighs 1 / (1 + d); a pair weighs the mean of its two.
    """
    left, right = places(a), places(b)
    n, m = len(left), len(right)
    if not n or not m:
        return Alignment(tuple((i, None) for i in range(n)) + tuple((None, j) for j in range(m)), 0.0)
    weigh_a = [1 / (n - i) for i in range(n)]
    weigh_b = [1 / (m - j) for j in range(m)]
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            skip = max(best[i + 1][j], best[i][j + 1])
            if left[i] == right[j]:
                skip = max(skip, best[i + 1][j + 1] + (weigh_a[i] + weigh_b[j]) / 2)
            best[i][j] = skip
    pairs: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < n and j < m:
        if left[i] == right[j] and best[i][j] == best[i + 1][j + 1] + (weigh_a[i] + weigh_b[j]) / 2:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    pairs += [(k, None) for k in range(i, n)] + [(None, k) for k in range(j, m)]
    total = (sum(weigh_a) + sum(weigh_b)) / 2
    skipped_a, skipped_b = len(a) - n, len(b) - m
    return Alignment(
        tuple((None if x is None else x + skipped_a, None if y is None else y + skipped_b) for x, y in pairs),
        best[0][0] / total,
    )


def fast_similarity(
    a: Sequence[Place],
    b: Sequence[Place],
    *,
    frequency: Mapping[Place, int] | None = None,
    traces: int = 1,
    alpha: float = 0.5,
    beta: float = 1.0,
    gamma: float = 0.2,
) -> float:
    """FaST's similarity of two stacks, in [-1, 1] (Rodrigues, Aloise, Fernandes, MSR 2022); linear time.

    A frame's weight is `1 / position^alpha * exp(-beta * df / N)`, position 1 being the raise point and df the
    number of `traces` it occurs in. A matched pair adds `(w1 + w2) * exp(-gamma * |pos1 - pos2|)`, an unmatched
    frame takes its weight away; the sum is divided by the total weight. Two empty stacks are 0 alike.
    """
    known = frequency or {}

    def weighed(stack: Sequence[Place]) -> dict[Place, list[tuple[int, float]]]:
        at: dict[Place, list[tuple[int, float]]] = {}
        for position, place in enumerate(reversed(stack[-LIMIT:]), start=1):
            weight = position**-alpha * math.exp(-beta * known.get(place, 0) / max(traces, 1))
            at.setdefault(place, []).append((position, weight))
        return at

    left, right = weighed(a), weighed(b)
    total = sum(w for stack in (left, right) for seen in stack.values() for _, w in seen)
    if not total:
        return 0.0
    score = 0.0
    for place in sorted(left.keys() | right.keys()):  # floats add up in one order
        ours, theirs = left.get(place, []), right.get(place, [])
        for (p, w), (q, v) in zip(ours, theirs, strict=False):
            score += (w + v) * math.exp(-gamma * abs(p - q))
        matched = min(len(ours), len(theirs))
        score -= sum(w for _, w in ours[matched:]) + sum(w for _, w in theirs[matched:])
    return score / total
