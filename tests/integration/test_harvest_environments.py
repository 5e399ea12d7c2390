"""What old commits need, as far as it can be had, in a sandbox; and why, where the tests cannot be run all the same.

pip asks an index here: the day on which a commit was made decides what it gets.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harvest_toys import FIXED, HEALTHY, History, records, replay

from ems_ml.harvest.history import ReplayLedger

Replayed = tuple[ReplayLedger, Mapping[str, Mapping[str, Any]], Path]

SIX = "import six\nif six.__version__ {}:\n    raise RuntimeError('six ' + six.__version__)\n"
CRASH_TEST = "def test_{}():\n    assert shop.price({{}}, 'b') == 0\n"
REACH_OUT = """
def test_reaches_out():
    import contextlib, os, pathlib, socket
    with contextlib.suppress(OSError):
        socket.create_connection(("pypi.org", 443), timeout=3).close()
        raise RuntimeError("the network is there")
    for place in (pathlib.Path({repository!r}), pathlib.Path({interpreter!r}), pathlib.Path(shop.__file__).parent):
        with contextlib.suppress(OSError):
            (place / "written_by_a_test").write_text("")
            raise RuntimeError("written into " + str(place))
    assert shop.price({{}}, 'b') == 0
"""
BROKEN = HEALTHY + "\n\ndef size(table):\n    return len(table)\n"
AGAIN = FIXED + "\n\ndef names(table):\n    return sorted(table)\n"
NAMES_FIXED = AGAIN.replace("sorted(table)", "sorted(table or ())")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, dict[str, str]]:
    """Commits of which each needs something else; the newest one's environment does not serve them all."""
    folder = tmp_path_factory.mktemp("histories")
    folder.chmod(0o755)
    history = History(folder / "shop")
    names = {}
    old_six = {"requirements.txt": "six==1.14.0\n", "tests/conftest.py": SIX.format("!= '1.14.0'")}
    names["pinned"] = history.commit("pinned", FIXED.replace(", 0)", ") or 0"), CRASH_TEST.format("pinned"), old_six)
    mute = {"tests/conftest.py": "raise RuntimeError('no sensor is attached')\n"}
    names["hopeless"] = history.commit("hopeless", BROKEN, "def test_size():\n    assert shop.size([1]) == 1\n", mute)
    helper = {
        "tests/conftest.py": "",
        "tests/helper.py": "import wcwidth\n",
        "requirements.txt": "# nothing\nsix  # of that day\n-e .\n",
    }
    names["undeclared"] = history.commit("undeclared", FIXED, "import helper\n" + CRASH_TEST.format("wide"), helper)
    history.commit("back", HEALTHY, "", {"tests/conftest.py": SIX.format("!= '1.16.0'")})
    reach_out = REACH_OUT.format(repository=str(history.folder), interpreter=_interpreter())
    names["reaches out"] = history.commit("reaches out", FIXED, reach_out)
    history.commit("names", AGAIN, "")
    names["dated"] = history.commit("dated", NAMES_FIXED, "def test_n():\n    assert shop.names(None) == []\n")
    return history, names


def _interpreter() -> str:
    return str(Path(importlib.metadata.distribution("pytest").locate_file("")))


def _installed() -> set[tuple[str, str]]:
    return {(one.name, one.version) for one in importlib.metadata.distributions()}


@pytest.fixture(scope="module")
def replayed(made: tuple[History, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    cache = tmp_path_factory.mktemp("cache")
    cache.chmod(0o755)
    before = _installed()
    (ledger,) = replay(made[0].folder, cache).ledgers
    assert _installed() == before, "the user's own environment was installed into"
    return ledger, records(cache), cache


def outcome(made: tuple[History, dict[str, str]], replayed: Replayed, name: str) -> Mapping[str, Any]:
    return replayed[1][made[1][name]]


def test_an_unpinned_need_is_had_as_it_was_on_the_commits_day(
    made: tuple[History, dict[str, str]], replayed: Replayed
) -> None:
    """Its conftest takes six 1.16.0 alone, which was the newest then; 1.17.0 came in December 2024."""
    found = outcome(made, replayed, "dated")
    assert (found["outcome"], found["traces"][0]["type"]) == ("kept", "TypeError")


def test_a_commit_that_needs_another_version_gets_an_environment_of_its_own(
    made: tuple[History, dict[str, str]], replayed: Replayed
) -> None:
    assert outcome(made, replayed, "pinned")["outcome"] == "kept"


def test_a_well_known_library_that_nobody_declares_is_added_when_a_test_lacks_it(
    made: tuple[History, dict[str, str]], replayed: Replayed
) -> None:
    assert outcome(made, replayed, "undeclared")["outcome"] == "kept"


def test_what_no_environment_helps_has_its_reason(made: tuple[History, dict[str, str]], replayed: Replayed) -> None:
    found = outcome(made, replayed, "hopeless")
    assert (found["outcome"], found["reason"]) == ("not_collected", "RuntimeError: no sensor is attached")
    ledger = json.loads((replayed[2] / "history/v1/shop/replay-ledger.json").read_text())
    assert ledger["reasons"] == {"not_collected": {"RuntimeError: no sensor is attached": 1}}


def test_tests_reach_neither_the_network_nor_what_is_the_users(
    made: tuple[History, dict[str, str]], replayed: Replayed
) -> None:
    """The test raises what it could do, in its own code; kept is what the project raised behind that."""
    found = outcome(made, replayed, "reaches out")
    assert (found["outcome"], found["traces"][0]["type"]) == ("kept", "KeyError")
    assert not (made[0].folder / "written_by_a_test").exists()


def test_environments_do_not_stay_when_their_era_is_done(replayed: Replayed) -> None:
    assert list((replayed[2] / "history/v1/shop/envs").iterdir()) == []


def test_what_an_older_version_gave_no_reason_for_is_tried_again(
    made: tuple[History, dict[str, str]], replayed: Replayed
) -> None:
    """Its tests stay as they are, so that it fails alike, now with the reason; what was kept is not tried again."""
    corpus = replayed[2] / "history/v1/shop/replay.jsonl"
    lines = [json.loads(line) for line in corpus.read_text().splitlines()]
    old = [{key: value for key, value in line.items() if key != "reason"} for line in lines]
    corpus.write_text("".join(json.dumps(line) + "\n" for line in old))
    (ledger,) = replay(made[0].folder, replayed[2]).ledgers
    assert records(replayed[2])[made[1]["hopeless"]]["reason"] == "RuntimeError: no sensor is attached"
    assert ledger.outcomes == replayed[0].outcomes
