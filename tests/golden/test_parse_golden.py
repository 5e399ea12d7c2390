"""Texts beside what is read from them: `parse_cases/NAME.txt` and `parse_cases/NAME.json`.

A frame is written `file:line function [role] source`, so that a reader can judge it at a glance.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, RawReport

CASES = Path(__file__).parent / "parse_cases"


def told(event: ErrorEvent) -> dict[str, Any]:
    found: dict[str, Any] = {"language": event.language, "error": told_record(event.error)}
    if event.chain:
        found["chain"] = [{"relation": record.relation, **told_record(record)} for record in event.chain]
    if event.more:
        found["more"] = [told(other) for other in event.more]
    return found


def told_record(record: ExceptionRecord) -> dict[str, Any]:
    return {"type": record.type, "message": record.message, "frames": [told_frame(frame) for frame in record.frames]}


def told_frame(frame: Frame) -> str:
    repeated = f" (+{frame.repeated} times)" if frame.repeated else ""
    return f"{frame.file}:{frame.line} {frame.function} [{frame.role}]{repeated} {frame.code or ''}".rstrip()


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_text_is_read_as_written_beside_it(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    event = ParserChain(default_parsers()).parse(RawReport(text=text))
    assert told(event) == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
