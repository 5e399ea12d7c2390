"""What twenty decisions of a person are worth to the later errors of a project that was not trained on.

A project's errors arrive in a store; a simulated person confirms or refuses what is suggested and splits what is joined
wrongly, twenty times; `ems train --decisions` learns from that. The errors that come later are judged by the model as
it is shipped and as it has learned, with the figures of `tests/deciding.py`. Intervals of the differences are
bootstrapped over projects. The size of the shifts (`SPREAD`) was chosen on the training projects, each judged by trees
that were fitted without it; the tune and test splits only judge.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, system, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from deciding import Later, gains, judged, watched

from ems_ml.build import train_decisions
from ems_ml.build.models import load_grouper
from ems_ml.dataset import event_from_row, load_data
from ems_ml.group import OnlineGrouper
from ems_ml.normalize import NormalizerV1
from ems_ml.train.grouping.stream import Stream, streams

DECISIONS = 20
LEAST_LATER = 50  # errors that must be left to judge by
FIGURES = ("cost", "auc", "loss", "right")


def main() -> None:
    found = {}
    sides = [(name, when) for name in FIGURES for when in ("shipped", "learned")]
    for split in ("tune", "test"):
        rows = of_split(split)
        found[split] = rows
        print(f"\n{split} split: {DECISIONS} decisions, then the later errors")
        table(
            ("project", "before", "later", "adopted", *(f"{name} {when}" for name, when in sides)),
            [
                (
                    one["project"],
                    one["arrived"],
                    one["shipped"]["errors"],
                    "yes" if one["adopted"] else "no",
                    *(one[when][name] for name, when in sides),
                )
                for one in rows
            ],
        )
        table(("better by (mean of projects)", "", "low", "high", "better in", "worse in"), differences(rows))
    keep("decisions", found)


def of_split(split: str) -> list[dict[str, Any]]:
    frame = load_data("fault", split)
    events = ((event_from_row(row), str(row["group"])) for row in frame.to_dict("records"))
    found = (of_project(stream) for stream in streams(events, NormalizerV1()))
    return [one for one in found if one is not None]


def differences(rows: list[dict[str, Any]]) -> list[tuple[str, float, float, float, int, int]]:
    told = []
    before, after = ([Later(**row[when]) for row in rows] for when in ("shipped", "learned"))
    for name in FIGURES:
        each = np.asarray(gains(before, after, name))
        drawn = each[np.random.default_rng(0).integers(0, len(each), (1000, len(each)))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
        told.append((name, float(each.mean()), low, high, int((each > 0).sum()), int((each < 0).sum())))
    return told


def of_project(stream: Stream) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as home, system(Path(home)) as whole:
        shipped = load_grouper(whole.settings)
        try:
            arrived = watched(whole, stream, DECISIONS)
        except LookupError:
            return None
        if len(stream) - arrived < LEAST_LATER:
            return None
        made = train_decisions(whole, track=False)
        learned = load_grouper(whole.settings)
        assert isinstance(shipped, OnlineGrouper)
        assert isinstance(learned, OnlineGrouper)
        return {
            "project": stream.project,
            "arrived": arrived,
            "adopted": made.adopted,
            "shipped": asdict(judged(whole, shipped, stream, arrived)),
            "learned": asdict(judged(whole, learned, stream, arrived)),
        }


if __name__ == "__main__":
    main()
