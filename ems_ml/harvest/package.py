"""Make a package ready: fetch its source distribution, unpack it, build an environment that can run its tests.

Everything lies in one folder of the cache and is reused. pip does the fetching and installing, with the user's
own pip configuration; what it runs of the package (its build) has the trust of any `pip install`. The user's
interpreter is never installed into: the environment is a fresh one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ems_ml.errors import InputError, UsageError
from ems_ml.harvest.types import HARVEST_VERSION, Prepared

TEST_GROUPS = ("tests", "test", "testing")
LESS_LIKELY_GROUPS = ("dev", "develop", "development")
TEST_FILES = ("requirements-test.txt", "requirements-tests.txt", "requirements/test.txt", "requirements/tests.txt")
NEVER_NEEDED = re.compile(
    r"^(ruff|mypy|pyright|sphinx|furo|tox|tox-uv|nox|build|hatch|pre-commit|black|flake8)\b", re.I
)
RUNNER_NEEDS = ("pytest", "coverage")
_TEST_FILE = re.compile(r"^test.*\.py$|_tests?\.py$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(==[A-Za-z0-9.!+_-]+)?")


def prepare(requirement: str, cache: Path, *, pip_arguments: Sequence[str] = ()) -> Prepared:
    """Fetch, unpack and install `PACKAGE` or `PACKAGE==VERSION`; what the cache already holds is reused.

    pip_arguments: added to each call of pip (`--find-links`, `--no-index`). Raises `UsageError` for a malformed
    requirement, `InputError` where the package cannot be fetched, unpacked or installed, or has no tests.
    """
    if not _NAME.fullmatch(requirement):
        raise UsageError(f"{requirement!r} is not PACKAGE or PACKAGE==VERSION", hint="name one package, say toolz==1.0")
    home = cache / "harvest" / f"v{HARVEST_VERSION}"
    if "==" in requirement:
        name, _, version = requirement.partition("==")
        ready = home / f"{_canonical(name)}-{version}" / "prepared.json"
        if ready.is_file():
            return _load(ready)
    archive = _fetch(requirement, home / "downloads", pip_arguments)
    stem = re.sub(r"\.(tar\.gz|tgz|zip|tar\.bz2)$", "", archive.name)
    name, _, version = stem.rpartition("-")
    folder = home / f"{_canonical(name)}-{version}"
    if (folder / "prepared.json").is_file():
        return _load(folder / "prepared.json")
    folder.mkdir(parents=True, exist_ok=True)
    tree = _unpack(archive, folder / "tree")
    if not any(_TEST_FILE.search(path.name) for path in tree.rglob("*.py")):
        raise _no_tests(requirement)
    python, notes = _install(tree, folder / "env", pip_arguments)
    facts = _installed(python, name)
    source, tops = _import_root(tree, facts["tops"])
    prepared = Prepared(
        name=_canonical(name),
        version=version,
        licence=facts["licence"],
        folder=folder,
        tree=tree,
        source=source,
        tops=tops,
        tests=_find_tests(tree, source, tops, requirement),
        python=python,
        python_version=facts["python"],
        notes=notes,
    )
    _save(prepared)
    return prepared


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _save(prepared: Prepared) -> None:
    keys = Prepared.__dataclass_fields__
    values = {key: getattr(prepared, key) for key in keys}
    text = json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in values.items()}, indent=1)
    (prepared.folder / "prepared.json").write_text(text)


def _load(path: Path) -> Prepared:
    values = json.loads(path.read_text())
    paths = {key: Path(values[key]) for key in ("folder", "tree", "source", "python")}
    lists = {key: tuple(values[key]) for key in ("tops", "tests", "notes")}
    return Prepared(**{**values, **paths, **lists})


def _pip(*arguments: str, python: Path | None = None) -> None:
    into = ["--python", str(python)] if python else []
    quiet = ["--disable-pip-version-check", "--quiet", "--no-input"]
    command = [sys.executable, "-m", "pip", *into, arguments[0], *quiet, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        if "No module named pip" in done.stderr:
            raise InputError("harvesting needs pip in this environment", hint="python -m ensurepip")
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[
            -1:
        ]
        raise InputError(f"pip {arguments[0]}: {' '.join(errors)[:500]}", hint="check the name and pip's configuration")


def _fetch(requirement: str, folder: Path, pip_arguments: Sequence[str]) -> Path:
    """The source distribution in `folder`, by pip."""
    own = folder / re.sub(r"[^A-Za-z0-9.]+", "-", requirement)
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    name = requirement.partition("==")[0]
    _pip("download", "--no-deps", "--no-binary", name, "--dest", str(own), *pip_arguments, requirement)
    found = [path for path in own.iterdir() if path.name.endswith((".tar.gz", ".tgz", ".zip", ".tar.bz2"))]
    if len(found) != 1:
        raise InputError(f"the index has no source distribution of {requirement}", hint="harvest another package")
    return found[0]


def _unpack(archive: Path, target: Path) -> Path:
    """The single folder in the archive, unpacked as `target`. Members that would leave it are refused."""
    staging = target.with_name("unpacking")
    for folder in (staging, target):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(staging)
        else:
            with tarfile.open(archive) as packed_tar:
                packed_tar.extractall(staging, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{archive.name} cannot be unpacked: {error}", hint="harvest another version") from error
    inner = list(staging.iterdir())
    (inner[0] if len(inner) == 1 and inner[0].is_dir() else staging).rename(target)
    shutil.rmtree(staging, ignore_errors=True)
    for path, _, files in os.walk(target):  # readable by the sandbox's own user; an old time, so that no
        os.chmod(path, 0o755)  # compiled file of the healthy text passes for one of a changed text
        for file in files:
            full = os.path.join(path, file)
            os.chmod(full, 0o755 if os.access(full, os.X_OK) else 0o644)
            os.utime(full, (1_000_000_000, 1_000_000_000))
    return target


def _install(tree: Path, env: Path, pip_arguments: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """A fresh environment with the package, what its tests ask for, and what the runner needs."""
    shutil.rmtree(env, ignore_errors=True)
    venv.create(env, with_pip=False, symlinks=os.name != "nt")
    python = env / ("Scripts" if os.name == "nt" else "bin") / "python"
    _pip("install", *pip_arguments, str(tree), *RUNNER_NEEDS, python=python)
    for leftover in ("build", f"{tree.name}.egg-info"):
        shutil.rmtree(tree / leftover, ignore_errors=True)
    notes = []
    for origin, needs in _test_needs(tree):
        try:
            _pip("install", *pip_arguments, *needs, python=python)
            notes.append(f"test needs: {origin}")
            break
        except InputError as error:
            notes.append(f"test needs of {origin} could not be installed: {error}")
    return python, tuple(notes)


def _test_needs(tree: Path) -> Iterator[tuple[str, list[str]]]:
    """What the package's tests need, likeliest place first: dependency groups, extras, requirement files."""
    project: Mapping[str, Any] = {}
    if (tree / "pyproject.toml").is_file():
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project.get("dependency-groups", {})
    extras = project.get("project", {}).get("optional-dependencies", {})
    for names in (TEST_GROUPS, LESS_LIKELY_GROUPS):
        for origin, table in (("dependency group", groups), ("extra", extras)):
            for name in names:
                needs = [need for need in _expand(table, name, ()) if not NEVER_NEEDED.match(need)]
                if needs:
                    yield f"{origin} {name}", needs
        if names is TEST_GROUPS:
            for file in TEST_FILES:
                if (tree / file).is_file():
                    yield file, ["--requirement", str(tree / file)]


