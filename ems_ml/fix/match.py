"""Whether what failed in a test is the error that was reported, told by type and place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ems_ml.fix.command import is_test_path
from ems_ml.fix.runs import Failure
from ems_ml.ports import SourceTree
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role

_RUNNERS = re.compile(r"/(?:_pytest|pytest|pluggy|unittest|xdist)/|ems_recorder\.py$|/runpy\.py$|importlib")
_INSTALLED = re.compile(r"/(?:site|dist)-packages/")
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\d+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the repository an exception came from: its innermost frame in the project's own files."""

    path: str
    function: str

    def same(self, other: Place) -> bool:
        """Equal files, and functions that are equal or not comparable (a comprehension is a function of its own
        in some versions of Python and not in others)."""
        if self.path != other.path:
            return False
        names = {self.function.rsplit(".", 1)[-1], other.function.rsplit(".", 1)[-1]}
        return len(names) == 1 or any(not name or (name.startswith("<") and name != "<module>") for name in names)


def locate(record: ExceptionRecord, source: SourceTree) -> ExceptionRecord:
    """`record` with the frames that lie in `source` named by their path there, marked as the project's own, and
    given their line's text."""
    return replace(record, frames=tuple(_locate_frame(frame, source) for frame in record.frames))


def localise(event: ErrorEvent, source: SourceTree) -> ErrorEvent:
    """`event` with error and chain located in `source`."""
    return event.with_(error=locate(event.error, source), chain=tuple(locate(each, source) for each in event.chain))


def place(record: ExceptionRecord) -> Place | None:
    """The innermost own frame of a located record; a test's where there is no other."""
    for role in (Role.APP, Role.TEST):
        for frame in reversed(record.frames):
            if frame.role is role:
                return Place(frame.file, frame.function)
    return None


@dataclass(frozen=True, slots=True)
class Match:
    """A test's failure that is the reported error. `error` and `chain` are located in the source tree."""

    failure: Failure
    error: ExceptionRecord
    chain: tuple[ExceptionRecord, ...]


def matches(event: ErrorEvent, failures: Iterable[Failure], source: SourceTree) -> list[Match]:
    """The failures that are `event` (already localised).

    The same exception type raised from the same function of the same file, where the reported exception may stand
    anywhere in a test's chain; failing that, the same for a reported cause. An event without any frame is known
    by its type and message.
    """
    located = [(failure, tuple(locate(each, source) for each in failure.chain)) for failure in failures]
    for wanted in (event.error, *event.chain):
        found = []
        for failure, chain in located:
            for index, record in enumerate(chain):
                if _same(wanted, record):
                    found.append(Match(failure, record, chain[index + 1 :]))
                    break
        if found:
            return found
    return []


def outside(event: ErrorEvent, failures: Iterable[Failure]) -> str | None:
    """A file outside of the tree that raised what looks like `event`: the tests do not import the tested copy."""
    wanted = place(event.error)
    if wanted is None:
        return None
    for failure in failures:
        for record in failure.chain:
            for frame in record.frames:
                file = frame.file.replace("\\", "/")
                if (
                    record.short_type == event.error.short_type
                    and file.endswith("/" + wanted.path)
                    and Place(wanted.path, frame.function).same(wanted)
                ):
                    return frame.file
    return None


def in_output(event: ErrorEvent, output: str) -> bool:
    """Whether a command's output shows the (localised) event: its type's line, and its place's frame."""
    name = re.escape(event.error.short_type)
    if not event.error.type or not re.search(rf"^[\s|E>]*(?:[\w.]+\.)?{name}(?::|\s*$)", output, re.MULTILINE):
        return False
    wanted = place(event.error)
    if wanted is None:
        return _plain(event.error.message) in _plain(output)
    pattern = rf'File "[^"\n]*{re.escape(wanted.path)}", line \d+, in (?P<function>\S+)'
    found = [Place(wanted.path, match["function"]) for match in re.finditer(pattern, output)]
    return any(each.same(wanted) for each in found)


def reproduced(event: ErrorEvent, match: Match) -> ErrorEvent:
    """The event as the test raised it, on the code as it is now: lines and frames are exact."""
    return event.with_(error=replace(match.error, relation=None), chain=match.chain)


def own_files(records: Sequence[ExceptionRecord]) -> tuple[str, ...]:
    """Files of the repository in located records, innermost first."""
    found = [
        frame.file for record in records for frame in reversed(record.frames) if frame.role in (Role.APP, Role.TEST)
    ]
    return tuple(dict.fromkeys(found))


def _same(wanted: ExceptionRecord, record: ExceptionRecord) -> bool:
    if wanted.short_type != record.short_type:
        return False
    here, there = place(wanted), place(record)
    if here is None:
        return not wanted.frames and _plain(wanted.message) == _plain(record.message)
    return there is not None and here.same(there)


def _plain(text: str) -> str:
    return _VARIABLE.sub("#", " ".join(text.split()))


def _locate_frame(frame: Frame, source: SourceTree) -> Frame:
    found = source.find(frame)
    if found is None:
        file = frame.file.replace("\\", "/")
        role = frame.role
        if role in (Role.APP, Role.TEST):
            installed = Role.LIBRARY if _INSTALLED.search(file) else Role.STDLIB
            role = Role.RUNNER if _RUNNERS.search(file) else installed
        return replace(frame, role=role, in_app=False)
    role = Role.TEST if is_test_path(found.path) else Role.APP
    lines = found.text.splitlines()
    line, code = frame.line, frame.code
    if line is not None:
        here = lines[line - 1].strip() if 0 < line <= len(lines) else None
        if code is None or (here is not None and here == code.strip()):
            code = here
        else:  # the trace is of another version: its line has moved, or is gone
            moved = [number for number, text in enumerate(lines, 1) if text.strip() == code.strip()]
            line = min(moved, key=lambda number: abs(number - (frame.line or 0))) if moved else line
    return replace(frame, file=found.path, role=role, in_app=role is Role.APP, line=line, code=code)
