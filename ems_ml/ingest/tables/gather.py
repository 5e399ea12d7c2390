"""From a table's rows to labelled errors: read twice, once to count and choose, once to understand what was chosen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ems_ml.errors import InputError
from ems_ml.ingest.tables.columns import Columns, filled, plain_label
from ems_ml.ingest.tables.times import day_comes_first, time_of
from ems_ml.ingest.tables.types import Remark, Row, Table
from ems_ml.types import Signature

SAMPLE = 20_000  # labelled rows that are worked with, unless told otherwise
MOST_DIFFERENT = 5_000  # labels; a column with more holds no labels
LABEL_CHARACTERS = 80
PLACES = 5  # of each reason, so many rows are named
THIN = 40  # of further rows, every so many are looked at to guess the columns
HEAD_ROWS, GUESS_ROWS, GUESS_UNTIL = 200, 600, 20_000

Understand = Callable[[Any, str], tuple[Signature, datetime | None] | str]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled error, understood and without secrets."""

    signature: Signature
    label: str
    time: datetime | None
    project: str
    place: str  # "line 17", "app.log line 3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why rows were not used, or what is to be told about them: how many, and where a few of them are."""

    reason: str
    count: int
    places: tuple[str, ...]
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a table held: rows = labelled + unlabelled + those without a trace. left_out: labelled, but not drawn."""

    examples: tuple[Example, ...]
    rows: int
    labelled: int
    unlabelled: int
    left_out: int
    labels: tuple[tuple[str, int], ...]  # label -> labelled rows, most first
    reasons: tuple[Reason, ...]

    @property
    def lost(self) -> int:
        """Places that could not be read or understood."""
        return sum(one.count for one in self.reasons if one.lost)


class _Reasons:
    """Counts by reason, with the first places of each."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.held: dict[tuple[str, bool], tuple[list[str], list[int]]] = {}

    def add(self, one: Row | Remark, reason: str, *, lost: bool) -> None:
        places, count = self.held.setdefault((reason, lost), ([], [0]))
        count[0] += 1
        if len(places) < PLACES:
            places.append(place_of(one, self.unit))

    def told(self) -> tuple[Reason, ...]:
        return tuple(
            Reason(reason=reason, count=count[0], places=tuple(places), lost=lost)
            for (reason, lost), (places, count) in sorted(
                self.held.items(), key=lambda one: (not one[0][1], -one[1][1][0])
            )
        )


def place_of(one: Row | Remark, unit: str) -> str:
    """Where it stands, for a person."""
    return f"{one.file} {unit} {one.number}".strip()


def sample_rows(table: Table) -> list[Row]:
    """Rows to guess the columns from: the first ones, and some of those that follow."""
    found: list[Row] = []
    for number, one in enumerate(table.rows()):
        if isinstance(one, Row) and (len(found) < HEAD_ROWS or number % THIN == 0):
            found.append(one)
        if len(found) >= GUESS_ROWS or number >= GUESS_UNTIL:
            break
    return found


def census(table: Table, columns: Columns, *, redact_text: Callable[[str], str], strategies: Sequence[str]) -> Gathered:
    """What a table holds, by one reading that understands no trace: `examples` is empty. Raises as `gather` does."""
    reasons = _Reasons(table.unit)
    known = {name: name for name in strategies}
    _, counts, rows, unlabelled = _choose(table, columns, reasons, known, redact_text, 0, 0, _silent)
    return Gathered(
        examples=(),
        rows=rows,
        labelled=sum(counts.values()),
        unlabelled=unlabelled,
        left_out=0,
        labels=tuple((known[name], count) for name, count in counts.most_common()),
        reasons=reasons.told(),
    )


def _silent(what: str, done: int, total: int) -> None:
    """The progress display that shows nothing."""


