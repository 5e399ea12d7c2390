"""The data files: one a kind, Parquet with zstd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ems_ml.dataset.rows import COLUMNS, LATER, schema
from ems_ml.dataset.splits import ALL_SPLITS, KINDS, RELEASE
from ems_ml.errors import InputError, StoreError
from ems_ml.resources import shipped

if TYPE_CHECKING:
    import pandas as pd

FILES = {"fault": "faults.parquet", "replay": "replay.parquet", "told": "told.parquet", RELEASE: "releases.parquet"}


def data_folder() -> Path:
    """The folder of the shipped data, in a wheel or in a checkout."""
    return shipped("data")


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rows, also those of a frame, as one Parquet file, in order; answers how many.

    The same rows give the same bytes.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    def line(number: Any) -> int | None:
        return None if pd.isna(number) else int(number)

    table = pa.Table.from_pylist([{**row, "fault_line": line(row["fault_line"])} for row in rows], schema=schema())
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", compression_level=12)
    partial.replace(path)
    return int(table.num_rows)


def read_data(path: Path) -> pd.DataFrame:
    """One data file as a frame. Raises `StoreError` where it is missing or not of this schema.

    The columns of `rows.LATER` may be absent, as in files of earlier versions: they are then empty.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"the data file {path} cannot be read: {error}", hint="install again, or rebuild it"
        ) from error
    wanted = schema()
    missing = set(wanted.names) - set(table.column_names)
    if missing - LATER.keys():
        raise StoreError(f"the data file {path} lacks {sorted(missing)}", hint="rebuild it: see data/README.md")
    for name in missing:
        empty = pa.array([LATER[name]] * table.num_rows, type=wanted.field(name).type)
        table = table.append_column(name, empty)
    frame: pd.DataFrame = table.select(wanted.names).to_pandas()
    frame["fault_line"] = frame["fault_line"].astype("Int32")
    frame["shapes"] = [[one["shape"] for one in stack] for stack in frame["frames"]]
    return frame[list(COLUMNS)]


def load_data(kinds: str | Iterable[str] | None = None, split: str | None = None) -> pd.DataFrame:
    """The shipped historical errors as a pandas frame, one row a trace (see `COLUMNS`).

    kinds: "fault", "replay", "told", or some of them; None for all of these that are installed; or "release", whose
    rows repeat faults in several versions of their packages. split: "train", "tune", "test" or "replay", or None for
    all. Raises `InputError` for another name and `StoreError` where the data are not
    installed. Nothing may learn from rows of the split "replay" whose figure is reported on them.

    >>> frame = load_data("fault", "tune")
    >>> "packaging" in frame["project"].unique()
    True
    >>> frame[["type", "strategy"]].columns.tolist()
    ['type', 'strategy']
    """
    import pandas as pd

    wanted = (kinds,) if isinstance(kinds, str) else KINDS if kinds is None else tuple(kinds)
    for given, known in (*((kind, FILES) for kind in wanted), (split, ALL_SPLITS)):
        if given is not None and given not in known:
            raise InputError(f"no data of {given!r}", hint=f"one of {', '.join(known)}, or None for all")
    folder = data_folder()
    paths = {kind: folder / FILES[kind] for kind in FILES if kind in wanted}
    absent = [path for path in paths.values() if not path.is_file()]
    if len(absent) == len(paths) or (absent and kinds is not None):
        raise StoreError(
            f"no data file {absent[0].name if absent else ''} in {folder}",
            hint="rebuild it with the command in data/README.md",
        )
    frame = pd.concat([read_data(path) for path in paths.values() if path not in absent], ignore_index=True)
    if split is not None:
        frame = frame[frame["split"] == split]
    return frame.reset_index(drop=True)
