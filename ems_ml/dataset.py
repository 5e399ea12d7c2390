"""The shipped data: one frame, one row a trace, and no source line in it.

A row is an error with its labels: the fault that caused it (`group`: same cause), and the strategy that mends it
(`strategy`: the class). Code appears only as the shape and the sorted words of each line. The columns are
described in `COLUMNS`, which is also the table in `data/README.md`; the file is Parquet with zstd.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ems_ml.errors import InputError, StoreError
from ems_ml.resources import shipped
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SPLITS = {
    "boltons": "train",
    "toolz": "train",
    "sqlparse": "train",
    "attrs": "train",
    "click": "train",
    "packaging": "tune",
    "jsonschema": "test",
    "mistune": "test",
}
SPLIT_NAMES = ("train", "tune", "test")
KINDS = ("fault",)

COLUMNS: Mapping[str, str] = {
    "event": "stable id of the trace, 32 hex digits",
    "project": "the package that it happened in",
    "version": "the package's version",
    "kind": "how it came about: `fault` (planted by a strategy's inject face)",
    "split": "`train`, `tune` or `test`; a project is in one split only",
    "group": "the fault's id: traces of one group have the same cause",
    "strategy": "the strategy whose absence was planted: its reversal mends the error",
    "language": "always `python` so far",
    "type": "exception type as reported, maybe qualified",
    "message": "its message, redacted",
    "frames": "its stack, oldest call first: file, function, line, module, role, in_app, repeated, shape, words",
    "chain": "its causes, the nearest first: type, message, relation, frames",
    "test": "the test that broke, without its parameters",
    "fault_file": "where the fault was planted, from the package on",
    "fault_line": "its first line, 1-based, in the changed file",
    "fault_function": "qualified name of the function around it, empty at module level",
    "fault_note": "what was done, in words",
    "python": "the interpreter's version",
    "harvest": "version of the harvest's rules",
}

_TEXT = ("event", "project", "version", "kind", "split", "group", "strategy", "language", "type", "message", "test")
_LABELS = ("fault_file", "fault_function", "fault_note", "python", "harvest")
_WORD = re.compile(r"[^\W\d]\w*")
_MACHINE_PATH = re.compile(r"^(?:/|[A-Za-z]:[\\/]|~|\.\.)")


def schema() -> pa.Schema:
    """The columns as Arrow types."""
    import pyarrow as pa

    texts = pa.list_(pa.string())
    frames = pa.list_(
        pa.struct(
            {
                "file": pa.string(),
                "function": pa.string(),
                "line": pa.int32(),
                "module": pa.string(),
                "role": pa.string(),
                "in_app": pa.bool_(),
                "repeated": pa.int32(),
                "shape": texts,
                "words": texts,
            }
        )
    )
    cause = pa.struct({"type": pa.string(), "message": pa.string(), "relation": pa.string(), "frames": frames})
    kinds: dict[str, pa.DataType] = dict.fromkeys((*_TEXT, *_LABELS), pa.string())
    kinds.update(frames=frames, chain=pa.list_(cause), fault_line=pa.int32())
    return pa.schema([(name, kinds[name]) for name in COLUMNS])


def row_from_event(event: ErrorEvent, **labels: Any) -> dict[str, Any]:
    """One row of the data set: the event without any source line, and its labels.

    labels: the columns that the event does not know (version, kind, split, group, strategy, ...). Frames with code
    must have their `shape` and `words` filled already. Raises `InputError` for a missing or unknown label.
    """
    row = {
        "event": event.id,
        "project": event.project,
        "language": event.language,
        "type": event.error.type,
        "message": event.error.message,
        "frames": [_frame_row(frame) for frame in event.error.frames],
        "chain": [
            {
                "type": record.type,
                "message": record.message,
                "relation": record.relation,
                "frames": [_frame_row(frame) for frame in record.frames],
            }
            for record in event.chain
        ],
    }
    missing, unknown = COLUMNS.keys() - row.keys() - labels.keys(), labels.keys() - COLUMNS.keys()
    if missing or unknown:
        raise InputError(
            f"labels of a data row: missing {sorted(missing)}, unknown {sorted(unknown)}",
            hint="give every column of ems_ml.dataset.COLUMNS that the event does not hold",
        )
    return {name: {**row, **labels}[name] for name in COLUMNS}


def _frame_row(frame: Frame) -> dict[str, Any]:
    if frame.code and frame.shape is None:
        raise InputError(
            f"a frame of {frame.file} has code but no shape",
            hint="fill shape and words from ems_ml.source.shapes before it becomes a row",
        )
    return {
        "file": frame.file,
        "function": frame.function,
        "line": frame.line,
        "module": frame.module,
        "role": str(frame.role),
        "in_app": frame.in_app,
        "repeated": frame.repeated,
        "shape": list(frame.shape or ()),
        "words": list(frame.words or ()),
    }


def event_from_row(row: Mapping[str, Any]) -> ErrorEvent:
    """The event of a row (a mapping or a pandas Series): `Frame.code` is None, `shape` and `words` are filled."""
    causes = tuple(
        ExceptionRecord(
            type=cause["type"],
            message=cause["message"],
            relation=cause["relation"],
            frames=tuple(map(_frame_from, cause["frames"])),
        )
        for cause in row["chain"]
    )
    frames = tuple(map(_frame_from, row["frames"]))
    return ErrorEvent(
        id=row["event"],
        error=ExceptionRecord(type=row["type"], message=row["message"], frames=frames),
        chain=causes,
        language=row["language"],
        parser="dataset",
        project=row["project"],
        release=row["version"],
        source="dataset",
        attributes={"test": row["test"]} if row["test"] else {},
    )


def _frame_from(frame: Mapping[str, Any]) -> Frame:
    line = frame["line"]
    return Frame(
        file=frame["file"],
        function=frame["function"],
        line=None if line is None or line != line else int(line),
        module=frame["module"],
        in_app=bool(frame["in_app"]),
        role=Role(frame["role"]),
        shape=tuple(frame["shape"]),
        words=tuple(frame["words"]),
        repeated=int(frame["repeated"]),
    )


def data_folder() -> Path:
    """The folder of the shipped data, in a wheel or in a checkout."""
    return shipped("data")


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rows as one Parquet file, in order; answers how many. The same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(list(rows), schema=schema())
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", compression_level=12)
    partial.replace(path)
    return int(table.num_rows)


def read_data(path: Path) -> pd.DataFrame:
    """One data file as a frame. Raises `StoreError` where it is missing or not of this schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"the data file {path} cannot be read: {error}", hint="install again, or rebuild it"
        ) from error
    missing = COLUMNS.keys() - set(table.column_names)
    if missing:
        raise StoreError(f"the data file {path} lacks {sorted(missing)}", hint="rebuild it: see data/README.md")
    frame: pd.DataFrame = table.select(list(COLUMNS)).to_pandas()
    return frame


