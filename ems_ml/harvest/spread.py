"""Units of work over the cores of this machine, or over the workers of a Dask cluster, and the way to hear of them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import psutil

from ems_ml.errors import MissingExtra, ServiceError

LOOK_SECONDS = 0.2
REACH_SECONDS = 10  # for a Dask scheduler to answer, and again for its first worker


@dataclass(frozen=True, slots=True)
class Post:
    """Between a run and one of its units, in whatever process: files in the run's own folder of the cache."""

    folder: Path
    unit: int
    run_pid: int
    run_host: str

    def tell(self, package: str, planted: int, of: int, kept: int) -> None:
        """The unit says how far it is."""
        told = self.folder / f"{self.unit}.json"
        written = told.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps([package, planted, of, kept]))
        written.replace(told)

    def told(self) -> tuple[str, int, int, int] | None:
        """The run hears what the unit said last."""
        told = self.folder / f"{self.unit}.json"
        return tuple(json.loads(told.read_text())) if told.is_file() else None

    @property
    def stopped(self) -> bool:
        """Whether the run asks its units to end: it says so, its folder is gone, or it was killed on this machine."""
        killed = platform.node() == self.run_host and not psutil.pid_exists(self.run_pid)
        return killed or not self.folder.is_dir() or (self.folder / "stop").exists()

    def only_stop(self) -> None:
        """In a process of its own, Ctrl-C is left to the run, which then asks all units to end."""
        if os.getpid() != self.run_pid and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def posts(runs: Path, count: int) -> Iterator[list[Post]]:
    """A post for each unit of a run, in a folder of `runs` that goes when the run ends."""
    folder = runs / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield [Post(folder, unit, os.getpid(), platform.node()) for unit in range(count)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spread(
    unit: Callable[..., Any],
    each: Sequence[tuple[Any, ...]],
    *,
    jobs: int,
    dask: str | None,
    look: Callable[[], None],
    stop: Callable[[], None],
) -> list[Any]:
    """`unit(*arguments)` for each, in that order: by joblib in `jobs` processes, or on a Dask cluster's workers.

    dask: the scheduler's address. look: called a few times a second while they run, and once at the end. stop: called
    at Ctrl-C, after which those that run are waited for and `KeyboardInterrupt` is raised. Raises `ServiceError`
    where the cluster cannot be reached or a process was killed, `MissingExtra` without Dask.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        running = beside.submit(_spread, unit, each, jobs, dask)
        try:
            while not wait([running], timeout=LOOK_SECONDS).done:
                look()
        except KeyboardInterrupt:
            stop()
            raise
    look()
    return running.result()


def _spread(unit: Callable[..., Any], each: Sequence[tuple[Any, ...]], jobs: int, dask: str | None) -> list[Any]:
    calls = [joblib.delayed(unit)(*arguments) for arguments in each]
    if dask is not None:
        return _on_dask(calls, dask)
    try:
        found: list[Any] = joblib.Parallel(n_jobs=min(jobs, len(calls)), batch_size=1, pre_dispatch="all")(calls)
    except BrokenExecutor as error:
        raise ServiceError(
            "a process of the harvest was killed from outside", hint="run it again: it goes on where it was"
        ) from error
    return found


def _on_dask(calls: Sequence[Any], address: str) -> list[Any]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise MissingExtra("harvesting over more machines", "dask") from error
    try:
        client = Client(address, timeout=REACH_SECONDS)
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"no Dask scheduler answers at {address}",
            hint="start one: dask scheduler; dask worker ADDRESS",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=REACH_SECONDS)
        except TimeoutError as error:
            raise ServiceError(
                f"the Dask scheduler at {address} has no worker", hint=f"start some: dask worker {address}"
            ) from error
        try:
            with joblib.parallel_config("dask", client=client):
                found: list[Any] = joblib.Parallel(n_jobs=-1, batch_size=1, pre_dispatch="all")(calls)
        except KilledWorker as error:
            raise ServiceError(
                f"the workers of {address} were killed again and again", hint="look into their logs, then run again"
            ) from error
    return found
