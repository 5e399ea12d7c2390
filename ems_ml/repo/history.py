"""The past of a repository: who wrote a line, and how files would stand without one commit. Nothing is written.

Blame, three-way merge and reversed patches are git's own; nothing of it is done again here.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ems_ml.errors import RepositoryError
from ems_ml.ports import Undone
from ems_ml.repo.git import git, git_bytes
from ems_ml.repo.text import decode
from ems_ml.types import Commit, SourceFile

log = logging.getLogger(__name__)

SECONDS = 20.0  # for each question; a history that takes longer has no answer
AROUND = 3  # lines above and below the one that is asked for
MOST_FILES = 40  # that a commit may change and still be undone
MOST_COMPARED = 30  # earlier commits of the same files that a commit may be the undoing of
_FORMAT = "--format=%H%x01%P%x01%cI%x01%s"
_BLAMED = re.compile(rb"^([0-9a-f]{40,64}) \d+ (\d+)", re.MULTILINE)
_ONLY_REMOVES = re.compile(rb"^@@ -\S+ \+\d+,0 @@", re.MULTILINE)


class NoHistory:
    """The past of what has none (implements `ports.History`)."""

    suspects: tuple[Commit, ...] = ()

    def touched(self, path: str, line: int, *, most: int) -> tuple[Commit, ...]:
        return ()

    def undone(self, commit: Commit) -> Undone:
        return Undone(commit=commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHistory:
    """The past of one commit of a git repository (implements `ports.History`).

    `leave` says of a path whether it is never undone: a test is not, because it judges.
    """

    root: Path
    base: str  # the commit that is looked back from
    leave: Callable[[str], bool] = lambda path: False
    suspects: tuple[Commit, ...] = ()

    def touched(self, path: str, line: int, *, most: int) -> tuple[Commit, ...]:
        """See `ports.History`. The line's own commit first, then those of its neighbours, the newest first."""
        found: list[Commit] = []
        with _unanswered(f"who wrote {path}:{line}"):
            first = max(1, line - AROUND)
            said = self._git(
                "blame", "--porcelain", "--no-textconv", f"-L{first},+{2 * AROUND + 1}", self.base, "--", path
            )
            by_line = {int(number): commit.decode() for commit, number in _BLAMED.findall(said)}
            near = sorted(self._commits(dict.fromkeys(by_line.values())), key=lambda one: one.time, reverse=True)
            found += sorted(near, key=lambda one: one.id != by_line.get(line))
        with _unanswered(f"the commits of {path}"):
            found += read_commits(self._git("log", f"--max-count={most}", _FORMAT, self.base, "--", path))
        return tuple(dict.fromkeys(one for one in found if one.parents))[:most]

    def undone(self, commit: Commit) -> Undone:
        """See `ports.History`: by three-way merge, else by the reversed patch with less of its surroundings.

        A merge is taken back against its first parent. Files that the commit added stay, those that it removed come
        back; other than Python files that changed too much since stay as they are.
        """
        files: list[SourceFile] = []
        restored: list[str] = []
        left: list[str] = []
        with _unanswered(f"how it was before {commit.short}"):
            for path, there in self._changed(commit).items():
                text = self._without(commit, path) if there else self._removed(commit, path)
                if text is not None:
                    files.append(SourceFile(path=path, text=text))
                    restored += [] if there else [path]
                elif path.endswith(".py"):
                    left.append(path)
        return Undone(commit=commit, files=tuple(files), restored=tuple(restored), left=tuple(left))

    def _changed(self, commit: Commit) -> dict[str, bool]:
        """The files that the commit changed or removed and that may be undone, with whether they are there today."""
        if not commit.parents:
            return {}
        names = ("--no-renames", "--name-status", "--diff-filter=MD", "-z")
        said = self._git("diff-tree", "-r", *names, commit.parents[0], commit.id).decode("utf-8", "surrogateescape")
        fields = said.split("\0")
        kinds = {path: kind for kind, path in zip(fields[::2], fields[1::2], strict=False) if not self.leave(path)}
        if not kinds or len(kinds) > MOST_FILES:
            return {}
        today = self._git("ls-tree", "-r", "-z", "--name-only", self.base, "--", *kinds)
        there = frozenset(today.decode("utf-8", "surrogateescape").split("\0"))
        return {path: kind == "M" for path, kind in kinds.items() if (path in there) == (kind == "M")}

    def _removed(self, commit: Commit, path: str) -> str | None:
        """The text of a file that the commit removed; None where it is not plain UTF-8."""
        decoded = decode(self._git("cat-file", "blob", f"{commit.parents[0]}:{path}"))
        return decoded.text if decoded and decoded.encoding in ("utf-8", "ascii") and not decoded.bom else None

    def _without(self, commit: Commit, path: str) -> str | None:
        """The file's text today with what the commit did to it taken back, None where that does not come out."""
        today, after, before = (
            self._git("cat-file", "blob", f"{at}:{path}") for at in (self.base, commit.id, commit.parents[0])
        )
        with tempfile.TemporaryDirectory(prefix="ems-undo-") as name:
            folder = Path(name).resolve()
            for file, content in (("today", today), ("after", after), ("before", before)):
                (folder / file).write_bytes(content)
            merged = _asked("merge-file", "-p", "--quiet", "today", "after", "before", folder=folder)
            if merged is None:
                merged = self._patched(commit, path, today, folder)
        decoded = decode(merged) if merged is not None and merged != today else None
        return decoded.text if decoded else None

    def _patched(self, commit: Commit, path: str, today: bytes, folder: Path) -> bytes | None:
        """The reversed patch, also where neighbouring lines have changed since.

        A hunk that only removed lines has nothing but its neighbours to be put back by, so one on each side must stand.
        """
        between = ("diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/")
        ends = (commit.parents[0], commit.id, "--", path)
        loose = "-C1" if _ONLY_REMOVES.search(self._git(*between, "-U0", *ends)) else "-C0"
        place = folder / "tree" / path
        place.parent.mkdir(parents=True)
        place.write_bytes(today)
        patch = self._git(*between, "-U3", *ends)
        arguments = ("apply", "-R", loose, "--whitespace=nowarn", "-")
        done = _asked(*arguments, folder=folder / "tree", stdin=patch)
        return None if done is None else place.read_bytes()

    def _commits(self, ids: Sequence[str] | dict[str, None]) -> list[Commit]:
        return read_commits(self._git("log", "--no-walk=unsorted", _FORMAT, *ids)) if ids else []

    def _git(self, *arguments: str) -> bytes:
        return git_bytes(*arguments, cwd=self.root, seconds=SECONDS)