def load_data(kind: str | None = None, split: str | None = None) -> pd.DataFrame:
    """The shipped historical errors as a pandas frame, one row a trace (see `COLUMNS`).

    kind: "fault", or None for all. split: "train", "tune", "test", or None for all. Raises `InputError` for another
    name and `StoreError` where the data are not installed.

    >>> frame = load_data(split="tune")
    >>> frame["project"].unique().tolist()
    ['packaging']
    >>> frame[["type", "strategy"]].columns.tolist()
    ['type', 'strategy']
    """
    import pandas as pd

    for given, known in ((kind, KINDS), (split, SPLIT_NAMES)):
        if given is not None and given not in known:
            raise InputError(f"no data of {given!r}", hint=f"one of {', '.join(known)}, or None for all")
    folder = data_folder()
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise StoreError(f"no data file in {folder}", hint="rebuild it with the command in data/README.md")
    frame = pd.concat([read_data(path) for path in paths], ignore_index=True)
    if kind is not None:
        frame = frame[frame["kind"] == kind]
    if split is not None:
        frame = frame[frame["split"] == split]
    return frame.reset_index(drop=True)


def validate(
    frame: pd.DataFrame, *, allowed_shape: Callable[[str], bool], strategies: Iterable[str] | None = None
) -> None:
    """Check what every data file promises; raises `InputError` that lists each broken promise with an example.

    allowed_shape: whether a token belongs to the vocabulary of `ems_ml.source.shapes`, so that no source text can
    hide in a shape. strategies: the names that may be labels; None: any name.
    """
    known = None if strategies is None else set(strategies)
    problems = [*_leaks(frame), *_bad_labels(frame, known), *_bad_frames(frame, allowed_shape)]
    if problems:
        raise InputError("the data set is not sound: " + "; ".join(problems), hint="rebuild it: see data/README.md")


