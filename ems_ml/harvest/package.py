"""Make a package ready: fetch or copy its source, build an environment that can run its tests.

Everything lies in one folder of the cache and is reused. pip does the fetching and installing, with the user's
own pip configuration, in the sandbox but with the network. The user's interpreter is never installed into: the
environment is a fresh one. A folder that is given is copied and never changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import venv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ems_ml import sandbox
from ems_ml.errors import InputError, UsageError
from ems_ml.harvest.libraries import missing_libraries
from ems_ml.harvest.needs import LESS_LIKELY_GROUPS, NEVER_NEEDED, TEST_GROUPS, test_needs
from ems_ml.harvest.pip import pip
from ems_ml.harvest.types import HARVEST_VERSION, Prepared

RUNNER_NEEDS = ("pytest", "coverage")
_TEST_FILE = re.compile(r"^test.*\.py$|_tests?\.py$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(==[A-Za-z0-9.!+_-]+)?")


def prepare(requirement: str, cache: Path, *, pip_arguments: Sequence[str] = ()) -> Prepared:
    """Make `PACKAGE`, `PACKAGE==VERSION` or a folder with a source tree ready; what the cache holds is reused.

    A folder is what has a "/" in it or begins with "."; it is kept by what it holds, so a changed one is another.
    pip_arguments: added to each call of pip (`--find-links`, `--no-index`). Raises `UsageError` for a malformed
    requirement, `InputError` where the package cannot be fetched, unpacked or installed, or has no tests.
    """
    home = cache / "harvest" / f"v{HARVEST_VERSION}"
    folder = is_folder(requirement)
    if not folder and not _NAME.fullmatch(requirement):
        raise UsageError(
            f"{requirement!r} is not PACKAGE, PACKAGE==VERSION or a folder", hint="say toolz==1.0, or ./my-project"
        )
    with _alone(home, Path(requirement).resolve().name if folder else requirement.partition("==")[0]):
        return (_from_folder if folder else _from_index)(requirement, home, pip_arguments)


def is_folder(requirement: str) -> bool:
    """Whether it names a folder, by pip's own rule."""
    return os.sep in requirement or requirement.startswith(".")


@contextlib.contextmanager
def _alone(home: Path, name: str) -> Iterator[None]:
    """Wait until no other process makes this package ready."""
    locks = home / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with open(locks / _canonical(name), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _from_index(requirement: str, home: Path, pip_arguments: Sequence[str]) -> Prepared:
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
    return _ready(folder, _unpack(archive, folder / "tree"), requirement, version, pip_arguments)


def _from_folder(requirement: str, home: Path, pip_arguments: Sequence[str]) -> Prepared:
    """The version of a folder is a digest of what it holds."""
    given = Path(requirement).resolve()
    if not given.is_dir():
        raise InputError(f"there is no folder {requirement}", hint="name the folder with the package's source")
    if not any((given / file).is_file() for file in ("pyproject.toml", "setup.py")):
        raise InputError(
            f"{requirement} cannot be built: neither pyproject.toml nor setup.py", hint="name the project's own folder"
        )
    if home.resolve().is_relative_to(given):
        raise UsageError(f"the cache lies in {requirement}", hint="set EMS_CACHE to a folder outside of it")
    staging = home / "locks" / f"{_canonical(given.name)}.copy"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        sandbox.copy_tree(given, staging)
    except (OSError, shutil.Error) as error:
        raise InputError(f"{requirement} cannot be copied: {str(error)[:200]}", hint="check its files") from error
    digest = _digest(staging)
    folder = home / f"{_canonical(given.name)}-{digest}"
    if (folder / "prepared.json").is_file():
        shutil.rmtree(staging)
        return _load(folder / "prepared.json")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "tree", ignore_errors=True)
    staging.rename(folder / "tree")
    return _ready(folder, _settled(folder / "tree"), requirement, digest, pip_arguments)


def _digest(tree: Path) -> str:
    """12 hex digits for the names and contents of a folder's files."""
    found = hashlib.sha256()
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(tree).as_posix()}\0{content}\n".encode())
    return found.hexdigest()[:12]


def _ready(folder: Path, tree: Path, requirement: str, version: str, pip_arguments: Sequence[str]) -> Prepared:
    """Install what lies in `tree`, find its tests."""
    if not any(_TEST_FILE.search(path.name) for path in tree.rglob("*.py")):
        raise _no_tests(requirement)
    python, facts, notes = _install(tree, folder, pip_arguments)
    source, tops = _import_root(tree, facts["tops"])
    _add_made(source, tops, facts)
    tests = _find_tests(tree, source, tops, requirement)
    notes += _install_libraries(python, tree, source, tops, tests, pip_arguments)
    prepared = Prepared(
        name=_canonical(facts["name"]),
        version=version,
        licence=facts["licence"],
        folder=folder,
        tree=tree,
        source=source,
        tops=tops,
        tests=tests,
        python=python,
        python_version=facts["python"],
        notes=tuple(notes),
    )
    _save(prepared)
    return prepared


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _save(prepared: Prepared) -> None:
    keys = Prepared.__dataclass_fields__
    values = {key: getattr(prepared, key) for key in keys}
    text = json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in values.items()}, indent=1)
    written = prepared.folder / "prepared.json.new"
    written.write_text(text)
    written.replace(prepared.folder / "prepared.json")


def _load(path: Path) -> Prepared:
    values = json.loads(path.read_text())
    paths = {key: Path(values[key]) for key in ("folder", "tree", "source", "python")}
    lists = {key: tuple(values[key]) for key in ("tops", "tests", "notes")}
    return Prepared(**{**values, **paths, **lists})


