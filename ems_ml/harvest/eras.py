"""Environments for the commits of a history: one for each stretch of time in which the project lay alike.

What a commit needs is installed as it declares it (its own package with its dependencies, and what its tests ask
for), by pip, in the sandbox with the network open and nothing else, into an environment of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import venv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from ems_ml import sandbox
from ems_ml.errors import InputError
from ems_ml.harvest.commits import Candidate, is_source
from ems_ml.harvest.libraries import missing_libraries
from ems_ml.harvest.needs import older_needs, test_needs
from ems_ml.harvest.pip import Dated, dated_pip, pip
from ems_ml.repo import GitFailed, git

YEARS = 3  # that one environment serves, at most
ROOTS = ("src", "", "lib", "python")  # where importable names may lie, likeliest first
INSTALL = sandbox.Limits(seconds=420.0, memory_bytes=2 * 1024**3, processes=256, file_bytes=512 * 1024**2)
OLD_PYTEST = "2024"  # what was written before it ran with a pytest below 8
DATED = replace(INSTALL, seconds=150.0)  # what is old may have to be built, and may not end
READY = "2022-11-01"  # since then pytest and its plugins run on the interpreters that run EMS
#: What takes long to build; an old one without a ready file for this interpreter is not tried.
ONLY_BINARY = "numpy,scipy,pandas,lxml,cryptography,pyarrow,matplotlib,psycopg2,grpcio,uvloop,aiohttp,gevent,greenlet"
LONGEST_NOTE = 200  # characters
_RUNNER = re.compile(r"^(?P<name>pytest(?:[-_][\w.-]+)?|py|pluggy|coverage)\b(?!\[)", re.I)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\s*\[[^\]]*\])?")
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
class Way:
    """How the needs of an era are had: those of one commit, as the indexes had them on one day, or have them now."""

    candidate: Candidate
    day: str | None  # ISO; None: now

    @property
    def name(self) -> str:
        return f"{self.candidate.commit[:8]}-{self.day or 'now'}"


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter that can run the tests of an era."""

    python: Path
    version: str
    notes: tuple[str, ...]


