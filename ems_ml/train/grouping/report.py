"""The tables: every method on one set of streams, and our own decisions in more detail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ems_ml.errors import InputError
from ems_ml.ports import Encoder, Grouper
from ems_ml.train.grouping.alignments import FaST, PrefixMatch, TraceSim
from ems_ml.train.grouping.bags import Embedding, Tfidf
from ems_ml.train.grouping.ceiling import ceilings, equal_traces
from ems_ml.train.grouping.curve import reliability, trade_off
from ems_ml.train.grouping.methods import Method
from ems_ml.train.grouping.ours import Ours
from ems_ml.train.grouping.rules import Bugsink, ExactSignature, Rollbar, Sentry
from ems_ml.train.grouping.scores import figures, sums
from ems_ml.train.grouping.stream import Stream
from ems_ml.types import Signature


def methods(*, corpus: Sequence[Signature], encoder: Encoder, ours: Ours) -> list[Method]:
    """All in the order of the tables, not yet tuned. corpus: traces of the train split, for what is common in any."""
    return [
        ExactSignature(),
        Bugsink(),
        Sentry(),
        Rollbar(),
        PrefixMatch(),
        Tfidf(corpus=corpus),
        TraceSim(),
        FaST(),
        Embedding(encoder=encoder),
        ours,
        *ceilings(),
    ]


def judge(
    name: str, streams: Sequence[Stream], tuned: Sequence[Method], ours: Ours, at: Callable[[float], Grouper], seed: int
) -> dict[str, Any]:
    """One table. `at` is our grouper with another join threshold.

    Raises `InputError` where there is nothing to judge: no cause with two traces.
    """
    if not any(stream.known.any() for stream in streams):
        raise InputError(f"{name}: no two traces have one cause", hint="give data in which causes recur")
    rows, ece = [], dict[str, Any]()
    for method in tuned:
        replays = [method.replay(stream) for stream in streams]
        told = figures(sums(replays, streams), seed=seed)
        rows.append({"method": method.name, "figures": {figure: _counted(asdict(one)) for figure, one in told.items()}})
        if method is ours:
            ece = reliability([replay.taught for replay in replays])
    return {
        "name": name,
        "projects": [stream.project for stream in streams],
        "traces": sum(map(len, streams)),
        "causes": sum(len(set(stream.causes.tolist())) for stream in streams),
        "equal to another cause's": equal_traces(streams),
        "methods": rows,
        "join thresholds": [_counted(row) for row in trade_off(ours, at, streams)],
        "calibration": ece,
    }


def _counted(told: Mapping[str, float]) -> dict[str, float | None]:
    """None, which JSON can say, where nothing could be counted."""
    return {name: None if math.isnan(value) else value for name, value in told.items()}
