"""What a model is judged by. Every cause weighs the same, however many traces it has."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import roc_auc_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
Z95 = 1.959964  # of the normal distribution


class FrequentByType:
    """The baseline: strategies by how often they mend errors of this exception type, then of any type."""

    name = "most frequent for this exception type"

    def fit(self, types: Sequence[str], strategies: Sequence[str], groups: Sequence[str]) -> FrequentByType:
        """Counts each cause once a type."""
        self._by_type: dict[str, Counter[str]] = defaultdict(Counter)
        self._all: Counter[str] = Counter()
        for kind, strategy, _ in sorted(set(zip(types, strategies, groups, strict=True))):
            self._by_type[kind][strategy] += 1
            self._all[strategy] += 1
        return self

    def order(self, kind: str) -> list[str]:
        """All known strategies, the most frequent first."""
        first = [name for name, _ in sorted(self._by_type.get(kind, {}).items(), key=lambda one: (-one[1], one[0]))]
        rest = [name for name, _ in sorted(self._all.items(), key=lambda one: (-one[1], one[0]))]
        return first + [name for name in rest if name not in first]


def by_cause(values: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """The mean of each cause's traces, in the order of the causes' names."""
    held: dict[str, list[float]] = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        held[group].append(float(value))
    return np.asarray([np.mean(held[group]) for group in sorted(held)])


def interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float, float]:
    """Mean of the causes' values with its 95% bootstrap interval over causes: value, low, high."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(values), size=(RESAMPLES, len(values)))
    means = values[draws].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def hits(orders: Sequence[Sequence[str]], truth: Sequence[str], k: int) -> NDArray[np.float64]:
    """1 where the true strategy stands among the first k."""
    return np.asarray([float(true in order[:k]) for order, true in zip(orders, truth, strict=True)])


def calibration(
    stated: NDArray[np.float64], right: NDArray[np.float64], *, bins: int = 10
) -> tuple[list[dict[str, Any]], float]:
    """The reliability diagram's bins, and the expected calibration error (Naeini et al., AAAI 2015)."""
    edges = np.minimum((stated * bins).astype(int), bins - 1)
    rows, error = [], 0.0
    for number in range(bins):
        inside = edges == number
        if inside.any():
            said, was = float(stated[inside].mean()), float(right[inside].mean())
            rows.append({"stated": said, "right": was, "count": int(inside.sum())})
            error += abs(said - was) * float(inside.mean())
    return rows, error


def auc_interval(
    scores: NDArray[np.float64], same: NDArray[np.int64], units: Sequence[str], *, seed: int = 0
) -> tuple[float, float, float]:
    """ROC-AUC with its 95% bootstrap interval over `units` (whole causes are drawn): value, low, high."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[int]] = defaultdict(list)
    for index, unit in enumerate(units):
        rows[unit].append(index)
    members = [np.asarray(rows[unit]) for unit in sorted(rows)]
    values = []
    for _ in range(RESAMPLES // 10):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), size=len(members))])
        if len(set(same[drawn])) == 2:
            values.append(roc_auc_score(same[drawn], scores[drawn]))
    low, high = np.quantile(values, [0.025, 0.975]) if values else (float("nan"), float("nan"))
    return float(roc_auc_score(same, scores)), float(low), float(high)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95% confidence interval of a share (Wilson 1927, score interval without continuity correction)."""
    if of == 0:
        return 0.0, 1.0
    share = hits / of
    scale = 1 + Z95**2 / of
    middle = (share + Z95**2 / (2 * of)) / scale
    half = Z95 / scale * math.sqrt(share * (1 - share) / of + Z95**2 / (4 * of**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Cohen's kappa: how far two readings agree beyond what their shares of labels give by chance.

    1 where they always agree; nan where chance alone would make them agree always, or where there is no reading.
    """
    of = len(first)
    if of == 0:
        return math.nan
    agreed = sum(one == other for one, other in zip(first, second, strict=True)) / of
    shares = Counter(second)
    by_chance = sum(count * shares[name] for name, count in Counter(first).items()) / of**2
    return math.nan if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)
