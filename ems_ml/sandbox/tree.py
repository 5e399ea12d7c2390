"""Copies of folders for bounded processes to work in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ems_ml.sandbox.types import SANDBOX_UID

NEVER_COPIED = (".git", ".hg", ".venv", "venv", "__pycache__", ".tox", ".nox", ".mypy_cache", ".pytest_cache")


def copy_tree(source: Path, target: Path, *, without: Sequence[str] = NEVER_COPIED) -> Path:
    """Copy a folder's files, symbolic links as links, into `target` (made here); names in `without` are left out."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*without), dirs_exist_ok=True)
    return target


def hand_over(folder: Path) -> None:
    """Give a folder and all in it to the sandbox's own user, where root calls; else it is the caller's already."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        return
    os.chown(folder, SANDBOX_UID, SANDBOX_UID)
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(path, name), SANDBOX_UID, SANDBOX_UID, follow_symlinks=False)
