"""Fits grouper and ranker on the train split, sets what is tuned on the tune split. The test split is not touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ems_ml.ports import Encoder
from ems_ml.train.examples import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.float32], NDArray[np.int64]]

COST_OF_WRONG_MERGE = 10.0  # in wrong splits: a wrong merge hides a crash
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)


class PairPredictor(Protocol):
    """A pair model that gives p(same cause)."""

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Thresholds:
    """On p(same cause): from `join` on an event joins, from `suggest` on a person is asked."""

    join: float
    suggest: float


def choose_thresholds(predicted: NDArray[np.float64], same: NDArray[np.int64]) -> Thresholds:
    """The least cost on the tune split: a wrong merge costs ten wrong splits; one asked in vain costs one in five.

    `predicted` and `same` are pairs of an event and the best member of a pattern, shape (n,).
    """
    grid = np.linspace(0.05, 0.99, 95)
    costs = []
    for threshold in grid:
        joined = predicted >= threshold
        costs.append(COST_OF_WRONG_MERGE * float((joined & (same == 0)).sum()) + float((~joined & (same == 1)).sum()))
    join = float(grid[int(np.argmin(costs))])
    below = grid[grid <= join]
    asked = [
        0.2 * float(((predicted >= t) & (predicted < join) & (same == 0)).sum())
        + float(((predicted < t) & (same == 1)).sum())
        for t in below
    ]
    return Thresholds(join=join, suggest=float(below[int(np.argmin(asked))]))


def arrivals(
    examples: Examples,
    vectors: NDArray[np.float32],
    score: Callable[[int, list[int]], NDArray[np.float64]],
    *,
    seed: int = 0,
    near: int = 60,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Replays each project's traces in a drawn order; what counts is the decision at arrival.

    For each arriving trace: the best score among earlier ones, whether that one is of the same cause, and whether
    the cause was seen before at all. `score(index, earlier)` gives p(same cause) with each of `earlier`.
    """
    rng = np.random.default_rng(seed)
    best, same, seen_before = [], [], []
    for project in sorted(set(examples.projects)):
        rows = [i for i, name in enumerate(examples.projects) if name == project]
        order = [rows[int(k)] for k in rng.permutation(len(rows))]
        for place, index in enumerate(order[1:], start=1):
            earlier = np.asarray(order[:place])
            if len(earlier) > near:
                likeness = vectors[earlier] @ vectors[index]
                earlier = earlier[np.argpartition(-likeness, near)[:near]]
            scores = score(index, earlier.tolist())
            at = int(np.argmax(scores))
            best.append(float(scores[at]))
            same.append(int(examples.groups[int(earlier[at])] == examples.groups[index]))
            seen_before.append(int(examples.groups[index] in {examples.groups[k] for k in order[:place]}))
    return np.asarray(best), np.asarray(same), np.asarray(seen_before)


def train_grouper(
    splits: dict[str, Examples],
    encoder: Encoder,
    *,
    make_pairs: Callable[..., Pairs],
    fit_pair_model: Callable[..., Any],
    pair_features: Callable[..., NDArray[np.float32]],
    seed: int = 0,
) -> tuple[Any, Thresholds]:
    """The pair model, and the thresholds that cost least on the tune split's arrivals."""
    vectors = {name: encoder.encode(splits[name].signatures) for name in ("train", "tune")}
    pairs = {
        name: make_pairs(
            splits[name].signatures, vectors[name], splits[name].groups, splits[name].projects, random_state=seed
        )
        for name in vectors
    }
    model = fit_pair_model(pairs["train"], pairs["tune"], random_state=seed)
    tune, held = splits["tune"], vectors["tune"]
    predicted, same, _ = arrivals(tune, held, pair_scorer(tune, held, model, pair_features), seed=seed)
    return model, choose_thresholds(predicted, same)


def pair_scorer(
    examples: Examples,
    vectors: NDArray[np.float32],
    model: PairPredictor,
    pair_features: Callable[..., NDArray[np.float32]],
) -> Callable[[int, list[int]], NDArray[np.float64]]:
    """p(same cause) of one trace with others, by the pair model."""

    def score(index: int, earlier: list[int]) -> NDArray[np.float64]:
        here, vector = examples.signatures[index], vectors[index]
        rows = [pair_features(here, vector, examples.signatures[k], vectors[k]) for k in earlier]
        return model.predict(np.stack(rows))

    return score


def train_ranker(
    splits: dict[str, Examples], *, new_ranker: Callable[..., Any], best_temperature: Callable[[list[Any]], float]
) -> tuple[Any, float]:
    """The ranker whose strength of regularisation ranks best on the tune split, calibrated, with that strength.

    `new_ranker(C=...)` makes an unfitted `StrategyRanker`. It is calibrated on what rankers say of whole projects
    that they did not see: each training project left out in turn, and the tune split.
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
    for project in train.packages if len(train.packages) > 2 else ():
        inside = [row for row, name in enumerate(train.projects) if name != project]
        outside = train.chosen([row for row, name in enumerate(train.projects) if name == project])
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