def ways(era: Era) -> tuple[Callable[[Sequence[Candidate]], Way], ...]:
    """How an era's needs are had, one way after the other, each for the candidates (newest first) still left.

    First as they were on the day of its newest commit, then on that of one amid the rest, which serves most of it, then
    of the newest left, then on the first day from which much runs on our interpreters, then as they are now, and at
    last for its oldest commit.
    """
    return (
        lambda left: Way(era.candidates[0], _day_of(era.candidates[0])),
        lambda left: Way(left[len(left) // 2], _day_of(left[len(left) // 2])),
        lambda left: Way(left[0], _day_of(left[0])),
        lambda left: Way(left[0], max(_day_of(left[0]), READY)),
        lambda left: Way(left[0], None),
        lambda left: Way(era.candidates[-1], None),
    )


def _day_of(candidate: Candidate) -> str:
    """The day after the commit's own: what is uploaded later, it did not know."""
    return (date.fromisoformat(candidate.time[:10]) + timedelta(days=1)).isoformat()


class Builder:
    """Makes the environments of one project in its folder of the cache; one that is there is used again."""

    def __init__(
        self, repository: Path, folder: Path, *, python: str, tools: Path, pip_arguments: Sequence[str]
    ) -> None:
        self.repository, self.folder, self.tools = repository, folder, tools
        self.python, self.pip_arguments = python, tuple(pip_arguments)

    def environment(self, era: Era, way: Way) -> Environment:
        """Raises `InputError` where the commit cannot be installed in this way."""
        env = self.folder / "envs" / f"{era.name}-{self.python.rsplit('/', 1)[-1]}-{way.name}"
        ready = env / "ready"
        if not ready.is_file():
            version, notes = self._make(env, way, era.layout)
            ready.write_text("\n".join([version, *notes]) + "\n", encoding="utf-8")
        version, *notes = ready.read_text(encoding="utf-8").splitlines()
        return Environment(_python(env), version, tuple(notes))

    def forget(self, era: Era) -> None:
        """Remove the era's environments: all that they were made for is done."""
        for env in (self.folder / "envs").glob(f"{era.name}-*"):
            shutil.rmtree(env, ignore_errors=True)

    def add(self, python: Path, need: str, day: str | None) -> bool:
        """Put one more distribution into an environment that was made; whether that could be done."""
        env = python.parent.parent
        return not self._install(env, env, [need], (), day)

    def _make(self, env: Path, way: Way, layout: Layout) -> tuple[str, list[str]]:
        shutil.rmtree(env, ignore_errors=True)
        tree, day = self.folder / "installing", way.day
        place(self.repository, way.candidate.commit, tree, self.folder / "installing.index")
        try:
            self._create(env)
            self._pip(env, tree, (str(tree),), day)
            notes: list[str] = []
            runner: dict[str, None] = {}
            libraries: dict[str, None] = {}
            for origin, needs in (*test_needs(tree), *older_needs(tree)):
                theirs = [found["name"] for found in map(_RUNNER.match, needs) if found]
                runner |= dict.fromkeys(name for name in theirs if "-" in name or "_" in name)
                problems = self._install(env, tree, [need for need in needs if not _RUNNER.match(need)], (), day)
                notes += [f"test needs: {origin}", *(f"test needs of {origin}: {one}" for one in problems)]
            own = {*layout.tops, *(path.stem for path in tree.iterdir())}
            places = [*(tree / file for file in way.candidate.test_files), *sorted(tree.rglob("conftest.py"))]
            for need in missing_libraries(_python(env), [path for path in places if path.is_file()], own):
                (runner if _RUNNER.match(need) else libraries)[need] = None
            problems = self._install(env, tree, list(libraries), (), day)
            had = [need for need in libraries if not any(said.startswith(f"{need} ") for said in problems)]
            notes += [f"test library: {need}" for need in had] + problems
            notes += self._install_runner(env, tree, list(runner), way)
            said = (note.replace(str(tree), ".").replace(str(env), "ENV") for note in notes)
            return self._version(env), [" ".join(note.split())[:LONGEST_NOTE] for note in said]
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            (self.folder / "installing.index").unlink(missing_ok=True)

    def _install_runner(self, env: Path, tree: Path, plugins: Sequence[str], way: Way) -> list[str]:
        """pytest and its plugins, whatever versions the project names: they must run on this interpreter."""
        pytest = "pytest>=7,<8" if way.candidate.time < OLD_PYTEST else "pytest>=7"
        fitting = None if way.day is None else max(way.day, READY)
        self._pip(env, tree, (pytest,), fitting)
        return self._install(env, tree, plugins, (pytest,), fitting)

    def _install(self, env: Path, tree: Path, needs: Sequence[str], also: Sequence[str], day: str | None) -> list[str]:
        """Install what can be had of `needs`, in halves where they cannot be had together; what could not, and why.

        also: is kept as it is. A single need that cannot be had as it is said is had in another version, or of now.
        """
        if not needs:
            return []
        if len(needs) == 1:
            return self._install_one(env, tree, needs[0], also, day)
        try:
            self._pip(env, tree, (*needs, *also), day)
        except InputError:
            half = len(needs) // 2
            halves = (needs[:half], needs[half:])
            return [one for part in halves for one in self._install(env, tree, part, also, day)]
        return []

    def _install_one(self, env: Path, tree: Path, need: str, also: Sequence[str], day: str | None) -> list[str]:
        found = _NAME.match(need)
        bare = found[0] if found else need
        problem = ""
        for one, when in dict.fromkeys(((need, day), (bare, day), (bare, None))):
            try:
                self._pip(env, tree, (one, *also), when)
                return []
            except InputError as error:
                problem = problem or f"{need} could not be installed: {error}"
        return [problem]

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
            readable=[env, _python(env).resolve().parent.parent],
        )
        return said.stdout.decode().strip()

    def _pip(self, env: Path, tree: Path, what: Iterable[str], day: str | None) -> None:
        dated = Dated(dated_pip(self.tools / "pip", self.pip_arguments), day) if day else None
        pip(
            "install",
            *("--only-binary", ONLY_BINARY),
            *what,
            cwd=tree,
            writable=[env] if tree == env else [env, tree],
            pip_arguments=self.pip_arguments,
            python=_python(env),
            limits=DATED if day else INSTALL,
            dated=dated,
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
