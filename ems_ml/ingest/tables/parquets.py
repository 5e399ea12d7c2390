"""Parquet files: ours, whose rows are events already, and everybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ems_ml.dataset.rows import LATER, schema
from ems_ml.errors import InputError
from ems_ml.ingest.tables.flat import flat
from ems_ml.ingest.tables.types import ROW, Remark, Row

BATCH = 500  # rows that are decoded at a time
_PLAIN = ("project", "version", "kind", "split", "group", "strategy", "type", "message", "time", "test")


def is_ours(path: Path) -> bool:
    """Whether a Parquet file has the columns of our data files. Raises `InputError` where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}", hint="give it again whole") from error
    return not set(schema().names) - names - LATER.keys()


def splits_of(path: Path) -> set[str]:
    """The splits that the rows of a data file of ours name."""
    import pyarrow.parquet as pq

    return set(pq.read_table(path, columns=["split"]).column("split").unique().to_pylist())


def parquet_rows(path: Path) -> Iterator[Row | Remark]:
    """The rows, decoded a batch at a time; of our own files each row also stands whole under `ROW`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ours, number = is_ours(path), 0
    with pq.ParquetFile(path) as file:
        try:
            for batch in file.iter_batches(batch_size=BATCH):
                for value in batch.to_pylist():
                    number += 1
                    plain = {name: value.get(name) for name in _PLAIN} if ours else {}
                    yield Row(number, {ROW: dict(LATER) | value, **plain} if ours else flat(value))
        except (OSError, pa.ArrowException) as error:
            yield Remark(number + 1, f"the file is damaged from here on: {error}")
