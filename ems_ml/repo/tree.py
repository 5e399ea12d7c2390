"""A folder of source files, and which of them a frame from any machine means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from ems_ml.ports import History
from ems_ml.repo.history import NoHistory
from ems_ml.repo.text import decode
from ems_ml.types import Frame, SourceFile

IGNORED = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", ".eggs", "node_modules", "site-packages", "__pycache__"}
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"}
)
IGNORED_UNLESS_PACKAGE = frozenset({"build", "dist"})
MAX_BYTES = 4_000_000
MAX_FILES = 200_000

_INSTALLED = re.compile(r"(?:^|/)(?:site-packages|dist-packages)/(?P<rest>.+)$")
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_STDLIB_PYTHON = re.compile(r"/(?:lib|lib64)/(?:python|pypy)\d(?:\.\d+)?t?/")


class DirectoryTree:
    """Read-only access to the files below a folder (implements `ports.SourceTree` and `ports.HasHistory`).

    Paths are relative to the root, with forward slashes. Nothing outside of the root is ever read: not through
    `..`, not through symbolic links. The list of files is made once, at its first use. `history`: the past of these
    files, where it is known.
    """

    def __init__(self, root: Path | str, *, history: History | None = None) -> None:
        self.root = Path(root).resolve()
        self.history: History = history or NoHistory()

    def paths(self) -> Iterable[str]:
        """All files, sorted; environments, caches and built folders left out."""
        return self._paths

    def read(self, path: str) -> str | None:
        """A file's text as it stands (line ends kept, no BOM); None where it is not there, outside, or not text."""
        place = self._inside(path)
        if place is None or place.stat().st_size > MAX_BYTES:
            return None
        decoded = decode(place.read_bytes())
        return decoded.text if decoded else None

    def find(self, frame: Frame) -> SourceFile | None:
        """The file of this tree that `frame.file` means, whatever the machine it was reported from.

        The longest matching end of the path decides (`C:\\ci\\src\\pkg\\mod.py` means `src/pkg/mod.py`). A path in
        site-packages must agree from there on, one in Python's own library never fits. Where two files fit as
        well, or a bare file name is all that fits, the function's name and the line's text must stand in the file.
        """
        reported = _clean(frame.file)
        if reported is None:
            return None
        own = self._own(reported)
        if own is not None:
            return self._file(own)
        installed = _INSTALLED.search(reported)
        if installed is None and _STDLIB_PYTHON.search(reported):
            return None
        wanted = tuple((installed["rest"] if installed else reported).strip("/").split("/"))
        scored = [(_common_end(wanted, tuple(path.split("/"))), path) for path in self._by_name.get(wanted[-1], ())]
        if installed:
            scored = [(n, path) for n, path in scored if self._import_path(path) == wanted]
        if not scored:
            return None
        longest = max(n for n, _ in scored)
        best = [path for n, path in scored if n == longest]
        whole = longest >= min(len(self._import_path(path)) for path in best)
        if len(best) == 1 and whole and (longest > 1 or installed or len(wanted) == 1 or not _says_more(frame)):
            return self._file(best[0])
        agreeing = [(self._agreement(path, frame), path) for path in best]
        top = max(score for score, _ in agreeing)
        chosen = [path for score, path in agreeing if score == top]
        return self._file(chosen[0]) if top > 0 and len(chosen) == 1 else None

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        found: list[str] = []
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not _ignored(Path(folder) / name))
            for name in files:
                place = Path(folder) / name
                if place.is_symlink() and not place.resolve().is_relative_to(self.root):
                    continue
                found.append(place.relative_to(self.root).as_posix())
            if len(found) > MAX_FILES:
                break
        return tuple(sorted(found))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self._paths:
            found.setdefault(path.rsplit("/", 1)[-1], []).append(path)
        return found

    def _inside(self, path: str) -> Path | None:
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts or "\0" in path:
            return None
        try:
            place = (self.root / pure).resolve()
            return place if place.is_relative_to(self.root) and place.is_file() else None
        except (OSError, RuntimeError):  # a name too long, a circle of links
            return None

    def _file(self, path: str) -> SourceFile | None:
        text = self.read(path)
        return None if text is None else SourceFile(path=path, text=text)

    def _own(self, reported: str) -> str | None:
        """The path where it already names a file of this very tree: relative to the root, or absolute below it."""
        place = Path(reported)
        if place.is_absolute():
            for root in (self.root.as_posix(), os.path.abspath(self.root)):
                if reported.startswith(root + "/"):
                    reported = reported[len(root) + 1 :]
                    break
            else:
                return None
        return reported if reported in self._set else None

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self._paths)

    def _import_path(self, path: str) -> tuple[str, ...]:
        """From the topmost package on: `src/pkg/mod.py` -> ("pkg", "mod.py")."""
        parts = path.split("/")
        start = len(parts) - 1
        while start > 0 and "/".join([*parts[:start], "__init__.py"]) in self._set:
            start -= 1
        return tuple(parts[start:])

    def _agreement(self, path: str, frame: Frame) -> int:
        """How much of what the frame says stands in the file: the line at its place, somewhere, the function."""
        text = self.read(path)
        if text is None:
            return 0
        score = 0
        lines = [line.strip() for line in text.splitlines()]
        code = (frame.code or "").strip()
        if code and frame.line is not None and 0 < frame.line <= len(lines) and lines[frame.line - 1] == code:
            score += 4
        elif code and code in lines:
            score += 2
        function = frame.function.rsplit(".", 1)[-1]
        if function == "<module>":
            score += 0 if code else 1
        elif function and function in _functions(text):
            score += 1
        return score


def _says_more(frame: Frame) -> bool:
    return bool(frame.code or frame.function)


def _clean(file: str) -> str | None:
    """A reported path with forward slashes and without drive, `.` and `..`; None for `<string>` and the like."""
    path = file.strip().removeprefix("file://")
    if not path or path.startswith("<") or "\0" in path:
        return None
    if "\\" in path and (re.match(r"[A-Za-z]:\\", path) or "/" not in path):
        path = path.replace("\\", "/")
    path = re.sub(r"^[A-Za-z]:(?=/)", "", path)
    absolute = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return ("/" if absolute else "") + "/".join(parts) if parts else None


def _common_end(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        count += 1
    return count


def _ignored(folder: Path) -> bool:
    name = folder.name
    if name in IGNORED or name.endswith(".egg-info") or folder.is_symlink() or (folder / "pyvenv.cfg").is_file():
        return True
    return name in IGNORED_UNLESS_PACKAGE and not (folder / "__init__.py").is_file()


def _functions(text: str) -> frozenset[str]:
    """Names of all functions and classes that a text defines."""
    return frozenset(_DEFINITION.findall(text))
