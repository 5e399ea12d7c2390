"""Fits the pair model with scikit-learn, on errors as they arrive. Imported only where something is trained."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ems_ml.errors import UsageError
from ems_ml.group.forest import ARRAYS, Forest
from ems_ml.group.index import HeldExemplars
from ems_ml.group.pairs import (
    PairModel,
    content_version,
    features_beside,
)
from ems_ml.ports import NEAR, Exemplar
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OTHERS = 5  # pairs of different causes that are learned from, for each of one cause
STARTS = 10  # small streams that are drawn from each project
START_CAUSES = (3, 60)  # of a small stream, from and to
START_ERRORS = (0.5, 0.3, 0.2)  # shares of its causes that have one, two, three errors
JOINED = 0.8  # p(same cause) from which on an error joins while the calibration is made
WRONG_MERGE = 10.0  # costs as many wrong splits: it hides an error
IN_VAIN = 0.2  # costs a person who is asked about what is not the same
JOINS = tuple(round(0.5 + 0.03 * step, 2) for step in range(17))
ASKS = tuple(round(0.02 * step, 2) for step in range(1, 50))
MOST_ODDS = 30.0


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
        index = HeldExemplars()
        for place in rng.permutation(len(members[project])).tolist():
            number = members[project][place]
            order.append(number)
            signature, vector = signatures[number], vectors[number]
            near = index.near(signature, vector, NEAR)
            rows.extend(features_beside(signature, vector, [(e.signature, e.vector) for e in near], index.common))
            pairs += [(number, int(e.event)) for e in near]
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


def cold_starts(
    groups: Sequence[str], projects: Sequence[str], *, random_state: int = 0
) -> tuple[list[int], list[str]]:
    """Small streams drawn from large ones: numbers of errors, and the stream of each, as young projects have them.

    `STARTS` streams a project, each with 3 to 60 causes (log-uniform) of one to three errors. A model that saw only
    projects with hundreds of errors takes what two of five errors show for common.
    """
    rng = np.random.default_rng(random_state)
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, (group, project) in enumerate(zip(groups, projects, strict=True)):
        members[project][group].append(number)
    numbers: list[int] = []
    streams: list[str] = []
    for project in sorted(members):
        causes = [members[project][group] for group in sorted(members[project])]
        for start in range(STARTS):
            wanted = min(len(causes), int(np.exp(rng.uniform(*np.log(START_CAUSES)))))
            for place in rng.choice(len(causes), wanted, replace=False).tolist():
                count = min(len(causes[place]), int(rng.choice(len(START_ERRORS), p=START_ERRORS)) + 1)
                chosen = rng.choice(causes[place], count, replace=False).tolist()
                numbers += chosen
                streams += [f"{project}#{start}"] * len(chosen)
    return numbers, streams


def fit_pair_model(train: Arrivals, tune: Arrivals, *, random_state: int = 0) -> PairModel:
    """Boosted trees fitted on `train`: on all pairs of one cause and a draw of the others, which weigh for the rest.

    Calibrated on `tune` by a straight line on the log-odds (Platt, 1999): what an arriving error's likeliest pattern is
    said to be shall be so as often.
    """
    same = train.same
    share = min(1.0, OTHERS * int(same.sum()) / max(1, int((~same).sum())))
    drawn = same | (np.random.default_rng(random_state).random(len(same)) < share)
    trees = HistGradientBoostingClassifier(
        max_iter=120,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=min(100, max(1, int(same.sum()) // 20)),
        l2_regularization=5.0,
        early_stopping=False,
        random_state=random_state,
    )
    trees.fit(train.features[drawn], same[drawn], sample_weight=np.where(same[drawn], 1.0, 1 / share))
    forest = forest_of(trees)
    first = simulate(tune, forest.raw(tune.features), join=JOINED)
    odds = np.asarray([one.odds for one in first if one.odds is not None])
    right = np.asarray([one.right for one in first if one.odds is not None])
    if len(set(right.tolist())) == 2:
        line = LogisticRegression(C=1e6).fit(odds[:, None], right)
        if line.coef_[0, 0] > 0:
            forest = forest.calibrated(float(line.coef_[0, 0]), float(line.intercept_[0]))
    version = content_version(forest.value, forest.threshold, np.asarray([forest.slope, forest.offset]))
    return PairModel(forest=forest, version=version)


def choose_thresholds(
    model: PairModel, tune: Arrivals, *, wrong_merge: float = WRONG_MERGE, in_vain: float = IN_VAIN
) -> tuple[float, float]:
    """The shares from which on an error joins, and a person is asked, that cost least on errors as they arrive.

    Costs are counted in wrong splits: a wrong merge costs `wrong_merge` of them, for it hides an error; to ask in vain
    costs `in_vain`.
    """
    odds = model.raw(tune.features)

    def cost(decided: Sequence[Decided]) -> float:
        wrong = sum(one.joined and not one.right for one in decided)
        return wrong_merge * wrong + sum(one.known and not one.joined for one in decided)

    tried = {join: simulate(tune, odds, join=join) for join in JOINS}
    join = min(tried, key=lambda share: cost(tried[share]))
    left = [one for one in tried[join] if not one.joined]

    def silent(ask: float) -> float:
        return sum((in_vain if one.share >= ask else 0.0) if not one.right else float(one.share < ask) for one in left)

    return join, min((ask for ask in ASKS if ask <= join), key=silent)


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of an error that arrived."""

    number: int
    known: bool  # its cause was there before
    odds: float | None  # log-odds of its likeliest pattern; None where there was none
    right: bool  # most of that pattern's errors have its cause
    joined: bool
    pattern: int  # the one that it is in now, by the number of its first error

    @property
    def share(self) -> float:
        """p(same cause) of its likeliest pattern, 0 where there was none."""
        return 0.0 if self.odds is None else 1 / (1 + math.exp(-self.odds))


def simulate(seen: Arrivals, odds: NDArray[np.float64], *, join: float) -> list[Decided]:
    """Let the errors arrive, each joining its likeliest pattern from the share `join` on, else opening one.

    odds: log-odds, shape (n,), of the pairs of `seen`.
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
        best = max(rows[number], key=lambda row: float(odds[row]), default=None)
        likeliest = None if best is None else pattern[int(seen.earlier[best])]
        right = likeliest is not None and causes[likeliest].most_common(1)[0][0] == cause
        told = None if best is None else float(np.clip(odds[best], -MOST_ODDS, MOST_ODDS))
        one = Decided(number, (seen.projects[number], cause) in known, told, right, False, number)
        if likeliest is not None and one.share >= join:
            one = replace(one, joined=True, pattern=likeliest)
        decided.append(one)
        pattern[number] = one.pattern
        causes[one.pattern][cause] += 1
        known.add((seen.projects[number], cause))
    return decided


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
    whole = {name: np.concatenate(some) for name, some in parts.items()}
    return Forest(
        roots=whole["roots"].astype(np.int32),
        feature=whole["feature"].astype(np.int32),
        threshold=whole["threshold"].astype(np.float32),
        left=whole["left"].astype(np.int32),
        right=whole["right"].astype(np.int32),
        value=whole["value"].astype(np.float32),
        bias=float(np.ravel(fitted._baseline_prediction)[0]),
    )


def _float32_below(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest float32 that is not above: a float32 is at most the one where it is at most the other."""
    near = thresholds.astype(np.float32)
    return np.where(near.astype(np.float64) > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
