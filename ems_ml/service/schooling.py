"""A training that runs beside the page that asked for it: a process of its own, whose state lies in the data folder.

`EMS_HOME/training` holds one training at a time: what was asked, how far it is, what came of it. A page that is drawn
again, or opened by somebody else, sees the same. An uploaded file lies there too, readable for its owner alone, and is
removed when the training that reads it ends: it may hold secrets that nobody has taken out yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil

from ems_ml.build import build
from ems_ml.errors import EmsError, InputError, StoreError, UsageError
from ems_ml.service import logs, teaching
from ems_ml.service.children import environment
from ems_ml.settings import Settings, load_settings

FOLDER = "training"
ASKED, PROGRESS, RESULT, PROBLEM, SAID = "asked.json", "progress.json", "result.json", "problem.json", "said.txt"
EVERY = 0.2  # seconds between two notes of how far it is
OLDEST = 24 * 3600  # seconds after which an upload that nobody trained on is removed
ENDED = "the training ended without an answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The last training that was asked for. status: "none", "running", "done" or "failed"."""

    status: str
    data: str = ""
    step: str = ""
    done: int = 0
    total: int = 0  # 0: not known
    seconds: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)  # as `ems train --data FILE --json` prints it
    problem: str = ""
    remedy: str = ""


def receive(settings: Settings, name: str, content: BytesIO) -> Path:
    """Keep an uploaded file until it is trained on; the same content is kept once. Raises `StoreError`."""
    folder = settings.home / FOLDER / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for old in folder.iterdir():
            if old.stat().st_mtime < time.time() - OLDEST:
                shutil.rmtree(old, ignore_errors=True)
        content.seek(0)
        mark = hashlib.file_digest(content, "sha256").hexdigest()[:16]
        place = folder / mark
        place.mkdir(exist_ok=True)
        path = place / (re.sub(r"[^\w. ()+-]", "_", Path(name).name).lstrip(".") or "upload")
        content.seek(0)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(content, file)
    except OSError as error:
        raise StoreError(
            f"the upload cannot be kept: {error}", hint=f"mend the folder {folder}, or free space"
        ) from error
    return path


def start(
    settings: Settings, data: Path, *, columns: Mapping[str, str | None], adopt: bool | None = None, track: bool = True
) -> None:
    """Begin to train on `data` in a process of its own. Raises `UsageError` where one runs, `InputError`."""
    if state(settings).status == "running":
        raise UsageError("a training is running already", hint="wait for it, or stop it")
    if not data.exists():
        raise InputError(f"the file {data.name} is gone", hint="upload it again")
    folder = settings.home / FOLDER
    for name in (ASKED, PROGRESS, RESULT, PROBLEM, SAID):
        (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"data": str(data), "columns": dict(columns), "adopt": adopt, "track": track, "started": time.time()}
    _put(folder / ASKED, asked)
    with (folder / SAID).open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ems_ml.service.schooling", str(os.getpid())],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    _put(folder / ASKED, asked | {"pid": process.pid, "born": _born(process.pid)})
    threading.Thread(target=process.wait, name="training", daemon=True).start()  # so that no zombie stays


def state(settings: Settings) -> Training:
    """How far the training is, or what came of it."""
    folder = settings.home / FOLDER
    asked = _got(folder / ASKED)
    if not asked:
        return Training(status="none")
    data = Path(asked["data"]).name
    running = _runs(asked)  # before the answers are looked for: one that ends meanwhile has written its answer
    if result := _got(folder / RESULT):
        return Training(status="done", data=data, result=result, seconds=float(result["seconds"]))
    if problem := _got(folder / PROBLEM):
        return Training(status="failed", data=data, problem=problem["problem"], remedy=problem["remedy"])
    if not running:
        words = _last_words(folder / SAID)
        return Training(status="failed", data=data, problem=f"{ENDED}: {words}", remedy="read the log, and train again")
    how_far = _got(folder / PROGRESS)
    return Training(
        status="running",
        data=data,
        step=str(how_far.get("step", "")),
        done=int(how_far.get("done", 0)),
        total=int(how_far.get("total", 0)),
        seconds=time.time() - float(asked["started"]),
    )


def stop(settings: Settings) -> None:
    """End the training that runs; what it was asked for is forgotten, and its upload removed."""
    folder = settings.home / FOLDER
    asked = _got(folder / ASKED)
    if asked and _runs(asked):
        try:
            process = psutil.Process(asked["pid"])
            process.terminate()
            process.wait(5)
        except psutil.TimeoutExpired:
            process.kill()
        except psutil.NoSuchProcess:
            pass  # it has just ended by itself
    forget(settings)


def forget(settings: Settings) -> None:
    """Clear the table: the answer of the last training, and the file it was given. The versions it made stay."""
    folder = settings.home / FOLDER
    if asked := _got(folder / ASKED):
        _remove(settings, Path(asked["data"]))
    for name in (ASKED, PROGRESS, RESULT, PROBLEM, SAID):
        (folder / name).unlink(missing_ok=True)


def _remove(settings: Settings, data: Path) -> None:
    """An upload is removed, a file of somebody's own never."""
    if (settings.home / FOLDER / "uploads").resolve() in data.resolve().parents:
        shutil.rmtree(data.parent, ignore_errors=True)


def _runs(asked: Mapping[str, Any]) -> bool:
    """Whether the process that was started is there and no other one of its number. True before it is noted."""
    if "pid" not in asked:
        return time.time() - float(asked["started"]) < 10
    try:
        process = psutil.Process(asked["pid"])
        return process.create_time() == asked["born"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _born(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _put(path: Path, value: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def _got(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}", hint=f"remove the folder {path.parent}") from error
    return told if isinstance(told, dict) else {}


def _last_words(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


class _Noting:
    """Writes down how far the training is, at most a few times a second."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step, self.last = "", 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self.step or now - self.last >= EVERY:
            self.step, self.last = what, now
            _put(self.path, {"step": what, "done": done, "total": total})


def _end_with(parent: int) -> None:
    """End this process when the one that asked for it has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main(argv: list[str]) -> int:
    """Be the process that trains: `python -m ems_ml.service.schooling PARENT`."""
    _end_with(int(argv[1]))
    settings = load_settings()
    folder = settings.home / FOLDER
    asked = _got(folder / ASKED)
    data = Path(asked["data"])
    try:
        with build(settings) as system:
            logs.configure(settings, process="train", redact=system.redactor.redact_text)
            answer = teaching.train(
                system,
                data,
                columns=asked["columns"],
                adopt=asked["adopt"],
                track=asked["track"],
                progress=_Noting(folder / PROGRESS),
            )
        _put(folder / RESULT, answer)
    except EmsError as error:
        _put(folder / PROBLEM, {"problem": str(error).replace(str(data), data.name), "remedy": error.hint})
        return error.exit_code
    finally:
        _remove(settings, data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
