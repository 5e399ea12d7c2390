"""The service as real processes: an unmodified Sentry client, kills, restarts, ports, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ems_ml.build import Backoff, build
from ems_ml.errors import ServiceError
from ems_ml.service import app, keys
from ems_ml.service.serve import Plan, Supervisor, running
from ems_ml.settings import Settings
from ems_ml.types import RawReport

pytestmark = pytest.mark.slow

CLIENT = """
import logging, sys
import sentry_sdk

sentry_sdk.init(dsn=sys.argv[1], release="shop@1.0")
log = logging.getLogger("shop")

def price(table, sku):
    return table[sku]

def label(customer):
    return customer.upper()

for sku in ("tea-green", "cup-blue"):
    try:
        try:
            price({}, sku)
        except KeyError as error:
            raise ValueError("no price for " + sku) from error
    except ValueError:
        sentry_sdk.capture_exception()
try:
    label(None)
except AttributeError:
    log.exception("no label for %s", 7)
sentry_sdk.flush(timeout=10)
"""
TRACE = 'Traceback (most recent call last):\n  File "shop/a.py", line 3, in f{}\n    return rows[0]\nIndexError: {}\n'


def eventually(done: Callable[[], bool], *, what: str, seconds: float = 60.0) -> None:
    """Wait for something that other processes do."""
    waiting = threading.Event()
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds} seconds: {what}"
        waiting.wait(0.05)


def children() -> set[int]:
    return {one.pid for one in psutil.Process().children(recursive=True)}


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def settings(home: Path) -> Settings:
    return Settings(home=home, port=0, dashboard_port=0)


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_an_unmodified_client_is_heard_and_its_errors_are_grouped(toy_home: Path, tmp_path: Path) -> None:
    before = children()
    with running(Plan(settings=settings(toy_home), dashboard=False)) as addresses:
        with build(settings(toy_home)) as system:
            key = keys.add(system, "shop", host=addresses.api.removeprefix("http://"))
            script = tmp_path / "client.py"
            script.write_text(CLIENT)
            subprocess.run([sys.executable, script, key.dsn], check=True, timeout=60)
            eventually(lambda: system.store.counters().get(("processed", ""), 0) == 3, what="three errors processed")
            page = app.list_patterns(system, project="shop")
            kinds = sorted((row.type, row.count) for row in page.rows)
            assert sum(count for _, count in kinds) == 3
            assert {kind for kind, _ in kinds} == {"ValueError", "AttributeError"}
            detail = app.pattern_detail(system, next(row.id for row in page.rows if row.type == "ValueError"))
            assert [cause.type for cause in detail.event.chain] == ["KeyError"]
            assert detail.event.error.frames[-1].code
            assert detail.event.release == "shop@1.0"
        metrics = read(f"{addresses.api}/metrics")
        assert "ems_events_received_total 3.0" in metrics
        assert "ems_events_processed_total 3.0" in metrics
    assert children() == before, "a process was left behind"
    lines = [json.loads(line) for line in (toy_home / "logs" / "ems.jsonl").read_text().splitlines()]
    grouped = [line for line in lines if line["process"] == "worker" and line["event"] and line["pattern"]]
    assert len({line["event"] for line in grouped}) == 3
    assert {line["process"] for line in lines} >= {"api", "worker"}


def fill(home: Path, number: int) -> None:
    with build(settings(home)) as system:
        for first in range(0, number, 50):
            system.store.inbox.put(
                [
                    system.understand(RawReport(text=TRACE.format(n % 7, f"e{n}"), id=f"e{n}", project="shop"))
                    for n in range(first, min(number, first + 50))
                ]
            )


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(toy_home: Path) -> None:
    number = 120
    fill(toy_home, number)
    supervisor = Supervisor(
        Plan(settings=settings(toy_home), dashboard=False, backoff=Backoff(first=0.05, longest=0.05))
    )
    kills = 0
    with build(settings(toy_home)) as system:
        supervisor.start()
        try:

            def done() -> bool:
                nonlocal kills
                supervisor.tick()
                processed = system.store.counters().get(("processed", ""), 0)
                if processed > 20 * (kills + 1) and kills < 3 and "worker" in supervisor.pids():
                    os.kill(supervisor.pids()["worker"], signal.SIGKILL)
                    kills += 1
                return processed >= number

            eventually(done, what="everything processed in spite of the kills")
        finally:
            supervisor.stop()
        assert kills == 3
        assert system.store.inbox.waiting() == 0
        assert system.store.events.count() == number
        counters = system.store.counters()
        assert (counters[("received", "")], counters[("processed", "")]) == (number, number)
        assert sum(row.count for row in app.list_patterns(system, limit=1000).rows) == number
        assert not [name for name, _ in counters if name == "dropped"]


@contextmanager
def serving(home: Path, *argv: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ems_ml", "serve", "--port", "0", "--no-dashboard", *argv],
        env={**os.environ, "EMS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def told(process: subprocess.Popen[str]) -> str:
    """What `ems serve` says up to its last line; returns the API's address."""
    assert process.stdout is not None
    address = ""
    for line in process.stdout:
        if line.startswith("API"):
            address = line.split()[1]
        if line.startswith("stop"):
            return address
    raise AssertionError(f"ems serve ended: {process.stderr.read() if process.stderr else ''}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_serve_ends_with_all_its_children(toy_home: Path, number: signal.Signals) -> None:
    if number is signal.SIGKILL and not sys.platform.startswith("linux"):
        pytest.skip("needs Linux, where a child can be told that its parent died")
    with serving(toy_home) as process:
        address = told(process)
        assert json.loads(read(f"{address}/healthz"))["status"] == "ok"
        family = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
        assert len(family) == 2
        process.send_signal(number)
        assert process.wait(30) == (0 if number is not signal.SIGKILL else -signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in family), what="no process is left")


def test_a_port_in_use_is_told_before_anything_starts(toy_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "ems_ml", "serve", "--port", port, "--no-dashboard"],
            env={**os.environ, "EMS_HOME": str(toy_home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 8
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"ems: port {port} of 127.0.0.1 is in use",
        "  remedy: stop what uses it, or choose another with --port PORT",
    ]


def test_an_address_of_another_machine_is_told(toy_home: Path) -> None:
    plan = Plan(settings=settings(toy_home).model_copy(update={"host": "203.0.113.7"}), dashboard=False)
    with pytest.raises(ServiceError, match=r"cannot listen on 203\.0\.113\.7"), running(plan):
        pass


def test_a_child_that_cannot_start_ends_it_all_with_its_reason(toy_home: Path) -> None:
    (toy_home / "models" / "ranker" / "ranker.npz").write_bytes(b"broken")
    before = children()
    plan = Plan(settings=settings(toy_home), dashboard=False, backoff=Backoff(first=0.01, longest=0.01))
    with pytest.raises(ServiceError, match=r"the worker does not start: .*ranker\.npz"), running(plan):
        pass
    assert children() == before


def test_the_dashboard_is_part_of_it(toy_home: Path) -> None:
    with running(Plan(settings=settings(toy_home))) as addresses:
        assert read(f"{addresses.dashboard}/_stcore/health") == "ok"
        assert "<title>" in read(addresses.dashboard)