def gather(
    table: Table,
    columns: Columns,
    *,
    understand: Understand,
    redact_text: Callable[[str], str],
    strategies: Sequence[str],
    sample: int = SAMPLE,
    seed: int = 0,
    progress: Progress = _silent,
) -> Gathered:
    """Every labelled error of a table, or a sample of them.

    understand(value, project) -> signature and the report's own time, or in words why it is no error. sample: of more
    labelled rows so many are drawn, frequent labels being cut first; rare labels keep all their rows. Memory holds the
    sample's signatures and a number for each drawn row, never the table. Raises `InputError` for a column with more
    than `MOST_DIFFERENT` different labels.
    """
    reasons = _Reasons(table.unit)
    known = {name: name for name in strategies}
    chosen, counts, rows, unlabelled = _choose(table, columns, reasons, known, redact_text, sample, seed, progress)
    wanted = set(chosen)
    day_first = day_comes_first(
        row.values.get(columns.time) for row in sample_rows(table)
    ) if columns.time else False  # fmt: skip
    examples: list[Example] = []
    for number, one in enumerate(table.rows()):
        if number not in wanted or isinstance(one, Remark):
            continue
        project = _text(one.values.get(columns.project)) if columns.project else ""
        answer = understand(one.values[columns.trace], project)
        if isinstance(answer, str):
            reasons.add(one, answer, lost=True)
        else:
            signature, own_time = answer
            time = time_of(one.values.get(columns.time), day_first=day_first) if columns.time else None
            if columns.time and time is None:
                reasons.add(one, "a time that cannot be read", lost=False)
            label = known[plain_label(_label(one, columns, redact_text))]
            place = place_of(one, table.unit)
            examples.append(
                Example(signature=signature, label=label, time=time or own_time, project=project, place=place)
            )
        if len(examples) % 200 == 0:
            progress("understanding", len(examples), len(wanted))
    progress("understanding", len(wanted), len(wanted))
    labelled = sum(counts.values())
    return Gathered(
        examples=tuple(examples),
        rows=rows,
        labelled=labelled,
        unlabelled=unlabelled,
        left_out=labelled - len(wanted),
        labels=tuple((known[name], count) for name, count in counts.most_common()),
        reasons=reasons.told(),
    )


def _choose(
    table: Table,
    columns: Columns,
    reasons: _Reasons,
    known: dict[str, str],
    redact_text: Callable[[str], str],
    sample: int,
    seed: int,
    progress: Progress,
) -> tuple[list[int], Counter[str], int, int]:
    """The first reading: which rows (their numbers among all that is read), how many of each label, how many in all."""
    drawn: dict[str, list[int]] = {}
    counts: Counter[str] = Counter()
    rows = unlabelled = 0
    chance = random.Random(seed)
    spelled: dict[str, str] = {}
    for number, one in enumerate(table.rows()):
        if isinstance(one, Remark):
            reasons.add(one, one.reason, lost=one.lost)
            continue
        rows += 1
        if rows % 20_000 == 0:
            progress("reading", rows, 0)
        if not filled(one.values.get(columns.trace)):
            reasons.add(one, "no trace", lost=True)
            continue
        raw = _text(one.values.get(columns.label)) if columns.label else ""
        if not raw:
            unlabelled += 1
            continue
        if (label := spelled.get(raw)) is None:
            label = plain_label(clean := _label(one, columns, redact_text))
            if len(spelled) < 2 * MOST_DIFFERENT:
                spelled[raw] = label
            known.setdefault(label, clean)
        counts[label] += 1
        if len(counts) > MOST_DIFFERENT:
            raise InputError(
                f"the column {columns.label} holds more than {MOST_DIFFERENT:,} different values: these are no labels",
                hint="name the column with --label-column",
            )
        kept = drawn.setdefault(label, [])
        if len(kept) < sample:
            kept.append(number)
        elif (at := chance.randrange(counts[label])) < sample:
            kept[at] = number
    progress("reading", rows, rows)
    return _levelled(drawn, sample, chance), counts, rows, unlabelled


def _levelled(drawn: dict[str, list[int]], sample: int, chance: random.Random) -> list[int]:
    """At most `sample` rows: the same most for each label, so high that all of them together fit."""
    if sum(map(len, drawn.values())) <= sample:
        return [number for numbers in drawn.values() for number in numbers]
    left, level = sample, 0
    sizes = sorted(map(len, drawn.values()))
    for done, size in enumerate(sizes):
        level = left // (len(sizes) - done)
        if size > level:
            break
        left -= size
    return [number for numbers in drawn.values() for number in chance.sample(numbers, min(len(numbers), max(1, level)))]


def _label(row: Row, columns: Columns, redact_text: Callable[[str], str]) -> str:
    """The label as it is shown: one line, short, without secrets."""
    assert columns.label is not None
    return " ".join(redact_text(_text(row.values.get(columns.label))).split())[:LABEL_CHARACTERS]


def _text(value: object) -> str:
    return str(value).strip() if filled(value) else ""
