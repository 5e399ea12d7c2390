"""The files of one commit in a temporary folder, to change and test there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ems_ml.errors import RepositoryError
from ems_ml.repo.git import git, git_bytes
from ems_ml.repo.text import decode

# Built files that git ignores and without which a package often cannot be imported.
BUILT_SUFFIXES = (".so", ".pyd")
BUILT_NAMES = ("_version.py", "version.py", "__version__.py")


@dataclass(slots=True)
class Worktree:
    """A detached checkout. `tree` holds the files; the index lies beside it; the repository is only read."""

    folder: Path
    git_dir: Path
    base: str  # id of the commit
    origin: Path  # the user's work tree, from which built files are copied
    built: tuple[str, ...] = ()  # such files
    _writes: int = field(default=0)
    _created: list[str] = field(default_factory=list)  # files that the commit does not have

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def fill(self) -> None:
        """Check the commit out, and copy built files (see `BUILT_SUFFIXES`) that lie beside tracked ones."""
        self.tree.mkdir()
        self._git("read-tree", self.base)
        self._git("checkout-index", "--all", "--force", "--quiet", "--index")
        self.built = tuple(self._copy_built())

    def take(self, commit: str, wanted: Callable[[str], bool]) -> None:
        """Put the files for which `wanted` holds as they stand in another commit; such files it lacks go."""
        own = [path for path in self._git("ls-files", "-z").split("\0") if path and wanted(path)]
        listed = [entry for entry in self._git("ls-tree", "-r", "-z", commit).split("\0") if entry]
        theirs = [entry for entry in listed if wanted(entry.partition("\t")[2]) and not entry.startswith("160000")]
        for path in own:
            (self.tree / path).unlink(missing_ok=True)
        self._feed("update-index", "-z", "--force-remove", "--stdin", entries=own)
        self._feed("update-index", "-z", "--index-info", entries=theirs)
        paths = [entry.partition("\t")[2] for entry in theirs]
        self._feed("checkout-index", "--force", "--quiet", "--index", "-z", "--stdin", entries=paths)

    def read(self, path: str) -> str | None:
        """The text of a file in the tree, None where it is not there or not text."""
        place = self._place(path)
        if not place.is_file():
            return None
        decoded = decode(place.read_bytes())
        return decoded.text if decoded else None

    def write(self, path: str, text: str) -> None:
        """Replace a file's text; its encoding, BOM, CRLF line ends and mode stay.

        Raises `RepositoryError` for a path that leaves the tree, a file that is not there or not text, and a
        character that the file's encoding does not have.
        """
        place = self._place(path)
        decoded = decode(place.read_bytes()) if place.is_file() else None
        if decoded is None:
            raise RepositoryError(f"{path} is not a text file of this repository", hint="check the path")
        try:
            data = decoded.encode(text)
        except UnicodeEncodeError as error:
            raise RepositoryError(f"{path}: {error}", hint=f"the file is written in {decoded.encoding}") from error
        place.write_bytes(data)
        # Python trusts a compiled file by the source's size and whole second: give each write a second of its own.
        self._writes += 1
        moment = int(place.stat().st_mtime) + self._writes
        os.utime(place, (moment, moment))

    def create(self, path: str, text: str) -> None:
        """Write a file that the commit does not have, in UTF-8.

        Raises `RepositoryError` for a path that leaves the tree and for one that is there already.
        """
        place = self._place(path)
        if place.exists() or place.is_symlink():
            raise RepositoryError(f"{path} is there already", hint="write it instead")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8"))
        self._git("add", "--force", "--intent-to-add", "--", f":(literal){path}")
        self._created.append(path)

    def reset(self) -> None:
        """Undo every change: tracked files as in the commit, files that tests left behind removed."""
        self._feed("update-index", "-z", "--force-remove", "--stdin", entries=self._created)
        for path in self._created:
            (self.tree / path).unlink(missing_ok=True)
        self._created.clear()
        changed = self._git("diff-files", "--name-only", "-z").split("\0")
        self._git("checkout-index", "--all", "--force", "--quiet", "--index")
        for path in filter(None, changed):
            place = self.tree / path
            if place.is_file() and not place.is_symlink():
                self._writes += 1
                moment = int(place.stat().st_mtime) + self._writes
                os.utime(place, (moment, moment))
        self._git("update-index", "-q", "--refresh", check=False)
        for path in self._git("ls-files", "-z", "--others", "--exclude-standard").split("\0"):
            if path and path not in self.built:
                (self.tree / path).unlink(missing_ok=True)

    def diff(self) -> str:
        """What differs from the commit, as `git apply` takes it at the root. "" where nothing does.

        A diff that is not UTF-8 (a file in another encoding) is given in git's binary form, which is ASCII.
        """
        plain = self._diff_bytes(())
        try:
            return plain.decode("utf-8")
        except UnicodeDecodeError:
            attributes = self.folder / "attributes"
            attributes.write_text("* -diff\n")
            return self._diff_bytes((f"core.attributesFile={attributes}",)).decode("utf-8")

    def write_tree(self) -> str:
        """The id of a git tree with the tracked files as they stand here; its objects go into the repository."""
        self._git("add", "--update", ".")
        return self._git("write-tree")

    def _diff_bytes(self, settings: tuple[str, ...]) -> bytes:
        flags = ["--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--full-index", "--binary"]
        prefixes = ["--src-prefix=a/", "--dst-prefix=b/", "-U3"]
        before = [part for setting in settings for part in ("-c", setting)]
        return git_bytes(*before, "diff", *flags, *prefixes, cwd=self.tree, env=self._environment)

    @property
    def _environment(self) -> Mapping[str, str]:
        return {
            "GIT_DIR": str(self.git_dir),
            "GIT_WORK_TREE": str(self.tree),
            "GIT_INDEX_FILE": str(self.folder / "index"),
        }

    def _git(self, *arguments: str, check: bool = True) -> str:
        answer = git_bytes(*arguments, cwd=self.tree, env=self._environment, check=check)
        return answer.decode("utf-8", "surrogateescape").rstrip("\n")

    def _feed(self, *arguments: str, entries: Sequence[str]) -> None:
        told = "".join(f"{entry}\0" for entry in entries).encode("utf-8", "surrogateescape")
        git_bytes(*arguments, cwd=self.tree, env=self._environment, stdin=told)

    def _place(self, path: str) -> Path:
        pure = PurePosixPath(path)
        place = self.tree / pure
        outside = pure.is_absolute() or ".." in pure.parts or not place.resolve().is_relative_to(self.tree)
        if outside or place.is_symlink():
            raise RepositoryError(f"{path} leaves the repository", hint="give a path inside the repository")
        return place

    def _copy_built(self) -> list[str]:
        listed = git("ls-files", "-z", "--others", "--ignored", "--exclude-standard", cwd=self.origin)
        copied = []
        for path in listed.split("\0"):
            name = PurePosixPath(path).name
            wanted = name.endswith(BUILT_SUFFIXES) or name in BUILT_NAMES
            source, target = self.origin / path, self.tree / path
            if wanted and target.parent.is_dir() and source.is_file() and not source.is_symlink():
                shutil.copy2(source, target)
                copied.append(path)
        return sorted(copied)
