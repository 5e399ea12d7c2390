"""How well vectors alone tell one cause from another: what encoders are compared by."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.train.examples import Examples
from ems_ml.train.scores import RESAMPLES, auc_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Figure = tuple[float, float, float]  # value, low, high

PAIRS = 1000  # of one cause, at most, of a project


@dataclass(frozen=True, slots=True)
class Likeness:
    """Each with its 95% interval, bootstrapped over whole projects: value, low, high."""

    auc: Figure  # ROC-AUC of the cosine over drawn pairs of a project, half of them of one cause
    hard: Figure  # the same, where the pairs of different causes have one exception type
    first: Figure  # of errors whose cause was there before, share whose nearest earlier one has it (RR@1)


def judge_vectors(vectors: NDArray[np.float32], examples: Examples, *, seed: int = 0) -> Likeness:
    """vectors: shape (len(examples), dimension), of length 1. Pairs and order of arrival are drawn by `seed`."""
    found = []
    for hard in (False, True):
        pairs = drawn_pairs(examples, seed=seed, hard=hard)
        left, right = pairs[:, 0], pairs[:, 1]
        same = np.asarray([examples.groups[a] == examples.groups[b] for a, b in pairs.tolist()]).astype(np.int64)
        scores = (vectors[left] * vectors[right]).sum(axis=1).astype(np.float64)
        found.append(auc_interval(scores, same, [examples.projects[row] for row in left.tolist()], seed=seed))
    return Likeness(auc=found[0], hard=found[1], first=_nearest_first(vectors, examples, seed))


def drawn_pairs(examples: Examples, *, seed: int = 0, hard: bool = False) -> NDArray[np.int64]:
    """Pairs of rows of one project, shape (n, 2): up to `PAIRS` of one cause, and as many of different causes.

    hard: those of different causes have one exception type.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, project in enumerate(examples.projects):
        rows[project].append(row)
    kept: list[tuple[int, int]] = []
    for project in sorted(rows):
        ones, others = np.triu_indices(len(rows[project]), 1)
        place = np.asarray(rows[project])
        groups = np.unique([examples.groups[row] for row in rows[project]], return_inverse=True)[1]
        kinds = np.unique([examples.signatures[row].type for row in rows[project]], return_inverse=True)[1]
        same = groups[ones] == groups[others]
        apart = ~same & (kinds[ones] == kinds[others]) if hard else ~same
        count = min(PAIRS, int(same.sum()), int(apart.sum()))
        for which in (same, apart):
            for drawn in rng.choice(np.flatnonzero(which), count, replace=False).tolist():
                kept.append((int(place[ones[drawn]]), int(place[others[drawn]])))
    return np.asarray(kept, dtype=np.int64).reshape(-1, 2)


def _nearest_first(vectors: NDArray[np.float32], examples: Examples, seed: int) -> Figure:
    rng = np.random.default_rng(seed)
    hits, known = [], []
    for project in sorted(set(examples.projects)):
        rows = [row for row, name in enumerate(examples.projects) if name == project]
        order = [rows[place] for place in rng.permutation(len(rows)).tolist()]
        groups = np.unique([examples.groups[row] for row in order], return_inverse=True)[1]
        likeness = vectors[order] @ vectors[order].T
        hit = seen = 0
        for number in range(1, len(order)):
            before = groups[:number] == groups[number]
            if before.any():
                seen += 1
                hit += bool(before[np.argmax(likeness[number, :number])])
        hits.append(hit)
        known.append(seen)
    return _share(np.asarray(hits), np.asarray(known), seed)


def _share(hits: NDArray[np.int64], known: NDArray[np.int64], seed: int) -> Figure:
    """The share over all projects, and its interval over draws of projects."""
    drawn = np.random.default_rng(seed).integers(0, len(hits), size=(RESAMPLES, len(hits)))
    shares = hits[drawn].sum(axis=1) / np.maximum(1, known[drawn].sum(axis=1))
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(hits.sum() / max(1, known.sum())), float(low), float(high)
