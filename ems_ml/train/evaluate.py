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
from ems_ml.train.fit import Thresholds, arrivals, pair_scorer
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
    pair_features: Callable[..., NDArray[np.float32]],
    seed: int = 0,
) -> dict[str, Any]:
    """Same cause or not, over all pairs within a project, and the decisions at arrival."""
    vectors, plain = encoder.encode(test.signatures), tfidf.encode(test.signatures)
    ours = pair_scorer(test, vectors, model, pair_features)
    rows = drawn_pairs(test, seed)
    left, right = rows[:, 0], rows[:, 1]
    same = np.asarray([int(test.groups[a] == test.groups[b]) for a, b in rows])
    units = [test.groups[a] for a in left]
    stacks = [places(signature.frames) for signature in test.signatures]
    scores: dict[str, NDArray[np.float64]] = {
        "ours": np.concatenate([ours(int(a), [int(b)]) for a, b in rows]),
        "exact signature": np.asarray([float(test.signatures[a].exact == test.signatures[b].exact) for a, b in rows]),
        "TF-IDF": (plain[left] * plain[right]).sum(axis=1).astype(np.float64),
        "FaST": np.asarray([fast_similarity(stacks[a], stacks[b]) for a, b in rows]),
        "embedding alone": (vectors[left] * vectors[right]).sum(axis=1).astype(np.float64),
    }
    judged = {name: auc_interval(values, same, units) for name, values in scores.items()}
    _, error = calibration(scores["ours"], same.astype(np.float64))
    figures = [
        asdict(_beside("same cause (ROC-AUC)", judged["ours"], judged[name], name))
        for name in ("exact signature", "TF-IDF", "FaST", "embedding alone")
    ]
    return {
        "figures": figures,
        "pairs": len(rows),
        "same": int(same.sum()),
        "pair_ece": error,
        "arrival": _arrival(test, vectors, ours, thresholds, seed),
    }


def drawn_pairs(test: Examples, seed: int, most: int = 20_000) -> NDArray[np.int64]:
    """All pairs of a cause, and as many drawn pairs of different causes of a project."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, int]] = []
    for project in sorted(set(test.projects)):
        rows = [i for i, name in enumerate(test.projects) if name == project]
        together = [(a, b) for n, a in enumerate(rows) for b in rows[n + 1 :] if test.groups[a] == test.groups[b]]
        apart = [(a, b) for n, a in enumerate(rows) for b in rows[n + 1 :] if test.groups[a] != test.groups[b]]
        chosen = rng.permutation(len(apart))[: max(len(together), 1000)]
        found += together + [apart[int(k)] for k in chosen]
    if len(found) > most:
        found = [found[int(k)] for k in rng.permutation(len(found))[:most]]
    return np.asarray(found, dtype=np.int64)


def _arrival(
    test: Examples,
    vectors: NDArray[np.float32],
    score: Callable[[int, list[int]], NDArray[np.float64]],
    thresholds: Thresholds,
    seed: int,
) -> dict[str, float]:
    """What was decided at arrival: the share of joins that were wrong, of errors left to a person, of known found."""
    best, same, seen = arrivals(test, vectors, score, seed=seed)
    joined, asked = best >= thresholds.join, (best >= thresholds.suggest) & (best < thresholds.join)
    return {
        "join": thresholds.join,
        "suggest": thresholds.suggest,
        "joined": float(joined.mean()),
        "wrong joins": float((joined & (same == 0)).sum() / max(1, joined.sum())),
        "asked": float(asked.mean()),
        "nearest is the same cause, where there is one (RR@1)": float(same[seen == 1].mean()) if seen.any() else 0.0,
        "known causes joined": float((joined & (same == 1) & (seen == 1)).sum() / max(1, seen.sum())),
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
