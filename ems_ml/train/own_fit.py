"""Fits a ranker to a team's own errors, and judges it beside the shipped one on the part that neither learnt from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ems_ml.ports import Encoder, Ranker
from ems_ml.train.evaluate import judge_ranking
from ems_ml.train.examples import Examples
from ems_ml.train.own import OwnSplit
from ems_ml.train.scores import FrequentByType, by_cause, hits, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

KS = (1, 3, 5)
LEAST_P = 1e-3  # what a label counts as that a ranker does not know


class Scorer(Ranker, Protocol):
    """A ranker that also tells its classes' probabilities as an array (n, classes)."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def probabilities(self, signatures: Sequence[Any]) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The right label among the first k, on the held-out part; each cause weighs the same. Values in [0, 1], with their
    95% bootstrap intervals over causes. `gain` is ours less the shipped model's, paired by cause, in [-1, 1]."""

    name: str
    value: float
    low: float
    high: float
    shipped: float
    shipped_low: float
    shipped_high: float
    baseline: float
    baseline_low: float
    baseline_high: float
    gain: float
    gain_low: float
    gain_high: float
    causes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnJudged:
    """How the new ranker did beside the shipped one and the most frequent labels.

    known: the same scores on those errors alone whose label is a strategy's name, which the shipped model can know;
    empty where there are none, or where there are no others. comparable: whether there are any.
    """

    scores: tuple[Score, ...]
    known: tuple[Score, ...]
    baseline_name: str
    comparable: bool
    evaluation: dict[str, Any]  # what the page Model health shows, without versions

    @property
    def better(self) -> bool:
        """Surely better than the shipped model at the first place, and not worse there than the most frequent label.

        Where the shipped model knows no label it is no yardstick: then better than the most frequent label.
        """
        first = self.scores[0]
        least = first.value >= first.baseline if self.comparable else first.value > first.baseline
        return first.gain_low > 0 and least

    @property
    def said(self) -> str:
        """The comparison in a sentence."""
        first = self.scores[0]
        figures = (
            f"top 1 is {first.value:.0%}, the shipped model's {first.shipped:.0%} on the same {first.causes} causes"
        )
        between = f"the difference lies between {first.gain_low:+.0%} and {first.gain_high:+.0%}"
        if first.gain_low > 0 and not self.comparable:  # the shipped model cannot be right: it is no yardstick
            return (
                f"{'' if self.better else 'no '}better than naming the most frequent label for the exception type: "
                f"top 1 is {first.value:.0%}, that is {first.baseline:.0%} on the same {first.causes} causes; "
                "the shipped model knows none of these labels"
            )
        if self.better:
            return f"better than the shipped model: {figures}; {between}"
        if first.gain_low > 0:
            return f"no better than naming the most frequent label ({first.baseline:.0%}): {figures}; {between}"
        if first.gain_high < 0:
            return f"worse than the shipped model: {figures}; {between}"
        return f"not surely better than the shipped model: {figures}; {between}"


def choose(
    split: OwnSplit,
    shipped: Scorer,
    *,
    recipes: Sequence[Any],
    adapt: Callable[..., Any],
    held_out: Callable[..., Any],
    best_temperature: Callable[[list[Any]], float],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Any, Any]:
    """A fitted ranker at the temperature that suits it on the tune part, and the recipe that was chosen there.

    recipes: those that stay nearest to the shipped ranker first. The first one is chosen whose loss is within one
    standard error of the least (Breiman et al., "Classification and Regression Trees", 1984): what a few errors cannot
    tell apart stays near the shipped ranker.
    `adapt(shipped, signatures, labels, groups=, recipe=)` fits one; the test part is not touched.
    """
    train, tune = split.parts["train"], split.parts["tune"]
    tried = []
    for number, recipe in enumerate(recipes):
        progress(number, len(recipes))
        ranker = adapt(shipped, train.signatures, train.strategies, groups=train.groups, recipe=recipe)
        part = held_out(ranker, tune.signatures, tune.strategies, groups=tune.groups)
        if part is not None:
            ranker = replace(ranker, temperature=best_temperature([part, one_doubt(part)]))
        tried.append((losses_of(ranker, tune), ranker))
    progress(len(recipes), len(recipes))
    least = min((losses for losses, _ in tried), key=np.mean)
    chosen = next(at for at, (losses, _) in enumerate(tried) if _hardly_more(losses, least))
    return tried[chosen][1], recipes[chosen]


