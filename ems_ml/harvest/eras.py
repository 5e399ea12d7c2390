"""Environments for the commits of a history: one for each stretch of time in which the project lay alike.

What a commit needs is installed as it declares it (its own package with its dependencies, and what its tests ask
for), by pip, in the sandbox with the network open and nothing else, into an environment of its own.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ems_ml import sandbox
from ems_ml.errors import InputError
from ems_ml.harvest.commits import Candidate, is_source
from ems_ml.harvest.libraries import missing_libraries
from ems_ml.harvest.package import NEVER_NEEDED, test_needs
from ems_ml.harvest.pip import pip
from ems_ml.repo import GitFailed, git

YEARS = 3  # that one environment serves, at most
ROOTS = ("src", "", "lib", "python")  # where importable names may lie, likeliest first
INSTALL = sandbox.Limits(seconds=420.0, memory_bytes=2 * 1024**3, processes=256, file_bytes=512 * 1024**2)
OLD_PYTEST = "2024"  # what was written before it ran with a pytest below 8
_TOX_FACTOR = re.compile(r"^[\w.,!{}-]+:\s+")
_NEED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*([<>=!~;].*)?$")
_NO_TOP = {"setup", "conftest", "noxfile", "tasks", "fabfile", "versioneer", "ez_setup", "runtests", "docs", "doc"}
_NO_TOP |= {"test", "tests", "testing", "examples", "example", "benchmarks", "benchmark", "scripts", "tools", "build"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a tree holds what is imported."""

    source: str  # folder of the tree, "" for the tree itself
    tops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Era:
    """Candidates, newest first, that one environment may serve."""

    layout: Layout
    candidates: tuple[Candidate, ...]

    @property
    def name(self) -> str:
        return f"{self.candidates[-1].time[:10]}-{self.candidates[0].time[:10]}"


def eras(repository: Path, candidates: Sequence[Candidate]) -> list[Era]:
    """Cut candidates (newest first) where the layout changes, and where `YEARS` are full."""
    found: list[Era] = []
    for candidate in sorted(candidates, key=lambda one: one.time, reverse=True):
        here = layout(repository, candidate)
        last = found[-1] if found else None
        if last and last.layout == here and int(last.candidates[0].time[:4]) - int(candidate.time[:4]) < YEARS:
            found[-1] = replace(last, candidates=(*last.candidates, candidate))
        else:
            found.append(Era(here, (candidate,)))
    return found


def layout(repository: Path, candidate: Candidate) -> Layout:
    """The importable names beside what the candidate changes: packages and modules, no tests, docs or scripts."""
    files = git("ls-tree", "-r", "--name-only", candidate.commit, cwd=repository).splitlines()
    changed = [change.path for change in candidate.sources]
    for root in ROOTS:
        start = f"{root}/" if root else ""
        inside = [file[len(start) :].split("/") for file in files if file.startswith(start) and file.endswith(".py")]
        packages = {parts[0] for parts in inside if len(parts) == 2 and parts[1] == "__init__.py"}
        modules = {parts[0].removesuffix(".py") for parts in inside if len(parts) == 1 and is_source(parts[0])}
        tops = tuple(sorted((packages | modules) - _NO_TOP))
        if any(path.startswith(start) and _top(path[len(start) :]) in tops for path in changed):
            return Layout(root, tops)
    return Layout("", ())


