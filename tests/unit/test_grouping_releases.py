"""The shipped models on faults that were planted in several versions: no decision hangs on a line number."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ems_ml.build import System, build
from ems_ml.build.models import model_folders, thresholds
from ems_ml.dataset import event_from_row, load_data
from ems_ml.group import HeldExemplars, OnlineGrouper
from ems_ml.group.pairs import PairModel, pair_features
from ems_ml.manifest import find_model
from ems_ml.ports import NEAR
from ems_ml.resources import shipped
from ems_ml.settings import load_settings
from ems_ml.train.grouping.ours import Ours
from ems_ml.train.grouping.stream import Stream, streams
from ems_ml.types import ErrorEvent, ExceptionRecord

Line = Callable[[ErrorEvent, int], int | None]
MOST = 150  # traces, of two packages: enough to join, to ask and to open patterns

CHANGES: dict[str, Line] = {
    "taken out": lambda event, line: None,
    "shifted by the release": lambda event, line: line + zlib.crc32((event.release or "").encode()) % 900,
    "drawn": lambda event, line: zlib.crc32(f"{event.id} {line}".encode()) % 5000,
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with build(load_settings(home=tmp_path_factory.mktemp("home"), encoder="static")) as system:
        yield system


@pytest.fixture(scope="module")
def told() -> pd.DataFrame:
    frame = load_data("release", "test")
    return frame[frame["project"].isin(("h11", "wsproto"))].sample(MOST, random_state=0)


def read(told: pd.DataFrame, system: System, line: Line | None = None) -> list[Stream]:
    rows = [{str(name): value for name, value in row.items()} for row in told.to_dict("records")]
    events = ((event_from_row(row), str(row["group"])) for row in rows)
    changed = ((event if line is None else renumbered(event, line), cause) for event, cause in events)
    return streams(changed, system.normalizer, releases=True)


def renumbered(event: ErrorEvent, line: Line) -> ErrorEvent:
    """The same error with other line numbers."""

    def record(one: ExceptionRecord) -> ExceptionRecord:
        return replace(
            one,
            frames=tuple(
                replace(frame, line=None if frame.line is None else line(event, frame.line)) for frame in one.frames
            ),
        )

    return event.with_(error=record(event.error), chain=tuple(map(record, event.chain)))


@pytest.fixture(scope="module")
def ours(system: System) -> Ours:
    entry, folder = find_model("grouper", model_folders(system.settings))
    assert folder.is_relative_to(shipped("models"))
    grouper = OnlineGrouper(PairModel.load(folder), **thresholds(entry))
    return Ours(grouper=grouper, encoder=system.encoder, new_index=HeldExemplars, near=NEAR)


@pytest.mark.parametrize("change", CHANGES)
def test_other_line_numbers_change_no_probability_and_no_decision(
    change: str, system: System, told: pd.DataFrame, ours: Ours
) -> None:
    whole, other = read(told, system), read(told, system, CHANGES[change])
    joined = asked = 0
    for one, two in zip(whole, other, strict=True):
        lines = [[frame.line for trace in of.traces for frame in trace.event.error.frames] for of in (one, two)]
        assert lines[0] != lines[1], "the numbers were others"
        before, after = ours.replay(one), ours.replay(two)
        for name in ("best", "rank", "right"):
            np.testing.assert_array_equal(getattr(before.taught, name), getattr(after.taught, name))
        for name in ("labels", "joined", "wrong", "asked"):
            np.testing.assert_array_equal(getattr(before.own, name), getattr(after.own, name))
        joined += int(before.own.joined.sum())
        asked += int(before.own.asked.sum())
    assert joined > MOST / 4, "decisions that could have changed"
    assert asked


def test_no_feature_of_a_pair_reads_a_line_number(system: System, told: pd.DataFrame) -> None:
    for one, two in zip(read(told, system), read(told, system, CHANGES["drawn"]), strict=True):
        here, there = system.encoder.encode(one.signatures), system.encoder.encode(two.signatures)
        for i in range(1, len(one)):
            a = pair_features(one.signatures[i], here[i], one.signatures[i - 1], here[i - 1])
            b = pair_features(two.signatures[i], there[i], two.signatures[i - 1], there[i - 1])
            np.testing.assert_array_equal(a, b)
