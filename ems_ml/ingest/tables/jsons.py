"""JSON lines, and JSON documents that hold a list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ems_ml.errors import InputError, TooLarge
from ems_ml.ingest.files import FILE_LIMIT, decode
from ems_ml.ingest.tables.flat import flat, is_event
from ems_ml.ingest.tables.text import BROKEN, lines, opened
from ems_ml.ingest.tables.types import Remark, Row


def json_line_rows(path: Path, *, encoding: str | None = None) -> Iterator[Row | Remark]:
    """A row for each line that is a JSON object; blank lines are passed over."""
    for one in lines(path, encoding=encoding):
        if isinstance(one, Remark):
            yield one
            continue
        if not one.text.strip():
            continue
        if one.remark:
            yield Remark(one.number, one.remark, lost=False)
        yield _row(one.number, one.text)


def _row(number: int, text: str) -> Row | Remark:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Remark(number, "no JSON")
    return Row(number, flat(value)) if isinstance(value, dict) else Remark(number, "JSON, but no object")


def json_rows(path: Path) -> Iterator[Row | Remark]:
    """A row for each object of the list in a JSON document: the document itself, or the longest list in it.

    The document is read whole. Raises `InputError` where it is no JSON or holds no list of objects, `TooLarge`.
    """
    for number, one in enumerate(_items(_document(path), path), 1):
        yield Row(number, flat(one)) if isinstance(one, Mapping) else Remark(number, "JSON, but no object")


def _document(path: Path) -> Any:
    try:
        with opened(path) as stream:
            data = stream.read(FILE_LIMIT + 1)
    except BROKEN as error:
        raise InputError(f"{path} cannot be read: {error}", hint="give it again whole") from error
    if len(data) > FILE_LIMIT:
        raise TooLarge(
            f"{path} is one JSON document of more than {FILE_LIMIT:,} bytes",
            hint="write it as JSON lines, which are read one at a time: jq -c '.[]' FILE",
        )
    try:
        return json.loads(decode(data, name=str(path)))
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply", hint="write it as JSON lines") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}", hint="mend it there, or write it as JSON lines") from error


def _items(document: Any, path: Path) -> list[Any]:
    if isinstance(document, list):
        return document
    if is_event(document):
        return [document]
    held = [one for one in document.values() if isinstance(one, list) and any(isinstance(part, dict) for part in one)]
    return max(held, key=len) if held else [document]


def is_document(head: str) -> bool | None:
    """What JSON text that begins with `head` is: True a document, False JSON lines, None no JSON."""
    start = head.lstrip()
    if start.startswith("["):
        return True if start[1:].lstrip()[:1] in ("{", "]", "") else None
    if not start.startswith("{"):
        return None
    first, _, rest = start.partition("\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return first.strip() == "{" or not rest.lstrip().startswith("{")
    return (not rest.strip() and is_event(json.loads(first))) or _holds_list(first, rest)


def _holds_list(first: str, rest: str) -> bool:
    """One object on one line that holds the list: `{"events": [{...}, ...]}`."""
    value = json.loads(first)
    return not rest.strip() and any(
        isinstance(one, list) and any(isinstance(part, dict) for part in one) for one in value.values()
    )
