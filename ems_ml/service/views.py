"""What the use cases of `ems_ml.service.app` answer: frozen values that a page, a command or an endpoint only draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ems_ml.build import Check as Check
from ems_ml.build import Resources as Resources
from ems_ml.types import Decision, ErrorEvent, Neighbour, PatternStatus, RankedStrategy, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How many events a period holds. `start` is timezone-aware (UTC)."""

    start: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRow:
    """A pattern as a list shows it. Type, message and raise point are those of its example (its first event)."""

    id: str
    project: str
    title: str
    type: str
    message: str
    file: str  # raise point; "" where unknown
    function: str
    line: int | None
    status: PatternStatus
    count: int
    first_seen: datetime
    last_seen: datetime
    example: str
    strategies: tuple[RankedStrategy, ...]  # best first; () where none were ranked
    suggestion: Neighbour | None  # "is this the same as ...?", waiting for a person
    merged_into: str | None
    counts: tuple[int, ...] = ()  # events a day over the last 14 days, oldest first; () where not asked for

    @property
    def top(self) -> RankedStrategy | None:
        """The likeliest strategy."""
        return self.strategies[0] if self.strategies else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternPage:
    """A slice of the list: `rows`, and how many there are in all under the same search."""

    rows: tuple[PatternRow, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A pattern that is likely the same as another, and waits for a person: merge, or apart."""

    pattern: PatternRow
    other: PatternRow
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event of a pattern as a list shows it."""

    id: str
    time: datetime  # when it happened; when it was stored, where the report did not tell
    source: str
    release: str | None
    message: str
    decision: Decision | None
    probability: float  # p(same cause as the nearest pattern at that time)
    test: str  # the pytest node id it came from, "" otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class FixRow:
    """One attempt to repair an error of a pattern."""

    time: datetime
    verdict: str
    strategy: str | None
    branch: str | None
    commit: str | None
    reason: str
    diff: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternDetail:
    """Everything about one pattern."""

    row: PatternRow
    event: ErrorEvent  # the one asked for, else the example: its chain and frames
    why: Mapping[str, Any]  # the reason of that event's assignment
    decision: Decision | None
    probability: float
    nearest: tuple[Neighbour, ...]
    versions: Mapping[str, str]  # normalizer, encoder, grouper, ranker
    events: tuple[EventRow, ...]  # the newest first, up to the limit asked for
    over_time: tuple[Bucket, ...]  # a day each, 14 days
    fixes: tuple[FixRow, ...]  # the newest first
    merged: tuple[str, ...]  # ids of the patterns that were merged into this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The first page: how much came in, what became of it, what waits for a person."""

    received: int
    processed: int
    dropped: Mapping[str, int]  # reason -> count
    waiting: int  # accepted, not yet processed
    open_patterns: int
    new_patterns: int  # first seen within `hours`
    hours: int
    over_time: tuple[Bucket, ...]  # an hour each over `hours`, oldest first, empty hours included
    top: tuple[PatternRow, ...]  # most events first
    newest: tuple[PatternRow, ...]
    suggestions: tuple[Suggestion, ...]
    resources: Resources

    @property
    def lost(self) -> int:
        """Events that were dropped for any reason."""
        return sum(self.dropped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The answer for one report: the result, the same as the public JSON, and its pattern where it was recorded."""

    result: Result
    json: Mapping[str, Any]
    pattern: PatternRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure with its 95% interval, beside the baseline's."""

    name: str
    value: float
    low: float
    high: float
    baseline: float | None = None
    baseline_low: float | None = None
    baseline_high: float | None = None
    baseline_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Answers with about the same stated probability: its mean, the share that was right, how many."""

    stated: float
    right: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One strategy in the evaluation: how often it was true, and how it was found."""

    name: str
    support: int
    precision: float | None
    recall: float | None
    trained: int | None = None  # examples in the training data


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The last evaluation of the models in use. Everything empty where there is none: `when` is then ""."""

    when: str
    command: str
    figures: tuple[Figure, ...]
    top_k: tuple[Figure, ...]  # named "top 1", "top 3", "top 5"
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: the true strategy; columns: the one ranked first
    calibration: tuple[CalibrationBin, ...]
    classes: tuple[ClassRow, ...]
    versions: Mapping[str, str]
    packages: Mapping[str, tuple[str, ...]]  # "train", "tune", "test" -> packages
    raw: Mapping[str, Any] = field(default_factory=dict)  # evaluation.json as it stands

    @property
    def found(self) -> bool:
        return bool(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the doctor saw, and the machine."""

    checks: tuple[Check, ...]
    resources: Resources

    @property
    def ok(self) -> bool:
        """Whether no check failed; a warning is not a failure."""
        return all(check.ok for check in self.checks)
