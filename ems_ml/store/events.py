"""Events with their assignments: committing one, finding what could be the same, searching."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from ems_ml.errors import DuplicateEvent, LostRace
from ems_ml.ports import NEAR, PER_PATTERN, Candidates, Opinion
from ems_ml.store import counters, opinions, patterns
from ems_ml.store.codec import dumps, from_plain, loads, plain
from ems_ml.store.database import Database
from ems_ml.store.exemplars import Exemplars, Index
from ems_ml.store.schema import event as events
from ems_ml.store.schema import exact, exemplar, inbox, project
from ems_ml.types import Assignment, Decision, ErrorEvent, RankedStrategy, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Built once: a statement costs more to build than to run.
_STATE = select(project.c.sequence, project.c.epoch).where(project.c.name == bindparam("name"))
_OF_KEY = select(exact.c.pattern).where(exact.c.project == bindparam("name"), exact.c.key == bindparam("key"))

_WAITED = delete(inbox).where(
    inbox.c.project == bindparam("of"), inbox.c.id == bindparam("event"), inbox.c.problem.is_(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it was stored."""

    event: ErrorEvent
    time: datetime  # when it happened; when it was stored, where the report did not tell
    pattern: str
    assignment: Assignment
    strategies: tuple[RankedStrategy, ...]
    versions: Mapping[str, str]
    ms: float


class Events:
    """The events of all projects. Safe for threads; each process holds its own index and reads on from the others'."""

    def __init__(
        self, database: Database, new_index: Callable[[], Index], encoder: str, indexes: Path | None = None
    ) -> None:
        self._database = database
        self._exemplars = Exemplars(new_index, encoder, indexes)
        self._lock = threading.RLock()

    @property
    def encoder(self) -> str:
        """The version of the encoder whose vectors are compared."""
        return self._exemplars.encoder

    def compare_with(self, encoder: str) -> None:
        """From now on hold the exemplars of this version of the encoder: other models were put to use."""
        with self._lock:
            self._exemplars.compare_with(encoder)

    def candidates(self, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32]) -> Candidates:
        """What could be the same in the event's project."""
        with self._database.read() as connection, self._lock:
            state = connection.execute(_STATE, {"name": event.project}).one_or_none()
            if state is None:
                return Candidates()
            held = self._exemplars.current(connection, event.project, state.epoch)
            known = _pattern_of_key(connection, event.project, identity(event, signature))
            near = held.index.near(signature, vector, NEAR)
            if known is not None:
                present = set(near)
                newest = self._exemplars.of_pattern(connection, known)[
                    -PER_PATTERN:
                ]  # one that was merged may have many
                near += [one for one in newest if one not in present]
            example = patterns.read(connection, known).example if known is not None else ""
            return Candidates(
                exact=known,
                near=tuple(self._exemplars.read(connection, event.project, near)),
                example=example,
                decided=known in held.decided,
                bound=held.decided,
                apart=held.apart,
                sequence=state.sequence,
                epoch=state.epoch,
                common=held.index.common,
            )

    def rebuild_index(self, project_name: str) -> int:
        """Makes a project's index anew from the database; how many exemplars it holds."""
        with self._database.read() as connection, self._lock:
            return self._exemplars.rebuild(connection, project_name)

    def close(self) -> None:
        """Waits for an index that is being written."""
        with self._lock:
            self._exemplars.close()

    def commit(
        self,
        event: ErrorEvent,
        signature: Signature,
        vector: NDArray[np.float32],
        assignment: Assignment,
        strategies: Sequence[RankedStrategy],
        versions: Mapping[str, str],
        *,
        candidates: Candidates,
        ms: float = 0.0,
        opinion: Opinion | None = None,
    ) -> Assignment:
        """See `ems_ml.ports.Store.commit`."""
        time = event.time or datetime.now(UTC)
        key = identity(event, signature)
        with self._database.write() as connection:
            sequence, epoch = patterns.lock_project(connection, event.project)
            if epoch != candidates.epoch:
                raise LostRace(
                    f"somebody decided or regrouped in project {event.project}",
                    hint="group again; this is done for you",
                )
            known = _pattern_of_key(connection, event.project, key)
            if known != candidates.exact:
                raise LostRace(
                    f"the same error was grouped elsewhere meanwhile in project {event.project}",
                    hint="group again; this is done for you",
                )
            if assignment.decision is Decision.JOINED:
                patterns.count_event(connection, assignment.pattern, time, plain(tuple(strategies)))
            elif sequence != candidates.sequence:
                raise LostRace(
                    f"another process made a pattern in project {event.project}",
                    hint="group again; this is done for you",
                )
            else:
                patterns.make(connection, event, signature, assignment, strategies, time)
            try:
                with connection.begin_nested():
                    stored = connection.execute(
                        insert(events).returning(events.c.number),
                        {
                            "id": event.id,
                            "project": event.project,
                            "pattern": assignment.pattern,
                            "exact": key,
                            "time": time,
                            "source": event.source,
                            "search": _search_text(event),
                            "event": dumps(event),
                            "assignment": dumps(assignment),
                            "strategies": plain(tuple(strategies)),
                            "versions": dict(versions),
                            "ms": ms,
                        },
                    )
                    number = int(stored.scalar_one())
            except IntegrityError as error:
                raise DuplicateEvent(
                    f"project {event.project} already holds the event {event.id}", hint="nothing is to be done"
                ) from error
            if known is None:
                known_by = {"project": event.project, "key": key, "pattern": assignment.pattern}
                connection.execute(insert(exact), known_by)
            # By the encoder of this vector, whatever came since.
            vectors = {versions.get("encoder", self.encoder): vector}
            if opinion is not None:
                opinions.note(connection, number, event.project, opinion, assignment)
                vectors.setdefault(opinion.encoder, opinion.vector)
            if assignment.decision is not Decision.JOINED or self._wants(
                connection, event.project, assignment.pattern, signature
            ):
                connection.execute(
                    insert(exemplar),
                    [
                        {
                            "project": event.project,
                            "pattern": assignment.pattern,
                            "event": event.id,
                            "encoder": encoder,
                            "signature": dumps(signature),
                            "vector": np.ascontiguousarray(of_it, dtype=np.float32).tobytes(),
                        }
                        for encoder, of_it in vectors.items()
                    ],
                )
            waited = connection.execute(_WAITED, {"of": event.project, "event": event.id}).rowcount
            if not waited:
                counters.add(connection, "received")  # it came straight to the line, not through the inbox
            if waited > 1:
                counters.add(connection, "dropped", "duplicate", waited - 1)
            counters.add(connection, "processed")
        return assignment

    def _wants(self, connection: Connection, name: str, pattern: str, signature: Signature) -> bool:
        with self._lock:
            return self._exemplars.wants(connection, name, pattern, signature)

    def get(self, project_name: str, event_id: str) -> StoredEvent | None:
        """One event by its id."""
        with self._database.read() as connection:
            row = (
                connection.execute(select(events).where(events.c.project == project_name, events.c.id == event_id))
                .mappings()
                .one_or_none()
            )
        return None if row is None else _stored(row)

    def of_pattern(self, pattern: str, *, limit: int = 100) -> list[StoredEvent]:
        """The newest events of a pattern."""
        query = select(events).where(events.c.pattern == pattern).order_by(events.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]

    def times(self, *, since: datetime, pattern: str | None = None, project_name: str | None = None) -> list[datetime]:
        """When the events since a moment happened, oldest first."""
        query = select(events.c.time).where(events.c.time >= since).order_by(events.c.time)
        if pattern is not None:
            query = query.where(events.c.pattern == pattern)
        if project_name is not None:
            query = query.where(events.c.project == project_name)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def search(self, words: str, *, project_name: str | None = None) -> set[str]:
        """Ids of the patterns that have an event whose type, message or stack holds every word."""
        query = select(events.c.pattern).distinct()
        for word in words.lower().split():
            query = query.where(events.c.search.contains(word, autoescape=True))
        if project_name is not None:
            query = query.where(events.c.project == project_name)
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def count(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(events)).scalar_one())


