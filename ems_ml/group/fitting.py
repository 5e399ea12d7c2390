"""Fits the pair model with scikit-learn. Imported only where something is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression

from ems_ml.errors import UsageError
from ems_ml.group.pairs import PairModel, content_version, pair_features
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


def make_pairs(
    signatures: Sequence[Signature],
    vectors: NDArray[np.float32],
    groups: Sequence[str],
    projects: Sequence[str],
    *,
    random_state: int = 0,
    negatives: int = 6,
    positives: int = 4,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pairs within a project, as features of shape (n, f) and labels (1: same cause).

    For each trace: up to `positives` others of its group, and `negatives` of other groups of its project, half
    of them the nearest by embedding (the hard ones), half drawn at random.
    """
    rng = np.random.default_rng(random_state)
    by_project: dict[str, list[int]] = defaultdict(list)
    for index, project in enumerate(projects):
        by_project[project].append(index)
    rows: list[NDArray[np.float32]] = []
    labels: list[int] = []
    for members in by_project.values():
        block = np.asarray(members)
        likeness = vectors[block] @ vectors[block].T
        own = np.asarray([groups[i] for i in members])
        for position, index in enumerate(members):
            same = np.flatnonzero((own == own[position]) & (np.arange(len(members)) != position))
            other = np.flatnonzero(own != own[position])
            chosen = list(rng.permutation(same)[:positives])
            if len(other):
                nearest = other[np.argsort(-likeness[position, other])]
                # One of each other group: a large group must not be all the hard negatives.
                _, first = np.unique(own[nearest], return_index=True)
                hard = nearest[np.sort(first)][: negatives // 2]
                chosen += [*hard, *rng.choice(other, size=min(len(other), negatives - len(hard)), replace=False)]
            for place in chosen:
                partner = members[int(place)]
                rows.append(pair_features(signatures[index], vectors[index], signatures[partner], vectors[partner]))
                labels.append(int(groups[partner] == groups[index]))
    if len(set(labels)) < 2:
        raise UsageError(
            "grouping cannot be learned: there is no cause with two traces, or only one cause",
            hint="give data in which the column `group` names the same cause on several rows",
        )
    return np.stack(rows), np.asarray(labels)


def fit_pair_model(
    train: tuple[NDArray[np.float32], NDArray[np.int64]],
    tune: tuple[NDArray[np.float32], NDArray[np.int64]],
    *,
    random_state: int = 0,
) -> PairModel:
    """A boosted forest fitted on `train`, its probabilities calibrated by isotonic regression on `tune`."""
    features, labels = train
    forest = HistGradientBoostingClassifier(
        max_iter=120,
        learning_rate=0.08,
        max_leaf_nodes=12,
        min_samples_leaf=40,
        l2_regularization=1.0,
        class_weight="balanced",
        random_state=random_state,
    ).fit(features, labels)
    arrays = _exported(forest)
    uncalibrated = PairModel(**arrays, knots_x=np.array([0.0, 1.0]), knots_y=np.array([0.0, 1.0]), version="")
    isotonic = IsotonicRegression(y_min=0.001, y_max=0.999, out_of_bounds="clip")
    isotonic.fit(uncalibrated.raw(tune[0]), tune[1])
    knots_x = np.asarray(isotonic.X_thresholds_, dtype=np.float64)
    knots_y = np.asarray(isotonic.y_thresholds_, dtype=np.float64)
    version = content_version(arrays["value"], arrays["threshold"], knots_x, knots_y)
    return PairModel(**arrays, knots_x=knots_x, knots_y=knots_y, version=version)


def _exported(forest: Any) -> dict[str, Any]:
    """The trees of a fitted binary HistGradientBoostingClassifier as flat arrays."""
    names = ("feature", "threshold", "left", "right", "value")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    roots: list[int] = []
    for (tree,) in forest._predictors:  # scikit-learn offers no public view of these trees
        nodes = tree.nodes
        start = len(columns["feature"])
        roots.append(start)
        leaf = nodes["is_leaf"].astype(bool)
        columns["feature"].extend(np.where(leaf, -1, nodes["feature_idx"]))
        columns["threshold"].extend(nodes["num_threshold"])
        columns["left"].extend(np.where(leaf, 0, nodes["left"] + start))
        columns["right"].extend(np.where(leaf, 0, nodes["right"] + start))
        columns["value"].extend(np.where(leaf, nodes["value"], 0.0))
    return {
        "feature": np.asarray(columns["feature"], dtype=np.int32),
        "threshold": np.asarray(columns["threshold"], dtype=np.float32),
        "left": np.asarray(columns["left"], dtype=np.int32),
        "right": np.asarray(columns["right"], dtype=np.int32),
        "value": np.asarray(columns["value"], dtype=np.float32),
        "roots": np.asarray(roots, dtype=np.int32),
        "bias": float(np.ravel(forest._baseline_prediction)[0]),
    }
