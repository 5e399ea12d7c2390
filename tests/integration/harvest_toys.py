"""Tiny made packages to harvest, and a strategy that breaks them. Workers of a cluster import this by PYTHONPATH."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import textwrap
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ems_ml.harvest.history import Replays, replay_histories
from ems_ml.ports import SourceTree
from ems_ml.strategies import load_strategies, recognise_commit, recognise_undoing
from ems_ml.types import ErrorEvent, Injection, Proposal

#: A build backend that needs nothing but Python: zips the package and its metadata.
BACKEND = """
import os, zipfile
NAME, VERSION = "{name}", "1.0"
META = "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\nLicense: MIT\\n"
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    wheel = NAME + "-" + VERSION + "-py3-none-any.whl"
    info = NAME + "-" + VERSION + ".dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as packed:
        files = {{"src/" + NAME + "/" + file: NAME + "/" + file for file in os.listdir("src/" + NAME)}}
        for source, target in files.items():
            if source.endswith(".py"):
                packed.write(source, target)
        packed.writestr(info + "METADATA", META)
        packed.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        packed.writestr(info + "RECORD", "".join(t + ",,\\n" for t in [*files.values(), info + "METADATA"]))
    return wheel
"""
PROJECT = """
    [build-system]
    requires = []
    build-backend = "backend"
    backend-path = ["."]
    [project]
    name = "{name}"
    version = "1.0"
"""
FUNCTION = """
def look{n}(table):
    found = table["key{n}"]
    return found
"""
TEST = """
def test_look{n}():
    time.sleep(0.02)
    assert {name}.look{n}({{"key{n}": 1}}) == 1
"""


def toy(name: str, functions: int = 3, **files: str) -> dict[str, str]:
    """The files of a package whose every function has a test; `files` adds or replaces, with "__" for "/"."""
    own = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": PROJECT.format(name=name),
        "backend.py": BACKEND.format(name=name),
        f"src/{name}/__init__.py": "".join(FUNCTION.format(n=n) for n in range(functions)),
        f"tests/test_{name}.py": f"import time\nimport {name}\n"
        + "".join(TEST.format(n=n, name=name) for n in range(functions)),
    }
    return {**own, **files}


def lay(folder: Path, files: Mapping[str, str]) -> Path:
    """Write `files` into `folder`, which every user may then read, as pip in the sandbox must."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text).lstrip("\n"))
    folder.chmod(0o755)
    return folder


def pack(folder: Path, name: str, files: Mapping[str, str]) -> None:
    """A source distribution of version 1.0 in `folder`."""
    root = lay(folder / f"{name}-1.0", files)
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        archive.add(root, arcname=f"{name}-1.0")
    folder.chmod(0o755)


class WrongKey:
    """A strategy that asks a table for another key, which raises."""

    name = "correct_literal"

    def recognise(self, before: str, after: str) -> float:
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        lines = source.splitlines()
        for at, line in enumerate(lines):
            if 'table["key' in line:
                changed = "\n".join([*lines[:at], line.replace("key", "no"), *lines[at + 1 :], ""])
                yield Injection(strategy=self.name, source=changed, line=at + 1, function=lines[at - 1], note="a key")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        return iter(())


HEALTHY = """
def price(table, name):
    return table[name]
"""
FIXED = """
def price(table, name):
    return table.get(name, 0)
"""
HEAD = "import shop\n"
OLD_TEST = "def test_price():\n    assert shop.price({'a': 1}, 'a') == 1\n"


class History:
    """A git repository of a toy package; each `commit` adds to its one module and its one test file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.day = folder, 0
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        files = toy("shop", 0)
        files |= {"src/shop/__init__.py": HEALTHY, "tests/test_shop.py": HEAD + OLD_TEST}
        lay(folder, files)
        self.source, self.test = HEALTHY, HEAD + OLD_TEST
        self.ids = {"begin": self.commit("begin", HEALTHY, "")}

    def git(self, *arguments: str) -> str:
        self.day += 1
        when = f"2024-01-01T12:{self.day // 60:02}:{self.day % 60:02}+00:00"
        env = {f"GIT_{role}_{what}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, check=True, env={**os.environ, **env}
        )
        return done.stdout.decode().strip()

    def commit(self, name: str, source: str, more_test: str, files: Mapping[str, str] | None = None) -> str:
        """The commit's id. files: whole texts of other files."""
        self.source, self.test = source, self.test + more_test
        (self.folder / "src/shop/__init__.py").write_text(source)
        (self.folder / "tests/test_shop.py").write_text(self.test)
        for path, text in (files or {}).items():
            (self.folder / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", name)
        return self.git("rev-parse", "HEAD")


def records(cache: Path) -> dict[str, Mapping[str, Any]]:
    lines = (cache / "history/v1/shop/replay.jsonl").read_text().splitlines()
    read = [json.loads(line) for line in lines]
    assert len({one["commit"] for one in read}) == len(read), "a commit was tried twice"
    return {one["commit"]: one for one in read}


def replay(history: Path, cache: Path, *more: Path) -> Replays:
    strategies = load_strategies()
    return replay_histories(
        [history, *more],
        recognise=partial(recognise_commit, strategies=strategies),
        recognise_undoing=partial(recognise_undoing, strategies=strategies),
        cache=cache,
        since="2020-01-01",
    )
