"""Fits grouper and ranker on the train split, sets what is tuned on the tune split. The test split is not touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.ports import Encoder
from ems_ml.train.examples import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 6  # parts of the training projects, for the calibration of the ranker
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Thresholds:
    """On p(same cause): from `join` on an event joins, from `suggest` on a person is asked."""

    join: float
    suggest: float


def train_grouper(
    splits: dict[str, Examples],
    encoder: Encoder,
    *,
    arrivals: Callable[..., Any],
    cold_starts: Callable[..., tuple[list[int], list[str]]],
    fit_pair_model: Callable[..., Any],
    choose_thresholds: Callable[..., tuple[float, float]],
    seed: int = 0,
) -> tuple[Any, Thresholds]:
    """The pair model fitted on the train split, and the thresholds that cost least on the tune split's arrivals.

    Each project arrives whole, and in the small streams that `cold_starts` draws from it.
    """
    seen = {}
    for name in ("train", "tune"):
        part = splits[name]
        drawn, streams = cold_starts(part.groups, part.projects, random_state=seed)
        rows = [*range(len(part)), *drawn]
        both = part.chosen(rows)
        vectors = encoder.encode(part.signatures)[rows]
        names = [*part.projects, *streams]
        seen[name] = arrivals(both.signatures, vectors, both.groups, names, random_state=seed)
    model = fit_pair_model(seen["train"], seen["tune"], random_state=seed)
    join, suggest = choose_thresholds(model, seen["tune"])
    return model, Thresholds(join=join, suggest=suggest)


def train_ranker(
    splits: dict[str, Examples], *, new_ranker: Callable[..., Any], best_temperature: Callable[[list[Any]], float]
) -> tuple[Any, float]:
    """The ranker whose strength of regularisation ranks best on the tune split, calibrated, with that strength.

    `new_ranker(C=...)` makes an unfitted `StrategyRanker`. It is calibrated on what rankers say of whole projects
    that they did not see: `FOLDS` parts of the training projects left out in turn, and the tune split.
    """
    train, tune = splits["train"], splits["tune"]
    weights = _cause_weights(tune.groups)
    losses = {}
    for strength in STRENGTHS:
        ranker = _fitted(new_ranker(C=strength), train)
        ranker.calibrate(tune.signatures, tune.strategies, groups=tune.groups)
        losses[strength] = _log_loss(
            ranker.predict_proba(tune.signatures), list(ranker.classes_), tune.strategies, weights
        )
    best = min(losses, key=losses.__getitem__)
    ranker = _fitted(new_ranker(C=best), train)
    parts = [ranker.held_out(tune.signatures, tune.strategies, groups=tune.groups)]
    for fold in range(min(FOLDS, len(train.packages))) if len(train.packages) > 2 else ():
        away = set(train.packages[fold::FOLDS])
        inside = [row for row, name in enumerate(train.projects) if name not in away]
        outside = train.chosen([row for row, name in enumerate(train.projects) if name in away])
        other = _fitted(new_ranker(C=best), train.chosen(inside))
        parts.append(other.held_out(outside.signatures, outside.strategies, groups=outside.groups))
    ranker.temperature_ = best_temperature(parts)
    return ranker, best


def _fitted(ranker: Any, examples: Examples) -> Any:
    return ranker.fit(examples.signatures, examples.strategies, groups=examples.groups, projects=examples.projects)


def _cause_weights(groups: tuple[str, ...]) -> NDArray[np.float64]:
    names, counts = np.unique(np.asarray(groups), return_counts=True)
    size = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return np.asarray([1 / size[group] for group in groups])


def _log_loss(
    shares: NDArray[np.float64], classes: list[str], truth: tuple[str, ...], weights: NDArray[np.float64]
) -> float:
    """Weighted mean of -log p(true strategy); a strategy that was never trained on counts as p = 0.001."""
    column = {name: index for index, name in enumerate(classes)}
    p = np.asarray([shares[row, column[name]] if name in column else 1e-3 for row, name in enumerate(truth)])
    return float(-(weights * np.log(np.maximum(p, 1e-3))).sum() / weights.sum())
