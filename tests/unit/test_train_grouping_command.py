"""`ems evaluate grouping` over toy data and toy models, called in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from toy_models import events

from ems_ml import dataset
from ems_ml.dataset import files
from ems_ml.service import cli, exit_codes
from ems_ml.types import ErrorEvent, Frame

LABELS: dict[str, Any] = {"version": "1", "test": "", "fault_file": "a.py", "fault_line": 3, "fault_function": "f"}
LABELS |= {"fault_note": "", "python": "3.11", "harvest": "1"}
SPLITS = {"alpha": "train", "beta": "tune", "gamma": "test"}
METHODS = [
    "exact signature",
    "Bugsink's rule",
    "Sentry-like rule",
    "Rollbar's rule",
    "PrefixMatch",
    "TF-IDF",
    "TraceSim",
    "FaST",
    "embedding alone",
    "ours",
    "ceiling",
    "ceiling with line numbers",
]


def shaped(frame: Frame) -> Frame:
    return replace(frame, code=None, shape=("Return",), words=tuple((frame.code or "").split()[:2]))


def row(event: ErrorEvent, project: str, group: str, strategy: str, **labels: Any) -> dict[str, Any]:
    error = replace(event.error, frames=tuple(map(shaped, event.error.frames)))
    own = replace(event, id=f"{project}-{event.id}", project=project, error=error)
    told = {**LABELS, **labels}
    return dataset.row_from_event(own, **told, group=f"{project}-{group}", strategy=strategy)


@pytest.fixture
def toy_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy errors as planted faults of three projects, some in several versions; replayed: one of them, and one that
    nobody has seen.
    """
    made = [one for one in events() if one[0].project == "alpha"]
    faults = [row(*_of(one, project), kind="fault", split=split) for project, split in SPLITS.items() for one in made]
    replayed = [row(*_of(one, name), kind="replay", split="replay") for name in ("alpha", "delta") for one in made[:24]]
    versions = [
        row(*_of(one, name), kind="release", split=SPLITS[name], version=f"1.{9 + k * 7 // 5 % 3}")
        for name in ("beta", "gamma")
        for k, one in enumerate(made[:24])
    ]
    dataset.write_rows(versions, tmp_path / "releases.parquet")
    dataset.write_rows(faults, tmp_path / "faults.parquet")
    dataset.write_rows(replayed, tmp_path / "replay.parquet")
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)


def _of(one: tuple[ErrorEvent, str, str], project: str) -> tuple[ErrorEvent, str, str, str]:
    event, group, strategy = one
    return event, project, group, strategy


@pytest.fixture
def languages(tmp_path: Path) -> Path:
    told = []
    for cause, line in (("one", 7), ("two", 40)):
        for k in range(3):
            frames = f"\tat shop.Desk.{cause}(Desk.java:{line})\n\tat shop.Main.main(Main.java:{k + 1})\n"
            text = f'Exception in thread "main" java.lang.IllegalStateException: {cause} {k}\n{frames}'
            told.append({"text": text, "cause": cause, "project": "java", "version": str(k)})
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in told))
    return path


def test_every_method_is_judged_on_every_table(
    toy_home: Path, toy_data: None, languages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "grouping.json"
    argv = ["evaluate", "grouping", "--language-traces", str(languages), "--json", "--out", str(out)]
    assert cli.run(argv) == exit_codes.OK
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(out.read_text())
    tables = {one["name"]: one for one in told["tables"]}
    assert {name: (one["projects"], one["traces"]) for name, one in tables.items()} == {
        "injected": (["gamma"], 60),
        "replayed": (["alpha", "delta"], 48),
        "replayed, unseen projects": (["delta"], 24),
        "other languages": (["java"], 6),
    }
    for one in tables.values():
        assert [row["method"] for row in one["methods"]] == METHODS
        assert one["calibration"]["arrivals"] == one["traces"] - len(one["projects"])
        # The higher the threshold, the less is joined.
        joined = [row["joined"] for row in one["join thresholds"]]
        assert joined == sorted(joined, reverse=True)
    of = {row["method"]: row["figures"] for row in tables["injected"]["methods"]}
    assert of["ceiling"]["ARI"]["value"] == of["ceiling"]["RR@1"]["value"] == 1.0
    assert of["ours"]["RR@1"]["value"] > of["exact signature"]["RR@1"]["value"]
    assert of["ours"]["recall over releases"]["value"] is None
    java = {row["method"]: row["figures"] for row in tables["other languages"]["methods"]}
    assert java["Rollbar's rule"]["recall over releases"]["value"] == 1.0


def test_faults_in_several_releases_are_judged_where_they_are_asked_for(
    toy_home: Path, toy_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["evaluate", "grouping", "--data", "release", "--json"]) == exit_codes.OK
    (one,) = json.loads(capsys.readouterr().out)["tables"]
    assert (one["name"], one["projects"], one["traces"]) == ("releases", ["gamma"], 24), "the test split alone"
    assert [row["method"] for row in one["methods"]] == METHODS
    for row_ in one["methods"]:
        assert 0 <= row_["figures"]["recall over releases"]["value"] <= 1
    of = {row_["method"]: row_["figures"]["recall over releases"]["value"] for row_ in one["methods"]}
    assert of["ceiling"] == 1.0


def test_one_set_is_shown_as_tables(toy_home: Path, toy_data: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", "grouping", "--data", "replay"]) == exit_codes.OK
    told = capsys.readouterr()
    assert "injected" not in told.out
    assert "replayed, unseen projects: 24 traces of 6 causes in 1 projects" in told.out
    assert all(name in told.out for name in METHODS)
    assert "tuning every method" in told.err


def test_options_of_the_whole_are_not_lost_before_a_part(toy_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", "--json", "grouping"]) == click.UsageError.exit_code
    assert "put them after" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["not json", "[]", '{"text": "x", "cause": "y"}'])
def test_a_line_that_is_no_trace_is_named(
    toy_home: Path, toy_data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(line + "\n")
    assert cli.run(["evaluate", "grouping", "--data", "replay", "--language-traces", str(path)]) != exit_codes.OK
    told = capsys.readouterr().err
    assert "broken.jsonl, line 1" in told
    assert '"project"' in told
