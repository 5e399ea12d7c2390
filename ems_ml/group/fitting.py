"""Fits the pair model with scikit-learn, on errors as they arrive. Imported only where something is trained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ems_ml.errors import UsageError
from ems_ml.group.forest import ARRAYS, Forest
from ems_ml.group.index import ExemplarIndex
from ems_ml.group.pairs import (
    FEWEST_ODDS,
    PATTERNS,
    Likely,
    PairModel,
    content_version,
    pair_features,
    pattern_features,
)
from ems_ml.ports import Exemplar
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NEAR = 30  # exemplars that an arriving error is compared with, as the store hands them to the grouper
FOLDS = 3  # of projects: what the second forest learns from is said by first ones that did not see the project
JOINED = 0.75  # p(same cause) from which on an error joins while the second forest's lessons are made
PAIR_TREES = {"max_iter": 120, "learning_rate": 0.08, "max_leaf_nodes": 15, "min_samples_leaf": 100}
PATTERN_TREES = {"max_iter": 150, "learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 60}
OTHERS = 5  # pairs of different causes that the first forest learns from, for each of one cause
_RIVALS_WEIGH = 0.5  # a pattern that is not the likeliest one, beside one that is
_LABELS_OF_RIVALS = 4  # likeliest patterns that the second forest learns from


@dataclass(frozen=True)
class Arrivals:
    """Errors as they arrive, project by project, each beside the earlier ones that it is compared with.

    Rows of `features` (n, len(FEATURE_NAMES)) are pairs of the errors numbered `arriving` and `earlier`; `same` says
    whether they have one cause. `order` holds every error's number by project and arrival.
    """

    features: Floats
    arriving: NDArray[np.int64]
    earlier: NDArray[np.int64]
    same: NDArray[np.bool_]
    order: tuple[int, ...]
    groups: tuple[str, ...]
    projects: tuple[str, ...]


def arrivals(
    signatures: Sequence[Signature],
    vectors: Floats,
    groups: Sequence[str],
    projects: Sequence[str],
    *,
    random_state: int = 0,
) -> Arrivals:
    """Every error beside what an index of the earlier ones of its project offers; the order in a project is drawn.

    Raises `UsageError` where no two errors of a project have one cause, or all have.
    """
    rng = np.random.default_rng(random_state)
    members: dict[str, list[int]] = defaultdict(list)
    for number, project in enumerate(projects):
        members[project].append(number)
    rows: list[Floats] = []
    pairs: list[tuple[int, int]] = []
    order: list[int] = []
    for project in sorted(members):
        index = ExemplarIndex()
        for place in rng.permutation(len(members[project])).tolist():
            number = members[project][place]
            order.append(number)
            signature, vector = signatures[number], vectors[number]
            for exemplar in index.near(signature, vector, NEAR):
                rows.append(pair_features(signature, vector, exemplar.signature, exemplar.vector, index.common))
                pairs.append((number, int(exemplar.event)))
            if index.wants(groups[number], signature):
                index.add([Exemplar(event=str(number), pattern=groups[number], signature=signature, vector=vector)])
    same = np.asarray([groups[a] == groups[b] for a, b in pairs], dtype=bool)
    if not len(same) or same.all() or not same.any():
        raise UsageError(
            "grouping cannot be learned: there is no cause with two traces, or only one cause",
            hint="give data in which the column `group` names the same cause on several rows",
        )
    numbers = np.asarray(pairs, dtype=np.int64)
    return Arrivals(
        features=np.stack(rows),
        arriving=numbers[:, 0],
        earlier=numbers[:, 1],
        same=same,
        order=tuple(order),
        groups=tuple(groups),
        projects=tuple(projects),
    )


def fit_pair_model(train: Arrivals, tune: Arrivals, *, random_state: int = 0) -> PairModel:
    """Both forests fitted on `train`; the second one calibrated on `tune` (Platt, 1999).

    The second forest learns from what first forests say of projects that they did not see, so that its lessons look as
    its later work will.
    """
    pairs = _pair_forest(train.features, train.same, random_state)
    whole = PairModel(pairs=pairs, patterns=None, version="")
    lessons = simulate(train, _held_out(train, whole, random_state), joins=lambda shares: shares[0] >= JOINED)
    rows, truth, place = lessons.rows()
    if len(set(truth.tolist())) < 2:
        return PairModel(pairs=pairs, patterns=None, version=content_version(pairs.value, pairs.threshold))
    weights = np.where(place == 0, 1.0, _RIVALS_WEIGH)
    patterns = forest_of(_boosted(PATTERN_TREES, random_state).fit(rows, truth, sample_weight=weights))
    model = PairModel(pairs=pairs, patterns=patterns, version="")
    seen = simulate(tune, whole.raw(tune.features), judge=model.judge, joins=lambda shares: shares.max() >= JOINED)
    rows, truth, place = seen.rows()
    if len(set(truth[place == 0].tolist())) == 2:
        odds = patterns.raw(rows[place == 0])
        line = LogisticRegression(C=1e6).fit(odds[:, None], truth[place == 0])
        slope, offset = float(line.coef_[0, 0]), float(line.intercept_[0])
        if slope > 0:
            patterns = patterns.calibrated(slope, offset)
    version = content_version(*(getattr(f, name) for f in (pairs, patterns) for name in ("value", "threshold")))
    return PairModel(pairs=pairs, patterns=patterns, version=version)


@dataclass(frozen=True)
class Decided:
    """What came of an error that arrived: its likeliest patterns, whether each is its cause, and what was done."""

    number: int
    known: bool  # its cause was there before
    likely: tuple[Likely, ...]
    right: tuple[bool, ...]  # of each pattern: most of its errors have this cause
    shares: NDArray[np.float64]  # p(same cause), of each pattern
    joined: bool


@dataclass(frozen=True)
class Lessons:
    """Decisions in order of arrival; only those that had a pattern before them."""

    decided: tuple[Decided, ...]

    def rows(self) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
        """Features of the likeliest patterns, whether each was right, and its place from 0."""
        some = [(one, pattern_features(one.likely)[:_LABELS_OF_RIVALS]) for one in self.decided if one.likely]
        if not some:
            raise UsageError("grouping cannot be learned: no error had another before it", hint="give more errors")
        truth = np.concatenate([np.asarray(one.right[: len(part)], dtype=bool) for one, part in some])
        place = np.concatenate([np.arange(len(part)) for _, part in some])
        return np.concatenate([part for _, part in some]), truth, place


def simulate(
    seen: Arrivals,
    odds: NDArray[np.float64],
    *,
    joins: Callable[[NDArray[np.float64]], bool],
    judge: Callable[[Sequence[Likely]], NDArray[np.float64]] | None = None,
) -> Lessons:
    """Let the errors arrive, each joining its likeliest pattern or opening one, as `joins` says of the shares.

    odds: log-odds of each pair of `seen`. judge: p(same cause) of patterns; None: that of the likeliest example.
    """
    rows: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(seen.arriving.tolist()):
        rows[number].append(row)
    pattern: dict[int, int] = {}
    causes: dict[int, Counter[str]] = defaultdict(Counter)
    known: set[tuple[str, str]] = set()
    decided = []
    for number in seen.order:
        cause = seen.groups[number]
        mine = np.asarray(rows[number], dtype=np.int64)
        held: dict[int, list[int]] = {}
        for row in mine[np.argsort(-odds[mine], kind="stable")].tolist():
            held.setdefault(pattern[int(seen.earlier[row])], []).append(row)
        best = dict(list(held.items())[:PATTERNS])
        likely = tuple(
            Likely(odds=tuple(odds[each].tolist()), features=seen.features[each[0]]) for each in best.values()
        )
        shares = np.zeros(0)
        joined = False
        if likely:
            shares = 1 / (1 + np.exp(-np.asarray([one.odds[0] for one in likely]))) if judge is None else judge(likely)
            joined = joins(shares)
        right = tuple(causes[one].most_common(1)[0][0] == cause for one in best)
        was_known = (seen.projects[number], cause) in known
        decided.append(Decided(number, was_known, likely, right, shares, joined))
        pattern[number] = list(best)[int(np.argmax(shares))] if joined else number
        causes[pattern[number]][cause] += 1
        known.add((seen.projects[number], cause))
    return Lessons(tuple(decided))


def forest_of(fitted: Any) -> Forest:
    """A fitted `HistGradientBoostingClassifier` of two classes as arrays; says what it says, to float32.

    Nodes inside a tree hold the unshrunk mean of their rows; they are shrunk here as the leaves are.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ARRAYS}
    start = 0
    for (tree,) in fitted._predictors:
        nodes = tree.nodes
        leaf = nodes["is_leaf"].astype(bool)
        own = np.arange(len(nodes)) + start
        parts["roots"].append(np.asarray([start]))
        parts["feature"].append(np.where(leaf, -1, nodes["feature_idx"]))
        parts["threshold"].append(np.where(leaf, 0.0, _float32_below(nodes["num_threshold"])))
        parts["left"].append(np.where(leaf, own, nodes["left"].astype(np.int64) + start))
        parts["right"].append(np.where(leaf, own, nodes["right"].astype(np.int64) + start))
        parts["value"].append(np.where(leaf, 1.0, fitted.learning_rate) * nodes["value"])
        start += len(nodes)
    kinds = {"threshold": np.float32, "value": np.float32}
    arrays = {name: np.concatenate(some).astype(kinds.get(name, np.int32)) for name, some in parts.items()}
    return Forest(**arrays, bias=float(np.ravel(fitted._baseline_prediction)[0]))


