"""Checks with a remedy, the machine's use, and when a dead child starts again."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ems_ml.errors import ModelError
from ems_ml.monitor import health
from ems_ml.monitor.recovery import Backoff
from ems_ml.monitor.resources import existing, measure, process_use
from ems_ml.monitor.types import State

GIB = 2**30


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), State.FAIL), ((3, 11), State.OK), ((3, 14), State.OK)], ids=str
)
def test_python_has_to_be_new_enough(version: tuple[int, int], state: State) -> None:
    check = health.python(version)
    assert check.state is state
    assert bool(check.remedy) == (state is State.FAIL)


@pytest.mark.parametrize(
    ("free", "state"),
    [(2 * GIB, State.OK), (GIB, State.OK), (GIB // 2, State.WARN), (GIB // 20, State.FAIL), (0, State.FAIL)],
)
def test_disk_warns_before_it_fails(tmp_path: Path, free: int, state: State) -> None:
    check = health.disk(tmp_path, free=lambda _: free)
    assert check.state is state
    assert check.ok == (state is not State.FAIL)


def test_a_data_folder_that_is_a_file_is_a_finding(tmp_path: Path) -> None:
    place = tmp_path / "home"
    assert health.data_folder(place).ok, "it can be made"
    place.write_text("")
    check = health.data_folder(place)
    assert not check.ok
    assert "EMS_HOME" in check.remedy


def test_what_a_room_raises_becomes_the_finding_with_its_remedy() -> None:
    def broken() -> str:
        raise ModelError("the model is cut off", hint="install again")

    def fallen() -> str:
        raise ZeroDivisionError("oh")

    assert health.asked("m", lambda: "fine").detail == "fine"
    check = health.asked("m", broken)
    assert (check.state, check.detail, check.remedy) == (State.FAIL, "the model is cut off", "install again")
    assert "ZeroDivisionError" in health.asked("m", fallen).detail


def test_a_missing_extra_is_a_warning_with_its_install_line() -> None:
    checks = {check.name: check for check in health.extras(present=lambda module: module != "torch")}
    assert checks["extra [transformers]"].state is State.WARN
    assert "pip install 'ems-ml[transformers]'" in checks["extra [transformers]"].remedy
    assert checks["extra [train]"].state is State.OK


@pytest.mark.parametrize(("waiting", "state"), [(0, State.OK), (1000, State.OK), (1001, State.WARN)])
def test_a_backlog_is_told(waiting: int, state: State) -> None:
    assert health.backlog(waiting).state is state


@contextmanager
def server(status: int, headers: dict[str, str]) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running.server_address[1]
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "state", "said"),
    [
        (200, {"X-EMS": "1"}, State.OK, "http://"),
        (200, {}, State.WARN, "another program"),
        (404, {}, State.WARN, "another program"),
        (503, {"X-EMS": "1"}, State.FAIL, "answers 503"),
    ],
)
def test_the_api_is_told_from_another_program(status: int, headers: dict[str, str], state: State, said: str) -> None:
    with server(status, headers) as port:
        check = health.api("127.0.0.1", port)
    assert check.state is state
    assert said in check.detail


def test_nothing_at_the_api_is_a_warning_that_says_how_to_start_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, nothing answers
        check = health.api("127.0.0.1", taken.getsockname()[1])
    assert check.state is State.WARN
    assert "ems serve" in check.remedy


def test_a_port_in_use_is_seen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not health.port_free("127.0.0.1", taken.getsockname()[1])
    assert health.port_free("127.0.0.1", 0)


def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(OSError, match=r".+"):
        health.port_free("203.0.113.7", 9)


def test_the_machine_is_measured_in_range(tmp_path: Path) -> None:
    use = measure(tmp_path / "not" / "there", pids=[("me", os.getpid()), ("nobody", 2**22 + 1)])
    assert 0 <= use.cpu <= 1
    assert 0 < use.memory_used <= use.memory_total
    assert 0 < use.disk_free <= use.disk_total
    assert [one.name for one in use.processes] == ["me"], "a process that has ended is left out"
    assert use.processes[0].memory > 1_000_000
    assert process_use("nobody", 2**22 + 1) is None
    assert existing(tmp_path / "a" / "b") == tmp_path


def test_restarts_come_later_and_later_and_steadiness_forgives() -> None:
    policy = Backoff(first=0.5, factor=2, longest=8, steady=60)
    failures, delays = 0, []
    for _ in range(7):
        failures = policy.failures_after(failures, lived=1)
        delays.append(policy.delay(failures))
    assert delays == [0.5, 1, 2, 4, 8, 8, 8]
    assert policy.failures_after(failures, lived=61) == 1
    assert policy.delay(10_000) == 8
