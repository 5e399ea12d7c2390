"""Traces in the order in which they arrive, each project a stream of its own, and what a method says of them."""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.ports import Normalizer
from ems_ml.types import ErrorEvent, Role, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One error of a known cause. `version`: the release that it happened in, "" where releases are not compared."""

    event: ErrorEvent
    signature: Signature
    cause: str
    version: str = ""

    @property
    def seen(self) -> Hashable:
        """All that grouping sees of it; what is equal here no method can tell apart."""
        one = self.signature
        return one.language, one.types, one.message, one.frames

    @property
    def read(self) -> Hashable:
        """The same with the line numbers outside the tests: what a person who reads the trace could tell apart."""
        frames = self.event.error.frames
        return self.seen, tuple(frame.line for frame in frames if frame.role not in (Role.TEST, Role.RUNNER))


@dataclass(frozen=True)
class Stream:
    """The traces of one project, first arrival first."""

    project: str
    traces: tuple[Trace, ...]

    def __len__(self) -> int:
        return len(self.traces)

    @cached_property
    def signatures(self) -> tuple[Signature, ...]:
        return tuple(trace.signature for trace in self.traces)

    @cached_property
    def causes(self) -> Codes:
        """Each trace's cause as a number, counted from 0 in the order in which the causes first arrive."""
        return numbered(trace.cause for trace in self.traces)

    @cached_property
    def known(self) -> Flags:
        """Whether a trace of the same cause came before."""
        seen: set[int] = set()
        flags = []
        for code in self.causes.tolist():
            flags.append(code in seen)
            seen.add(code)
        return np.asarray(flags, dtype=bool)


@dataclass(frozen=True)
class Taught:
    """A replay in which a person puts each trace right after it was judged: patterns are the true causes.

    All of shape (n,). `best`: the best score among the earlier patterns, -inf for the first trace. `rank`: the place of
    the true cause among them, from 1; 0 where it is not among them or was not offered. `right`: the first one is it.
    """

    best: Numbers
    rank: Codes
    right: Flags


@dataclass(frozen=True)
class Own:
    """A replay that nobody corrects. All of shape (n,).

    `labels`: the final patterns. `wrong`: it joined a pattern most of whose traces are of another cause. `asked`: it
    opened a pattern, and a person is asked whether that is an earlier one.
    """

    labels: Codes
    joined: Flags
    wrong: Flags
    asked: Flags


@dataclass(frozen=True)
class Replay:
    """Both replays of one stream by one method."""

    taught: Taught
    own: Own


def numbered(names: Iterable[Hashable]) -> Codes:
    """Names as numbers from 0, in the order of their first appearance."""
    known: dict[Hashable, int] = {}
    return np.asarray([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def streams(
    events: Iterable[tuple[ErrorEvent, str]], normalizer: Normalizer, *, seed: int = 0, releases: bool = False
) -> list[Stream]:
    """Events with their causes as streams, by project. The order in a project is drawn, whatever the other projects.

    releases: `ErrorEvent.release` is a release number; older releases then come before newer ones.
    """
    found: dict[str, list[Trace]] = defaultdict(list)
    for event, cause in events:
        version = (event.release or "") if releases else ""
        signature = normalizer.normalize(event)
        found[event.project].append(Trace(event=event, signature=signature, cause=cause, version=version))
    drawn = []
    for project in sorted(found):
        rng = np.random.default_rng([seed, zlib.crc32(project.encode())])
        order = [found[project][int(k)] for k in rng.permutation(len(found[project]))]
        drawn.append(Stream(project, tuple(sorted(order, key=lambda trace: _release(trace.version)))))
    return drawn


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:6])


def taught(scores: Numbers, causes: Codes) -> Taught:
    """The taught replay of a method that scores pairs; a pattern scores as its best member does.

    `scores[i, j]` is what the arriving trace i has in common with the earlier trace j < i; what is -inf is not offered.
    Of equal scores the pattern that was seen last comes first.
    """
    count = len(causes)
    best, rank, right = np.full(count, -np.inf), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    last = np.full(int(causes.max(initial=-1)) + 1, -1)  # of each cause: when it was seen last
    for i in range(count):
        true = causes[i]
        if i:
            by_cause = np.full(len(last), -np.inf)
            np.maximum.at(by_cause, causes[:i], scores[i, :i])
            best[i] = by_cause.max()
            own = by_cause[true]
            if own > -np.inf:
                before = (by_cause > own) | ((by_cause == own) & (last > last[true]))
                rank[i] = 1 + int(before.sum())
                right[i] = rank[i] == 1
        last[true] = i
    return Taught(best=best, rank=rank, right=right)


def own(scores: Numbers, causes: Codes, threshold: float) -> Own:
    """The replay on its own: a trace joins the pattern of its best earlier trace where that scores the threshold."""
    count = len(causes)
    labels = np.zeros(count, dtype=np.int64)
    joined, wrong = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    held = Held()
    for i in range(count):
        cause = int(causes[i])
        row = scores[i, :i][::-1]
        nearest = i - 1 - int(np.argmax(row)) if i else -1
        if i and scores[i, nearest] >= threshold:
            label = int(labels[nearest])
            joined[i], wrong[i] = True, held.cause(label) != cause
        else:
            label = len(held)
        labels[i] = label
        held.add(label, cause)
    return Own(labels=labels, joined=joined, wrong=wrong, asked=np.zeros(count, dtype=bool))


class Held:
    """What is in each pattern so far."""

    def __init__(self) -> None:
        self._causes: dict[int, Counter[int]] = {}

    def __len__(self) -> int:
        return len(self._causes)

    def add(self, label: int, cause: int) -> None:
        self._causes.setdefault(label, Counter())[cause] += 1

    def cause(self, label: int) -> int:
        """The cause of most of the pattern's traces; of equal ones the first."""
        return self._causes[label].most_common(1)[0][0]


def never(scores: Numbers) -> Numbers:
    """Scores in which what has nothing in common (0) is not offered at all."""
    return np.where(scores > 0, scores, -np.inf)


def pairs_in(counts: Mapping[Any, int]) -> float:
    """How many pairs there are within groups of these sizes."""
    return float(sum(count * (count - 1) / 2 for count in counts.values()))


def lower(rows: Sequence[Numbers]) -> Numbers:
    """Rows of growing length as one square matrix, -inf on and above the diagonal.

    Rounded to nine digits, so that what is equal but for the order of additions is equal.
    """
    scores = np.full((len(rows), len(rows)), -np.inf)
    for i, row in enumerate(rows):
        scores[i, :i] = np.round(row[:i], 9)
    return scores
