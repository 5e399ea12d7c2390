"""Shared fixtures: real types at toy sizes, no network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's own data folder."""
    monkeypatch.setenv("EMS_HOME", str(tmp_path_factory.mktemp("ems-home")))


@pytest.fixture
def need() -> Callable[[str], str]:
    """`need("chromium")`: its path; where it is missing the test skips by name, or fails under EMS_CI=1."""

    def find(*tools: str) -> str:
        for tool in tools:
            found = shutil.which(tool)
            if found:
                return found
        message = f"needs {' or '.join(tools)}, which is not installed"
        if os.environ.get("EMS_CI") == "1":
            pytest.fail(message)
        pytest.skip(message)

    return find


@pytest.fixture
def repo_root() -> Path:
    return Path(__file__).resolve().parents[1]
