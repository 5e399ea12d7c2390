"""One row: its columns, how an event becomes one, and the event that it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ems_ml.errors import InputError
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Mapping[str, str] = {
    "event": "stable id of the trace, 32 hex digits",
    "project": "the package or history that it happened in",
    "version": "the package's version; of `replay` and `told` the first 12 digits of the commit that mends it",
    "kind": "how it came about: `fault` (planted by a strategy's inject face), `replay` (a real crash: the tests of a "
    "fix, run on the code before it), `told` (a fix whose message names the exception; nothing was run), "
    "`release` (as `fault`, in several versions of the package)",
    "split": "`train`, `tune`, `test`: a project is in one of them only; `replay`: every replayed crash, for judging",
    "group": "the cause's id: traces of one group have the same cause, and so has a fix that is told and replayed; of "
    "`release` the id of the fault in the newest version",
    "strategy": "what mends it; of `fault` the strategy whose absence was planted, else the first of `strategies`",
    "strategies": "every strategy that is true of the fix, with the recogniser's score, best first",
    "language": "always `python` so far",
    "type": "exception type as reported, maybe qualified",
    "message": "its message, redacted; a line of code in it is replaced by `<code>`; empty in `told`",
    "words": "the words of the commit's message, a sorted set; only in `told`",
    "frames": "its stack, oldest call first: file, function, line, module, role, in_app, repeated, shape, words; in "
    "`told` the one place where the old code was changed, or none",
    "shapes": "the shape of each frame's line, in the same order",
    "chain": "its causes, the nearest first: type, message, relation, frames",
    "test": "the test that broke, without its parameters; empty in `told`",
    "fault_file": "where the fault lies, from the package (`fault`) or the repository (else) on",
    "fault_line": "its first line, 1-based, in the faulty file; none where it is not known",
    "fault_function": "qualified name of the function around it, empty at module level",
    "fault_note": "what was done, in words; empty where it was not we who did it",
    "removed": "the shapes of the lines that the fix takes away",
    "added": "the shapes of the lines that the fix brings in",
    "condition": "of a fault in the environment: what was changed, as JSON; else empty",
    "commit": "the commit that mends it; empty in `fault`",
    "time": "of that commit, ISO 8601; empty in `fault`",
    "python": "the interpreter's version; empty in `told`",
    "harvest": "version of the harvest's rules",
}

#: Worked out from `frames` when a file is read.
DERIVED = ("shapes",)
#: Columns that files of version 0.1 do not have, with what stands in them then.
LATER: Mapping[str, Any] = {
    **dict.fromkeys(("strategies", "words", "removed", "added"), ()),
    **dict.fromkeys(("condition", "commit", "time"), ""),
}
_TEXT = (
    *("event", "project", "version", "kind", "split", "group", "strategy", "language", "type", "message", "test"),
    *("fault_file", "fault_function", "fault_note", "condition", "commit", "time", "python", "harvest"),
)


def schema() -> pa.Schema:
    """The columns that a file holds, as Arrow types."""
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
    score = pa.struct({"name": pa.string(), "score": pa.float32()})
    kinds: dict[str, pa.DataType] = dict.fromkeys(_TEXT, pa.string())
    kinds.update(frames=frames, chain=pa.list_(cause), fault_line=pa.int32(), strategies=pa.list_(score))
    kinds.update(words=texts, removed=pa.list_(texts), added=pa.list_(texts))
    return pa.schema([(name, kinds[name]) for name in COLUMNS if name not in DERIVED])


def row_from_event(event: ErrorEvent, **labels: Any) -> dict[str, Any]:
    """One row of the data set: the event without any source line, and its labels.

    labels: the columns that the event does not know (version, kind, split, group, strategy, ...); those of `LATER` may
    be left out. Frames with code must have their `shape` and `words` filled already. Raises `InputError` for a
    missing or unknown label.
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
    row |= {name: given for name, given in LATER.items() if name not in labels}
    stored = COLUMNS.keys() - set(DERIVED)
    missing, unknown = stored - row.keys() - labels.keys(), labels.keys() - stored
    if missing or unknown:
        raise InputError(
            f"labels of a data row: missing {sorted(missing)}, unknown {sorted(unknown)}",
            hint="give every column of ems_ml.dataset.COLUMNS that the event does not hold",
        )
    return {name: {**row, **labels}[name] for name in COLUMNS if name in stored}


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
