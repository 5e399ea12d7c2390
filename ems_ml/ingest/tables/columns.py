"""Which column is the trace, which the label, the time, the project: guessed by content first, then by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ems_ml.errors import InputError, UsageError
from ems_ml.ingest.tables.times import time_of
from ems_ml.ingest.tables.types import EVENT, ROW, Row

LOOKED_AT = 60  # values of a column from which its meaning is guessed
MOST_LABELS = 200  # different values from which on a column is no label
LABEL_LENGTH = 80
ENOUGH = 0.6  # of a column's values must be what it is taken for
KINDS = ("trace", "label", "time", "project")

_NAMES: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        "trace": r"trace|stack|exception|error|fehler|meldung|traza|text|message|log|report|body",
        "label": r"label|strateg|fix|remed|resol|root.?cause|cause|ursache|grund|behebung|l(?:ö|oe)sung|kategorie"
        r"|categor|klasse|class|diagnos|verdict|target|tag",
        "time": r"time|zeit|date|datum|when|created|occurred|seen|fecha|erstellt|stamp|(?:^|[._])ts$",
        "project": r"project|projekt|proyecto|repo|service|dienst|application|\bapp\b|component|komponente|package"
        r"|produkt|product|team",
    }.items()
}
#: Columns that many logs have and that nobody means by a label.
_NO_LABEL = re.compile(
    r"level|severity|environment|\benv\b|platform|logger|host|server|version|release|python|runtime|language|type|file"
    r"|folder|user|status|id$|^id|url|method|split|kind|group|handled|mechanism|device|browser|sdk|count|test",
    re.IGNORECASE,
)
Reads = Callable[[Any], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns' names; None: there is none of that kind."""

    trace: str
    label: str | None = None
    time: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """The columns, why each was taken, and all that there are, in their order."""

    columns: Columns
    why: Mapping[str, str]
    names: tuple[str, ...]
    sample: tuple[Row, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The values of one column in the sample, empty ones left out, and of how many rows."""

    name: str
    values: Sequence[Any]
    rows: int

    def share(self, test: Callable[[Any], object]) -> float:
        looked = self.values[:LOOKED_AT]
        return sum(bool(test(value)) for value in looked) / len(looked) if looked else 0.0


def guess(
    rows: Sequence[Row], *, reads: Reads, strategies: Collection[str], told: Mapping[str, str | None] | None = None
) -> Guess:
    """The columns of a sample of rows.

    reads: how well a parser reads a value as an error report: 2 with frames, 1 with an exception, 0 not at all.
    strategies: names that make a column the label. told: kind -> column, where a person said it ("" for none). Raises
    `UsageError` for a told column that does not exist, `InputError` where no column holds error reports.
    """
    seen = _seen(rows)
    names = tuple(one.name for one in seen)
    found: dict[str, str | None] = {}
    why: dict[str, str] = {}
    for kind, column in (told or {}).items():
        if column is None:
            continue
        if column and column not in names:
            raise UsageError(f"there is no column {column!r}", hint=f"the columns: {_listed(names)}")
        found[kind], why[kind] = column or None, "told" if column else "told that there is none"
    trace = found.get("trace")
    if trace is None:
        trace, why["trace"] = _trace(seen, reads, names)
    left = [one for one in seen if one.name not in (trace, *found.values())]
    for kind, chosen in (("time", _time), ("label", lambda rest: _label(rest, strategies)), ("project", _project)):
        if kind not in found:
            column, reason = chosen(left)
            found[kind] = column
            if reason:
                why[kind] = reason
            if column is not None:
                left = [one for one in left if one.name != column]
    columns = Columns(trace=trace, label=found["label"], time=found["time"], project=found["project"])
    return Guess(columns=columns, why=why, names=names, sample=tuple(rows))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def filled(value: object) -> bool:
    """Whether a cell holds something."""
    return value is not None and value == value and (not isinstance(value, str) or bool(value.strip()))


def _seen(rows: Sequence[Row]) -> list[_Seen]:
    held: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.values.items():
            held.setdefault(name, []).append(value)
    return [_Seen(name, [value for value in values if filled(value)], len(rows)) for name, values in held.items()]


def _trace(seen: Sequence[_Seen], reads: Reads, names: Sequence[str]) -> tuple[str, str]:
    """The column in which the parser reads most, frames before mere exceptions; of equals the one named like it."""
    judged = []
    for one in seen:
        if one.name in (EVENT, ROW):
            return one.name, "each row is an event as a whole"
        marks = [reads(value) for value in one.values[:LOOKED_AT] if isinstance(value, (str, Mapping))]
        if any(marks):
            framed = sum(mark == 2 for mark in marks) / max(1, min(one.rows, LOOKED_AT))
            named = sum(mark == 1 for mark in marks) / max(1, min(one.rows, LOOKED_AT))
            judged.append((framed, named, bool(_NAMES["trace"].search(one.name)), one.name))
    if not judged:
        raise InputError(
            "no column holds error reports: in none was an exception recognised",
            hint=f"name it with --trace-column; the columns: {_listed(names) or 'none'}",
        )
    framed, named, _, name = max(judged, key=lambda one: one[:3])
    if framed:
        return name, f"the parsers read frames in {framed:.0%} of the rows looked at"
    return name, f"the parsers recognise an exception in {named:.0%} of the rows looked at"


def _time(seen: Sequence[_Seen]) -> tuple[str | None, str]:
    judged = []
    for one in seen:
        named = bool(_NAMES["time"].search(one.name))
        share = one.share(lambda value: time_of(value) is not None)
        # A bare number may be anything; it is a time where its name says so.
        number = one.share(lambda value: isinstance(value, (int, float)) or str(value).strip().isdigit()) > 0.5
        if share >= ENOUGH and (named or not number):
            judged.append((named, round(len(one.values) / max(1, one.rows), 1), share, one.name))
    if not judged:
        return None, ""
    _, _, share, name = max(judged, key=lambda one: one[:2])
    return name, f"{share:.0%} of its values are times"


def _label(seen: Sequence[_Seen], strategies: Collection[str]) -> tuple[str | None, str]:
    known = [(one.share(lambda value: plain_label(value) in strategies), one.name) for one in seen]
    if known and max(known)[0] >= ENOUGH:
        share, name = max(known, key=lambda one: one[0])
        return name, f"{share:.0%} of its values are names of strategies"
    words = [one for one in seen if _are_words(one)]
    named = [one for one in words if _NAMES["label"].search(one.name)]
    if named:
        best = max(named, key=lambda one: len(one.values))
        return best.name, f"it is named like one, and holds {len(_different(best))} different words"
    partly = [one for one in seen if one.share(lambda value: plain_label(value) in strategies) > 0]
    if partly:
        return partly[0].name, "some of its values are names of strategies"
    unnamed = [
        one for one in words
        if not _NO_LABEL.search(one.name) and not _NAMES["project"].search(one.name) and len(_different(one)) > 1
    ]  # fmt: skip
    if len(unnamed) == 1:
        return unnamed[0].name, f"the only column of words that come again ({len(_different(unnamed[0]))} of them)"
    alone = [one for one in seen if one.values and _NAMES["label"].search(one.name) and not _NO_LABEL.search(one.name)]
    if alone:
        different, values = len(_different(alone[0])), len(alone[0].values)
        return None, f"{alone[0].name} is named like one, but of its {values:,} values {different:,} are different"
    return None, ""


def plain_label(value: object) -> str:
    """A label in the spelling of the strategies' names: "Guard None" -> "guard_none"."""
    return re.sub(r"[\s-]+", "_", str(value).strip().lower())


def _are_words(one: _Seen) -> bool:
    """Short texts that come again: what a label looks like."""
    texts = [value for value in one.values if isinstance(value, str)]
    if len(texts) < 2 or len(texts) < 0.9 * len(one.values):
        return False
    if any(len(value) > LABEL_LENGTH or "\n" in value for value in texts):
        return False
    different = len(_different(one))
    return different <= MOST_LABELS and different <= max(2, 0.7 * len(texts)) and not _all_numbers(texts)


def _all_numbers(texts: Sequence[str]) -> bool:
    return all(text.strip().replace(".", "", 1).isdigit() for text in texts)


def _different(one: _Seen) -> Counter[str]:
    return Counter(plain_label(value) for value in one.values)


def _project(seen: Sequence[_Seen]) -> tuple[str | None, str]:
    """By its name alone: nothing in a word tells that it is a project's."""
    for one in seen:
        if _NAMES["project"].search(one.name) and _are_words(one):
            return one.name, f"it is named like one, and holds {len(_different(one))} different words"
    return None, ""
