"""A history replayed: which commits are real crashes, which are not and why, and that nothing is done twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harvest_toys import lay, toy

from ems_ml.errors import InputError
from ems_ml.harvest.history import ReplayLedger, Replays, replay_histories
from ems_ml.strategies import load_strategies, recognise_commit

HEALTHY = """
def price(table, name):
    return table[name]
"""
FIXED = """
def price(table, name):
    return table.get(name, 0)
"""
HEAD = "import shop\n"
OLD_TEST = "def test_price():\n    assert shop.price({'a': 1}, 'a') == 1\n"
CRASH_TEST = "def test_unknown():\n    assert shop.price({}, 'b') == 0\n"


class History:
    """A git repository of a toy package; each `commit` adds to its one module and its one test file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.day = folder, 0
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        files = toy("shop", 0)
        files |= {"src/shop/__init__.py": HEALTHY, "tests/test_shop.py": HEAD + OLD_TEST}
        lay(folder, files)
        self.source, self.test = HEALTHY, HEAD + OLD_TEST
        self.ids = {"begin": self.commit("begin", HEALTHY, "")}

    def git(self, *arguments: str) -> str:
        self.day += 1
        when = f"2024-01-01T12:{self.day // 60:02}:{self.day % 60:02}+00:00"
        env = {f"GIT_{role}_{what}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, check=True, env={**os.environ, **env}
        )
        return done.stdout.decode().strip()

    def commit(self, name: str, source: str, more_test: str) -> str:
        self.source, self.test = source, self.test + more_test
        (self.folder / "src/shop/__init__.py").write_text(source)
        (self.folder / "tests/test_shop.py").write_text(self.test)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", name)
        return self.git("rev-parse", "HEAD")


def records(cache: Path) -> dict[str, Mapping[str, Any]]:
    lines = (cache / "history/v1/shop/replay.jsonl").read_text().splitlines()
    read = [json.loads(line) for line in lines]
    assert len({one["commit"] for one in read}) == len(read), "a commit was tried twice"
    return {one["commit"]: one for one in read}


def go(history: Path, cache: Path, *more: Path) -> Replays:
    return replay_histories(
        [history, *more],
        recognise=partial(recognise_commit, strategies=load_strategies()),
        cache=cache,
        since="2020-01-01",
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, dict[str, str]]:
    """A history of six commits, of which one mends a crash."""
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
    return history, names


@pytest.fixture(scope="module")
def replayed(
    made: tuple[History, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path]:
    cache = tmp_path_factory.mktemp("cache")
    cache.chmod(0o755)
    (ledger,) = go(made[0].folder, cache).ledgers
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
    }
    assert (ledger.kept, ledger.candidates, ledger.untried) == (1, 4, 0)
    assert ledger.left_out["no test changed"] == 1


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
    (ledger,) = go(made[0].folder, replayed[2]).ledgers
    assert ledger == replayed[0]
    assert records(replayed[2]) == replayed[1]


def test_what_is_no_history_stops_no_other(
    made: tuple[History, dict[str, str]],
    replayed: tuple[ReplayLedger, dict[str, Mapping[str, Any]], Path],
    tmp_path: Path,
) -> None:
    (tmp_path / "none").mkdir()
    found = go(made[0].folder, replayed[2], tmp_path / "none")
    assert [one.project for one in found.ledgers] == ["shop"]
    assert "no git history" in found.problems[str(tmp_path / "none")]
    with pytest.raises(InputError, match="no git history"):
        go(tmp_path / "none", tmp_path)


def test_what_cannot_be_installed_is_counted_with_its_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    history = History(tmp_path / "shop")
    (history.folder / "backend.py").write_text("raise RuntimeError('this build is broken')\n")
    fix = history.commit("fix", FIXED, CRASH_TEST)
    (ledger,) = go(history.folder, tmp_path / "cache").ledgers
    assert ledger.outcomes["no_environment"] == 1
    assert records(tmp_path / "cache")[fix]["outcome"] == "no_environment"
    assert any("this build is broken" in note for note in ledger.notes)
    assert (history.folder / "src/shop/__init__.py").read_text() == FIXED, "the repository itself was changed"
    assert history.git("status", "--porcelain") == ""
