"""Calls git, with nothing of the surroundings let in that could change what a command does.

Plain git in a subprocess, on purpose: GitPython shells out to the same program and adds a layer of parsing, and
libgit2 bindings read attributes, filters and configuration in their own way, whereas a diff must be the one that
the user's own `git apply` takes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ems_ml.errors import RepositoryError

TIMEOUT_SECONDS = 120.0
# The user's own configuration is read (identity, safe.directory, line endings); what could run a program, write
# outside of what was asked, or change the form of an answer is overridden for each call.
OVERRIDES = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "core.quotePath=true",
    "core.logAllRefUpdates=true",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "color.ui=false",
    "diff.external=",
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "submodule.recurse=false",
)


class GitFailed(RepositoryError):
    """A git command ended with an error; `output` is what it said."""

    def __init__(self, command: str, output: str) -> None:
        last = output.strip().splitlines()[-1] if output.strip() else "no message"
        super().__init__(f"git {command}: {last}", hint="run the same command by hand to see what is wrong")
        self.output = output


def git_bytes(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    check: bool = True,
    seconds: float = TIMEOUT_SECONDS,
) -> bytes:
    """What a git command prints. Raises `GitFailed` where it fails (unless `check` is False), `RepositoryError`
    where git is not installed or takes more than `seconds`."""
    program = shutil.which("git")
    if program is None:
        raise RepositoryError("git is not installed", hint="install git")
    settings = [part for override in OVERRIDES for part in ("-c", override)]
    try:
        done = subprocess.run(
            [program, *settings, *arguments],
            cwd=cwd,
            env={**_environment(), **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(
            f"git {arguments[0]} took more than {seconds:.0f} seconds", hint="check the disk and the repository"
        ) from error
    except (OSError, ValueError) as error:
        raise RepositoryError(
            f"git {arguments[0]} cannot run: {error}", hint="check the folder's name and access"
        ) from error
    if check and done.returncode != 0:
        raise GitFailed(arguments[0], done.stderr.decode("utf-8", "replace") or done.stdout.decode("utf-8", "replace"))
    return done.stdout


def git(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
    """As `git_bytes`, as text without the last line end."""
    return git_bytes(*arguments, cwd=cwd, env=env, stdin=stdin).decode("utf-8", "surrogateescape").rstrip("\n")


def _environment() -> dict[str, str]:
    """The caller's environment without any GIT_* variable: no other repository, index, editor or pager."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
    }
