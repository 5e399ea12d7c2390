"""Tables of text with a separator: any delimiter, any encoding, fields over several lines."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ems_ml.errors import InputError
from ems_ml.ingest.tables.text import Line, lines
from ems_ml.ingest.tables.times import time_of
from ems_ml.ingest.tables.types import MOST_CHARACTERS, Remark, Row

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLED = 400  # lines from which the delimiter is told
FITTING = 0.8  # of the sampled records must have as many fields as the head
NAME_LENGTH = 120  # a longer cell is no column's name


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table of text is written."""

    delimiter: str
    columns: tuple[str, ...]
    headed: bool  # whether its first record names the columns
    fits: float  # the share of sampled records with as many fields


def shape_of(path: Path, *, encoding: str | None = None) -> Shape | None:
    """The delimiter and columns of a file; None where no delimiter makes columns of it."""
    sample = [
        one.text + "\n" for one in itertools.islice(lines(path, encoding=encoding), SAMPLED) if isinstance(one, Line)
    ]
    best: Shape | None = None
    for delimiter in DELIMITERS:
        records = _records(sample, delimiter)
        if not records or len(records[0]) < 2:
            continue
        # The last record may be cut by the end of the sample.
        judged = records[:-1] if len(records) > 2 and len(sample) == SAMPLED else records
        fits = sum(len(record) == len(records[0]) for record in judged) / len(judged)
        found = Shape(delimiter, *_head(records[0]), fits)
        if best is None or (fits, len(found.columns)) > (best.fits, len(best.columns)):
            best = found
    return best


def _records(sample: Sequence[str], delimiter: str) -> list[list[str]]:
    _allow_long_fields()
    try:
        return [record for record in csv.reader(sample, delimiter=delimiter) if record]
    except csv.Error:
        return []


def _head(first: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The names of the columns, and whether the first record is what names them."""
    names = [cell.strip() for cell in first]
    headed = all(len(name) <= NAME_LENGTH and "\n" not in name for name in names) and any(names)
    headed = headed and not any(_is_value(name) for name in names)
    if not headed:
        return tuple(f"column {number}" for number in range(1, len(names) + 1)), False
    told: list[str] = []
    for number, name in enumerate(names, 1):
        plain = name or f"column {number}"
        told.append(plain if plain not in told else f"{plain} ({number})")
    return tuple(told), True


def _is_value(name: str) -> bool:
    """Whether a cell of the first record can only be a value: a trace, a number, or a time."""
    return "Traceback (most recent call last)" in name or name.isdigit() or time_of(name) is not None


def csv_rows(path: Path, shape: Shape, *, encoding: str | None = None) -> Iterator[Row | Remark]:
    """The rows after the head. Each is numbered by the line that it begins on.

    A row with another number of fields than the head is a remark, and so is one that an open quote made endless.
    """
    _allow_long_fields()
    waiting: list[Remark] = []

    def fed() -> Iterator[str]:
        for one in lines(path, encoding=encoding):
            if isinstance(one, Remark):
                waiting.append(one)
                continue
            if one.remark:
                waiting.append(Remark(one.number, one.remark, lost=False))
            yield one.text + "\n"

    reader = csv.reader(fed(), delimiter=shape.delimiter)
    first = shape.headed
    while True:
        number = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield from _drained(waiting)
            yield Remark(number, f"no row of a table: {error}")
            continue
        yield from _drained(waiting)
        if first:
            first = False
        elif not record or (len(record) == 1 and not record[0].strip()):
            continue
        elif len(record) != len(shape.columns):
            more = "an open quote before it" if len(record) < len(shape.columns) else "a delimiter that is not quoted"
            yield Remark(number, f"another number of fields than the head ({more}?)")
        else:
            yield Row(number, dict(zip(shape.columns, record, strict=True)))
    yield from _drained(waiting)


def _drained(waiting: list[Remark]) -> Iterator[Remark]:
    while waiting:
        yield waiting.pop(0)


def _allow_long_fields() -> None:
    """The csv module has one limit for the whole process, 131,072 characters, which a trace may pass."""
    csv.field_size_limit(max(MOST_CHARACTERS, csv.field_size_limit()))


def described(shape: Shape) -> str:
    """How it is written, in words."""
    return f"separated by {DELIMITERS[shape.delimiter]}" + ("" if shape.headed else ", without a head")


def required(path: Path, shape: Shape | None) -> Shape:
    """The shape of a file that is called a table. Raises `InputError` where it has none."""
    if shape is None:
        raise InputError(
            f"{path} has no columns: neither {', '.join(DELIMITERS.values())} divide its lines",
            hint="save it with a head and a delimiter, or as JSON lines",
        )
    return shape
