"""The errors in log files: a row for each traceback, with the lines before it that tell when it was."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ems_ml.ingest.tables.text import lines
from ems_ml.ingest.tables.types import Remark, Row

HEAD = "Traceback (most recent call last)"
LONGEST = 2_000  # lines of one error, causes included
BEFORE = 3  # lines before a traceback that belong to it
SMALL = 256_000  # characters of a file that is one report as a whole, where it holds no traceback's head
_JOINS = ("During handling of the above exception", "The above exception was the direct cause")
_TIME = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")


def log_rows(path: Path, *, encoding: str | None = None) -> Iterator[Row | Remark]:
    """A row for each traceback, a chained one being one row; columns `text`, `time` (where told), `file`, `folder`.

    A small file without the head of any traceback is one row as a whole: other forms of report have none.
    """
    before: deque[str] = deque(maxlen=BEFORE)
    block: list[str] = []
    whole: list[str] | None = []
    size, start = 0, 1
    for one in lines(path, encoding=encoding):
        if isinstance(one, Remark):
            yield one
            continue
        if one.remark:
            yield Remark(one.number, one.remark, lost=False)
        size += len(one.text)
        if whole is not None:
            whole.append(one.text)
            whole = whole if size <= SMALL and len(whole) < LONGEST else None
        if HEAD in one.text and not _goes_on(block):
            if block:
                yield _row(path, start, block)
            whole, start = None, max(1, one.number - len(before))
            block = [*before, one.text]
        elif block:
            block.append(one.text)
            if len(block) >= LONGEST:
                yield _row(path, start, block)
                block = []
        before.append(one.text)
    if block:
        yield _row(path, start, block)
    elif whole and any(line.strip() for line in whole):
        yield _row(path, 1, whole)


def _goes_on(block: list[str]) -> bool:
    """Whether the next traceback is of the same chain: one of Python's sentences has just announced it."""
    return any(join in line for line in block[-4:] for join in _JOINS)


def _row(path: Path, number: int, block: list[str]) -> Row:
    head = next((at for at, line in enumerate(block) if HEAD in line), 0)
    time = next((found[0] for line in reversed(block[: head + 1]) if (found := _TIME.search(line))), None)
    return Row(number, {"text": "\n".join(block), "time": time, "file": path.name, "folder": path.parent.name})
