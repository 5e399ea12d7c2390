"""Parquet files: ours, whose rows are events already, and everybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ems_ml.dataset.rows import LATER, schema
from ems_ml.errors import InputError
from ems_ml.ingest.tables.flat import flat
from ems_ml.ingest.tables.types import ROW, Remark, Row

BATCH = 500  # rows that are decoded at a time
_PLAIN = ("project", "version", "kind", "split", "group", "strategy", "type", "message", "time", "test")


def is_ours(path: Path) -> bool:
    """Whether a Parquet file has the columns of our data files. Raises `InputError` where it cannot be read."""
    with _opened(path) as file:
        return not set(schema().names) - set(file.schema_arrow.names) - LATER.keys()


def splits_of(path: Path) -> set[str]:
    """The splits that the rows of a data file of ours name. Raises `InputError` where it cannot be read."""
    with _opened(path) as file:
        return set(file.read(columns=["split"]).column("split").unique().to_pylist())


def parquet_rows(path: Path) -> Iterator[Row | Remark]:
    """The rows, decoded a batch at a time; of our own files each row also stands whole under `ROW`."""
    ours, number = is_ours(path), 0
    with _opened(path) as file:
        batches = file.iter_batches(batch_size=BATCH)
        while True:
            try:
                batch = next(batches, None)
            except _broken() as error:
                yield Remark(number + 1, f"the file is damaged from here on: {error}")
                return
            if batch is None:
                return
            for value in _values(batch):
                number += 1
                if value is None:
                    yield Remark(number, "text in it is not UTF-8")
                    continue
                plain = {name: value.get(name) for name in _PLAIN} if ours else {}
                yield Row(number, {ROW: dict(LATER) | value, **plain} if ours else flat(value))


def _values(batch: Any) -> Iterator[dict[str, Any] | None]:
    """The batch's rows; None for one that cannot be decoded, while the others can."""
    try:
        yield from batch.to_pylist()
        return
    except UnicodeDecodeError:
        pass  # raised before the first row: the columns are decoded first
    for at in range(batch.num_rows):
        try:
            yield batch.slice(at, 1).to_pylist()[0]
        except UnicodeDecodeError:
            yield None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except _broken() as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}", hint="give it again whole") from error
    with file:
        yield file


def _broken() -> tuple[type[Exception], ...]:
    """What pyarrow raises over a damaged file."""
    import pyarrow as pa

    return (OSError, ValueError, pa.ArrowException)
