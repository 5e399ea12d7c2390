"""Fits the pair model with scikit-learn. Imported only where something is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

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
    strength: float = 0.003,
    random_state: int = 0,
) -> PairModel:
    """A logistic model fitted on `train`, its log-odds calibrated on `tune` (Platt, 1999).

    `strength` is scikit-learn's C; 0.003 was the best of 0.001 to 0.3 on the tune split, where boosted trees over
    the same features did worse (`docs/implementation/models.md`).
    """
    scale = StandardScaler().fit(train[0])
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, random_state=random_state)
    model.fit(scale.transform(train[0]), train[1])
    weights = model.coef_[0] / scale.scale_
    bias = float(model.intercept_[0] - (weights * scale.mean_).sum())
    odds = tune[0] @ weights + bias
    platt = LogisticRegression(C=1e6).fit(odds[:, None], tune[1])
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    weights, bias = weights * slope, bias * slope + offset
    return PairModel(weights=weights, bias=bias, version=content_version(weights, np.asarray([bias])))