def identity(event: ErrorEvent, signature: Signature) -> str:
    """The key under which an event is the same beyond doubt: the client's fingerprint where it gave one."""
    own = event.own_fingerprint
    if not own:
        return signature.exact
    told = [signature.exact] if event.by_default else []
    return hashlib.sha256("\x1f".join(["fingerprint", *told, *own]).encode("utf-8", "replace")).hexdigest()[:32]


def _pattern_of_key(connection: Connection, project_name: str, key: str) -> str | None:
    return connection.execute(_OF_KEY, {"name": project_name, "key": key}).scalar()


def _search_text(event: ErrorEvent) -> str:
    records = (event.error, *event.chain)
    parts = [part for record in records for part in (record.type, record.message)]
    parts += [f"{frame.file} {frame.function}" for record in records for frame in record.frames]
    parts.append(event.id)
    return patterns.column_text("\n".join(parts).lower(), 20_000)


def _stored(row: RowMapping) -> StoredEvent:
    ranked: list[Any] = row["strategies"]
    return StoredEvent(
        event=loads(ErrorEvent, row["event"]),
        time=row["time"],
        pattern=row["pattern"],
        assignment=loads(Assignment, row["assignment"]),
        strategies=tuple(from_plain(RankedStrategy, item) for item in ranked),
        versions=row["versions"],
        ms=row["ms"],
    )