def _expand(groups: Mapping[str, Any], name: str, seen: tuple[str, ...]) -> list[str]:
    """A dependency group with the groups that it includes (PEP 735)."""
    needs: list[str] = []
    for need in groups.get(name, ()):
        if isinstance(need, str):
            needs.append(need)
        elif isinstance(need, dict) and need.get("include-group") not in (None, name, *seen):
            needs += _expand(groups, need["include-group"], (*seen, name))
    return needs


_ASK = """
import importlib.metadata as m, json, platform, sys
d = m.distribution(sys.argv[1])
files = [str(f) for f in d.files or () if str(f).endswith('.py') and '..' not in str(f)]
tops = {f.split('/')[0].removesuffix('.py') for f in files}
meta = d.metadata
said = meta.get('License-Expression') or meta.get('License') or ''
classified = [c.split(' :: ')[-1] for c in meta.get_all('Classifier') or () if c.startswith('License ::')]
licence = said.splitlines()[0][:80] if said.strip() else ', '.join(classified)
print(json.dumps({'tops': sorted(tops), 'licence': licence or 'not stated', 'python': platform.python_version()}))
"""


def _installed(python: Path, name: str) -> dict[str, Any]:
    done = subprocess.run([python, "-I", "-c", _ASK, name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{name} was not installed: {done.stderr.strip()[-300:]}", hint="harvest another package")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _import_root(tree: Path, tops: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """The folder of the tree that holds the importable names, and those it holds."""
    for folder in (tree / "src", tree, tree / "lib", tree / "python"):
        here = tuple(top for top in tops if (folder / top).is_dir() or (folder / f"{top}.py").is_file())
        if here:
            return folder, here
    raise InputError(f"{tree} does not hold {', '.join(tops)}", hint="harvest another package")


def _find_tests(tree: Path, source: Path, tops: Sequence[str], requirement: str) -> tuple[str, ...]:
    folders = [tree / name for name in ("tests", "test", "testing")]
    for top in tops:
        folders += sorted(
            path for path in (source / top).rglob("test*") if path.is_dir() and path.name in ("test", "tests")
        )
    found = [folder for folder in folders if folder.is_dir() and any(folder.rglob("*.py"))]
    if not found:
        found = sorted({*tree.glob("test_*.py"), *tree.glob("*_test.py")})
    if not found:
        raise _no_tests(requirement)
    return tuple(str(path.relative_to(tree)) for path in found)


def _no_tests(requirement: str) -> InputError:
    return InputError(f"{requirement} ships no tests in its source distribution", hint="harvest another package")
