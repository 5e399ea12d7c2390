"""A store's index through restarts, kills, other processes and other databases: it answers as a plain scan would."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from said import Ems
from toy_steps import ToyEncoder, ToyRanker, an_event, toy_pair_model

from ems_ml.errors import LostRace
from ems_ml.group import ExemplarIndex, OnlineGrouper
from ems_ml.normalize import NormalizerV1
from ems_ml.ports import NEAR
from ems_ml.store import SqlStore
from ems_ml.types import Assignment, ErrorEvent

SCANNED = 40
GROUPER = OnlineGrouper(toy_pair_model(), join=0.9, suggest=0.5)
ENCODER, RANKER, NORMALIZER = ToyEncoder(), ToyRanker(), NormalizerV1()
spawned = multiprocessing.get_context("spawn")


def opened(folder: Path) -> SqlStore:
    return SqlStore(
        f"sqlite:///{folder / 'ems.db'}",
        new_index=partial(ExemplarIndex, scanned=SCANNED),
        encoder=ENCODER.version,
        indexes=folder / "index",
    )


def nth(number: int, **fields: Any) -> ErrorEvent:
    """Errors that all differ: another place, another word."""
    name = "".join(chr(97 + int(digit)) for digit in str(number))
    return an_event(f"e{number}", where=f"at_{name}", message=f"no {name}", code=f"return {name}[key]", **fields)


def arrive(store: SqlStore, event: ErrorEvent) -> Assignment:
    signature = NORMALIZER.normalize(event)
    vectors = ENCODER.encode([signature])
    (strategies,) = RANKER.rank([signature], vectors)
    while True:
        candidates = store.candidates(event.project, event, signature, vectors[0])
        proposed = GROUPER.assign(event, signature, vectors[0], candidates)
        try:
            return store.commit(event, signature, vectors[0], proposed, strategies, {}, candidates=candidates)
        except LostRace:
            continue


def near(store: SqlStore, event: ErrorEvent) -> list[str]:
    """The events of the candidates, in order."""
    signature = NORMALIZER.normalize(event)
    found = store.candidates(event.project, event, signature, ENCODER.encode([signature])[0])
    return [one.event for one in found.near]


def likenesses(store: SqlStore, event: ErrorEvent) -> list[float]:
    """How near the nearest are; which of equally near ones they are is open."""
    signature = NORMALIZER.normalize(event)
    vector = ENCODER.encode([signature])[0]
    return [float(one.vector @ vector) for one in store.candidates(event.project, event, signature, vector).near[:NEAR]]


def scanned(folder: Path, event: ErrorEvent) -> list[float]:
    """The same from a store that scans everything."""
    url = f"sqlite:///{folder / 'ems.db'}"
    with SqlStore(url, new_index=ExemplarIndex, encoder=ENCODER.version) as plain:
        return likenesses(plain, event)


def index_of(store: SqlStore) -> Any:
    return store.events._exemplars._held["default"].index


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 150 different errors and the index that was kept meanwhile."""
    folder = tmp_path_factory.mktemp("filled")
    with opened(folder) as store:
        for number in range(150):
            arrive(store, nth(number))
    return folder


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "own")
    return tmp_path / "own"


def test_it_is_kept_as_it_grows_and_answers_as_a_scan_would(folder: Path) -> None:
    with opened(folder) as store:
        for number in (3, 77, 149):
            assert near(store, nth(number))[0] == f"e{number}"
            assert likenesses(store, nth(number)) == pytest.approx(scanned(folder, nth(number)))
        assert index_of(store).kept > 0
        assert len(index_of(store)) == 150


def test_a_restart_reads_only_what_came_since(folder: Path) -> None:
    with opened(folder) as store:
        near(store, nth(1))
        assert index_of(store).loose < 150 - SCANNED < index_of(store).kept
        assert len(index_of(store)) == 150
        assert arrive(store, nth(5, source="again").with_(id="again")).why["rule"] == "exact signature"
        assert index_of(store).common.total == 150


