"""The supervisor behind `ems serve`: starts API, worker and dashboard, keeps them alive, and stops them all.

Each child runs in a session of its own, is asked to end by SIGTERM and made to after a grace period; where the
system can tell a child that its parent died (Linux), it also ends when the supervisor is killed. What a child writes
to its standard streams goes into the log. The same loop is the monitor: it notes the use of the machine once a minute
and turns the log file.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

from ems_ml.build import Backoff, bracketed, measure, port_free
from ems_ml.errors import EmsError, MissingExtra, ServiceError
from ems_ml.service import logs
from ems_ml.service.children import environment
from ems_ml.settings import Settings

log = logging.getLogger(__name__)

TICK = 0.1  # seconds between two looks at the children
GRACE = 10.0  # seconds that a child has to end by itself
MONITOR_EVERY = 60.0
STARTS = 3  # times that a child may die before it was ever ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. Ports of 0 are replaced by free ones when it starts."""

    settings: Settings
    dashboard: bool = True
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything listens; `dashboard` is "" where there is none."""

    api: str
    dashboard: str


@dataclass(slots=True)
class Child:
    """One process that is kept alive."""

    name: str
    address: str  # what answers once it is ready; "" for one that listens to nothing
    process: subprocess.Popen[str] | None = None
    failures: int = 0
    started: float = 0.0
    restart_at: float = 0.0
    ready: bool = False
    said: deque[str] = field(default_factory=lambda: deque(maxlen=20))


class Supervisor:
    """Children by name. `start`, then `tick` again and again, then `stop`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.settings = plan.settings
        self.children: dict[str, Child] = {}
        self._next_monitoring = 0.0
        self._pumps: list[threading.Thread] = []

    def start(self) -> Addresses:
        """Check the ports, start every child. Raises `ServiceError` where a port is in use, `MissingExtra`."""
        if self.plan.dashboard and find_spec("streamlit") is None:
            raise MissingExtra("the dashboard (leave it out with --no-dashboard)", "dashboard")
        host = self.settings.host
        port = claim(host, self.settings.port, "--port")
        dashboard = (
            claim(host, self.settings.dashboard_port, "--dashboard-port", other=port) if self.plan.dashboard else 0
        )
        self.settings = self.settings.model_copy(update={"port": port, "dashboard_port": dashboard})
        here = bracketed({"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host))
        found = Addresses(
            api=f"http://{here}:{port}", dashboard=f"http://{here}:{dashboard}" if self.plan.dashboard else ""
        )
        self.children = {
            "api": Child("api", f"{found.api}/healthz"),
            "worker": Child("worker", ""),
        }
        if self.plan.dashboard:
            self.children["dashboard"] = Child("dashboard", f"{found.dashboard}/_stcore/health")
        for child in self.children.values():
            self._spawn(child)
        return found

    def wait_until_ready(self, *, timeout: float = 90.0, stop: threading.Event | None = None) -> None:
        """Return when every child answers. Raises `ServiceError` where one does not within `timeout` seconds."""
        end = time.monotonic() + timeout
        stop = stop or threading.Event()
        while not all(child.ready for child in self.children.values()):
            self.tick()
            for child in self.children.values():
                child.ready = child.ready or self._answers(child)
                if not child.ready and child.failures >= STARTS:
                    raise ServiceError(
                        f"the {child.name} does not start: {self._last_words(child)}", hint=self._where()
                    )
            if time.monotonic() > end:
                late = ", ".join(child.name for child in self.children.values() if not child.ready)
                raise ServiceError(f"not ready after {timeout:.0f} seconds: {late}", hint=self._where())
            if stop.wait(TICK):
                return

    def tick(self) -> None:
        """Start again what died, later and later while it keeps dying; look at the machine once a minute."""
        now = time.monotonic()
        for child in self.children.values():
            if child.process is None:
                if now >= child.restart_at:
                    self._spawn(child)
            elif (code := child.process.poll()) is not None:
                child.failures = self.plan.backoff.failures_after(child.failures, now - child.started)
                delay = self.plan.backoff.delay(child.failures)
                log.error(
                    "the %s ended with %s; it starts again in %.1f seconds: %s",
                    child.name, code, delay, self._last_words(child), extra={"child": child.name},
                )  # fmt: skip
                child.process, child.restart_at = None, now + delay
        if now >= self._next_monitoring:
            self._next_monitoring = now + MONITOR_EVERY
            self._monitor()

    def stop(self) -> None:
        """End every child; whoever does not end in time is killed. Afterwards none is left."""
        running = [child.process for child in self.children.values() if child.process is not None]
        for process in running:
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("process %s did not end in %s seconds and is killed", process.pid, GRACE)
            _signal(process, signal.SIGKILL)  # whatever is left of its session
            process.wait()
        for pump in self._pumps:
            pump.join(timeout=5)
        for child in self.children.values():
            child.process = None

    def pids(self) -> Mapping[str, int]:
        """The processes that run now, by name."""
        return {child.name: child.process.pid for child in self.children.values() if child.process is not None}

    def _spawn(self, child: Child) -> None:
        child.process = subprocess.Popen(
            [sys.executable, "-m", "ems_ml.service.children", child.name, str(os.getpid())],
            env=environment(self.settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        child.started = time.monotonic()
        log.info("started the %s", child.name, extra={"child": child.name, "child_pid": child.process.pid})
        pump = threading.Thread(target=_pump, args=(child, child.process), name=f"pump-{child.name}", daemon=True)
        pump.start()
        self._pumps = [*(one for one in self._pumps if one.is_alive()), pump]

    def _answers(self, child: Child) -> bool:
        if child.process is None or child.process.poll() is not None:
            return False
        if not child.address:
            return any("ready" in line for line in child.said)
        try:
            with urllib.request.urlopen(child.address, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _monitor(self) -> None:
        try:
            use = measure(self.settings.home, pids=self.pids().items())
            logs.turn(self.settings.log_file)
        except OSError as error:
            log.warning("the machine cannot be looked at: %s", error)
            return
        log.info(
            "resources",
            extra={
                "cpu": round(use.cpu, 3),
                "memory_used": use.memory_used,
                "disk_free": use.disk_free,
                "processes": {one.name: {"cpu": round(one.cpu, 3), "memory": one.memory} for one in use.processes},
            },
        )

    def _last_words(self, child: Child) -> str:
        return next((line for line in reversed(child.said) if line.strip()), "it said nothing")

    def _where(self) -> str:
        return f"read the log: {self.settings.log_file}"


def claim(host: str, port: int, option: str, *, other: int = 0) -> int:
    """`port`, or a free one for 0. Raises `ServiceError` where it is in use or the address is not ours."""
    try:
        if port and (port == other or not port_free(host, port)):
            raise ServiceError(
                f"port {port} of {host} is in use", hint=f"stop what uses it, or choose another with {option} PORT"
            )
        if port:
            return port
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ServiceError(
            f"cannot listen on {host}: {error.strerror or error}", hint="choose an address of this machine with --host"
        ) from error


def supervise(plan: Plan, *, say: Callable[[str], object]) -> int:
    """Run until SIGINT or SIGTERM; answers 0. To be called from the main thread, which owns the signals."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    supervisor = Supervisor(plan)
    try:
        addresses = supervisor.start()
        supervisor.wait_until_ready(stop=stop)
        if not stop.is_set():
            say(f"API        {addresses.api}")
            if addresses.dashboard:
                say(f"dashboard  {addresses.dashboard}")
            say(f"log        {plan.settings.log_file}")
            say("stop with Ctrl-C")
        while not stop.wait(TICK):
            supervisor.tick()
        return 0
    finally:
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(plan: Plan, *, timeout: float = 90.0) -> Iterator[Addresses]:
    """The whole service for the length of a `with` block, kept alive by a thread. Raises as `Supervisor` does."""
    supervisor = Supervisor(plan)
    stop = threading.Event()
    ready = threading.Event()
    found: list[Addresses] = []
    failed: list[EmsError] = []

    def keep() -> None:
        # One thread starts and keeps the children, because a child ends with the thread that started it.
        try:
            found.append(supervisor.start())
            supervisor.wait_until_ready(timeout=timeout, stop=stop)
            ready.set()
            while not stop.wait(TICK):
                supervisor.tick()
        except EmsError as error:
            failed.append(error)
        finally:
            supervisor.stop()
            ready.set()

    keeper = threading.Thread(target=keep, name="supervisor")
    keeper.start()
    try:
        ready.wait()
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        stop.set()
        keeper.join()


def _pump(child: Child, process: subprocess.Popen[str]) -> None:
    """Take what a child writes into the log, until it ends."""
    assert process.stdout is not None
    with process.stdout as stream:
        for line in stream:
            if text := line.rstrip():
                child.said.append(text)
                log.info("%s", text, extra={"child": child.name})


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a child's whole session; it may have ended already."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return
