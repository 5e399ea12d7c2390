"""The data set keeps what an event knows, never a source line, and its checks find planted mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ems_ml import dataset
from ems_ml.dataset import files
from ems_ml.errors import InputError, StoreError
from ems_ml.source.shapes import known_token
from ems_ml.strategies import load_strategies
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role

LABELS: Mapping[str, Any] = {
    "version": "1.0",
    "kind": "fault",
    "split": "train",
    "group": "g1",
    "strategy": "guard_none",
    "test": "tests/test_a.py::test_one",
    "fault_file": "toy/a.py",
    "fault_line": 3,
    "fault_function": "first",
    "fault_note": "removed the test for None",
    "python": "3.11.7",
    "harvest": "1",
}


def allowed(token: str) -> bool:
    return token in {"NAME", ".", "Call"}


def event(identity: str = "a" * 32, **changes: Any) -> ErrorEvent:
    frames = (
        Frame(file="tests/test_a.py", function="test_one", line=9, role=Role.TEST, in_app=False, shape=(), words=()),
        Frame(
            file="toy/a.py",
            function="first",
            line=None,
            module="toy.a",
            code=None,
            shape=("NAME", "."),
            words=("first", "x"),
            repeated=2,
        ),
    )
    cause = ExceptionRecord(type="KeyError", message="'k'", relation="cause", frames=frames[1:])
    given: dict[str, Any] = {
        "id": identity,
        "error": ExceptionRecord(type="ValueError", message="bad", frames=frames),
        "chain": (cause,),
        "project": "toy",
    }
    return ErrorEvent(**{**given, **changes})


def rows() -> list[dict[str, Any]]:
    other = event("b" * 32, error=ExceptionRecord(type="TypeError", message="worse", frames=event().error.frames))
    return [
        dataset.row_from_event(event(), **LABELS),
        dataset.row_from_event(other, **{**LABELS, "group": "g2", "strategy": "guard_empty"}),
    ]


@pytest.fixture
def shipped_toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    dataset.write_rows(rows(), tmp_path / "faults.parquet")
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    return tmp_path


def test_an_event_comes_back_as_it_was(shipped_toys: Path) -> None:
    loaded = dataset.load_data()
    back = dataset.event_from_row(loaded.to_dict("records")[0])
    assert back.error == event().error
    assert back.chain == event().chain
    assert (back.id, back.project, back.release) == ("a" * 32, "toy", "1.0")
    assert dataset.event_from_row(loaded.iloc[0]).error == back.error
    assert dataset.event_from_row(rows()[0]).error == back.error


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert dataset.write_rows(rows(), tmp_path / name) == 2
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_data_are_chosen_by_kind_and_split(shipped_toys: Path) -> None:
    assert len(dataset.load_data("fault", "train")) == 2
    assert len(dataset.load_data(split="test")) == 0
    with pytest.raises(InputError, match="'exam'"):
        dataset.load_data(split="exam")


def test_missing_and_broken_data_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    with pytest.raises(StoreError) as caught:
        dataset.load_data()
    assert "README" in caught.value.hint
    (tmp_path / "faults.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(StoreError, match="cannot be read"):
        dataset.load_data()


def test_a_label_that_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(InputError, match=r"missing \['group'\], unknown \['colour'\]"):
        dataset.row_from_event(event(), **{k: v for k, v in LABELS.items() if k != "group"}, colour="red")


def test_code_without_a_shape_cannot_become_a_row() -> None:
    bare = Frame(file="toy/a.py", function="f", line=1, code="secret = 1")
    with pytest.raises(InputError, match="no shape"):
        dataset.row_from_event(event(error=ExceptionRecord(type="E", frames=(bare,))), **LABELS)


def test_no_column_can_hold_a_source_line() -> None:
    code = "launch(codes, now=True)"
    frame = Frame(file="toy/a.py", function="f", line=1, code=code, shape=("Call",), words=("codes", "launch", "now"))
    row = dataset.row_from_event(event(error=ExceptionRecord(type="E", frames=(frame,))), **LABELS)
    assert code not in repr(row)


def test_sound_data_pass(shipped_toys: Path) -> None:
    dataset.validate(dataset.load_data(), allowed_shape=allowed, strategies=["guard_none", "guard_empty"])


def _last(change: Mapping[str, Any]) -> Callable[[list[dict[str, Any]]], None]:
    return lambda given: given[-1].update(change)


def _frame(change: Mapping[str, Any]) -> Callable[[list[dict[str, Any]]], None]:
    def plant(given: list[dict[str, Any]]) -> None:
        given[-1]["frames"][-1] = {**given[-1]["frames"][-1], **change}

    return plant


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        pytest.param(_last({"split": "test"}), "project 'toy' is in more than one split", id="project in two splits"),
        pytest.param(_last({"split": "test", "group": "g1"}), "group 'g1' is in more than one", id="group in two"),
        pytest.param(_last({"group": "g1"}), "more than one strategy", id="group with two labels"),
        pytest.param(_last({"event": "a" * 32}), "is there twice", id="same event"),
        pytest.param(
            lambda given: given.append({**given[0], "event": "c" * 32}), "repeats another trace", id="same trace"
        ),
        pytest.param(_last({"split": "exam"}), "split 'exam' is not known", id="unknown split"),
        pytest.param(_last({"strategy": "pray"}), "strategy 'pray' is not known", id="unknown strategy"),
        pytest.param(_last({"type": ""}), "type is empty", id="empty type"),
        pytest.param(_last({"project": "mistune"}), "mistune must be in test", id="package in the wrong split"),
        pytest.param(_last({"frames": []}), "a trace that has no frames", id="no frames"),
        pytest.param(_frame({"shape": ["x = secret(1)"]}), "outside the vocabulary", id="source in a shape"),
        pytest.param(_frame({"words": ["a + b"]}), "no identifier", id="source in the words"),
        pytest.param(_frame({"words": ["b", "a"]}), "not a sorted set", id="words in the line's order"),
        pytest.param(_frame({"file": "/home/me/toy/a.py"}), "path of some machine", id="machine path"),
        pytest.param(_frame({"role": "boss"}), "unknown role", id="unknown role"),
    ],
)
def test_planted_mistakes_are_found(plant: Callable[[list[dict[str, Any]]], None], told: str, tmp_path: Path) -> None:
    given = rows()
    plant(given)
    dataset.write_rows(given, tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=told):
        dataset.validate(
            dataset.read_data(tmp_path / "bad.parquet"), allowed_shape=allowed, strategies=["guard_none", "guard_empty"]
        )


def test_the_shipped_data_keep_their_promises() -> None:
    frame = dataset.load_data()
    if set(frame["kind"]) == {"fault"}:  # made before messages were masked
        frame["message"] = frame["message"].map(dataset.masked)
    dataset.validate(frame, allowed_shape=known_token, strategies=[strategy.name for strategy in load_strategies()])
    assert frame["group"].nunique() >= 300
    assert frame["project"].nunique() >= 5
    assert set(frame["split"]) == set(dataset.SPLIT_NAMES)
    for row in frame.to_dict("records"):
        event = dataset.event_from_row(row)
        assert any(frame.role is Role.APP for frame in event.error.frames), "raised in the package or below it"
