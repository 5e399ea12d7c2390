"""How far any reader can come: equal traces of different causes cannot be told apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ems_ml.train.grouping.stream import Held, Own, Replay, Stream, Taught, Trace, numbered


class Ceiling:
    """A reader who knows every cause beforehand, but of a trace only what `key` tells.

    It knows how many traces of each cause have that key in the whole stream. It names the known causes of the key, the
    most frequent first; that the cause came before it says with the share of those. On its own it puts a trace with the
    key's most frequent cause, known or new. It never asks.
    """

    def __init__(self, name: str, key: Callable[[Trace], Hashable]) -> None:
        self.name = name
        self.parameters: Mapping[str, Any] = {}
        self._key = key

    def fit(self, tune: Sequence[Stream]) -> Self:
        """Nothing: it knows."""
        return self

    def replay(self, stream: Stream) -> Replay:
        shares: dict[Hashable, Counter[int]] = defaultdict(Counter)
        keys = [self._key(trace) for trace in stream.traces]
        for key, cause in zip(keys, stream.causes.tolist(), strict=True):
            shares[key][cause] += 1
        return Replay(_taught(stream, keys, shares), _own(stream, keys, shares))


def ceilings() -> tuple[Ceiling, Ceiling]:
    """Of what grouping sees of a trace, and of what a person reads in it, with line numbers."""
    return Ceiling("ceiling", lambda trace: trace.seen), Ceiling("ceiling with line numbers", lambda trace: trace.read)


def _taught(stream: Stream, keys: Sequence[Hashable], shares: Mapping[Hashable, Counter[int]]) -> Taught:
    count = len(stream)
    best, rank, right = np.full(count, -np.inf), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    known: set[int] = set()
    for i, (key, cause) in enumerate(zip(keys, stream.causes.tolist(), strict=True)):
        offered = [one for one, _ in shares[key].most_common() if one in known]
        if i:
            best[i] = sum(shares[key][one] for one in offered) / shares[key].total()
        if cause in known:
            rank[i] = offered.index(cause) + 1
            right[i] = rank[i] == 1
        known.add(cause)
    return Taught(best=best, rank=rank, right=right)


def _own(stream: Stream, keys: Sequence[Hashable], shares: Mapping[Hashable, Counter[int]]) -> Own:
    labels = numbered(shares[key].most_common(1)[0][0] for key in keys)
    count = len(stream)
    joined, wrong = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    held, opened = Held(), set[int]()
    for i, (label, cause) in enumerate(zip(labels.tolist(), stream.causes.tolist(), strict=True)):
        joined[i] = label in opened
        wrong[i] = joined[i] and held.cause(label) != cause
        opened.add(label)
        held.add(label, cause)
    return Own(labels=labels, joined=joined, wrong=wrong, asked=np.zeros(count, dtype=bool))


def equal_traces(streams: Sequence[Stream]) -> dict[str, int]:
    """How many traces there are, and how many are equal to one of another cause, as grouped and as read."""
    of = {"as grouped": Counter[bool](), "as read": Counter[bool]()}
    for stream in streams:
        for name, keys in (
            ("as grouped", [trace.seen for trace in stream.traces]),
            ("as read", [trace.read for trace in stream.traces]),
        ):
            causes: dict[Hashable, set[str]] = defaultdict(set)
            for key, trace in zip(keys, stream.traces, strict=True):
                causes[key].add(trace.cause)
            of[name].update(len(causes[key]) > 1 for key in keys)
    return {"traces": of["as read"].total(), **{name: counted[True] for name, counted in of.items()}}