def _leaks(frame: pd.DataFrame) -> Iterable[str]:
    if list(frame.columns) != list(COLUMNS):
        yield f"columns {list(frame.columns)}, not {list(COLUMNS)}"
        return
    for unit in ("project", "group"):
        splits = frame.groupby(unit)["split"].nunique()
        if (splits > 1).any():
            yield f"{unit} {splits.idxmax()!r} is in more than one split"
    for label in ("strategy", "project"):
        kinds = frame.groupby("group")[label].nunique()
        if (kinds > 1).any():
            yield f"group {kinds.idxmax()!r} has more than one {label}"
    if frame["event"].duplicated().any():
        yield f"event {frame.loc[frame['event'].duplicated(), 'event'].iloc[0]!r} is there twice"
    seen: set[object] = set()
    for row in frame.to_dict("records"):
        key = trace_key(row)
        if key in seen:
            yield f"event {row['event']!r} repeats another trace of its group"
            return
        seen.add(key)


def trace_key(row: Mapping[Any, Any]) -> object:
    """Equal for two rows of one group that say the same: type, message and each frame's file, function and line."""
    stack = tuple((frame["file"], frame["function"], frame["line"]) for frame in row["frames"])
    causes = tuple((cause["type"], cause["message"]) for cause in row["chain"])
    return row["group"], row["type"], row["message"], stack, causes


def _bad_labels(frame: pd.DataFrame, strategies: set[str] | None) -> Iterable[str]:
    for column, known in (("split", set(SPLIT_NAMES)), ("kind", set(KINDS)), ("strategy", strategies)):
        values = set(frame[column])
        if known is not None and values - known:
            yield f"{column} {sorted(values - known)[0]!r} is not known"
    for column in ("event", "project", "version", "group", "strategy", "type", "fault_file"):
        if (frame[column].fillna("") == "").any():
            yield f"{column} is empty in some row"
    for project, split in SPLITS.items():
        wrong = frame[(frame["project"] == project) & (frame["split"] != split)]
        if len(wrong):
            yield f"{project} must be in {split}"


def _bad_frames(frame: pd.DataFrame, allowed_shape: Callable[[str], bool]) -> Iterable[str]:
    told: set[str] = set()
    for row in frame.to_dict("records"):
        stacks = [row["frames"], *(cause["frames"] for cause in row["chain"])]
        for problem in (p for stack in stacks for one in stack for p in _frame_problems(one, allowed_shape)):
            if problem.split(":")[0] not in told:
                told.add(problem.split(":")[0])
                yield f"{problem} (event {row['event']})"
        if not len(row["frames"]):
            yield f"event {row['event']} has no frames"


def _frame_problems(frame: Mapping[str, Any], allowed_shape: Callable[[str], bool]) -> Iterable[str]:
    for token in frame["shape"]:
        if not allowed_shape(token):
            yield f"a shape token outside the vocabulary: {token!r}"
    words = list(frame["words"])
    if words != sorted(set(words)):
        yield f"words that are not a sorted set: {words!r}"
    for word in words:
        if not _WORD.fullmatch(word):
            yield f"a word that is no identifier: {word!r}"
    if _MACHINE_PATH.match(frame["file"]):
        yield f"a path of some machine: {frame['file']!r}"
    if frame["role"] not in set(Role):
        yield f"an unknown role: {frame['role']!r}"
