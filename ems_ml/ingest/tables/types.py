"""What reading a table gives: rows, and remarks about what could not be read, in the order of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: The column under which a whole Sentry event stands.
EVENT = "(event)"
#: The column under which a row of our own data files stands.
ROW = "(row)"
MOST_CHARACTERS = 10_000_000  # of one line or field; a longer one is a remark, not a row


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its place in the file (counted from 1) and its values by column; nested ones have dotted names."""

    number: int
    values: Mapping[str, Any]
    file: str = ""  # of a folder: which file of it


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to tell about a place in a file. `lost`: the row there could not be read."""

    number: int
    reason: str
    lost: bool = True
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file or folder whose rows can be read again and again, each time from the start, one at a time."""

    name: str
    kind: str  # "CSV", "JSON lines", "JSON", "Parquet", "log", "folder"
    said: str  # how it was read: "separated by semicolons, Windows-1252"
    unit: str  # what is counted: "line", "row", "item"
    read: Callable[[], Iterator[Row | Remark]]

    def rows(self) -> Iterator[Row | Remark]:
        """From the start. Memory is bounded by one row, but for a JSON array, which is read whole."""
        return self.read()