def _fetch(requirement: str, folder: Path, pip_arguments: Sequence[str]) -> Path:
    """The source distribution in `folder`, by pip."""
    own = folder / re.sub(r"[^A-Za-z0-9.]+", "-", requirement)
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    name = requirement.partition("==")[0]
    pip(
        *("download", "--no-deps", "--no-binary", name, "--dest", str(own), requirement),
        cwd=own,
        writable=[own],
        pip_arguments=pip_arguments,
    )
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
    return _settled(target)


def _settled(tree: Path) -> Path:
    """Readable by the sandbox's own user, and of an old time: no compiled file of it passes for a changed text."""
    for path, _, files in os.walk(tree):
        os.chmod(path, 0o755)
        for file in files:
            full = os.path.join(path, file)
            if not os.path.islink(full):
                os.chmod(full, 0o755 if os.access(full, os.X_OK) else 0o644)
                os.utime(full, (1_000_000_000, 1_000_000_000))
    return tree


def _install(tree: Path, folder: Path, pip_arguments: Sequence[str]) -> tuple[Path, dict[str, Any], list[str]]:
    """A fresh environment with the package, what its tests ask for, and what the runner needs."""
    env, building = folder / "env", folder / "building"
    for old in (env, building):
        shutil.rmtree(old, ignore_errors=True)
    venv.create(env, with_pip=False, symlinks=os.name != "nt")
    python = env / ("Scripts" if os.name == "nt" else "bin") / "python"
    sandbox.copy_tree(tree, building)  # a build writes into its tree

    def install(*needs: str) -> None:
        pip("install", *needs, cwd=building, writable=[env, building], pip_arguments=pip_arguments, python=python)

    try:
        install(str(building), *RUNNER_NEEDS)
        facts = _installed(python, building)
        notes = []
        for origin, needs in _needs(building, facts["extras"]):
            try:
                pip(
                    "install",
                    *needs,
                    cwd=building,
                    writable=[env, building],
                    pip_arguments=pip_arguments,
                    python=python,
                )
                notes.append(f"test needs: {origin}")
                break
            except InputError as error:
                notes.append(f"test needs of {origin} could not be installed: {error}")
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return python, facts, notes


def _install_libraries(
    python: Path, tree: Path, source: Path, tops: Sequence[str], tests: Sequence[str], pip_arguments: Sequence[str]
) -> list[str]:
    """The well-known test libraries that the tests import and nothing has brought yet."""
    own = {*tops, *(path.stem for path in source.iterdir()), *(path.stem for path in tree.iterdir())}
    needs = missing_libraries(python, [tree / test for test in tests], own)
    notes = []
    for need in needs:
        try:
            env = python.parent.parent
            pip("install", need, cwd=tree, writable=[env], pip_arguments=pip_arguments, python=python)
            notes.append(f"test library: {need}")
        except InputError as error:
            notes.append(f"test library {need} could not be installed: {error}")
    return notes


def _needs(tree: Path, extras: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """`test_needs`, and then the extras that only the built package tells (of a setup.py, say)."""
    yield from test_needs(tree)
    for name in (*TEST_GROUPS, *LESS_LIKELY_GROUPS):
        needs = [need for need in extras.get(name, ()) if not NEVER_NEEDED.match(need)]
        if needs:
            yield f"built extra {name}", needs


_ASK = r"""
import importlib.metadata as m, json, platform, re, sys
def made_of(d):
    said = d.read_text('direct_url.json')
    return bool(said) and json.loads(said)['url'].rstrip('/') == sys.argv[1]
d = next(filter(made_of, m.distributions()))
files = [str(f) for f in d.files or () if '..' not in str(f) and '.dist-info/' not in str(f)]
tops = {f.split('/')[0].removesuffix('.py') for f in files if f.endswith('.py')}
meta = d.metadata
said = meta.get('License-Expression') or meta.get('License') or ''
classified = [c.split(' :: ')[-1] for c in meta.get_all('Classifier') or () if c.startswith('License ::')]
licence = said.splitlines()[0][:80] if said.strip() else ', '.join(classified)
extras = {}
for need in meta.get_all('Requires-Dist') or ():
    need, _, marker = need.partition(';')
    asked = re.search(r'extra *== *.([A-Za-z0-9._-]+)', marker)
    if asked:
        rest = re.sub(r'(\band *)?\(?extra *== *.[A-Za-z0-9._-]+.\)?( *and\b)?', '', marker).strip()
        extras.setdefault(asked[1], []).append(need.strip() + (' ; ' + rest if rest else ''))
print(json.dumps({
    'name': meta['Name'], 'tops': sorted(tops), 'licence': licence or 'not stated',
    'python': platform.python_version(), 'extras': extras, 'files': files, 'at': str(d.locate_file('')),
}))
"""


def _installed(python: Path, built: Path) -> dict[str, Any]:
    """What the environment knows of the package that was installed from the folder `built`."""
    done = subprocess.run([python, "-I", "-c", _ASK, built.as_uri()], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"the package was not installed: {done.stderr.strip()[-300:]}", hint="harvest another package")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _add_made(source: Path, tops: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Put what the build made (compiled modules, a version file) beside the sources that it belongs to."""
    for file in facts["files"]:
        made, target = Path(facts["at"]) / file, source / file
        ours = Path(file).parts[0].partition(".")[0] in tops
        if ours and made.is_file() and not target.exists() and "__pycache__" not in file:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, target)
            os.utime(target, (1_000_000_000, 1_000_000_000))


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
    return InputError(
        f"{requirement} ships no tests in its source distribution"
        if not is_folder(requirement)
        else f"{requirement} has no tests",
        hint="give a folder with its whole source, or harvest another package",
    )
