"""One harvest over more processes: the same as by one, also where a worker is killed in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from harvest_toys import WrongKey, lay, pack, toy

from ems_ml.errors import ServiceError
from ems_ml.harvest import Bounds, Ledger, corpus_folder, harvest_faults
from ems_ml.harvest.faults import read_corpus

pytestmark = pytest.mark.slow

FUNCTIONS = 24
PACKAGES = ("toyone", "toytwo", "toythree")
BOUNDS = Bounds(fault_seconds=5.0, baseline_seconds=60)
HERE = Path(__file__).parent
Outcomes = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    for name in PACKAGES:
        pack(folder, name, toy(name, FUNCTIONS))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def go(cache: Path, index: Path, *, jobs: int = 1, dask: str | None = None) -> Ledger:
    return harvest_faults(
        PACKAGES,
        strategies=[WrongKey()],
        cache=cache,
        bounds=BOUNDS,
        jobs=jobs,
        dask=dask,
        pip_arguments=["--find-links", str(index)],
    )


def corpus(cache: Path, name: str) -> Path:
    return corpus_folder(cache) / f"{name}-1.0" / "corpus.jsonl"


def outcomes(cache: Path) -> Outcomes:
    """Package -> (fault, outcome) of each line of its corpus, sorted, as often as it stands there."""
    return {
        name: sorted((record["fault"]["id"], record["outcome"]) for record in read_corpus(corpus(cache, name)))
        for name in PACKAGES
    }


def forget(cache: Path) -> None:
    """What was harvested; the packages stay ready."""
    for name in PACKAGES:
        corpus(cache, name).unlink(missing_ok=True)
        corpus(cache, name).with_name("ledger.json").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def undisturbed(cache: Path, index: Path) -> Outcomes:
    """What two processes harvest when nobody disturbs them."""
    ledger = go(cache, index, jobs=2)
    assert not ledger.problems
    found = outcomes(cache)
    assert [len(found[name]) for name in PACKAGES] == [FUNCTIONS] * 3
    assert {outcome for each in found.values() for _, outcome in each} == {"kept"}
    return found


def until(ready: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} does not come about"
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a Dask scheduler, and its two workers, all in processes of their own."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(HERE), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "null"}
    quiet = ["--scheduler-file", str(file), "--no-dashboard"]
    commands = [["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *quiet]]
    commands += [["distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *quiet]] * 2
    with open(tmp_path / "cluster.log", "wb") as log:
        started = []
        try:
            for command in commands:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *command], env=environment, cwd=tmp_path, stdout=log, stderr=log
                    )
                )
                until(file.is_file, 60, "the scheduler")
            address = json.loads(file.read_text())["address"]
            text = tmp_path / "cluster.log"
            until(lambda: text.read_text().count("Registered to:") >= 2, 60, "a worker")
            yield address, started[1:]
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()


def harvested_by(worker: psutil.Process) -> str | None:
    """The package whose tests run below a worker now."""
    for child in worker.children(recursive=True):
        try:
            said = " ".join(child.cmdline())
        except psutil.Error:
            continue
        for name in PACKAGES:
            if "runner.py" in said and f"/{name}-1.0/" in said:
                return name
    return None


def test_nothing_is_lost_and_nothing_double_where_a_worker_is_killed_midway(
    undisturbed: Outcomes, cache: Path, index: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    forget(cache)
    done: list[Ledger] = []
    run = threading.Thread(target=lambda: done.append(go(cache, index, dask=address)), daemon=True)
    run.start()
    victim, survivor = (psutil.Process(worker.pid) for worker in workers)
    at: list[str] = []

    def midway() -> bool:
        name = harvested_by(victim)
        if name is None or not harvested_by(survivor):
            return False
        at[:] = [name]
        return 3 <= len(outcomes(cache)[name]) < FUNCTIONS // 2

    until(midway, 120, "a harvest on both workers")
    os.kill(victim.pid, signal.SIGKILL)
    workers[0].wait()
    before = len(outcomes(cache)[at[0]])
    run.join(timeout=240)
    assert done, "the run did not come to its end"
    (ledger,) = done
    assert not ledger.problems
    assert before < FUNCTIONS
    assert outcomes(cache) == undisturbed
    assert [one.planted for one in ledger.packages] == [FUNCTIONS] * 3


def test_one_process_harvests_the_same(undisturbed: Outcomes, cache: Path, index: Path) -> None:
    forget(cache)
    go(cache, index)
    assert outcomes(cache) == undisturbed


def test_ctrl_c_ends_each_process_after_the_fault_that_it_is_at(
    undisturbed: Outcomes, cache: Path, index: Path, tmp_path: Path
) -> None:
    forget(cache)
    script = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(HERE)!r})
        import test_harvest_spread as spread
        try:
            spread.go(Path({str(cache)!r}), Path({str(index)!r}), jobs=2)
        except KeyboardInterrupt:
            print("interrupted")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        until(lambda: sum(map(len, outcomes(cache).values())) >= 4, 60, "some faults")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the processes of the run, too
        assert process.stdout is not None
        assert process.stdout.read() == "interrupted\n"
    for name, each in outcomes(cache).items():
        if each:
            told = json.loads(corpus(cache, name).with_name("ledger.json").read_text())
            assert told["planted"] == len(each) < FUNCTIONS
    assert not list((corpus_folder(cache) / "runs").iterdir())
    go(cache, index, jobs=2)
    assert outcomes(cache) == undisturbed


def test_a_run_that_is_killed_plants_no_more(undisturbed: Outcomes, cache: Path, index: Path, tmp_path: Path) -> None:
    forget(cache)
    script = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(HERE)!r})
        import test_harvest_spread as spread
        spread.go(Path({str(cache)!r}), Path({str(index)!r}), jobs=2)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)]) as process:
        until(lambda: sum(map(len, outcomes(cache).values())) >= 4, 60, "some faults")
        below = psutil.Process(process.pid).children(recursive=True)
        sandboxed = [one for one in below if any("launch.py" in part or "runner.py" in part for part in one.cmdline())]
        assert sandboxed
        process.kill()
        process.wait()
    assert not psutil.wait_procs(sandboxed, timeout=30)[1]
    done = outcomes(cache)
    time.sleep(1)
    assert outcomes(cache) == done
    go(cache, index, jobs=2)
    assert outcomes(cache) == undisturbed


def test_a_scheduler_that_does_not_answer_is_told(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("ems_ml.harvest.spread.REACH_SECONDS", 1)
    with pytest.raises(ServiceError, match="no Dask scheduler answers"):
        go(cache, index, dask="tcp://127.0.0.1:9")


def test_a_folder_is_harvested_and_not_changed(tmp_path: Path) -> None:
    project = lay(tmp_path / "toyfolder", toy("toyfolder", 2))
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    ledger = harvest_faults([str(project)], strategies=[WrongKey()], cache=tmp_path / "cache", bounds=BOUNDS)
    assert (ledger.packages[0].package, ledger.kept) == ("toyfolder", 2)
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    (project / "src" / "toyfolder" / "__init__.py").write_text(toy("toyfolder", 3)["src/toyfolder/__init__.py"])
    again = harvest_faults([str(project)], strategies=[WrongKey()], cache=tmp_path / "cache", bounds=BOUNDS)
    assert again.packages[0].version != ledger.packages[0].version
