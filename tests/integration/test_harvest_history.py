"""A history replayed: which commits are real crashes, which are not and why, and that nothing is done twice."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from harvest_toys import FIXED, History, records, replay

from ems_ml.errors import InputError, UsageError
from ems_ml.harvest import worker
from ems_ml.harvest.corpus import replay_events
from ems_ml.harvest.history import ReplayLedger, replay_histories
from ems_ml.service.commands.harvest import _print_replays

CRASH_TEST = "def test_unknown():\n    assert shop.price({}, 'b') == 0\n"


def nothing(message: str, undone: str | None) -> list[tuple[str, float]]:
    """A recogniser of commits that knows none."""
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, dict[str, str]]:
    """A history of eight commits, of which one mends a crash, and one takes back what brought another in."""
    folder = tmp_path_factory.mktemp("histories")
    folder.chmod(0o755)
    history = History(folder / "shop")
    names = {}
    names["fix"] = history.commit("fix", FIXED, CRASH_TEST)
    wider = FIXED + "\n\ndef total(table):\n    return sum(table.values())\n"
    names["feature"] = history.commit("feature", wider, "def test_total():\n    assert shop.total({'a': 2}) == 2\n")
    rounded = wider.replace("sum(table.values())", "round(sum(table.values()), 2)")
    names["wrong value"] = history.commit(
        "value", rounded, "def test_rounded():\n    assert shop.total({'a': 0.1, 'b': 0.2}) == 0.3\n"
    )
    tidy = rounded.replace("table.get(name, 0)", "table.get(name) or 0")
    names["tidy"] = history.commit("tidy", tidy, "def test_again():\n    assert shop.price({'c': 3}, 'c') == 3\n")
    hang = tidy + "\n\ndef wait(table):\n    return len(table)\n"
    names["no test"] = history.commit("no test", hang, "")
    history.commit("key", hang.replace("table.get(name)", "table.get(name.key)"), "")
    names["revert"] = history.commit(
        "names again", hang, "def test_name():\n    assert shop.price({'d': 4}, 'd') == 4\n"
    )
    return history, names


@pytest.fixture(scope="module")
def replayed(
    made: tuple[History, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path]:
    cache = tmp_path_factory.mktemp("cache")
    cache.chmod(0o755)
    (ledger,) = replay(made[0].folder, cache).ledgers
    return ledger, records(cache), cache


def test_each_commit_has_its_outcome(
    made: tuple[History, dict[str, str]], replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path]
) -> None:
    ledger, found, _ = replayed
    outcomes = {name: found[commit]["outcome"] for name, commit in made[1].items() if commit in found}
    assert outcomes == {
        "fix": "kept",
        "feature": "feature",
        "wrong value": "asserted_only",
        "tidy": "passes_before",
        "revert": "kept",
    }
    assert (ledger.kept, ledger.candidates, ledger.untried) == (2, 5, 0)
    assert ledger.left_out["no test changed"] == 2


def test_a_commit_that_takes_an_earlier_one_back_is_known_by_it(
    made: tuple[History, dict[str, str]], replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path]
) -> None:
    named = {name: replayed[1][made[1][name]]["fix"]["strategies"] for name in ("revert", "fix")}
    assert named["revert"][0] == ["revert_change", 0.99]
    assert len(named["revert"]) > 1, "what the edit looks like is kept beside it"
    assert "revert_change" not in dict(named["fix"])


def test_a_crash_has_its_real_trace_its_fix_and_its_test(
    made: tuple[History, dict[str, str]], replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path]
) -> None:
    crash = replayed[1][made[1]["fix"]]
    (trace,) = crash["traces"]
    assert (trace["type"], trace["message"]) == ("KeyError", "'b'")
    assert trace["frames"][-1]["code"] == "return table[name]"
    assert [frame["role"] for frame in trace["frames"]] == ["test", "app"]
    assert crash["tests"] == ["tests/test_shop.py::test_unknown"]
    assert crash["fix"]["removed"] == ["    return table[name]"]
    assert crash["fix"]["strategies"][0][0] == "default_missing"
    assert crash["fix"]["function"] == "price"
    assert str(replayed[2]) not in json.dumps(crash), "a path of this machine"


def test_a_second_run_tries_nothing_again(
    made: tuple[History, dict[str, str]], replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path]
) -> None:
    (ledger,) = replay(made[0].folder, replayed[2]).ledgers
    assert ledger == replayed[0]
    assert records(replayed[2]) == replayed[1]


def test_a_later_run_gives_todays_labels_and_runs_no_test_for_it(
    made: tuple[History, dict[str, str]],
    replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path],
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    corpus = shutil.copytree(replayed[2] / "history", cache / "history") / "v1/shop/replay.jsonl"
    corpus.write_bytes(corpus.read_bytes() + b'{"commit": "torn')
    before = time.time_ns()

    def today(files: Sequence[tuple[str, str]]) -> list[tuple[str, float]]:
        return [("a_new_strategy", 0.75)]

    (ledger,) = replay_histories(
        [made[0].folder], recognise=today, recognise_undoing=nothing, cache=cache, since="2020-01-01"
    ).ledgers
    found = records(cache)
    assert {one["fix"]["strategies"][0][0] for one in found.values()} == {"a_new_strategy"}
    assert ledger.relabelled == len(found) == ledger.candidates
    unchanged = [{**one, "fix": None} for one in found.values()]
    assert unchanged == [{**one, "fix": None} for one in replayed[1].values()], "more than the labels changed"
    assert not list(corpus.parent.glob("*.new"))
    assert corpus.stat().st_mtime_ns > before
    (again,) = replay_histories(
        [made[0].folder], recognise=today, recognise_undoing=nothing, cache=cache, since="2020-01-01"
    ).ledgers
    assert again.relabelled == 0
    relabelled = [
        event for event, labels in replay_events(corpus.parent.parent) if labels["strategy"] == "a_new_strategy"
    ]
    assert {event.error.type for event in relabelled} == {"KeyError", "AttributeError"}


def test_what_another_process_harvests_is_not_relabelled(
    made: tuple[History, dict[str, str]],
    replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path / "cache"
    corpus = shutil.copytree(replayed[2] / "history", cache / "history") / "v1/shop/replay.jsonl"
    said = corpus.read_bytes()
    monkeypatch.setattr(worker, "CLAIM_SECONDS", 0.2)
    with worker.claim(corpus.parent, "shop"), pytest.raises(UsageError, match="another process harvests shop"):
        replay_histories(
            [made[0].folder], recognise=lambda files: [], recognise_undoing=nothing, cache=cache, since="2020-01-01"
        )
    assert corpus.read_bytes() == said


def test_what_is_no_history_stops_no_other(
    made: tuple[History, dict[str, str]],
    replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path],
    tmp_path: Path,
) -> None:
    (tmp_path / "none").mkdir()
    found = replay(made[0].folder, replayed[2], tmp_path / "none")
    assert [one.project for one in found.ledgers] == ["shop"]
    assert "no git history" in found.problems[str(tmp_path / "none")]
    with pytest.raises(InputError, match="no git history"):
        replay(tmp_path / "none", tmp_path)


def test_what_cannot_be_installed_is_counted_with_its_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    history = History(tmp_path / "shop")
    (history.folder / "backend.py").write_text("raise RuntimeError('this build is broken')\n")
    fix = history.commit("fix", FIXED, CRASH_TEST)
    (ledger,) = replay(history.folder, tmp_path / "cache").ledgers
    assert ledger.outcomes["no_environment"] == 1
    record = records(tmp_path / "cache")[fix]
    assert record["outcome"] == "no_environment"
    assert "this build is broken" in record["reason"]
    assert ledger.reasons["no_environment"] == {record["reason"]: 1}
    assert any("this build is broken" in note for note in ledger.notes)
    assert (history.folder / "src/shop/__init__.py").read_text() == FIXED, "the repository itself was changed"
    assert history.git("status", "--porcelain") == ""


def test_the_command_tells_the_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ReplayLedger(project="shop", licence="MIT", python="3.11", since="2016-01-01", relabelled=3)
    for reason in ("no trio", *["no sensor"] * 2):
        ledger.count({"outcome": "not_collected", "traces": [], "seconds": 0.1, "reason": reason})
    _print_replays([asdict(ledger)])
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "shop: not_collected (2): no sensor",
        "shop: not_collected (1): no trio",
        "shop: 3 commits of earlier runs have other labels now",
    ]
