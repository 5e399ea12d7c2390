"""How every method is tuned: the same search, the same aim, the same stated costs, on the tune split alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import roc_auc_score

from ems_ml.train.grouping.stream import Stream, Taught, own, pairs_in, taught

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

ROUNDS = 2
THRESHOLDS = 60  # how many are tried


def search(
    grid: Mapping[str, Sequence[Any]], start: Mapping[str, Any], value: Callable[[Mapping[str, Any]], float]
) -> dict[str, Any]:
    """The best setting that changing one parameter at a time finds, in two rounds from `start`."""
    best = dict(start)
    known: dict[tuple[Any, ...], float] = {}

    def worth(setting: Mapping[str, Any]) -> float:
        key = tuple(setting[name] for name in grid)
        if key not in known:
            known[key] = value(setting)
        return known[key]

    for _ in range(ROUNDS):
        before = dict(best)
        for name, values in grid.items():
            tried = [{**best, name: one} for one in values]
            best = max([best, *tried], key=worth)  # of equal ones the one held already
        if best == before:
            break
    return best


def aim(replays: Sequence[Taught], tune: Sequence[Stream]) -> float:
    """What a setting is chosen by: the mean of RR@1 and of the ROC-AUC of "seen before"."""
    known = np.concatenate([stream.known[1:] for stream in tune])
    best = np.concatenate([replay.best[1:] for replay in replays])
    right = np.concatenate([replay.right[1:] for replay in replays])
    if known.all() or not known.any():
        return float(right.mean())
    return float((right[known].mean() + roc_auc_score(known, finite(best))) / 2)


def finite(best: Numbers) -> Numbers:
    """Scores in which "nothing was offered" is a number below all others."""
    return np.nan_to_num(best, neginf=-1e9)


def best_threshold(matrices: Sequence[Numbers], tune: Sequence[Stream]) -> float:
    """The threshold whose own replay of the tune split has the best pairwise F1: of pairs of traces of one cause.

    Not the one that costs least by the stated costs: with those a weak method does best to join nothing at all.
    """
    best = np.concatenate([taught(matrix, stream.causes).best for matrix, stream in zip(matrices, tune, strict=True)])
    offered = best[np.isfinite(best)]
    if not len(offered):
        return 1.0
    grid = np.unique(np.quantile(offered, np.linspace(0, 1, THRESHOLDS), method="nearest"))
    worth = [_f1(matrices, tune, float(threshold)) for threshold in grid]
    return float(grid[int(np.argmax(worth))])


def _f1(matrices: Sequence[Numbers], tune: Sequence[Stream], threshold: float) -> float:
    right = told = true = 0.0
    for matrix, stream in zip(matrices, tune, strict=True):
        labels, causes = own(matrix, stream.causes, threshold).labels.tolist(), stream.causes.tolist()
        right += pairs_in(Counter(zip(causes, labels, strict=True)))
        told += pairs_in(Counter(labels))
        true += pairs_in(Counter(causes))
    return 2 * right / (told + true) if told + true else 0.0
