"""What every data file promises, checked over the whole of it."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ems_ml.dataset.rows import COLUMNS
from ems_ml.dataset.splits import ALL_SPLITS, KINDS, RELEASE, REPLAY, SPLITS
from ems_ml.errors import InputError
from ems_ml.types import Role

if TYPE_CHECKING:
    import pandas as pd

CODE = "<code>"  # stands for a line of code in a message
LEAST_CODE = 12  # characters from which a line of a message may count as code
MOST_ALIKE = 0.25  # of a project's planted faults, where they are more than `ALIKE`, that may give the same error
ALIKE = 12
PLANTED = ("fault", RELEASE)
LEAST_FIX = 12  # tokens from which equal fixes of two projects count as one

_MACHINE_PATH = re.compile(r"^(?:/|[A-Za-z]:[\\/]|~|\.\.)")
_FORMS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "event": r"[0-9a-f]{32}",
        "project": r"[\w.-]+",
        "version": r"[\w.+!-]+",
        "group": r"[\w.@+-]+",
        "type": r"[\w.]+(?:<locals>[\w.]+)*",
        "fault_function": r"(?:[\w.]|<\w+>)*",
        "commit": r"(?:[0-9a-f]{7,64})?",
        "time": r"(?:\d{4}-\d\d-\d\dT[\d:.+Z-]+)?",
        "python": r"[\d.]*[a-z]*\d*\+?",
        "harvest": r"\w+",
    }.items()
}
_MOST = {"fault_note": 200, "test": 400, "fault_file": 300, "condition": 2_000}  # characters
_HEAD = re.compile(r"(?:async\s+)?(?:def|class|for|with)\s.*:$|(?:if|elif|while|except|lambda)\s.*:$")
_COMMENT = re.compile(r"\s+#.*$")


def validate(
    frame: pd.DataFrame, *, allowed_shape: Callable[[str], bool], strategies: Iterable[str] | None = None
) -> None:
    """Check what the data promise; raises `InputError` that lists each broken promise with an example.

    frame: of one kind, or better of all, for what must hold between them. allowed_shape: whether a token belongs to
    the vocabulary of `ems_ml.source.shapes`, so that no source text can hide in a shape. strategies: the names that
    may be labels; None: any name.
    """
    problems = list(_columns(frame))
    if not problems:
        known = None if strategies is None else set(strategies)
        rows = frame.to_dict("records")
        problems += [*_leaks(frame), *_twins(rows), *_alike(rows), *_bad_labels(frame, known)]
        problems += _first_of_each(rows, lambda row: _row_problems(row, allowed_shape, known))
    if problems:
        raise InputError("the data set is not sound: " + "; ".join(problems), hint="rebuild it: see data/README.md")


def masked(message: str, code: Iterable[str] = ()) -> str:
    """A message without lines of code: those that are Python statements, and those that quote one of `code`.

    >>> masked("cannot build it:\\nresult = make(row, strict=True)")
    'cannot build it:\\n<code>'
    """
    quoted = [line.strip() for line in code if len(line.strip()) >= LEAST_CODE]
    lines = message.split("\n")
    return "\n".join(CODE if is_code(line) or any(one in line for one in quoted) else line for line in lines)


def is_code(line: str) -> bool:
    """Whether a line of a message can only be code: a statement, but no bare value, which a message may show."""
    text = _COMMENT.sub("", line.strip())
    if len(text) < LEAST_CODE:
        return False
    if _HEAD.fullmatch(text):
        return _parses(f"{text} pass") or _parses(f"if x: pass\n{text} pass") or _parses(f"try: pass\n{text} pass")
    return _parses(text)


def _parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in what is no code
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    plain = (ast.Expr, ast.AnnAssign)
    return any(not isinstance(node, plain) or (isinstance(node, ast.AnnAssign) and node.value) for node in body)


def trace_key(row: Mapping[Any, Any]) -> object:
    """Equal for two rows of one group that say the same: type, message and each frame's file, function and line.

    The same in two versions of a package is no repetition.
    """
    stack = tuple((frame["file"], frame["function"], frame["line"]) for frame in row["frames"])
    causes = tuple((cause["type"], cause["message"]) for cause in row["chain"])
    version = row["version"] if row["kind"] == RELEASE else ""
    return row["group"], row["type"], row["message"], stack, causes, version


def error_key(row: Mapping[Any, Any]) -> object:
    """Equal for two rows of one project with the same type and message, raised in the same function."""
    last = row["frames"][-1]
    return row["project"], row["type"], row["message"], last["file"], last["function"]


def twin_key(row: Mapping[Any, Any]) -> object | None:
    """Equal for near-duplicates: the same type, and the same functions with the same lines in the project's own part
    of the stack, wherever the files lie. None for a row that was not run."""
    stack = tuple(
        (frame["function"], tuple(frame["shape"]), tuple(frame["words"]))
        for frame in row["frames"]
        if frame["role"] == Role.APP
    )
    return (row["type"].rpartition(".")[2], stack) if stack and row["kind"] != "told" else None


def fix_key(row: Mapping[Any, Any]) -> object | None:
    """Equal for real fixes that change the same shapes in functions of one name: one fix in two projects. None for
    small fixes, which are alike by chance, and for planted ones."""
    removed, added = (tuple(map(tuple, row[side])) for side in ("removed", "added"))
    if row["kind"] in PLANTED or sum(map(len, (*removed, *added))) < LEAST_FIX:
        return None
    return row["fault_function"], removed, added


def _columns(frame: pd.DataFrame) -> Iterator[str]:
    if list(frame.columns) != list(COLUMNS):
        yield f"columns {list(frame.columns)}, not {list(COLUMNS)}"


def _leaks(frame: pd.DataFrame) -> Iterator[str]:
    learnt = frame[frame["split"] != REPLAY]
    for unit, rows in (("project", learnt), ("group", frame)):
        splits = rows.groupby(unit)["split"].nunique()
        if (splits > 1).any():
            yield f"{unit} {splits.idxmax()!r} is in more than one split"
    for label in ("strategy", "project"):
        kinds = frame.groupby("group")[label].nunique()
        if (kinds > 1).any():
            yield f"group {kinds.idxmax()!r} has more than one {label}"
    if ((frame["kind"] == "replay") != (frame["split"] == REPLAY)).any():
        yield "replayed crashes, and nothing else, are in the split 'replay'"
    if frame["event"].duplicated().any():
        yield f"event {frame.loc[frame['event'].duplicated(), 'event'].iloc[0]!r} is there twice"


def _twins(rows: Sequence[Mapping[Any, Any]]) -> Iterator[str]:
    """Traces that repeat within their group, and near-duplicates in two splits."""
    seen: set[object] = set()
    for row in rows:
        key = trace_key(row)
        if key in seen:
            yield f"event {row['event']!r} repeats another trace of its group"
            break
        seen.add(key)
    for what, key_of in (("trace", twin_key), ("fix", fix_key)):
        splits: dict[object, Mapping[Any, Any]] = {}
        for row in rows:
            key = key_of(row)
            first = splits.setdefault(key, row)
            if key is not None and first["split"] != row["split"]:
                yield f"events {first['event']!r} and {row['event']!r} have one {what} in two splits"
                break


def _alike(rows: Sequence[Mapping[Any, Any]]) -> Iterator[str]:
    """An error that many faults of a project share: it is not what they did, so their labels do not belong to it."""
    faults: dict[object, set[str]] = {}
    errors: dict[object, set[str]] = {}
    examples: dict[object, Mapping[Any, Any]] = {}
    for row in rows:
        if row["kind"] in PLANTED and len(row["frames"]):
            faults.setdefault((row["kind"], row["project"]), set()).add(row["group"])
            errors.setdefault((row["kind"], error_key(row)), set()).add(row["group"])
            examples[row["kind"], error_key(row)] = row
    for key, groups in errors.items():
        row = examples[key]
        if len(groups) > max(ALIKE, MOST_ALIKE * len(faults[row["kind"], row["project"]])):
            yield f"{len(groups)} faults of {row['project']} give the same error (event {row['event']})"
            return


def _bad_labels(frame: pd.DataFrame, strategies: set[str] | None) -> Iterator[str]:
    for column, known in (("split", set(ALL_SPLITS)), ("kind", {*KINDS, RELEASE}), ("strategy", strategies)):
        values = set(frame[column])
        if known is not None and values - known:
            yield f"{column} {sorted(values - known)[0]!r} is not known"
    for column in ("event", "project", "version", "group", "strategy", "type"):
        if (frame[column].fillna("") == "").any():
            yield f"{column} is empty in some row"
    learnt = frame[frame["split"] != REPLAY]
    for project, split in SPLITS.items():
        if ((learnt["project"] == project) & (learnt["split"] != split)).any():
            yield f"{project} must be in {split}"


def _first_of_each(
    rows: Sequence[Mapping[Any, Any]], problems: Callable[[Mapping[Any, Any]], Iterator[str]]
) -> Iterator[str]:
    told: set[str] = set()
    for row in rows:
        for problem in problems(row):
            if problem.split(":")[0] not in told:
                told.add(problem.split(":")[0])
                yield f"{problem} (event {row['event']})"


def _row_problems(
    row: Mapping[Any, Any], allowed_shape: Callable[[str], bool], strategies: set[str] | None
) -> Iterator[str]:
    stacks = [row["frames"], *(cause["frames"] for cause in row["chain"])]
    for stack in stacks:
        for one in stack:
            yield from _frame_problems(one, allowed_shape)
    for shape in (*row["removed"], *row["added"]):
        yield from _shape_problems(shape, allowed_shape)
    yield from _words_problems(row["words"])
    yield from _kind_problems(row)
    yield from _text_problems(row)
    names = [one["name"] for one in row["strategies"]]
    if strategies is not None and set(names) - strategies:
        yield f"a strategy that is not known: {sorted(set(names) - strategies)[0]!r}"
    if names and (names[0] != row["strategy"] or len(set(names)) < len(names)):
        yield f"strategies that do not begin with the row's own: {names!r}"


def _kind_problems(row: Mapping[Any, Any]) -> Iterator[str]:
    kind, frames = row["kind"], row["frames"]
    if kind == "told":
        if len(frames) > 1 or len(row["chain"]) or row["message"] or row["test"]:
            yield "a told fix with a trace"
        if not len(row["words"]):
            yield "a told fix without words"
    else:
        if not len(frames):
            yield "a trace that has no frames"
        if len(row["words"]):
            yield "a trace with the words of a commit"
    if kind in ("told", "replay") and not (row["commit"] and row["time"] and len(row["strategies"])):
        yield f"a {kind} row without commit, time or strategies"
    if row["condition"] and not _is_condition(row["condition"]):
        yield f"a condition that is no plain record: {row['condition']!r}"
    if not row["fault_file"] and not row["condition"]:
        yield "neither fault_file nor condition says where the fault lies"


def _is_condition(text: str) -> bool:
    """Whether it is JSON of names with plain values, none of them code or a path of some machine."""
    try:
        told = json.loads(text)
    except ValueError:
        return False
    values = list(told.values()) if isinstance(told, dict) else [told]
    return isinstance(told, dict) and not any(
        isinstance(value, dict | list) or is_code(str(value)) or _MACHINE_PATH.match(str(value)) for value in values
    )


def _text_problems(row: Mapping[Any, Any]) -> Iterator[str]:
    """Text of a column that is not of its form: what could be a line of source."""
    for column, form in _FORMS.items():
        if not form.fullmatch(row[column]):
            yield f"a {column} of another form: {row[column]!r}"
    for column, most in _MOST.items():
        if len(row[column]) > most or "\n" in row[column] or is_code(row[column]):
            yield f"a {column} that may be source: {row[column]!r}"
    for message in (row["message"], *(cause["message"] for cause in row["chain"])):
        for line in message.split("\n"):
            if is_code(line):
                yield f"a message with a line of code: {line!r}"


def _frame_problems(frame: Mapping[str, Any], allowed_shape: Callable[[str], bool]) -> Iterator[str]:
    yield from _shape_problems(frame["shape"], allowed_shape)
    yield from _words_problems(frame["words"])
    if _MACHINE_PATH.match(frame["file"]):
        yield f"a path of some machine: {frame['file']!r}"
    if frame["role"] not in set(Role):
        yield f"an unknown role: {frame['role']!r}"
    for name in ("file", "function", "module"):
        if is_code(frame[name] or "") or "\n" in (frame[name] or ""):
            yield f"a frame's {name} that may be source: {frame[name]!r}"


def _shape_problems(shape: Iterable[str], allowed_shape: Callable[[str], bool]) -> Iterator[str]:
    for token in shape:
        if not allowed_shape(token):
            yield f"a shape token outside the vocabulary: {token!r}"


def _words_problems(given: Iterable[str]) -> Iterator[str]:
    words = list(given)
    if words != sorted(set(words)):
        yield f"words that are not a sorted set: {words!r}"
    for word in words:
        if not word.removesuffix("n't").isidentifier():
            yield f"a word that is no identifier: {word!r}"