def read_commits(said: bytes) -> list[Commit]:
    """Commits out of what git prints by `_FORMAT`, in its order."""
    fields = [line.split("\x01", 3) for line in said.decode("utf-8", "replace").split("\n") if line.count("\x01") > 2]
    return [Commit(id=id_, subject=subject, time=time, parents=tuple(up.split())) for id_, up, time, subject in fields]


def main_line(root: Path, since: str, *, most: int, until: str | None = None) -> list[Commit]:
    """The commits from `since` back along first parents, the newest first; `until` and what it holds are left out.

    A merge is one commit here. Of a shallow clone the line ends where the clone does. Raises `RepositoryError`.
    """
    left_out = [f"^{until}"] if until else []
    said = git_bytes("log", "--first-parent", f"--max-count={most}", _FORMAT, since, *left_out, cwd=root)
    return read_commits(said)


def is_shallow(root: Path) -> bool:
    """Whether the older part of the history is missing here."""
    return git("rev-parse", "--is-shallow-repository", cwd=root) == "true"


def undoes(root: Path, commit: str, parent: str, paths: Sequence[str]) -> str | None:
    """The id of the earlier commit that `commit` takes back to the letter in these files (blanks aside), if any.

    The latest `MOST_COMPARED` commits that changed the files before are compared, by git's own patch ids.
    """
    plain = ("--no-ext-diff", "--no-textconv", "--no-renames", "--no-prefix", "-p")
    with _unanswered(f"what {commit[:10]} undoes"):
        here = git_bytes("diff-tree", *plain, parent, commit, "--", *paths, cwd=root, seconds=SECONDS)
        wanted = git_bytes("patch-id", "--stable", cwd=root, stdin=here).split()[:1]
        earlier = git_bytes(
            *("log", "-R", *plain, "--no-merges", f"--max-count={MOST_COMPARED}", "--format=commit %H", parent, "--"),
            *paths,
            cwd=root,
            seconds=SECONDS,
        )
        known = git_bytes("patch-id", "--stable", cwd=root, stdin=earlier).split()
        for patch, by in zip(known[::2], known[1::2], strict=False):
            if [patch] == wanted:
                return by.decode()
    return None


def _asked(*arguments: str, folder: Path, stdin: bytes = b"") -> bytes | None:
    """What git answers on plain files in a folder outside of any repository; None where it refuses (a conflict)."""
    try:
        alone = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
        return git_bytes(*arguments, cwd=folder, env=alone, stdin=stdin, seconds=SECONDS)
    except RepositoryError:
        return None


@contextlib.contextmanager
def _unanswered(question: str) -> Iterator[None]:
    """What git cannot tell (a blob that a partial clone lacks, a history that is too long) is logged and left out."""
    try:
        yield
    except RepositoryError as error:
        log.info("git does not tell %s: %s", question, error)