def test_what_another_process_adds_and_keeps_is_seen(folder: Path) -> None:
    with opened(folder) as one:
        near(one, nth(1))
        before = index_of(one).kept
        with opened(folder) as two:
            for number in range(150, 150 + 2 * SCANNED):
                arrive(two, nth(number))
        assert near(one, nth(160))[0] == "e160"
        near(one, nth(1))
        assert index_of(one).kept > before, "it takes up what the other one has kept"
        assert len(index_of(one)) == 150 + 2 * SCANNED


def test_decisions_bind_in_a_large_project_too(folder: Path) -> None:
    with opened(folder) as store:
        two = arrive(store, nth(2).with_(id="a")).pattern
        three = arrive(store, nth(3).with_(id="b")).pattern
        store.decisions.merge(two, three)
        assert arrive(store, nth(2).with_(id="c")).pattern == three
        fresh = store.decisions.split(three, ["e2", "a", "c"]).id
        assert arrive(store, nth(2).with_(id="d")).pattern == fresh
        assert arrive(store, nth(3).with_(id="e")).pattern == three


def killed_while_keeping(folder: str) -> None:
    """Dies by SIGKILL when all files of a generation are written, and before it counts."""
    replace = os.replace

    def killed(source: Any, target: Any) -> None:
        if Path(target).name == "current.json":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = killed  # type: ignore[assignment]
    with opened(Path(folder)) as store:
        for number in range(150, 400):
            arrive(store, nth(number))


def test_a_kill_while_it_is_kept_costs_nothing(folder: Path) -> None:
    process = spawned.Process(target=killed_while_keeping, args=(str(folder),))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert list((folder / "index").rglob("writing")), "its turn was never given back"
    with opened(folder) as store:
        count = store.events.count()
        assert count > 150
        assert near(store, nth(count - 1))[0] == f"e{count - 1}"
        assert len(index_of(store)) == count
        for number in range(count, count + 2 * SCANNED):  # and it is kept again
            arrive(store, nth(number))
    with opened(folder) as store:
        near(store, nth(1))
        last = index_of(store).kept
        assert last > 150
    (kept,) = (folder / "index").iterdir()
    assert {path.name.split("-")[0] for path in kept.iterdir()} == {"current.json", str(last)}


def test_the_index_of_another_database_is_not_believed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "ems.db").unlink()
    for rest in folder.glob("ems.db-*"):
        rest.unlink()
    with opened(folder) as store:
        for number in range(20):
            arrive(store, nth(1_000 + number))
        assert near(store, nth(1))[0] != "e1"
        assert (index_of(store).kept, len(index_of(store))) == (0, 20)


def test_an_older_copy_of_the_database_is_noticed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(folder / "ems.db", folder / "older.db")
    with opened(folder) as store:
        for number in range(150, 150 + 2 * SCANNED):
            arrive(store, nth(number))
    shutil.copy(folder / "older.db", folder / "ems.db")
    with opened(folder) as store:
        assert "e160" not in near(store, nth(160))
        assert len(index_of(store)) == 150
    assert "another database" in caplog.text


def test_a_lost_folder_is_made_anew(folder: Path) -> None:
    shutil.rmtree(folder / "index")
    with opened(folder) as store:
        assert near(store, nth(77))[0] == "e77"
        assert index_of(store).kept > 100, "it was too much to scan"
        assert likenesses(store, nth(12)) == pytest.approx(scanned(folder, nth(12)))


def test_one_command_makes_it_anew(ems: Ems, toy_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ems_ml.build.system.ExemplarIndex", partial(ExemplarIndex, scanned=3))
    for number in range(8):
        trace = (
            f'Traceback (most recent call last):\n  File "a.py", line 1, in f{"x" * number}\nOSError: no {"y" * number}'
        )
        (toy_home / "trace.txt").write_text(trace)
        assert ems("classify", toy_home / "trace.txt").code == 0
    shutil.rmtree(toy_home / "index", ignore_errors=True)
    said = ems("index", "rebuild", "--json")
    assert said.code == 0, said.err
    assert [(one["project"], one["exemplars"]) for one in json.loads(said.out)] == [("default", 8)]
    assert list((toy_home / "index").rglob("graph.faiss"))
    assert "default" in ems("index", "rebuild", "--project", "default").out
    assert "no project nobody" in ems("index", "rebuild", "--project", "nobody").err
