"""Which interpreter runs a project's tests, and with which command."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterable
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ems_ml.errors import UsageError
from ems_ml.ports import SourceTree
from ems_ml.sandbox import Limits, run

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENTS = (".venv", "venv", "env")
PROBE = (
    "import sys,json,importlib.util as u;"
    "print(json.dumps({'prefix':sys.prefix,'base':sys.base_prefix,'version':sys.version.split()[0],"
    "'pytest':u.find_spec('pytest') is not None}))"
)
TEST_FILE = re.compile(r"^(test_.*|.*_tests?|tests?|conftest)\.py$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that can run the project's tests."""

    program: str
    version: str
    prefix: str
    base_prefix: str
    has_pytest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCommand:
    """How the tests are run. `kind` "shell" is a command that the user gave."""

    argv: tuple[str, ...]
    shown: str
    kind: Literal["pytest", "unittest", "shell"]
    path: str  # PATH of the run
    readable: tuple[str, ...] = ()  # folders that the interpreter lives in


def is_test_path(path: str) -> bool:
    """Whether a file belongs to the tests: never patched, its frames never features."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and (bool({"tests", "test"} & set(parts[:-1])) or bool(TEST_FILE.match(parts[-1])))


def choose_interpreter(root: Path, given: str | None) -> Interpreter:
    """The given one, else the repository's own environment, else the one that runs EMS.

    Raises `UsageError` where the given one is not a Python that starts.
    """
    if given is not None:
        program = shutil.which(os.path.expanduser(given))
        found = _probe(os.path.abspath(program)) if program else None
        if found is None:
            raise UsageError(f"{given} is not a Python that starts", hint="give the path of a python with --python")
        return found
    for name in ENVIRONMENTS:
        own_program = root / name / "bin" / "python"
        if own_program.exists() and (found := _probe(str(own_program))):
            return found
    own = _probe(sys.executable)
    if own is None:
        raise UsageError("no Python that starts was found", hint="give one with --python")
    return own


def find_command(source: SourceTree, interpreter: Interpreter, given: str | None) -> SuiteCommand | str:
    """The command that runs the project's tests, or the reason why there is none."""
    readable = tuple(
        path for path in dict.fromkeys((interpreter.prefix, interpreter.base_prefix)) if path not in ("/", "/usr")
    )
    path = f"{os.path.dirname(interpreter.program)}:{SYSTEM_PATH}"
    if given is not None:
        if not given.strip():
            raise UsageError("the test command is empty", hint="give a command with --test, or leave it out")
        return SuiteCommand(argv=("/bin/sh", "-c", given), shown=given, kind="shell", path=path, readable=readable)
    paths = tuple(source.paths())
    tests = [name for name in paths if TEST_FILE.match(name.rsplit("/", 1)[-1]) and not name.endswith("conftest.py")]
    if not tests and not _configured(source):
        return "the repository has no tests"
    python = interpreter.program
    if interpreter.has_pytest:
        argv: tuple[str, ...] = (python, "-m", "pytest", "-q")
        return SuiteCommand(argv=argv, shown=" ".join(argv), kind="pytest", path=path, readable=readable)
    if any("unittest" in (source.read(name) or "") for name in tests):
        where = _unittest_folder(paths, tests)
        argv = (python, "-m", "ems_recorder", "discover", *where)
        shown = " ".join((python, "-m", "unittest", "discover", *where))
        return SuiteCommand(argv=argv, shown=shown, kind="unittest", path=path, readable=readable)
    return f"{python} has no pytest to run the tests with"


def import_roots(source: SourceTree, files: Iterable[str]) -> tuple[str, ...]:
    """Folders to import the project's packages from: `src`, where a trace's packages lie, the root.

    A folder with a module named as one of Python's own is left out: on the path it would hide that one.
    """
    paths = frozenset(source.paths())
    found = []
    if any(path.startswith("src/") and path.endswith(".py") for path in paths) and "src/__init__.py" not in paths:
        found.append("src")
    for file in files:
        folder = PurePosixPath(file).parent
        package = folder
        while str(folder) != "." and f"{folder}/__init__.py" in paths:
            folder = folder.parent
        if folder != package and str(folder) != "." and not is_test_path(file):
            found.append(str(folder))
    return tuple(root for root in dict.fromkeys([*found, ""]) if not _hides_stdlib(root, paths))


def _hides_stdlib(root: str, paths: frozenset[str]) -> bool:
    start = f"{root}/" if root else ""
    inside = (path.removeprefix(start) for path in paths if path.startswith(start) and path.endswith(".py"))
    names = {path.removesuffix(".py") for path in inside if path.count("/") == 0 or path.endswith("/__init__.py")}
    return any(name.removesuffix("/__init__") in sys.stdlib_module_names for name in names)


def _probe(program: str) -> Interpreter | None:
    try:
        done = run([program, "-c", PROBE], cwd=Path("/"), limits=Limits(seconds=30), user="same")
        said = json.loads(done.stdout.decode().strip().splitlines()[-1]) if done.ok else None
    except (ValueError, IndexError, OSError):
        return None
    if not isinstance(said, dict):
        return None
    return Interpreter(
        program=program,
        version=said["version"],
        prefix=said["prefix"],
        base_prefix=said["base"],
        has_pytest=said["pytest"],
    )


def _configured(source: SourceTree) -> bool:
    """Whether a configuration names pytest."""
    if source.read("pytest.ini") is not None:
        return True
    try:
        tools = tomllib.loads(source.read("pyproject.toml") or "").get("tool", {})
        if isinstance(tools, dict) and "pytest" in tools:
            return True
    except tomllib.TOMLDecodeError:
        return False
    for name, section in (("setup.cfg", "tool:pytest"), ("tox.ini", "pytest")):
        config = ConfigParser(interpolation=None, strict=False)
        try:
            config.read_string(source.read(name) or "")
        except ConfigError:
            continue
        if config.has_section(section):
            return True
    return False


def _unittest_folder(paths: tuple[str, ...], tests: list[str]) -> tuple[str, ...]:
    top = {name.split("/", 1)[0] for name in tests if "/" in name}
    for folder in ("tests", "test"):
        if folder in top:
            return ("-s", folder, "-t", ".") if f"{folder}/__init__.py" in paths else ("-s", folder)
    return ()
