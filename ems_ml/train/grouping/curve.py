"""Our own decisions in more than one point: what other join thresholds decide, and whether p(same cause) is true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ems_ml.ports import Grouper
from ems_ml.train.grouping.ours import Ours
from ems_ml.train.grouping.scores import of_own, own_values
from ems_ml.train.grouping.stream import Stream, Taught
from ems_ml.train.scores import calibration

JOINS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
SHOWN = ("precision", "recall", "ARI", "patterns per cause", "wrong joins", "joined", "asked", "known joined")


def trade_off(ours: Ours, at: Callable[[float], Grouper], streams: Sequence[Stream]) -> list[dict[str, float]]:
    """A row a join threshold: what the grouper `at` it decides when it is on its own."""
    rows = []
    for join in JOINS:
        other = ours.with_grouper(at(join))
        told = [of_own(other.own(stream), stream) for stream in streams]
        reached = own_values({name: np.asarray([sum(one[name] for one in told)]) for name in told[0]})
        rows.append({"join": join} | {name: float(reached[name][0]) for name in SHOWN})
    return rows


def reliability(replays: Sequence[Taught]) -> dict[str, Any]:
    """At arrival in the taught replay: p(same cause as the nearest pattern), in bins, beside how often it was so.

    Of every trace but each project's first. `ece`: the expected calibration error.
    """
    best = np.concatenate([replay.best[1:] for replay in replays])
    right = np.concatenate([replay.right[1:] for replay in replays]).astype(np.float64)
    bins, error = calibration(best, right)
    return {"ece": error, "bins": bins, "arrivals": len(best)}
