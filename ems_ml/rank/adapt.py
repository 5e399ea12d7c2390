"""A shipped ranker adapted to a team's own labelled errors: what it knows stays the starting point.

Multinomial logistic regression whose weights are drawn towards the shipped ones instead of towards zero: with few
errors little changes, with many the team's own labels decide (a Gaussian prior around a source model: Chelba and
Acero, "Adaptation of Maximum Entropy Capitalizer", EMNLP 2004). The team's own words become classes beside the
strategies. The shipped errors are not needed for it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from ems_ml.errors import UsageError
from ems_ml.rank.features import features_of, matrix_columns, places_of
from ems_ml.rank.linear import LinearRanker
from ems_ml.rank.model import HeldOut
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_STEPS = 200
BIAS_FREEDOM = 10.0  # how much more freely a class's frequency may move than a weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What of an adaptation is tuned.

    strength: how far the weights may move away from where they start (scikit-learn's C). start: 1 from the shipped
    weights, 0 from nothing. places: whether the team's files and functions are features.
    """

    strength: float
    start: float = 1.0
    places: bool = False


def adapted(
    base: LinearRanker,
    signatures: Sequence[Signature],
    labels: Sequence[str],
    *,
    groups: Sequence[str],
    recipe: Recipe,
    least_causes: int = 2,
) -> LinearRanker:
    """A ranker for the classes of `base` and the labels, fitted to errors of a team; each cause weighs 1 in all.

    groups: the cause of each error. least_causes: of so many causes a feature must be shown before it is new to be
    used. The temperature is 1: see `held_out`. Raises `UsageError` where there is no error to learn from.
    """
    if not signatures:
        raise UsageError("there is no error to learn from", hint="give errors with labels")
    counts = Counter(groups)
    weight = np.asarray([1 / counts[group] for group in groups])
    wide = _widened(base, signatures, groups, recipe, least_causes, sorted(set(labels)))
    place = {name: number for number, name in enumerate(wide.classes)}
    truth = np.asarray([place[label] for label in labels])
    delta, bias = _moved(_matrix(signatures, wide.columns), truth, weight, wide, recipe)
    weights = (wide.weights + delta).astype(np.float32)
    biases = (wide.bias + bias).astype(np.float32)
    content = hashlib.sha256(weights.tobytes() + biases.tobytes() + "\n".join(wide.classes).encode())
    return replace(wide, weights=weights, bias=biases, version=f"linear-own-{content.hexdigest()[:8]}")


def held_out(
    ranker: LinearRanker, signatures: Sequence[Signature], labels: Sequence[str], *, groups: Sequence[str]
) -> HeldOut | None:
    """What a ranker says of errors that it was not fitted to, for `best_temperature`; None where it knows no label."""
    place = {name: number for number, name in enumerate(ranker.classes)}
    rows = [row for row, label in enumerate(labels) if label in place]
    if not rows:
        return None
    plain = replace(ranker, temperature=1.0)
    counts = Counter(groups[row] for row in rows)
    return HeldOut(
        scores=np.log(np.maximum(plain.probabilities([signatures[row] for row in rows]), 1e-300)),
        truth=np.asarray([place[labels[row]] for row in rows]),
        weight=np.asarray([1 / counts[groups[row]] for row in rows]),
    )


def _widened(
    base: LinearRanker,
    signatures: Sequence[Signature],
    groups: Sequence[str],
    recipe: Recipe,
    least_causes: int,
    labels: list[str],
) -> LinearRanker:
    """`base` with rows for new classes and columns for new features, all of them zero, and at temperature 1."""
    shown: dict[str, set[str]] = defaultdict(set)
    for signature, group in zip(signatures, groups, strict=True):
        for name in (*features_of(signature), *(places_of(signature) if recipe.places else ())):
            shown[name].add(group)
    fresh = sorted(name for name, causes in shown.items() if len(causes) >= least_causes and name not in base.columns)
    columns = {**base.columns, **{name: len(base.columns) + number for number, name in enumerate(fresh)}}
    classes = (*base.classes, *(name for name in labels if name not in base.classes))
    weights = np.zeros((len(classes), len(columns)), dtype=np.float32)
    bias = np.zeros(len(classes), dtype=np.float32)
    known = len(base.classes)
    weights[:known, : len(base.columns)] = base.weights * (recipe.start / base.temperature)
    bias[:known] = base.bias * (recipe.start / base.temperature)
    unseen = tuple(name for name in base.unseen if name not in classes)
    rest = base.rest * len(unseen) / len(base.unseen) if base.unseen else 0.0
    return replace(
        base, classes=classes, unseen=unseen, columns=columns, weights=weights, bias=bias, temperature=1.0, rest=rest
    )


def _matrix(signatures: Sequence[Signature], columns: dict[str, int]) -> csr_matrix:
    """Rows of length 1, as `LinearRanker` sees them."""
    rows = matrix_columns(signatures, columns)
    data = np.concatenate([np.full(len(row), 1 / max(1.0, len(row) ** 0.5)) for row in rows])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    indices = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return csr_matrix((data, indices, starts), shape=(len(rows), len(columns)))


def _moved(
    matrix: csr_matrix,
    truth: NDArray[np.int64],
    weight: NDArray[np.float64],
    start: LinearRanker,
    recipe: Recipe,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far weights and biases move from `start`: the least of loss + |move|^2 / (2 strength).

    Only the columns that the errors show can move, so only those are worked on.
    """
    used = np.unique(matrix.indices)
    small = matrix[:, used]
    offset = matrix @ start.weights.T.astype(np.float64) + start.bias
    classes, width = len(start.classes), len(used)
    hot = np.zeros((len(truth), classes))
    hot[np.arange(len(truth)), truth] = 1.0

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moves, bias = flat[: classes * width].reshape(classes, width), flat[classes * width :]
        scores = offset + small @ moves.T + bias
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        told = np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-300))
        wrong = (shares - hot) * weight[:, None]
        value = -(weight * told).sum() + (moves**2).sum() / (2 * recipe.strength)
        value += (bias**2).sum() / (2 * recipe.strength * BIAS_FREEDOM)
        slope = (small.T @ wrong).T + moves / recipe.strength
        slope_bias = wrong.sum(axis=0) + bias / (recipe.strength * BIAS_FREEDOM)
        return float(value), np.concatenate([slope.ravel(), slope_bias])

    found = minimize(
        loss, np.zeros(classes * (width + 1)), jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS}
    ).x
    delta = np.zeros(start.weights.shape)
    delta[:, used] = found[: classes * width].reshape(classes, width)
    return delta, found[classes * width :]
