"""Small git projects with a fault in them, and toy strategies that mend by replacing text."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ems_ml.ports import SourceTree
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Injection, Proposal, RankedStrategy

COUNTING = {
    "counting.py": "def last(values):\n    return values[len(values)]\n\n\ndef first(values):\n    return values[0]\n",
    "test_counting.py": (
        "from counting import first, last\n\n\n"
        "def test_last():\n    assert last([1, 2, 3]) == 3\n\n\n"
        "def test_first():\n    assert first([1, 2, 3]) == 1\n"
    ),
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "core.autocrlf=false", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def project(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A git repository with `files`, committed."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Start")
    return folder


def snapshot(folder: Path) -> dict[str, str]:
    """Every file of the work tree and of .git (without reflogs of branches and loose objects), by content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith((".git/objects/", ".git/logs/refs/", ".git/refs/heads/ems")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir() and not name.startswith((".git/objects", ".git/logs/refs", ".git/refs/heads")):
            found[name] = "folder"
    return found


def event(type_: str, message: str, *frames: tuple[str, str, int | None]) -> ErrorEvent:
    """An event with frames of (file, function, line)."""
    made = tuple(Frame(file=file, function=function, line=line) for file, function, line in frames)
    return ErrorEvent(id=f"{type_}-1", error=ExceptionRecord(type=type_, message=message, frames=made))


def event_of(error: BaseException) -> ErrorEvent:
    """The event of an exception that was really raised."""
    stack = traceback.extract_tb(error.__traceback__)
    frames = tuple(Frame(file=f.filename, function=f.name, line=f.lineno, code=f.line) for f in stack)
    return ErrorEvent(id="live", error=ExceptionRecord(type=type(error).__name__, message=str(error), frames=frames))


@dataclass(frozen=True)
class Replace:
    """A toy strategy: proposes each of some texts in place of another, in the innermost own file that has it."""

    name: str
    old: str
    new: tuple[str, ...]

    def recognise(self, before: str, after: str) -> float:
        return 1.0 if any(before.replace(self.old, new) == after for new in self.new) else 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        return iter(())

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for frame in reversed(event.error.frames):
            found = source.find(frame)
            if found is not None and self.old in found.text:
                for rank, new in enumerate(self.new):
                    text = found.text.replace(self.old, new)
                    summary = f"Write {new.strip().splitlines()[0]}" if new.strip() else "Drop it"
                    yield Proposal(
                        strategy=self.name, path=found.path, source=text, summary=summary, score=0.9 - 0.1 * rank
                    )
                return


def ranked(*names: str) -> tuple[RankedStrategy, ...]:
    """The names with falling probabilities."""
    weights = [2.0**-rank for rank in range(len(names))]
    return tuple(
        RankedStrategy(name=name, probability=weight / sum(weights))
        for name, weight in zip(names, weights, strict=True)
    )


PYTHON = sys.executable
