"""Checks of an installation: each looks at one thing, never raises, and names the remedy where something is wrong.

What belongs to another room (the models' manifest, the store, the sandbox) arrives as a callable, so that this
module knows none of them.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from ems_ml.errors import EmsError
from ems_ml.monitor.resources import existing
from ems_ml.monitor.types import Check, State

GIB = 2**30
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

#: extra -> (what it is for, the modules that show it is there)
EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dashboard": ("the dashboard", ("streamlit", "altair")),
    "train": ("tracked training", ("mlflow",)),
    "transformers": ("the transformer encoder", ("sentence_transformers", "torch")),
    "demo": ("the demo's client and tests", ("sentry_sdk", "pytest", "pytest_reportlog")),
}


def asked(name: str, ask: Callable[[], str], *, state: State = State.FAIL) -> Check:
    """A check that calls `ask`: its answer is the detail; an `EmsError` makes it `state`, with the error's hint."""
    try:
        return Check(name=name, state=State.OK, detail=ask())
    except EmsError as error:
        return Check(name=name, state=state, detail=str(error), remedy=error.hint)
    except Exception as error:  # a doctor that falls over helps nobody: whatever it is becomes the finding
        return Check(
            name=name, state=State.FAIL, detail=f"{type(error).__name__}: {error}", remedy="run again with --debug"
        )


def python(version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> Check:
    """Whether this interpreter is new enough."""
    said = ".".join(map(str, version))
    if version >= (3, 11):
        return Check(name="python", state=State.OK, detail=f"Python {said} at {sys.executable}")
    return Check(name="python", state=State.FAIL, detail=f"Python {said} is too old", remedy="install Python 3.11+")


def data_folder(home: Path) -> Check:
    """Whether the data folder can be written, or made."""
    where = existing(home)
    if not where.is_dir():
        return Check(
            name="data folder", state=State.FAIL, detail=f"{where} is not a folder", remedy="set EMS_HOME to a folder"
        )
    if not os.access(where, os.W_OK | os.X_OK):
        return Check(
            name="data folder",
            state=State.FAIL,
            detail=f"{home} cannot be written",
            remedy=f"set EMS_HOME to a folder that you may write, or: chmod u+rwx {where}",
        )
    return Check(name="data folder", state=State.OK, detail=f"{home}" + ("" if home.exists() else " (not made yet)"))


def disk(home: Path, *, least: int = GIB, free: Callable[[Path], int] | None = None) -> Check:
    """Whether the data folder's disk has `least` bytes free; a tenth of that is a failure."""
    left = free(home) if free else shutil.disk_usage(existing(home)).free
    said = f"{left / GIB:.1f} GiB free"
    if left >= least:
        return Check(name="disk", state=State.OK, detail=said)
    state = State.WARN if left >= least / 10 else State.FAIL
    return Check(
        name="disk", state=state, detail=said, remedy=f"free some space on the disk of {home}, or move EMS_HOME"
    )


def backlog(waiting: int, *, most: int = 1000) -> Check:
    """Whether the inbox is worked off."""
    if waiting <= most:
        return Check(name="inbox", state=State.OK, detail=f"{waiting} waiting")
    return Check(
        name="inbox",
        state=State.WARN,
        detail=f"{waiting} accepted events wait for the worker",
        remedy="see that `ems serve` runs; its log names what holds the worker up",
    )


def api(host: str, port: int, *, timeout: float = 2.0) -> Check:
    """Whether the API answers. Not running is a warning: the command line works without it."""
    address = f"http://{bracketed(host)}:{port}"
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=timeout) as answer:
            server = answer.headers.get("X-EMS", "")
    except urllib.error.HTTPError as error:
        server = error.headers.get("X-EMS", "")
        if server:
            return Check(
                name="api",
                state=State.FAIL,
                detail=f"{address} answers {error.code}",
                remedy="read the log of `ems serve`",
            )
    except (urllib.error.URLError, OSError, ValueError):
        return Check(name="api", state=State.WARN, detail=f"nothing answers at {address}", remedy="start it: ems serve")
    if not server:
        return Check(
            name="api",
            state=State.WARN,
            detail=f"another program answers at {address}",
            remedy=f"stop it, or set EMS_PORT to another port than {port}",
        )
    return Check(name="api", state=State.OK, detail=address)


def extras(names: Iterable[str] = tuple(EXTRAS), *, present: Callable[[str], bool] | None = None) -> list[Check]:
    """One check for each optional part; what is not installed is a warning with its install line."""
    present = present or (lambda module: find_spec(module) is not None)
    checks = []
    for name in names:
        purpose, modules = EXTRAS[name]
        missing = [module for module in modules if not present(module)]
        checks.append(
            Check(
                name=f"extra [{name}]",
                state=State.WARN if missing else State.OK,
                detail=f"{purpose}: {', '.join(missing)} not installed" if missing else purpose,
                remedy=f"pip install 'ems-ml[{name}]'" if missing else "",
            )
        )
    return checks


def tool(names: tuple[str, ...], *, needed_for: str, remedy: str) -> Check:
    """Whether one of some outside programs is there; where none is, only `needed_for` is left out."""
    for name in names:
        if found := shutil.which(name):
            return Check(name=names[0], state=State.OK, detail=found)
    return Check(name=names[0], state=State.WARN, detail=f"not found; needed for {needed_for}", remedy=remedy)


def port_free(host: str, port: int) -> bool:
    """Whether a server could listen on `port` of `host` now. Port 0 always can. Raises OSError for a bad address."""
    if port == 0:
        return True
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno in (98, 48, 10048):  # in use: Linux, macOS, Windows
                return False
            raise
    return True


def bracketed(host: str) -> str:
    """`host` as an address writes it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
