"""pip in the sandbox: what it fetches and builds may reach the network, and can change only the folders named.

A build runs the package's own code. Bounds of time, memory, processes and file size hold for it, and where root
calls it runs as the sandbox's own user.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ems_ml import sandbox
from ems_ml.errors import InputError, SandboxError

INSTALL = sandbox.Limits(seconds=900.0, memory_bytes=3 * 1024**3, processes=256, file_bytes=1024**3)
#: A copied folder has no history; what asks git for the version is told one.
NO_HISTORY = {"SETUPTOOLS_SCM_PRETEND_VERSION": "0.0", "PBR_VERSION": "0.0", "PDM_BUILD_SCM_VERSION": "0.0"}
_NO_REASON = ("note:", "hint:", "warning:", "╰─>", "[end of output]")


def pip(
    *arguments: str,
    cwd: Path,
    writable: Sequence[Path],
    pip_arguments: Sequence[str] = (),
    python: Path | None = None,
    limits: sandbox.Limits | None = None,
) -> None:
    """Run one command of pip with the caller's own configuration of it, into the environment of `python`.

    writable: the folders that it may change; they are handed to the sandbox's own user. Raises `InputError` with
    pip's reason where it fails or goes over its limits.
    """
    limits = limits or INSTALL
    into = ["--python", str(python)] if python else []
    quiet = ["--disable-pip-version-check", "--quiet", "--no-input", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", *into, arguments[0], *quiet, *pip_arguments, *arguments[1:]]
    configured, readable = _configuration()
    for folder in writable:
        sandbox.hand_over(folder)
    try:
        done = sandbox.run(
            command,
            cwd=cwd,
            limits=limits,
            env={**NO_HISTORY, **configured},
            network=True,
            readable=[Path(sys.prefix), cwd, *readable, *_folders(pip_arguments)],
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


def _configuration() -> tuple[dict[str, str], list[Path]]:
    """pip's settings in the environment, and the user's own file of them, for a pip whose HOME is another."""
    told = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    told |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for file in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        if file.is_file() and "PIP_CONFIG_FILE" not in told:
            told["PIP_CONFIG_FILE"] = str(file)
    return told, [Path(told["PIP_CONFIG_FILE"])] if "PIP_CONFIG_FILE" in told else []