def _float32_below(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest float32 that is not above: a float32 is at most the one where it is at most the other."""
    near = thresholds.astype(np.float32)
    return np.where(near.astype(np.float64) > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def _pair_forest(features: Floats, same: NDArray[np.bool_], random_state: int) -> Forest:
    """Fitted on all pairs of one cause and a draw of the others, which weigh for those that were not drawn."""
    share = min(1.0, OTHERS * int(same.sum()) / max(1, int((~same).sum())))
    drawn = same | (np.random.default_rng(random_state).random(len(same)) < share)
    weights = np.where(same[drawn], 1.0, 1 / share)
    return forest_of(_boosted(PAIR_TREES, random_state).fit(features[drawn], same[drawn], sample_weight=weights))


def _boosted(trees: dict[str, Any], random_state: int) -> Any:
    return HistGradientBoostingClassifier(
        **trees, l2_regularization=5.0, early_stopping=False, random_state=random_state
    )


def _held_out(train: Arrivals, whole: PairModel, random_state: int) -> NDArray[np.float64]:
    """Log-odds of the training pairs by forests that did not see their project; where there are few, by all."""
    project = np.asarray(train.projects)[train.arriving]
    names = sorted(set(train.projects))
    if len(names) < FOLDS:
        return whole.raw(train.features)
    odds = np.full(len(train.same), FEWEST_ODDS)
    for out in _folds(names):
        away = np.isin(project, out)
        if not away.any() or len(set(train.same[~away].tolist())) < 2:
            continue
        forest = _pair_forest(train.features[~away], train.same[~away], random_state)
        odds[away] = PairModel(pairs=forest, patterns=None, version="").raw(train.features[away])
    return odds


def _folds(names: Sequence[str]) -> Iterable[list[str]]:
    return (list(names[fold::FOLDS]) for fold in range(FOLDS))
