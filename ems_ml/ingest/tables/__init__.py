"""What a team has of past errors: CSV, JSON lines, JSON, Parquet, logs, Sentry's events, or a folder of all that.

`open_table(path)` tells by the content what it is; `Table.rows()` gives its rows one at a time, and a remark for each
place that could not be read. `columns.guess` tells which column is which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ems_ml.dataset.splits import SPLIT_NAMES
from ems_ml.errors import InputError
from ems_ml.ingest.files import encoding_of
from ems_ml.ingest.tables.columns import Columns, Guess, guess
from ems_ml.ingest.tables.csvs import FITTING, csv_rows, described, required, shape_of
from ems_ml.ingest.tables.jsons import is_document, json_line_rows, json_rows
from ems_ml.ingest.tables.logs import log_rows
from ems_ml.ingest.tables.parquets import is_ours, parquet_rows, splits_of
from ems_ml.ingest.tables.text import head_of, known
from ems_ml.ingest.tables.types import EVENT, ROW, Remark, Row, Table

MOST_FILES = 20_000  # of a folder
_TABLES = (".csv", ".tsv", ".tab", ".psv")
_LOGS = (".log", ".out", ".err", ".trace", ".traceback")
_PACKED = (".gz", ".bz2", ".xz", ".zst")


def open_table(path: Path, *, encoding: str | None = None) -> Table:
    """The file or folder `path` as a table. encoding: of its text, where it is known; None: told by the content.

    Raises `InputError` where there is nothing, or nothing that can be read; `UsageError` for an unknown encoding.
    """
    known(encoding)
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
        if not files:
            raise InputError(f"the folder {path} is empty", hint="name a folder of logs, or a file")
        said = f"{min(len(files), MOST_FILES):,} files"
        return Table(
            name=str(path),
            kind="folder",
            said=said,
            unit="line",
            read=partial(_folder, path, files, encoding),
        )
    head = head_of(path)
    if head[:4] == b"PAR1":
        said = "of our own form" if is_ours(path) else ""
        return Table(name=str(path), kind="Parquet", said=said, unit="row", read=partial(parquet_rows, path))
    return _text(path, head, encoding)


def is_own_data(path: Path) -> bool:
    """Whether a file is a data file of ours with all of train, tune and test."""
    if not path.is_file() or head_of(path)[:4] != b"PAR1" or not is_ours(path):
        return False
    return splits_of(path) >= set(SPLIT_NAMES)


def _text(path: Path, head: bytes, encoding: str | None) -> Table:
    told, mark = encoding_of(head, name=str(path))
    document = is_document(head[mark:].decode(encoding or told, errors="replace"))
    if document:
        return Table(name=str(path), kind="JSON", said="", unit="item", read=partial(json_rows, path))
    if document is False:
        read = partial(json_line_rows, path, encoding=encoding)
        return Table(name=str(path), kind="JSON lines", said="", unit="line", read=read)
    suffixes = _suffixes(path)
    named_table = any(one in _TABLES for one in suffixes)
    shape = None if any(one in _LOGS for one in suffixes) else shape_of(path, encoding=encoding)
    if named_table or (shape is not None and shape.headed and shape.fits >= FITTING):
        shape = required(path, shape)
        read_csv = partial(csv_rows, path, shape, encoding=encoding)
        return Table(name=str(path), kind="CSV", said=described(shape), unit="line", read=read_csv)
    return Table(name=str(path), kind="log", said="", unit="line", read=partial(log_rows, path, encoding=encoding))


def _suffixes(path: Path) -> list[str]:
    """Every ending of its name, so that `app.log.2.gz` counts as a log."""
    return [one.lower() for one in path.suffixes if one.lower() not in _PACKED]


def _folder(folder: Path, files: list[Path], encoding: str | None) -> Iterator[Row | Remark]:
    """Every file of a folder after the other; one that cannot be read is a remark, and the next one goes on."""
    for path in files[:MOST_FILES]:
        name = path.relative_to(folder).as_posix()
        try:
            for one in open_table(path, encoding=encoding).rows():
                if isinstance(one, Row):
                    beside = {"file": name, "folder": path.parent.name}
                    yield replace(one, file=name, values={**one.values, **beside})
                else:
                    yield replace(one, file=name)
        except InputError as error:
            yield Remark(1, str(error).replace(str(path), "the file"), file=name)
    if len(files) > MOST_FILES:
        yield Remark(MOST_FILES + 1, f"{len(files) - MOST_FILES:,} further files were not opened")


__all__ = ["EVENT", "ROW", "Columns", "Guess", "Remark", "Row", "Table", "guess", "is_own_data", "open_table"]
