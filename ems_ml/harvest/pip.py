"""pip in the sandbox: what it fetches and builds may reach the network, and can change only the folders named.

With a day, what an index has got since does not exist: the dependencies of an old commit as they were. A build runs the
package's own code. Bounds of time, memory, processes and file size hold for it, and where root
calls it runs as the sandbox's own user.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ems_ml import sandbox
from ems_ml.errors import InputError, SandboxError

INSTALL = sandbox.Limits(seconds=900.0, memory_bytes=3 * 1024**3, processes=256, file_bytes=1024**3)
#: A copied folder has no history; what asks git for the version is told one.
NO_HISTORY = {"SETUPTOOLS_SCM_PRETEND_VERSION": "0.0", "PBR_VERSION": "0.0", "PDM_BUILD_SCM_VERSION": "0.0"}
DATED_PIP = "pip>=26,<26.1"  # the first that can be told a day, and the last that runs on old interpreters
_LOCAL = re.compile(r"(?:file:|/)\S*")
_SAID = re.compile(r"^(?:global|install|:env:)\.(?P<name>[a-z-]+)='(?P<value>.*)'$", re.M)
_NO_REASON = ("note:", "hint:", "warning:", "╰─>", "[end of output]")


@dataclass(frozen=True, slots=True)
class Dated:
    """A pip that can be told a day (its folder, which Python runs), and that day."""

    pip: Path
    day: str  # ISO; what was uploaded on it or later does not exist


def pip(
    *arguments: str,
    cwd: Path,
    writable: Sequence[Path],
    pip_arguments: Sequence[str] = (),
    python: Path | None = None,
    limits: sandbox.Limits | None = None,
    dated: Dated | None = None,
) -> None:
    """Run one command of pip with the caller's own configuration of it, into the environment of `python`.

    writable: the folders that it may change; they are handed to the sandbox's own user. dated: only what the indexes
    had on that day; folders and indexes on this machine's disk, which know no days, are not asked then. Raises
    `InputError` with pip's reason where it fails or goes over its limits.
    """
    limits = limits or INSTALL
    into = ["--python", str(python)] if python else []
    quiet = ["--disable-pip-version-check", "--quiet", "--no-input", "--no-cache-dir"]
    program = ["-m", "pip"] if dated is None else [str(dated.pip)]
    days = [] if dated is None else ["--uploaded-prior-to", dated.day]
    command = [sys.executable, *program, *into, arguments[0], *quiet, *days, *pip_arguments, *arguments[1:]]
    configured, readable = _configuration() if dated is None else (_dated_configuration(), [dated.pip])
    for folder in writable:
        sandbox.hand_over(folder)
    try:
        done = sandbox.run(
            command,
            cwd=cwd,
            limits=limits,
            env={**NO_HISTORY, **configured},
            network=True,
            readable=[Path(sys.prefix), cwd, *readable, *_folders(pip_arguments), *_home_of(python)],
            writable=writable,
        )
    except SandboxError as error:
        raise InputError(str(error), hint=error.hint or "see `ems doctor`") from error
    if done.ok:
        return
    said = done.stderr.decode("utf-8", "replace")
    if "No module named pip" in said:
        raise InputError("harvesting needs pip in this environment", hint="python -m ensurepip")
    if done.reason in ("timeout", "memory"):
        limit = f"{limits.seconds:.0f} seconds" if done.reason == "timeout" else f"{limits.memory_bytes >> 20} MiB"
        raise InputError(f"pip {arguments[0]} was stopped at {limit}", hint="harvest another package")
    raise InputError(f"pip {arguments[0]}: {_reason(said)}", hint="check the name, pip's configuration and the build")


def dated_pip(folder: Path, pip_arguments: Sequence[str] = ()) -> Path:
    """A pip that knows `--uploaded-prior-to`: this environment's, else one that is put into `folder` once.

    Raises `InputError` where there is none: no such pip can be had, or pip is told not to ask an index.
    """
    if "--no-index" in pip_arguments or re.search(r"no-index='(?:1|true|yes|on)'", _configured(), re.I):
        raise InputError("pip is configured to ask no index, which alone knows days", hint="allow an index")
    found = importlib.util.find_spec("pip")
    if found is not None and found.origin and int(importlib.metadata.version("pip").partition(".")[0]) >= 26:
        return Path(found.origin).parent
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "pip" / "__main__.py").is_file():
            pip("install", "--target", str(folder), "--no-deps", DATED_PIP, cwd=folder, writable=[folder])
    return folder / "pip"


@cache
def _configured() -> str:
    """What pip's configuration says, from all of its places, one `PLACE.NAME='VALUE'` a line."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _dated_configuration() -> dict[str, str]:
    """The caller's configuration of pip without the places on this machine's disk where packages lie."""
    told = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for found in _SAID.finditer(_configured()):
        name, values = found["name"], found["value"].replace("\\n", " ").split()
        if name in ("find-links", "extra-index-url", "index-url"):
            values = [value for value in values if not _LOCAL.fullmatch(value)]
        if values:
            told[f"PIP_{name.upper().replace('-', '_')}"] = " ".join(values)
    return {**told, "PIP_CONFIG_FILE": os.devnull}


def _reason(said: str) -> str:
    """The lines of pip's errors that tell why, shortest way first: what a build said, else what pip says."""
    lines = [line.strip(" │×\t") for line in said.splitlines()]
    lines = [line for line in lines if line and not line.lower().startswith(_NO_REASON)]
    told = [line for line in lines if "error" in line.lower() and "subprocess-exited" not in line] or lines
    return " ".join(dict.fromkeys(told[:4]))[:400] or "it ended without a reason"


def _folders(arguments: Sequence[str]) -> list[Path]:
    """Local folders among pip's arguments, which it must be able to read."""
    paths = [Path(argument.partition("=")[2] or argument) for argument in arguments]
    return [path for path in paths if path.is_absolute() and path.exists()]


def _home_of(python: Path | None) -> list[Path]:
    """Where the interpreter of an environment really lies; another one than ours may lie where nobody else reads."""
    return [] if python is None else [python.resolve().parent.parent]


def _configuration() -> tuple[dict[str, str], list[Path]]:
    """pip's settings in the environment, and the user's own file of them, for a pip whose HOME is another."""
    told = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    told |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for file in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        if file.is_file() and "PIP_CONFIG_FILE" not in told:
            told["PIP_CONFIG_FILE"] = str(file)
    return told, [Path(told["PIP_CONFIG_FILE"])] if "PIP_CONFIG_FILE" in told else []
