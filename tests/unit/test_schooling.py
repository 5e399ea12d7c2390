"""A training in a process of its own: its state outlives a drawing, and a death is told."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from own_errors import SECRET, errors

from ems_ml.errors import InputError, StoreError, UsageError
from ems_ml.service import schooling
from ems_ml.settings import Settings, load_settings

GUESSED: dict[str, str | None] = dict.fromkeys(("trace", "label", "time", "project"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def upload(settings: Settings, number: int = 120, name: str = "störung/../t 1.csv") -> Path:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["trace", "fix"])
    rows.writerows([[f"{one.trace}\nkey={SECRET}", one.label] for one in errors(number)])
    return schooling.receive(settings, name, io.BytesIO(text.getvalue().encode()))


def wait(settings: Settings, *, until: str, seconds: float = 120) -> schooling.Training:
    end = time.monotonic() + seconds
    while (now := schooling.state(settings)).status == "running" and time.monotonic() < end:
        time.sleep(0.1)
    assert now.status == until, now
    return now


def test_an_upload_is_kept_for_its_owner_alone_and_once(settings: Settings) -> None:
    path = upload(settings)
    assert path.name == "t 1.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.is_relative_to(settings.home / "training" / "uploads")
    assert upload(settings) == path
    assert schooling.receive(settings, "..", io.BytesIO(b"x")).name == "upload"


def test_an_old_upload_is_removed_and_a_folder_that_cannot_be_written_told(settings: Settings, tmp_path: Path) -> None:
    old = upload(settings)
    os.utime(old.parent, (1, 1))
    schooling.receive(settings, "new.csv", io.BytesIO(b"a"))
    assert not old.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be kept"):
        schooling.receive(load_settings(home=tmp_path / "file"), "a.csv", io.BytesIO(b"a"))


def test_it_runs_beside_and_leaves_its_answer_but_no_upload(settings: Settings) -> None:
    assert schooling.state(settings).status == "none"
    path = upload(settings)
    schooling.start(settings, path, columns=GUESSED, adopt=False, track=False)
    assert schooling.state(settings).status == "running"
    with pytest.raises(UsageError, match="running already"):
        schooling.start(settings, path, columns=GUESSED)
    done = wait(settings, until="done")
    assert done.result["version"] == "v1"
    assert done.result["adopted"] is False
    assert done.data == "t 1.csv"
    assert not path.exists()
    assert not any(SECRET.encode() in one.read_bytes() for one in settings.home.rglob("*") if one.is_file())
    schooling.forget(settings)
    assert schooling.state(settings).status == "none"


def test_what_is_wrong_with_the_table_is_told(settings: Settings) -> None:
    schooling.start(settings, upload(settings, 5), columns=GUESSED, track=False)
    failed = wait(settings, until="failed")
    assert "different labelled errors are left" in failed.problem
    assert failed.remedy
    with pytest.raises(InputError, match="gone"):
        schooling.start(settings, settings.home / "nothing.csv", columns=GUESSED)


def test_a_file_of_ones_own_is_never_removed(settings: Settings, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_bytes(b"trace,fix\n")
    schooling.start(settings, mine, columns=GUESSED, track=False)
    wait(settings, until="failed")
    schooling.forget(settings)
    assert mine.exists()


def pid(settings: Settings) -> int:
    import json

    return int(json.loads((settings.home / "training" / "asked.json").read_text())["pid"])


def test_one_that_is_killed_is_told_as_failed(settings: Settings) -> None:
    schooling.start(settings, upload(settings, 2000), columns=GUESSED, track=False)
    os.kill(pid(settings), signal.SIGKILL)
    assert "ended without an answer" in wait(settings, until="failed", seconds=20).problem


def test_one_that_is_stopped_leaves_nothing(settings: Settings) -> None:
    path = upload(settings, 2000)
    schooling.start(settings, path, columns=GUESSED, track=False)
    number = pid(settings)
    schooling.stop(settings)
    assert schooling.state(settings).status == "none"
    assert not path.exists()
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


def test_another_process_of_the_same_number_is_not_taken_for_it(settings: Settings) -> None:
    schooling.start(settings, upload(settings, 2000), columns=GUESSED, track=False)
    schooling.stop(settings)
    folder = settings.home / "training"
    (folder / "asked.json").write_text(f'{{"data": "x.csv", "started": 0, "pid": {os.getpid()}, "born": 1.0}}')
    assert schooling.state(settings).status == "failed"
    (folder / "asked.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        schooling.state(settings)