def _hardly_more(losses: NDArray[np.float64], least: NDArray[np.float64]) -> bool:
    more = losses - least
    return bool(more.mean() <= more.std() / np.sqrt(len(more)))


def one_doubt(part: Any) -> Any:
    """One imagined error more, spread over all of a `HeldOut` part, of which what ranked second was true: a small part
    that happens to be all right must not make the probabilities certain (Laplace's rule of succession)."""
    scores = part.scores.copy()
    scores[np.arange(len(part.truth)), part.truth] = -np.inf
    return replace(part, truth=scores.argmax(axis=1), weight=part.weight / part.weight.sum())


def losses_of(ranker: Scorer, examples: Examples) -> NDArray[np.float64]:
    """Mean -log p(label) of each cause; a label that the ranker does not know counts as 0.001."""
    place = {name: number for number, name in enumerate(ranker.classes)}
    shares = ranker.probabilities(examples.signatures)
    p = [shares[row, place[name]] if name in place else LEAST_P for row, name in enumerate(examples.strategies)]
    return by_cause(-np.log(np.maximum(p, LEAST_P)), examples.groups)


def judge_own(
    ranker: Scorer, shipped: Scorer, encoder: Encoder, split: OwnSplit, *, strategies: Collection[str]
) -> OwnJudged:
    """Ours, the shipped one and the baseline on the test part."""
    train, test = split.parts["train"], split.parts["test"]
    evaluation = judge_ranking(ranker, encoder, train, test)
    vectors = encoder.encode(test.signatures)
    orders = {
        "ours": [[one.name for one in answer] for answer in ranker.rank(test.signatures, vectors)],
        "shipped": [[one.name for one in answer] for answer in shipped.rank(test.signatures, vectors)],
    }
    frequent = FrequentByType().fit([one.type for one in train.signatures], train.strategies, train.groups)
    orders["baseline"] = [frequent.order(one.type) for one in test.signatures]
    rows = list(range(len(test)))
    known = [row for row in rows if test.strategies[row] in strategies]
    return OwnJudged(
        scores=_scores(orders, test, rows),
        known=_scores(orders, test, known) if 0 < len(known) < len(rows) else (),
        baseline_name=frequent.name,
        comparable=bool(known),
        evaluation=evaluation,
    )


def _scores(orders: dict[str, list[list[str]]], test: Examples, rows: Sequence[int]) -> tuple[Score, ...]:
    groups = [test.groups[row] for row in rows]
    truth = [test.strategies[row] for row in rows]
    found = []
    for k in KS:
        right = {name: hits([order[row] for row in rows], truth, k) for name, order in orders.items()}
        ours, theirs, plain = (interval(by_cause(right[name], groups)) for name in ("ours", "shipped", "baseline"))
        gain = interval(by_cause(right["ours"] - right["shipped"], groups))
        found.append(_score(f"top {k}", ours, theirs, plain, gain, len(set(groups))))
    return tuple(found)


Three = tuple[float, float, float]  # value, low, high


def _score(name: str, ours: Three, shipped: Three, baseline: Three, gain: Three, causes: int) -> Score:
    told: dict[str, float] = {}
    for before, three in (("", ours), ("shipped", shipped), ("baseline", baseline), ("gain", gain)):
        names = (before or "value", f"{before}_low" if before else "low", f"{before}_high" if before else "high")
        told |= dict(zip(names, three, strict=True))
    return Score(name=name, causes=causes, **told)
