"""What a method's replays are worth: sums by project, figures from the sums, 95% intervals over projects.

Everything is a function of sums over projects, so that a bootstrap draws projects by weighing those sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.train.grouping.stream import Own, Replay, Stream, Taught, numbered, pairs_in
from ems_ml.train.grouping.tuning import finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

RESAMPLES = 1000
#: The figures in the order of the tables; what each means stands in `docs/implementation/grouping-evaluation.md`.
FIGURES = (
    *("RR@1", "RR@5", "MAP", "AUC"),
    *("precision", "recall", "ARI", "patterns per cause", "wrong joins", "asked"),
    *("joined", "known joined", "recall over releases"),
)


CLUSTERED = ("precision", "recall", "ARI", "patterns per cause")  # those that labels alone can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with its 95% interval over projects; nan where nothing could be counted."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sums:
    """Sums of each project: `by` name -> (P,); `wins` (P, P): pairs of a known and a new trace in the right order."""

    by: Mapping[str, Numbers]
    wins: Numbers

    @property
    def projects(self) -> int:
        return len(self.wins)


def sums(replays: Sequence[Replay], streams: Sequence[Stream]) -> Sums:
    """The sums of one method's replays, a row a stream."""
    rows = [_of_stream(replay, stream) for replay, stream in zip(replays, streams, strict=True)]
    by = {name: np.asarray([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    best = [finite(replay.taught.best[1:]) for replay in replays]
    known = [stream.known[1:] for stream in streams]
    new = [scores[~before] for scores, before in zip(best, known, strict=True)]
    wins = np.asarray([[_wins(b[k], other) for other in new] for b, k in zip(best, known, strict=True)])
    return Sums(by, wins)


def _of_stream(replay: Replay, stream: Stream) -> dict[str, float]:
    return {**_ranked(replay.taught, stream), **of_own(replay.own, stream)}


def _ranked(replay: Taught, stream: Stream) -> dict[str, float]:
    rank = replay.rank[stream.known].astype(np.float64)
    offered = rank > 0
    return {
        "new": float((~stream.known[1:]).sum()),
        "first": float((rank == 1).sum()),
        "first five": float((offered & (rank <= 5)).sum()),
        "reciprocal": float((1 / rank[offered]).sum()),
    }


def of_own(replay: Own, stream: Stream) -> dict[str, float]:
    """The sums of one stream that a method grouped on its own."""
    causes, labels = stream.causes.tolist(), replay.labels.tolist()
    cells = Counter(zip(causes, labels, strict=True))
    true, told = pairs_in(Counter(causes)), pairs_in(Counter(labels))
    releases = Counter(zip(causes, (trace.version for trace in stream.traces), strict=True))
    found = Counter(zip(causes, labels, (trace.version for trace in stream.traces), strict=True))
    return {
        "traces": float(len(stream)),
        "causes": float(len(set(causes))),
        "true pairs": true,
        "told pairs": told,
        "right pairs": pairs_in(cells),
        "pieces": float(len(cells)),  # a cause's traces in one pattern are one piece
        "joined": float(replay.joined.sum()),
        "wrong": float(replay.wrong.sum()),
        "asked": float(replay.asked.sum()),
        "known": float(stream.known.sum()),
        "known right": float((replay.joined & ~replay.wrong & stream.known).sum()),
        "release pairs": true - pairs_in(releases),
        "right release pairs": pairs_in(cells) - pairs_in(found),
    }


def of_labels(labels: Sequence[Sequence[int]], streams: Sequence[Stream], *, seed: int = 0) -> dict[str, Figure]:
    """The figures of any clusterer's labels, a sequence a stream, by pairs within projects: `CLUSTERED`.

    The same label means one pattern, whatever its number. They are what `figures` tells of the same labels.
    """
    rows = []
    for given, stream in zip(labels, streams, strict=True):
        never = np.zeros(len(stream), dtype=bool)
        rows.append(of_own(Own(labels=numbered(given), joined=never, wrong=never, asked=never), stream))
    by = {name: np.asarray([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    point = own_values({name: np.ones((1, len(rows))) @ column for name, column in by.items()})
    weights = draws(len(rows), seed=seed)
    drawn = own_values({name: weights @ column for name, column in by.items()})
    return {name: _figure(float(point[name][0]), drawn[name]) for name in CLUSTERED}


def _wins(known: Numbers, new: Numbers) -> float:
    """How many pairs of a score of each have the known one's higher; a tie is half."""
    order = np.sort(new)
    below = np.searchsorted(order, known, side="left") + np.searchsorted(order, known, side="right")
    return float(below.sum() / 2)


def values(told: Sums, weights: Numbers) -> dict[str, Numbers]:
    """Every figure for each row of `weights`, shape (b, P): how often each project is counted."""
    of = {name: weights @ column for name, column in told.by.items()}
    wins = np.einsum("bp,pq,bq->b", weights, told.wins, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        ranked = {
            "RR@1": of["first"] / of["known"],
            "RR@5": of["first five"] / of["known"],
            "MAP": of["reciprocal"] / of["known"],
            "AUC": wins / (of["known"] * of["new"]),
        }
    return {**ranked, **own_values(of)}


def own_values(of: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """The figures of grouping on its own, from sums over projects."""
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = of["true pairs"] * of["told pairs"] / (of["traces"] * (of["traces"] - 1) / 2)
        return {
            "precision": of["right pairs"] / of["told pairs"],
            "recall": of["right pairs"] / of["true pairs"],
            "ARI": (of["right pairs"] - expected) / ((of["true pairs"] + of["told pairs"]) / 2 - expected),
            "patterns per cause": of["pieces"] / of["causes"],
            "wrong joins": of["wrong"] / of["joined"],
            "asked": of["asked"] / of["traces"],
            "joined": of["joined"] / of["traces"],
            "known joined": of["known right"] / of["known"],
            "recall over releases": of["right release pairs"] / of["release pairs"],
        }


def draws(projects: int, *, seed: int = 0) -> Numbers:
    """How often each project is counted in each resample, shape (RESAMPLES, P); the same for every method."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(projects, np.full(projects, 1 / projects), size=RESAMPLES).astype(np.float64)


def figures(told: Sums, *, seed: int = 0) -> dict[str, Figure]:
    """Every figure with its interval."""
    point = values(told, np.ones((1, told.projects)))
    drawn = values(told, draws(told.projects, seed=seed))
    return {name: _figure(float(point[name][0]), drawn[name]) for name in FIGURES}


def _figure(value: float, drawn: Numbers) -> Figure:
    held = drawn[np.isfinite(drawn)]
    low, high = np.quantile(held, [0.025, 0.975]) if len(held) else (float("nan"), float("nan"))
    return Figure(value=value, low=float(low), high=float(high))
