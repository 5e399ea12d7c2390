"""Judges the models on a split that they never saw, beside their baselines, in one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.align import fast_similarity
from ems_ml.align.frames import places
from ems_ml.ports import Encoder, Ranker
from ems_ml.train.examples import Examples
from ems_ml.train.fit import Thresholds
from ems_ml.train.scores import FrequentByType, auc_interval, by_cause, calibration, hits, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAILURES = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with its 95% interval, beside its baseline's, measured in the same run."""

    name: str
    value: float
    low: float
    high: float
    baseline: float
    baseline_low: float
    baseline_high: float
    baseline_name: str


def judge_ranking(ranker: Ranker, encoder: Encoder, train: Examples, test: Examples) -> dict[str, Any]:
    """Top-k with intervals over causes, calibration, confusion, support and the failures."""
    ranked = ranker.rank(test.signatures, encoder.encode(test.signatures))
    orders = [[one.name for one in answer] for answer in ranked]
    baseline = FrequentByType().fit([s.type for s in train.signatures], train.strategies, train.groups)
    plain = [baseline.order(signature.type) for signature in test.signatures]
    figures = [_top(orders, plain, test, k, baseline.name) for k in (1, 3, 5)]
    first = [order[0] for order in orders]
    stated = np.asarray([answer[0].probability for answer in ranked])
    right = hits(orders, test.strategies, 1)
    bins, error = calibration(stated, right)
    labels = sorted({*test.strategies, *first})
    return {
        "top_k": [asdict(figure) for figure in figures],
        "ece": error,
        "calibration": bins,
        "labels": labels,
        "confusion": _confusion(labels, test.strategies, first),
        "classes": _classes(labels, train, test, first),
        "failures": _failures(test, ranked),
    }


def _top(
    orders: Sequence[Sequence[str]], plain: Sequence[Sequence[str]], test: Examples, k: int, baseline: str
) -> Figure:
    ours = interval(by_cause(hits(orders, test.strategies, k), test.groups))
    theirs = interval(by_cause(hits(plain, test.strategies, k), test.groups))
    return _beside(f"top {k}", ours, theirs, baseline)


def _beside(name: str, ours: tuple[float, float, float], theirs: tuple[float, float, float], baseline: str) -> Figure:
    value, low, high = ours
    base, base_low, base_high = theirs
    return Figure(
        name=name,
        value=value,
        low=low,
        high=high,
        baseline=base,
        baseline_low=base_low,
        baseline_high=base_high,
        baseline_name=baseline,
    )


def _confusion(labels: list[str], truth: Sequence[str], first: Sequence[str]) -> list[list[int]]:
    counts = Counter(zip(truth, first, strict=True))
    return [[counts[(true, told)] for told in labels] for true in labels]


def _classes(labels: list[str], train: Examples, test: Examples, first: Sequence[str]) -> list[dict[str, Any]]:
    trained = Counter(strategy for strategy, _ in set(zip(train.strategies, train.groups, strict=True)))
    rows = []
    for label in labels:
        true = [name == label for name in test.strategies]
        told = [name == label for name in first]
        both = sum(1 for a, b in zip(true, told, strict=True) if a and b)
        rows.append(
            {
                "name": label,
                "support": sum(true),
                "precision": both / sum(told) if any(told) else None,
                "recall": both / sum(true) if any(true) else None,
                "trained": trained[label],
            }
        )
    return rows


def _failures(test: Examples, ranked: Sequence[Any]) -> list[dict[str, Any]]:
    """Errors whose strategy was ranked last of all, one a cause: where to look first."""
    told, seen = [], set()
    for index, answer in enumerate(ranked):
        names = [one.name for one in answer]
        truth = test.strategies[index]
        rank = names.index(truth) + 1 if truth in names else len(names) + 1
        if rank > 3 and test.groups[index] not in seen:
            seen.add(test.groups[index])
            signature = test.signatures[index]
            told.append(
                {
                    "project": test.projects[index],
                    "type": signature.type,
                    "message": signature.template[:120],
                    "true": truth,
                    "rank": rank,
                    "first": names[0],
                }
            )
    return sorted(told, key=lambda one: -int(one["rank"]))[:FAILURES]


