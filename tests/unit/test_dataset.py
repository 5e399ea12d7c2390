"""The data set keeps what an event knows, never a source line, and its checks find planted mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
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


def told_row(**changes: Any) -> dict[str, Any]:
    """A fix that a message tells, of another project."""
    place = Frame(file="other/b.py", function="second", line=4, shape=("NAME", "."), words=("second",))
    given = ErrorEvent(id="d" * 32, error=ExceptionRecord(type="KeyError", frames=(place,)), project="other")
    of_commit = {"version": "c" * 12, "group": "other@" + "c" * 20, "commit": "c" * 40, "time": "2020-09-30T15:15:56Z"}
    empty = {"test": "", "fault_note": "", "python": ""}
    own = {"kind": "told", "words": ["fix", "keyerror"], "strategies": [{"name": "guard_none", "score": 0.9}]}
    return {**dataset.row_from_event(given, **LABELS | of_commit | empty | own), **changes}


def replay_row(**changes: Any) -> dict[str, Any]:
    """A replayed crash of a third project."""
    raised = Frame(file="third/c.py", function="third", line=1, shape=("Call",), words=("third",))
    given = event("e" * 32, project="third", error=ExceptionRecord(type="OSError", frames=(raised,)), chain=())
    of_commit = {"version": "f" * 12, "group": "third@" + "f" * 20, "commit": "f" * 40, "time": "2020-09-30T15:15:56Z"}
    own = {"kind": "replay", "split": "replay", "strategies": [{"name": "guard_none", "score": 0.9}]}
    return {**dataset.row_from_event(given, **LABELS | of_commit | own), **changes}


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


def test_the_rows_of_a_frame_can_be_written_again(shipped_toys: Path) -> None:
    before = (shipped_toys / "faults.parquet").read_bytes()
    given = [*rows()[:1], {**rows()[1], "fault_line": None}]
    dataset.write_rows(given, shipped_toys / "faults.parquet")
    read = dataset.load_data()
    assert read["fault_line"].tolist() == [3, pd.NA]
    again = [{**row, "fault_line": 3} for row in read.to_dict("records")]
    dataset.write_rows(again, shipped_toys / "faults.parquet")
    assert (shipped_toys / "faults.parquet").read_bytes() == before


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert dataset.write_rows(rows(), tmp_path / name) == 2
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_data_are_chosen_by_kind_and_split(shipped_toys: Path) -> None:
    assert len(dataset.load_data("fault", "train")) == 2
    assert len(dataset.load_data(split="test")) == 0
    for wrong in ({"split": "exam"}, {"kinds": "rumour"}, {"kinds": ("fault", "rumour")}):
        with pytest.raises(InputError, match=r"'exam'|'rumour'"):
            dataset.load_data(**wrong)


def test_kinds_are_never_mixed_unasked(shipped_toys: Path) -> None:
    with pytest.raises(StoreError, match=r"told\.parquet"):
        dataset.load_data(("fault", "told"))
    dataset.write_rows([told_row()], shipped_toys / "told.parquet")
    dataset.write_rows([replay_row()], shipped_toys / "replay.parquet")
    assert dataset.load_data("fault")["kind"].tolist() == ["fault", "fault"]
    assert dataset.load_data()["kind"].tolist() == ["fault", "fault", "replay", "told"]
    assert dataset.load_data(["told", "fault"])["kind"].tolist() == ["fault", "fault", "told"]
    assert dataset.load_data(split="train")["kind"].tolist() == ["fault", "fault", "told"]
    assert dataset.load_data(split="replay")["kind"].tolist() == ["replay"]
    names = ["guard_none", "guard_empty"]
    dataset.validate(dataset.load_data(), allowed_shape=allowed, strategies=names)


def release_rows() -> list[dict[str, Any]]:
    """The first planted fault in two versions, to the letter the same trace."""
    (first, _) = rows()
    versions = {"2.0": "1" * 32, "1.0": "2" * 32}
    return [{**first, "kind": "release", "version": version, "event": name} for version, name in versions.items()]


def test_faults_in_several_versions_are_there_only_where_they_are_asked_for(shipped_toys: Path) -> None:
    with pytest.raises(StoreError, match=r"releases\.parquet"):
        dataset.load_data("release")
    dataset.write_rows(release_rows(), shipped_toys / "releases.parquet")
    assert set(dataset.load_data()["kind"]) == set(dataset.load_data(split="train")["kind"]) == {"fault"}
    assert dataset.load_data("release", "train")["version"].tolist() == ["2.0", "1.0"]
    everything = dataset.load_data((*dataset.KINDS[:1], dataset.RELEASE))
    dataset.validate(everything, allowed_shape=allowed, strategies=["guard_none", "guard_empty"])
    again = [*release_rows(), {**release_rows()[0], "event": "3" * 32}]
    dataset.write_rows(again, shipped_toys / "releases.parquet")
    with pytest.raises(InputError, match="repeats another trace"):
        dataset.validate(dataset.load_data("release"), allowed_shape=allowed)


def test_shapes_are_those_of_the_frames(shipped_toys: Path) -> None:
    loaded = dataset.load_data()
    assert list(loaded.columns) == list(dataset.COLUMNS)
    assert [list(shape) for shape in loaded["shapes"][0]] == [[], ["NAME", "."]]


def test_a_file_of_an_earlier_version_can_be_read(tmp_path: Path) -> None:
    dataset.write_rows(rows(), tmp_path / "faults.parquet")
    table = pq.read_table(tmp_path / "faults.parquet")
    later = ["strategies", "words", "removed", "added", "condition", "commit", "time"]
    pq.write_table(table.drop_columns(later), tmp_path / "older.parquet")
    frame = dataset.read_data(tmp_path / "older.parquet")
    assert frame["commit"].tolist() == ["", ""]
    assert [list(cell) for cell in frame["strategies"]] == [[], []]
    dataset.validate(frame, allowed_shape=allowed, strategies=["guard_none", "guard_empty"])
    pq.write_table(table.drop_columns(["frames"]), tmp_path / "broken.parquet")
    with pytest.raises(StoreError, match=r"lacks \['frames'\]"):
        dataset.read_data(tmp_path / "broken.parquet")


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
        pytest.param(
            _frame({"function": "total = row.price"}), "function that may be source", id="source as a function"
        ),
        pytest.param(_last({"message": "bad\n    total = row.price"}), "message with a line of code", id="message"),
        pytest.param(
            _last({"fault_note": "total = row.price"}), "fault_note that may be source", id="source as a note"
        ),
        pytest.param(_last({"fault_function": "x y"}), "fault_function of another form", id="function's form"),
        pytest.param(_last({"version": "return 1"}), "version of another form", id="version's form"),
        pytest.param(_last({"removed": [["total"]]}), "outside the vocabulary: 'total'", id="source taken away"),
        pytest.param(_last({"added": [["total"]]}), "outside the vocabulary: 'total'", id="source brought in"),
        pytest.param(_last({"words": ["fix"]}), "trace with the words of a commit", id="words beside a trace"),
        pytest.param(
            _last({"strategies": [{"name": "pray", "score": 1}]}), "not known: 'pray'", id="unknown second name"
        ),
        pytest.param(
            _last({"strategies": [{"name": "guard_none", "score": 1}]}), "do not begin with", id="another first name"
        ),
        pytest.param(_last({"fault_file": ""}), "neither fault_file nor condition", id="no place"),
        pytest.param(_last({"condition": "x = secret(1)"}), "condition that is no plain", id="condition in no form"),
        pytest.param(_last({"condition": '{"target": "/home/me/x"}'}), "no plain record", id="condition with a path"),
        pytest.param(_last({"split": "replay"}), "nothing else, are in the split 'replay'", id="planted in replay"),
        pytest.param(lambda given: given.append(replay_row(split="train")), "nothing else, are in", id="learnt replay"),
        pytest.param(
            lambda given: (
                given.append(told_row(group="third@" + "f" * 20, project="third")) or given.append(replay_row())
            ),
            "is in more than one split",
            id="a replayed fix that is learnt",
        ),
        pytest.param(
            lambda given: given.append(told_row(project="toy", split="test")),
            "'toy' is in more than one",
            id="told leak",
        ),
        pytest.param(
            lambda given: given.append(told_row(project="mistune")), "mistune must be in test", id="told split"
        ),
        pytest.param(
            lambda given: given.append(told_row(message="no")), "told fix with a trace", id="told with a message"
        ),
        pytest.param(lambda given: given.append(told_row(words=[])), "without words", id="told without words"),
        pytest.param(lambda given: given.append(told_row(commit="")), "without commit", id="told without commit"),
        pytest.param(
            lambda given: given.append(told_row(strategies=[])), "without commit, time or strat", id="unlabelled"
        ),
        pytest.param(
            lambda given: given.append(
                {**given[0], "event": "c" * 32, "group": "g3", "project": "far", "split": "test"}
            ),
            "have one trace in two splits",
            id="near-equal traces",
        ),
        pytest.param(
            lambda given: given.extend(
                row(removed=[["NAME"] * 12], fault_function="Cart.add") for row in (told_row, replay_row)
            ),
            "have one fix in two splits",
            id="one fix in two projects",
        ),
        pytest.param(
            lambda given: given.extend({**given[0], "event": f"{n:032x}", "group": f"h{n}"} for n in range(20)),
            "faults of toy give the same error",
            id="an error of the run",
        ),
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


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("result = make(row, strict=True)", True),
        ("    return rows[name]", True),
        ("def __new__(_cls, x, y):", True),
        ("except (KeyError, ValueError):", True),
        ("elif first.name in names:  # again", True),
        ("from shop.prices import total", True),
        ("'NoneType' object has no attribute 'price'", False),
        ("{'type': 'integer', 'minimum': 0}", False),
        ("Token('RULE', 'start')", False),
        ("expected: integer", False),
        ("if you see this, tell us:", False),
        ("x = 1", False),  # too short to be anybody's
        ("'a' != 'length of value must be at least 8'", False),
    ],
)
def test_a_line_of_code_is_told_from_a_message(line: str, code: bool) -> None:
    assert dataset.masked(line) == ("<code>" if code else line)


def test_the_shipped_data_are_small() -> None:
    files = [path for path in dataset.data_folder().iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 60 * 2**20


def test_the_shipped_data_keep_their_promises() -> None:
    frame = dataset.load_data()
    dataset.validate(frame, allowed_shape=known_token, strategies=[strategy.name for strategy in load_strategies()])
    planted = frame[frame["kind"] == "fault"]
    assert set(frame["kind"]) == set(dataset.KINDS)
    assert planted["group"].nunique() >= 4000
    assert len(planted) >= 25_000
    assert planted["project"].nunique() >= 30
    real = frame[frame["kind"] == "replay"]
    assert real["group"].nunique() >= 250
    assert real["project"].nunique() >= 20
    assert (frame["kind"] == "told").sum() >= 1500
    assert set(planted["split"]) == set(dataset.SPLIT_NAMES)
    several = dataset.load_data("release")
    names = [strategy.name for strategy in load_strategies()]
    whole = pd.concat([frame, several], ignore_index=True)
    dataset.validate(whole, allowed_shape=known_token, strategies=names)
    judged = several[several["split"] == "test"]
    assert (judged.groupby("group")["version"].nunique() > 1).sum() >= 150
    assert judged["project"].nunique() >= 6
    for row in frame[frame["kind"] != "told"].to_dict("records"):
        event = dataset.event_from_row(row)
        assert any(frame.role is Role.APP for frame in event.error.frames), "raised in the package or below it"
