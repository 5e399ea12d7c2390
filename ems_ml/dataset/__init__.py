"""The shipped data: one frame, one row a trace, and no source line in it.

A row is an error with its labels: what caused it (`group`: same cause), and the strategy that mends it (`strategy`:
the class). Code appears only as the shape and the sorted words of each line. The columns are described in `COLUMNS`,
which is also the table in `data/README.md`; there is one Parquet file with zstd for each kind.
"""

from ems_ml.dataset.checks import PLANTED, error_key, fix_key, masked, trace_key, twin_key, validate
from ems_ml.dataset.files import FILES, data_folder, load_data, read_data, write_rows
from ems_ml.dataset.labels import HandLabel, read_labels
from ems_ml.dataset.rows import COLUMNS, event_from_row, row_from_event, schema
from ems_ml.dataset.splits import ALL_SPLITS, KINDS, RELEASE, REPLAY, SPLIT_NAMES, SPLITS, project_name, split_of

__all__ = [
    "ALL_SPLITS",
    "COLUMNS",
    "FILES",
    "KINDS",
    "PLANTED",
    "RELEASE",
    "REPLAY",
    "SPLITS",
    "SPLIT_NAMES",
    "HandLabel",
    "data_folder",
    "error_key",
    "event_from_row",
    "fix_key",
    "load_data",
    "masked",
    "project_name",
    "read_data",
    "read_labels",
    "row_from_event",
    "schema",
    "split_of",
    "trace_key",
    "twin_key",
    "validate",
    "write_rows",
]