def _top(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter that can run the tests of an era."""

    python: Path
    version: str
    notes: tuple[str, ...]


class Builder:
    """Makes the environments of one project in its folder of the cache; one that is there is used again."""

    def __init__(self, repository: Path, folder: Path, *, python: str, pip_arguments: Sequence[str]) -> None:
        self.repository, self.folder = repository, folder
        self.python, self.pip_arguments = python, tuple(pip_arguments)

    def environment(self, era: Era) -> Environment:
        """Raises `InputError` where neither the newest nor the oldest commit of the era can be installed."""
        env = self.folder / "envs" / f"{era.name}-{self.python.rsplit('/', 1)[-1]}"
        ready = env / "ready"
        if ready.is_file():
            version, *notes = ready.read_text(encoding="utf-8").splitlines()
            return Environment(_python(env), version, tuple(notes))
        problem: InputError | None = None
        for candidate in dict.fromkeys((era.candidates[0], era.candidates[-1])):
            try:
                version, notes = self._make(env, candidate, era.layout)
            except InputError as error:
                problem = error
                continue
            ready.write_text("\n".join([version, *notes]) + "\n", encoding="utf-8")
            return Environment(_python(env), version, tuple(notes))
        assert problem is not None
        raise problem

    def _make(self, env: Path, candidate: Candidate, layout: Layout) -> tuple[str, list[str]]:
        shutil.rmtree(env, ignore_errors=True)
        tree = self.folder / "installing"
        place(self.repository, candidate.commit, tree, self.folder / "installing.index")
        try:
            self._create(env)
            pytest = "pytest<8" if candidate.time < OLD_PYTEST else "pytest"
            self._pip(env, tree, str(tree))
            notes = []
            for origin, needs in (*test_needs(tree), *_older_needs(tree)):
                try:
                    self._pip(env, tree, *needs, pytest)
                    notes.append(f"test needs: {origin}")
                except InputError as error:
                    notes.append(f"test needs of {origin} could not be installed: {error}")
            own = {*layout.tops, *(path.stem for path in tree.iterdir())}
            for need in missing_libraries(_python(env), [tree / test for test in candidate.test_files], own):
                try:
                    self._pip(env, tree, need, pytest)
                    notes.append(f"test library: {need}")
                except InputError as error:
                    notes.append(f"test library {need} could not be installed: {error}")
            self._pip(env, tree, pytest)
            return self._version(env), [" ".join(note.split()) for note in notes]
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            (self.folder / "installing.index").unlink(missing_ok=True)

    def _create(self, env: Path) -> None:
        if self.python == sys.executable:
            venv.create(env, with_pip=False, symlinks=os.name != "nt")
            return
        done = sandbox.run(
            [self.python, "-m", "venv", "--without-pip", str(env)], cwd=self.folder, limits=INSTALL, user="same",
            writable=[self.folder],
        )  # fmt: skip
        if not done.ok:
            raise InputError(f"{self.python} makes no environment: {done.text[-300:]}", hint="name another --python")

    def _version(self, env: Path) -> str:
        said = sandbox.run(
            [str(_python(env)), "-I", "-c", "import platform; print(platform.python_version())"],
            cwd=env,
            limits=INSTALL,
        )
        return said.stdout.decode().strip()

    def _pip(self, env: Path, tree: Path, *arguments: str) -> None:
        pip(
            "install",
            *arguments,
            cwd=tree,
            writable=[env, tree],
            pip_arguments=self.pip_arguments,
            python=_python(env),
            limits=INSTALL,
        )


def _python(env: Path) -> Path:
    return env / ("Scripts" if os.name == "nt" else "bin") / "python"


def place(repository: Path, commit: str, tree: Path, index: Path) -> None:
    """Make the folder `tree` hold what the commit holds; files that git does not know there are left alone.

    index: git's note of what lies in `tree`; with it a second commit costs only what differs.
    """
    tree.mkdir(parents=True, exist_ok=True)
    folder = git("rev-parse", "--absolute-git-dir", cwd=repository)
    try:
        git(
            *("--git-dir", folder, "--work-tree", str(tree), "read-tree", "--reset", "-u", commit),
            cwd=tree,
            env={"GIT_INDEX_FILE": str(index)},
        )
    except GitFailed as error:
        raise InputError(f"the tree of {commit[:12]} cannot be laid out: {error}", hint="git fsck") from error


def _older_needs(tree: Path) -> Iterator[tuple[str, list[str]]]:
    """What tests need by the older customs: tox.ini, setup.cfg, setup.py."""
    for file, section, option in (
        ("tox.ini", "testenv", "deps"),
        ("setup.cfg", "options", "tests_require"),
        ("setup.cfg", "options.extras_require", "test"),
        ("setup.cfg", "options.extras_require", "tests"),
        ("setup.cfg", "options.extras_require", "testing"),
    ):
        needs = _from_ini(tree / file, section, option)
        if needs:
            yield f"{file} {section} {option}", needs
    needs = [need for need in _from_setup(tree / "setup.py") if _NEED.match(need) and not NEVER_NEEDED.match(need)]
    if needs:
        yield "setup.py", needs


def _from_ini(path: Path, section: str, option: str) -> list[str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return []
    said = parser.get(section, option, fallback="").splitlines()
    needs = [_TOX_FACTOR.sub("", line.strip()) for line in said]
    return [need for need in needs if _NEED.match(need) and not NEVER_NEEDED.match(need)]


def _from_setup(path: Path) -> list[str]:
    """The literal lists that setup.py gives as tests_require and as extras for tests; nothing of it is run."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    named: Mapping[str, ast.expr] = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    wanted: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("tests_require", "extras_require"):
            value = named.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
            if isinstance(value, ast.Dict):
                pairs = zip(value.keys, value.values, strict=True)
                wanted += [v for k, v in pairs if isinstance(k, ast.Constant) and str(k.value).startswith("test")]
            else:
                wanted.append(value)
    texts = [one for value in wanted if isinstance(value, ast.List | ast.Tuple) for one in value.elts]
    return [one.value for one in texts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
