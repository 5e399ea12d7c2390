"""What of an error speaks for one fix or another, as named features. Names are words a person can read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from ems_ml.types import FrameKey, Role, Signature

_WORD = re.compile(r"<\w+>|[A-Za-z_]{2,}")
_NONE = "'NoneType'"
OUTER = 2  # frames above the raise point whose line is looked at
PLACES = 3  # of the application's frames, those nearest the raise point


def features_of(signature: Signature) -> dict[str, float]:
    """Name -> value, values in [0, 1]. The order is fixed; no file, function or project name is in it."""
    found: dict[str, float] = {}
    for name in _named(signature):
        found[name] = 1.0
    return found


def _named(signature: Signature) -> Iterator[str]:
    yield f"exception type {signature.type or '(none)'}"
    for kind in signature.types[1:3]:
        yield f"caused by {kind}"
    yield from _message(signature)
    frames = signature.frames
    if not frames:
        return
    yield from _line("raising line", frames[-1])
    yield f"exception type {signature.type} and raising line {_statement(frames[-1])}"
    own = [frame for frame in frames if frame.in_app]
    if own and own[-1] is not frames[-1]:
        yield "raised below the application's own code"
        yield from _line("application's line", own[-1])
    for depth, frame in enumerate(reversed(frames[-1 - OUTER : -1]), start=1):
        yield from (f"line {depth} above: {token}" for token in sorted(set(frame.shape)))
    yield f"raised in {_role(frames[-1])} code"
    yield f"{'few' if len(frames) <= 2 else 'some' if len(frames) <= 6 else 'many'} frames"
    if signature.in_test:
        yield "raised in a test"
    yield from _function(frames[-1])


def _message(signature: Signature) -> Iterator[str]:
    words = [word.lower() for word in _WORD.findall(signature.template)][:40]
    for word in words:
        yield f"message says {word}"
    for one, two in itertools.pairwise(words):
        yield f"message says {one} {two}"
    if _NONE in signature.message:
        yield "message is about None"
    if not signature.message:
        yield "no message"
    if signature.type == "KeyError":
        yield f"key is a {_key_kind(signature.message)}"


def _key_kind(message: str) -> str:
    if message[:1] in "'\"":
        return "string"
    return "number" if message.lstrip("-").isdigit() else "thing of another type"


def _line(where: str, frame: FrameKey) -> Iterator[str]:
    shape = frame.shape
    if not shape:
        yield f"{where} unknown"
        return
    yield f"{where}: {_statement(frame)}"
    for token in sorted(set(shape)):
        yield f"{where} has {token}"
    for one, two in sorted(set(itertools.pairwise(shape))):
        yield f"{where} has {one} {two}"
    if shape[0] == "raise":
        yield f"{where} raises on purpose"


def _statement(frame: FrameKey) -> str:
    return " ".join(frame.shape[:2]) if frame.shape else "unknown"


def _role(frame: FrameKey) -> str:
    return (
        "application"
        if frame.in_app
        else {Role.TEST: "test", Role.STDLIB: "standard library"}.get(frame.role, "library")
    )


def _function(frame: FrameKey) -> Iterator[str]:
    name = frame.function
    if name.startswith("__") and name.endswith("__"):
        yield f"in method {name}"
    elif name in ("<module>", "<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>"):
        yield f"in {name}"


def places_of(signature: Signature) -> tuple[str, ...]:
    """Where in a team's own code it happened, as features that mean something in that code alone.

    The shipped models know none of them; a model that is fitted to a team's own errors may.
    """
    own = [frame for frame in signature.frames if frame.in_app][-PLACES:]
    found: dict[str, None] = {}
    for frame in reversed(own):
        folder, _, file = frame.file.rpartition("/")
        for name in (f"at {frame.file}" if file else "", f"at {frame.function}()", f"at {folder}/" if folder else ""):
            if name:
                found[name] = None
    return tuple(found)


def matrix_columns(signatures: Sequence[Signature], columns: dict[str, int]) -> list[list[int]]:
    """For each signature the columns of those of its features that are known."""
    return [
        sorted(columns[name] for name in (*features_of(one), *places_of(one)) if name in columns) for one in signatures
    ]
