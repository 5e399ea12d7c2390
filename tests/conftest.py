"""Shared fixtures: real types at toy sizes, no network."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from said import Ems
    from toy_steps import ToyEncoder, ToyRanker


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's own data folder."""
    monkeypatch.setenv("EMS_HOME", str(tmp_path_factory.mktemp("ems-home")))


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models and their manifest, fitted once a session. To be copied, not changed."""
    from toy_models import write

    return write(tmp_path_factory.mktemp("toy") / "models")


@pytest.fixture
def toy_home(toy_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder (EMS_HOME) of the test's own, with the tiny models in it."""
    home = tmp_path / "home"
    shutil.copytree(toy_models, home / "models")
    monkeypatch.setenv("EMS_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The log that a command opens in this process ends with its test."""
    root = logging.getLogger()
    level = root.level
    yield
    logs = sys.modules.get("ems_ml.service.logs")
    for handler in [one for one in root.handlers if logs is not None and one.name == logs.HANDLER]:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(level)


@pytest.fixture
def ems(toy_home: Path, capsys: pytest.CaptureFixture[str]) -> Ems:
    """Runs a command with the toy models and a fresh data folder."""
    from said import Said

    from ems_ml.service import cli

    def call(*argv: object) -> Said:
        code = cli.run([str(part) for part in argv])
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return call


@pytest.fixture
def toy_encoder() -> ToyEncoder:
    """Hashes the words of a signature into 64 dimensions; needs no model file."""
    from toy_steps import ToyEncoder

    return ToyEncoder()


@pytest.fixture
def toy_ranker() -> ToyRanker:
    """A fixed prior of four strategies by exception type; needs no model file."""
    from toy_steps import ToyRanker

    return ToyRanker()


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped after the test. EMS_TEST_POSTGRES names another server."""
    from toy_databases import postgres_database

    with postgres_database() as url:
        yield url
