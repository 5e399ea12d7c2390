"""The straight line: a report in, its pattern, the reason and the ranked strategies out.

It knows the ports, never a concrete step. A single report and a batch take the same way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ems_ml.errors import DuplicateEvent, EmsError, InputError, LostRace, StoreError
from ems_ml.events import Bus, EventDropped, EventProcessed, EventReceived
from ems_ml.ports import (
    Candidates,
    Encoder,
    Grouper,
    Normalizer,
    Opinion,
    Parsers,
    Ranker,
    Redactor,
    SecondOpinion,
    SourceTree,
    Store,
)
from ems_ml.types import (
    Assignment,
    ErrorEvent,
    ExceptionRecord,
    Frame,
    Problem,
    RankedStrategy,
    RawReport,
    Result,
    Signature,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

log = logging.getLogger(__name__)

BATCH = 256
MAX_ID = 200  # characters, of a project's name too
RACES = 20  # how often an event is grouped again before the store is called overloaded


class CountingStore(Store, Protocol):
    """A store that also counts what never gets stored."""

    def count(self, name: str, label: str = "", amount: int = 1) -> None: ...


class NoSecondOpinion:
    """Nobody is asked beside the models in use."""

    def judge(
        self, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32], candidates: Candidates
    ) -> Opinion | None:
        """None."""
        return None


class Pipeline:
    """The line with its steps wired in.

    `reader` fills in source lines that a report lacks; `second` is asked beside the grouper and decides nothing.
    """

    def __init__(
        self,
        *,
        parser: Parsers,
        redactor: Redactor,
        normalizer: Normalizer,
        encoder: Encoder,
        grouper: Grouper,
        ranker: Ranker,
        store: CountingStore,
        bus: Bus,
        reader: SourceTree | None = None,
        second: SecondOpinion | None = None,
    ) -> None:
        self.parser = parser
        self.redactor = redactor
        self.normalizer = normalizer
        self.encoder = encoder
        self.grouper = grouper
        self.ranker = ranker
        self.store = store
        self.bus = bus
        self.reader = reader
        self.second = second or NoSecondOpinion()

    @property
    def versions(self) -> Mapping[str, str]:
        """What made an answer; stored with each."""
        return {
            "normalizer": self.normalizer.version,
            "encoder": self.encoder.version,
            "grouper": self.grouper.version,
            "ranker": self.ranker.version,
        }

    def accept(self, report: RawReport) -> ErrorEvent:
        """Parse and redact: what may be stored. Publishes `EventReceived`.

        Raises `InputError` for an id or a project's name that cannot be kept.
        """
        if len(report.id) > MAX_ID or "\0" in report.id:
            raise InputError(f"the id is longer than {MAX_ID} characters or holds a NUL", hint="give a shorter id")
        if not report.project or len(report.project) > MAX_ID or "\0" in report.project:
            raise InputError(
                f"the project's name is empty, longer than {MAX_ID} characters or holds a NUL", hint="give another name"
            )
        event = self.parser.parse(_well_formed(report))
        if self.reader is not None:
            event = _with_source(event, self.reader)
        event = self.redactor.redact(event)
        self.bus.publish(EventReceived(event=event.id, project=event.project, source=event.source))
        return event

    def process(self, report: RawReport) -> Result:
        """The whole line for one report. Raises `EmsError` where it cannot answer."""
        started = perf_counter()
        try:
            return self._answer(self.accept(report), started)
        except Exception as error:
            self._dropped(report, _reason(error))
            raise

    def process_event(self, event: ErrorEvent) -> Result:
        """The line from a redacted event on."""
        return self._answer(event, perf_counter())

    def process_many(self, reports: Iterable[RawReport | Problem]) -> Iterator[Result | Problem]:
        """One answer a report, in order; what fails becomes a `Problem` and the batch goes on.

        Encoding and ranking run over up to 256 reports at once; grouping goes one by one, as at arrival.
        """
        waiting = iter(reports)
        while batch := list(islice(waiting, BATCH)):
            started = perf_counter()
            accepted = [item if isinstance(item, Problem) else self._accepted(item) for item in batch]
            events = [item for item in accepted if isinstance(item, ErrorEvent)]
            prepared = iter(self._prepared_each(events))
            share = (perf_counter() - started) / max(1, len(events))
            for item in accepted:
                if isinstance(item, Problem):
                    yield item
                    continue
                ready = next(prepared)
                if isinstance(ready, Problem):
                    yield ready
                    continue
                signature, vector, strategies = ready
                begun = perf_counter() - share
                yield self._guarded(item, partial(self._grouped, item, signature, vector, strategies, begun))

    def _accepted(self, report: RawReport) -> ErrorEvent | Problem:
        return self._guarded(report, lambda: self.accept(report))

    def _guarded(self, item: RawReport | ErrorEvent, step: Callable[[], T]) -> T | Problem:
        """What the step answers, or a `Problem` with the reason counted."""
        try:
            return step()
        except EmsError as error:
            self._dropped(item, _reason(error))
            return Problem(id=item.id, problem=f"{error} ({error.hint})" if error.hint else str(error))
        except Exception as error:  # one bad report must not end a batch: it is told, counted and logged
            log.exception("a report could not be processed", extra={"event": item.id})
            self._dropped(item, _reason(error))
            return Problem(id=item.id, problem=f"internal error: {type(error).__name__}")

    def _dropped(self, item: RawReport | ErrorEvent, reason: str) -> None:
        self.bus.publish(EventDropped(event=item.id, project=item.project, reason=reason))
        try:
            self.store.count("received")
            self.store.count("dropped", reason)
        except StoreError:
            log.error("a dropped report could not be counted", extra={"event": item.id})

    def _prepared(
        self, events: Sequence[ErrorEvent]
    ) -> list[tuple[Signature, NDArray[np.float32], tuple[RankedStrategy, ...]]]:
        if not events:
            return []
        signatures = [self.normalizer.normalize(event) for event in events]
        vectors = self.encoder.encode(signatures)
        return list(zip(signatures, vectors, self.ranker.rank(signatures, vectors), strict=True))

    def _prepared_each(
        self, events: Sequence[ErrorEvent]
    ) -> Sequence[tuple[Signature, NDArray[np.float32], tuple[RankedStrategy, ...]] | Problem]:
        """All at once; where that fails one by one, so that only the event at fault becomes a problem."""
        try:
            return self._prepared(events)
        except Exception:
            log.warning("a batch of %d events is prepared one by one, since one of them failed", len(events))
        return [self._guarded(event, partial(self._prepared_one, event)) for event in events]

    def _prepared_one(self, event: ErrorEvent) -> tuple[Signature, NDArray[np.float32], tuple[RankedStrategy, ...]]:
        (prepared,) = self._prepared([event])
        return prepared

    def _answer(self, event: ErrorEvent, started: float) -> Result:
        signature, vector, strategies = self._prepared_one(event)
        return self._grouped(event, signature, vector, strategies, started)

    def _grouped(
        self,
        event: ErrorEvent,
        signature: Signature,
        vector: NDArray[np.float32],
        strategies: tuple[RankedStrategy, ...],
        started: float,
    ) -> Result:
        for _ in range(RACES):
            candidates = self.store.candidates(event.project, event, signature, vector)
            proposed = self.grouper.assign(event, signature, vector, candidates)
            opinion = self.second.judge(event, signature, vector, candidates)
            ms = 1000 * (perf_counter() - started)
            try:
                assignment = self.store.commit(
                    event,
                    signature,
                    vector,
                    proposed,
                    strategies,
                    self.versions,
                    candidates=candidates,
                    ms=ms,
                    opinion=opinion,
                )
            except LostRace:
                continue
            return self._result(event, signature, assignment, strategies, started)
        raise StoreError(
            f"event {event.id} lost {RACES} races against other processes", hint="send it again when the load is lower"
        )

    def _result(
        self,
        event: ErrorEvent,
        signature: Signature,
        assignment: Assignment,
        strategies: tuple[RankedStrategy, ...],
        started: float,
    ) -> Result:
        ms = 1000 * (perf_counter() - started)
        self.bus.publish(
            EventProcessed(event=event.id, project=event.project, assignment=assignment, strategies=strategies, ms=ms)
        )
        log.info(
            "grouped",
            extra={"event": event.id, "pattern": assignment.pattern, "decision": str(assignment.decision)},
        )
        return Result(
            id=event.id,
            event=event,
            signature=signature,
            assignment=assignment,
            strategies=strategies,
            versions=self.versions,
            ms=ms,
        )


def _reason(error: Exception) -> str:
    """What a dropped report is counted under."""
    if isinstance(error, DuplicateEvent):
        return "duplicate"
    return type(error).__name__ if isinstance(error, EmsError) else "internal"


def _well_formed(report: RawReport) -> RawReport:
    """The report as UTF-8 can hold it: half a surrogate pair, as clients that cut strings send it, becomes `?`."""
    return replace(
        report,
        id=_clean(report.id),
        text=_clean(report.text),
        payload=_clean(report.payload),
        release=_clean(report.release),
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _with_source(event: ErrorEvent, reader: SourceTree) -> ErrorEvent:
    """The event with the source lines that the tree knows and the report lacks."""
    return event.with_(
        error=_record_with_source(event.error, reader),
        chain=tuple(_record_with_source(record, reader) for record in event.chain),
    )


def _record_with_source(record: ExceptionRecord, reader: SourceTree) -> ExceptionRecord:
    return replace(record, frames=tuple(_frame_with_source(frame, reader) for frame in record.frames))


def _frame_with_source(frame: Frame, reader: SourceTree) -> Frame:
    if frame.code is not None or frame.line is None:
        return frame
    found = reader.find(frame)
    if found is None:
        return frame
    lines = found.text.splitlines()
    return replace(frame, code=lines[frame.line - 1].strip()) if 0 < frame.line <= len(lines) else frame


def result_to_json(result: Result) -> dict[str, Any]:
    """The public answer (`docs/api/classify.md`): fields may be added, never renamed."""
    event, assignment = result.event, result.assignment
    answer: dict[str, Any] = {
        "id": result.id,
        "versions": dict(result.versions),
        "error": _error_to_json(event),
        "pattern": {
            "id": assignment.pattern,
            "decision": str(assignment.decision),
            "probability": assignment.probability,
            "nearest": [
                {"pattern": near.pattern, "probability": near.probability, "example": near.example}
                for near in assignment.nearest
            ],
            "why": dict(assignment.why),
        },
        "strategies": [
            {"name": ranked.name, "probability": ranked.probability, "why": list(ranked.why)}
            for ranked in result.strategies
        ],
        "ms": round(result.ms, 3),
    }
    if event.more:
        answer["more"] = [_error_to_json(other) for other in event.more]
    return answer


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """The public answer for a report that could not be answered."""
    return {"id": problem.id, "problem": problem.problem}


def _error_to_json(event: ErrorEvent) -> dict[str, Any]:
    return {
        "type": event.error.type,
        "message": event.error.message,
        "language": event.language,
        "frames": [
            {"file": frame.file, "function": frame.function, "line": frame.line, "in_app": frame.in_app}
            for frame in event.error.frames
        ],
        "chain": [{"type": record.type, "message": record.message} for record in event.chain],
    }
