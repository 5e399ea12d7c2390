"""The façade over one database: events, decisions, inbox and keys side by side, each in its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from sqlalchemy import insert, select

from ems_ml.ports import Candidates, Opinion
from ems_ml.store import counters, patterns
from ems_ml.store.codec import dumps, loads
from ems_ml.store.database import open_database
from ems_ml.store.decisions import Decisions
from ems_ml.store.events import Events
from ems_ml.store.exemplars import Index
from ems_ml.store.inbox import Inbox
from ems_ml.store.keys import Keys
from ems_ml.store.opinions import Opinions
from ems_ml.store.regroupings import Regroupings
from ems_ml.store.schema import fix_attempt, project
from ems_ml.types import Assignment, ErrorEvent, Pattern, PatternStatus, RankedStrategy, Signature, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SqlStore:
    """Everything that is kept. `url` is SQLAlchemy's; `sqlite://` keeps it in memory.

    `new_index` makes an empty index of exemplars, `encoder` is the version of the encoder whose vectors it holds, and
    `indexes` the folder that large ones are kept in; None: they live and die with the process.
    """

    def __init__(self, url: str, *, new_index: Callable[[], Index], encoder: str, indexes: Path | None = None) -> None:
        self.database = open_database(url)
        self._more: list[Events] = []
        self._new_index, self._indexes = new_index, indexes
        self.events = Events(self.database, new_index, encoder, indexes)
        self.opinions = Opinions(self.database)
        self.decisions = Decisions(self.database)
        self.inbox = Inbox(self.database)
        self.keys = Keys(self.database)
        self.regroupings = Regroupings(self.database)

    def candidates(
        self, project: str, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32]
    ) -> Candidates:
        """See `ems_ml.ports.Store`."""
        return self.events.candidates(event, signature, vector)

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
        """See `ems_ml.ports.Store`."""
        return self.events.commit(
            event, signature, vector, assignment, strategies, versions, candidates=candidates, ms=ms, opinion=opinion
        )

    def beside(self, encoder: str) -> Events:
        """The same events, compared by the vectors of another version of the encoder."""
        made = Events(self.database, self._new_index, encoder, self._indexes)
        self._more.append(made)
        return made

    def patterns(self, project: str | None = None, *, status: PatternStatus | None = None) -> list[Pattern]:
        """Patterns, the one with the newest event first."""
        with self.database.read() as connection:
            return patterns.listed(connection, project_name=project, status=status)

    def pattern(self, pattern_id: str, *, follow: bool = True) -> Pattern:
        """One pattern; a merged id leads to the pattern it lives in, unless `follow` is False. Raises `NotFound`."""
        with self.database.read() as connection:
            return patterns.read(connection, patterns.resolve_id(connection, pattern_id) if follow else pattern_id)

    def projects(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.execute(select(project.c.name).order_by(project.c.name)).scalars())

    def counters(self) -> dict[tuple[str, str], int]:
        """("received" | "processed" | "dropped", reason) -> how many."""
        with self.database.read() as connection:
            return counters.read(connection)

    def count(self, name: str, label: str = "", amount: int = 1) -> None:
        """Adds to a counter, for what is not stored at all: a report that was refused, a client's own losses."""
        with self.database.write() as connection:
            counters.add(connection, name, label, amount)

    def record_fix(self, project_name: str, event: str, pattern: str | None, verdict: Verdict) -> None:
        """Keeps what came of an attempt to repair an error."""
        with self.database.write() as connection:
            patterns.ensure_project(connection, project_name)
            connection.execute(
                insert(fix_attempt).values(
                    time=datetime.now(UTC), project=project_name, event=event, pattern=pattern, verdict=dumps(verdict)
                )
            )

    def fixes(self, pattern: str) -> list[tuple[datetime, Verdict]]:
        """The attempts on a pattern, newest first."""
        query = select(fix_attempt).where(fix_attempt.c.pattern == pattern).order_by(fix_attempt.c.number.desc())
        with self.database.read() as connection:
            return [(row["time"], loads(Verdict, row["verdict"])) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        for one in (self.events, *self._more):
            one.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
