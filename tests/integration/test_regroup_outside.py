"""Regrouping from outside: `ems regroup` as a person calls it, and links to patterns over the HTTP API."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from regroup_worlds import arrive, dump, grown, other_models, traces, where
from said import Ems, Said
from starlette.testclient import TestClient

from ems_ml.build import build
from ems_ml.service import cli, keys
from ems_ml.service.api import create_app
from ems_ml.settings import Settings

FIRST = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = grown(tmp_path_factory.mktemp("world"), traces()[:FIRST])
    other_models(home, join=0.5, suggest=0.2)
    other_models(home, join=0.98, suggest=0.5)
    return home


@pytest.fixture
def home(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = Path(shutil.copytree(world, tmp_path / "home"))
    monkeypatch.setenv("EMS_HOME", str(home))
    return home


@pytest.fixture
def regroup(home: Path, capsys: pytest.CaptureFixture[str]) -> Ems:
    def call(*argv: object) -> Said:
        code = cli.run(["regroup", *(str(part) for part in argv)])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


def test_a_dry_run_tells_what_would_change_and_what_it_costs(home: Path, regroup: Ems) -> None:
    before, was = dump(home), where(home)
    told = regroup("--dry-run", "--models", "v1", "--json").json
    assert (told["applied"], told["models"], told["in_use"]) == (False, "v1", "shipped")
    (one,) = told["projects"]
    assert one["project"] == "packaging"
    assert one["merged"] == len(one["changes"]) > 1
    assert one["cost"]["events_encoded"] <= FIRST
    assert one["cost"]["rows_written"] > one["events"]
    assert 0 < one["cost"]["expected_wrong_merges"] < one["merged"]
    for change in one["changes"]:
        assert was[change["example"]["event"]] == change["pattern"]
        assert change["example"]["type"] == change["beside"]["type"]
        assert change["matched"]
    text = regroup("--dry-run", "--models", "v1", "--limit", 1).out
    assert f"{one['merged']} merged" in text
    assert one["changes"][0]["pattern"] in text
    assert f"and {one['merged'] - 1} more" in text
    assert "ems regroup --models v1 does it" in text
    assert dump(home) == before
    assert "change nothing" in regroup("--dry-run").out


def test_a_split_is_shown_without_an_id_that_will_be_another(regroup: Ems) -> None:
    (one,) = regroup("--dry-run", "--models", 2, "--json").json["projects"]
    assert {change["kind"] for change in one["changes"]} == {"split"}
    assert {change["into"] for change in one["changes"]} == {None}
    assert "a new pattern" in regroup("--dry-run", "--models", "v2").out


def test_it_is_applied_listed_ended_and_undone(home: Path, regroup: Ems) -> None:
    before = dump(home)
    said = regroup("--models", "v2", "--days", 3)
    assert (said.code, said.err) == (0, "")
    assert "R1 was written; ems regroup --undo R1 takes it back" in said.out
    assert "v2 decides, shipped is asked beside it" in said.out
    with build(Settings(home=home)) as system:
        arrive(system, traces()[FIRST : FIRST + 20])
    listed = regroup("--list", "--json").json
    assert (listed["in_use"], listed["transition"]["asked"]) == ("v2", 20)
    assert [one["id"] for one in listed["regroupings"]] == ["R1"]
    text = regroup("--list").out
    assert "R1" in text
    assert f"differ on {listed['transition']['differed']} of 20 events" in text
    assert "is asked no more" in regroup("--end").out
    assert "no models are asked" in regroup("--end").out
    assert "R1 of project packaging is undone" in regroup("--undo").out
    assert regroup("--list", "--json").json["in_use"] == "shipped"
    assert len(dump(home)) > len(before)
    assert regroup("--models", "v1", "--json").json["projects"][0]["id"] == "R2"
    assert regroup("--undo", "r2", "--json").json["undone"][0]["id"] == "R2"


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["--dry-run", "--undo"], 2, "exclude each other"),
        (["--undo"], 10, "no regrouping to undo"),
        (["--undo", "P-1"], 2, "no regrouping's id"),
        (["--undo", "R7"], 10, "no regrouping R7"),
        (["--models", "v9"], 10, "no version 'v9'"),
        (["--project", "nobody"], 10, "no project nobody"),
        (["--project", "packaging", "--models", "v1"], 2, "models serve all projects"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_remedy(regroup: Ems, argv: list[str], code: int, says: str) -> None:
    said = regroup(*argv)
    assert (said.code, said.out) == (code, "")
    assert says in said.err
    assert "remedy: " in said.err


def test_links_to_merged_and_to_undone_patterns_go_on_working_over_http(home: Path, regroup: Ems) -> None:
    with build(Settings(home=home)) as system, TestClient(create_app(system)) as client:
        key = {"Authorization": f"Bearer {keys.add(system, 'packaging', 'write').key}"}

        def get(pattern: str) -> Any:
            answer = client.get(f"/api/v1/patterns/{pattern}", headers=key)
            assert answer.status_code == 200, answer.text
            return answer.json()

        def ids() -> set[str]:
            rows = client.get("/api/v1/patterns?limit=1000", headers=key).json()["patterns"]
            return {row["id"] for row in rows}

        old = ids()
        (merged,) = regroup("--models", "v1", "--json").json["projects"]
        assert ids() == old - {change["pattern"] for change in merged["changes"]}
        for change in merged["changes"]:
            found = get(change["pattern"])
            assert found["id"] == change["into"]
            assert change["example"]["event"] in {event["id"] for event in found["events"]}
            assert change["pattern"] in found["merged"]
        regroup("--undo")
        assert ids() == old
        assert {get(change["pattern"])["id"] for change in merged["changes"]} <= old
        (split,) = regroup("--models", "v2", "--json").json["projects"]
        made = {change["into"]: change["pattern"] for change in split["changes"]}
        assert ids() == old | set(made)
        regroup("--undo")
        assert ids() == old
        for pattern, came_from in made.items():
            assert get(pattern)["id"] == came_from
        answer = client.post(f"/api/v1/patterns/{next(iter(made))}/resolve", headers=key)
        assert (answer.status_code, answer.json()["id"]) == (200, next(iter(made.values())))
        assert json.dumps(answer.json())