def judge_grouping(
    model: Any,
    thresholds: Thresholds,
    encoder: Encoder,
    tfidf: Encoder,
    test: Examples,
    *,
    arrivals: Callable[..., Any],
    simulate: Callable[..., Any],
    seed: int = 0,
) -> dict[str, Any]:
    """Same cause or not, over the pairs that arriving errors are compared in, and the decisions at arrival."""
    vectors, plain = encoder.encode(test.signatures), tfidf.encode(test.signatures)
    seen = arrivals(test.signatures, vectors, test.groups, test.projects, random_state=seed)
    here, there, same = seen.arriving, seen.earlier, seen.same.astype(np.int64)
    stacks = [places(signature.frames) for signature in test.signatures]
    exact = np.asarray([signature.exact for signature in test.signatures])
    odds = model.raw(seen.features)
    scores: dict[str, NDArray[np.float64]] = {
        "ours": odds,
        "exact signature": (exact[here] == exact[there]).astype(np.float64),
        "TF-IDF": (plain[here] * plain[there]).sum(axis=1).astype(np.float64),
        "FaST": np.asarray([fast_similarity(stacks[a], stacks[b]) for a, b in zip(here, there, strict=True)]),
        "embedding alone": (vectors[here] * vectors[there]).sum(axis=1).astype(np.float64),
    }
    units = [test.groups[number] for number in here]
    judged = {name: auc_interval(values, same, units) for name, values in scores.items()}
    decided = simulate(seen, odds, join=thresholds.join)
    stated = np.asarray([one.share for one in decided if one.odds is not None])
    right = np.asarray([float(one.right) for one in decided if one.odds is not None])
    bins, error = calibration(stated, right)
    return {
        "figures": [
            asdict(_beside("same cause (ROC-AUC)", judged["ours"], judged[name], name))
            for name in ("exact signature", "TF-IDF", "FaST", "embedding alone")
        ],
        "pairs": len(same),
        "same": int(same.sum()),
        "ece": error,
        "calibration": bins,
        "arrival": _arrival(decided, thresholds),
    }


def _arrival(decided: Sequence[Any], thresholds: Thresholds) -> dict[str, float]:
    """What was decided at arrival: the share of joins that were wrong, of errors left to a person, of known found."""
    joined = [one for one in decided if one.joined]
    known = [one for one in decided if one.known]
    asked = sum(not one.joined and one.share >= thresholds.suggest for one in decided)
    return {
        "join": thresholds.join,
        "suggest": thresholds.suggest,
        "joined": len(joined) / max(1, len(decided)),
        "wrong joins": sum(not one.right for one in joined) / max(1, len(joined)),
        "asked": asked / max(1, len(decided)),
        "nearest is the same cause, where there is one (RR@1)": sum(one.right for one in known) / max(1, len(known)),
        "known causes joined": sum(one.joined and one.right for one in known) / max(1, len(known)),
    }


def report(
    ranking: Mapping[str, Any],
    grouping: Mapping[str, Any],
    splits: Mapping[str, Examples],
    versions: Mapping[str, str],
    *,
    command: str,
) -> dict[str, Any]:
    """What `evaluation.json` holds and the page Model health shows."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "figures": [
            *ranking["top_k"][:2],
            *(figure for figure in grouping["figures"] if figure["baseline_name"] != "embedding alone"),
        ],
        "versions": dict(versions),
        "packages": {name: list(examples.packages) for name, examples in splits.items()},
        "causes": {name: examples.causes for name, examples in splits.items()},
        "traces": {name: len(examples) for name, examples in splits.items()},
        **ranking,
        "grouping": {key: value for key, value in grouping.items() if key != "figures"},
    }
