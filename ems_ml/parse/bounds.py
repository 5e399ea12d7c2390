"""How much of an event is kept at most, whatever a client sends: what comes after reads no more than this."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from ems_ml.parse.blocks import MESSAGE_CHARS
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame

T = TypeVar("T")

TYPE_CHARS = 200  # of a type, which keeps its end
NAME_CHARS = 500  # of a file, which keeps its end, a function, a module, a part of a fingerprint
CODE_CHARS = 2_000  # of a line of source
VALUE_CHARS = 2_000  # of an attribute
RELEASE_CHARS = 250
PACKAGE_CHARS = 100  # of an installed package's name and version
ATTRIBUTES = 200
MODULES = 5_000
CHAIN_FRAMES = 1_000  # of all causes together, the nearest first; those beyond have none
CHAIN_MESSAGES = 100_000  # characters of their messages together


def in_bounds(event: ErrorEvent) -> ErrorEvent:
    """The event with what is longer cut; the same object where nothing is."""
    changes = {
        "error": _record(event.error),
        "chain": _each(event.chain, _chain(event.chain)),
        "more": _each(event.more, [in_bounds(other) for other in event.more]),
        "release": event.release if event.release is None else event.release[:RELEASE_CHARS],
        "template": event.template if event.template is None else event.template[:MESSAGE_CHARS],
        "fingerprint": _each(event.fingerprint, [_part(part) for part in event.fingerprint]),
        "attributes": _mapping(event.attributes, ATTRIBUTES, VALUE_CHARS),
        "modules": _mapping(event.modules, MODULES, PACKAGE_CHARS),
    }
    changed = {name: value for name, value in changes.items() if value is not getattr(event, name)}
    return event.with_(**changed) if changed else event


def _record(record: ExceptionRecord) -> ExceptionRecord:
    type_, message = record.type[-TYPE_CHARS:], record.message[:MESSAGE_CHARS]
    frames = _each(record.frames, [_frame(frame) for frame in record.frames])
    if frames is record.frames and type_ == record.type and message == record.message:
        return record
    return replace(record, type=type_, message=message, frames=frames)


def _chain(chain: tuple[ExceptionRecord, ...]) -> list[ExceptionRecord]:
    frames, messages, found = CHAIN_FRAMES, CHAIN_MESSAGES, []
    for record in map(_record, chain):
        if len(record.frames) > frames or len(record.message) > messages:
            record = replace(
                record,
                frames=record.frames if len(record.frames) <= frames else (),
                message=record.message[:messages],
            )
        frames -= len(record.frames)
        messages -= len(record.message)
        found.append(record)
    return found


def _frame(frame: Frame) -> Frame:
    longest = max(len(frame.file), len(frame.function), len(frame.module or ""), len(frame.code or "") // 4)
    if longest <= NAME_CHARS:
        return frame
    return replace(
        frame,
        file=frame.file[-NAME_CHARS:],
        function=frame.function[:NAME_CHARS],
        module=frame.module if frame.module is None else frame.module[:NAME_CHARS],
        code=frame.code if frame.code is None else frame.code[:CODE_CHARS].strip() or None,
    )


def _part(part: str) -> str:
    """A long part keeps telling itself apart from others that begin as it does."""
    if len(part) <= NAME_CHARS:
        return part
    return f"{part[: NAME_CHARS - 17]}#{hashlib.sha256(part.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _mapping(given: Mapping[str, str], most: int, characters: int) -> Mapping[str, str]:
    if len(given) <= most and all(len(key) <= characters and len(value) <= characters for key, value in given.items()):
        return given
    return {key[:characters]: value[:characters] for key, value in list(given.items())[:most]}


def _each(before: tuple[T, ...], after: list[T]) -> tuple[T, ...]:
    """`before` where nothing in it changed."""
    return before if all(one is other for one, other in zip(before, after, strict=True)) else tuple(after)
