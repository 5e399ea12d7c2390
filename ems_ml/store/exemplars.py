"""The exemplars of all projects, as arriving errors are compared with them: an index of each project, kept on disk.

The database is the truth. An index holds vectors and counts, and follows what the database has since; signatures are
read for the candidates only, and the latest stay in memory.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from sqlalchemy import Connection, RowMapping, bindparam, func, select

from ems_ml.ports import PER_PATTERN, Exemplar, tells_more
from ems_ml.store import decisions
from ems_ml.store.codec import loads_signature
from ems_ml.store.schema import exemplar, regrouping
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

log = logging.getLogger(__name__)

REMEMBERED = 8_192  # exemplars of a project whose signatures stay in memory
AGAIN = 1_024  # further exemplars after which keeping an index is tried again, where it could not be

# Built once: a statement costs more to build than to run.
_SINCE = (
    select(exemplar)
    .where(
        exemplar.c.project == bindparam("project"),
        exemplar.c.number > bindparam("last"),
        exemplar.c.encoder == bindparam("encoder"),
    )
    .order_by(exemplar.c.number)
)
_NUMBERED = select(exemplar).where(exemplar.c.number.in_(bindparam("numbers", expanding=True)))
_OF_PATTERN = (
    select(exemplar.c.number)
    .where(exemplar.c.pattern == bindparam("pattern"), exemplar.c.encoder == bindparam("encoder"))
    .order_by(exemplar.c.number)
)
_UNDONE = (
    select(func.count())
    .select_from(regrouping)
    .where(regrouping.c.project == bindparam("project"), regrouping.c.undone.is_not(None))
)


class Index(Protocol):
    """What the store needs of an index of exemplars; `ems_ml.group.ExemplarIndex` is one, and tells more of each."""

    scanned: int

    @property
    def last(self) -> int: ...

    @property
    def kept(self) -> int: ...

    @property
    def loose(self) -> int: ...

    @property
    def common(self) -> object: ...

    def __len__(self) -> int: ...

    def add(self, number: int, signature: Signature, vector: Floats) -> None: ...

    def near(self, signature: Signature, vector: Floats, count: int) -> list[int]: ...

    def settle(self) -> None: ...

    def keeper(self, folder: Path, mark: str) -> Callable[[], bool]: ...

    def resume(self, folder: Path, *, than: int = 0) -> str | None: ...


@dataclass(slots=True)
class Held:
    """One project as this process holds it."""

    index: Index
    epoch: int
    undone: int = 0  # regroupings that were undone, which removes exemplars
    apart: frozenset[tuple[str, str]] = frozenset()
    decided: frozenset[str] = frozenset()
    exemplars: dict[int, Exemplar] = field(default_factory=dict)  # those read last
    keeping: threading.Thread | None = None
    keep_at: int = 0  # loose exemplars from which on the index is kept again


class Exemplars:
    """The indexes of one process. `folder` is where they are kept, None for a database in memory.

    Not safe for threads: the caller takes turns.
    """

    def __init__(self, new_index: Callable[[], Index], encoder: str, folder: Path | None) -> None:
        self._new_index = new_index
        self._folder = folder
        self._held: dict[str, Held] = {}
        self.encoder = encoder

    def compare_with(self, encoder: str) -> None:
        """From now on hold the exemplars of this version of the encoder."""
        if encoder != self.encoder:
            self.close()
            self.encoder = encoder

    def current(self, connection: Connection, project: str, epoch: int) -> Held:
        """A project up to what the connection sees. `epoch` counts people's decisions; after one they are read anew."""
        held = self._held.get(project)
        if held is None:
            index = self._new_index()
            held = self._held[project] = Held(index, epoch=-1, keep_at=index.scanned)
            self._resume(connection, project, held)
        if held.epoch != epoch:
            undone = int(connection.execute(_UNDONE, {"project": project}).scalar_one())
            if held.epoch >= 0 and held.undone != undone:
                self.rebuild(connection, project)
                held = self._held[project]
            held.epoch, held.undone = epoch, undone
            held.apart = decisions.told_apart(connection, project)
            held.decided = decisions.decided(connection, project)
            held.exemplars.clear()
        self._follow(connection, project, held)
        written = held.keeping is not None and not held.keeping.is_alive()
        if self._folder is not None and (written or held.index.loose > held.keep_at):
            self._keep(connection, project, held)
        return held

    def read(self, connection: Connection, project: str, numbers: Sequence[int]) -> list[Exemplar]:
        """Exemplars by their numbers, in their order; one that the database has no more is left out."""
        held = self._held.get(project)
        latest = {} if held is None else held.exemplars
        missing = [number for number in numbers if number not in latest]
        if missing:
            for row in connection.execute(_NUMBERED, {"numbers": missing}).mappings():
                latest[row["number"]] = _exemplar(row)
        found = [latest[number] for number in numbers if number in latest]
        _forget_oldest(latest)
        return found

    def wants(self, connection: Connection, project: str, pattern: str, signature: Signature) -> bool:
        """Whether an event of a pattern that is known would tell the index something new about it."""
        held = self.read(connection, project, self.of_pattern(connection, pattern)[: 4 * PER_PATTERN])
        return tells_more({one.signature.exact for one in held}, signature)

    def of_pattern(self, connection: Connection, pattern: str) -> list[int]:
        """The numbers of a pattern's exemplars."""
        return list(connection.execute(_OF_PATTERN, {"pattern": pattern, "encoder": self.encoder}).scalars())

    def rebuild(self, connection: Connection, project: str) -> int:
        """Makes a project's index anew from the database and keeps it; how many exemplars it holds."""
        folder = self._of(project)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self._drop(project)
        index = self._new_index()
        held = self._held[project] = Held(index, epoch=-1, keep_at=index.scanned)
        self._follow(connection, project, held)
        if folder is not None and held.index.loose > held.index.scanned:
            held.index.settle()
            self._keep_now(connection, project, held)
        return len(held.index)

    def close(self) -> None:
        """Waits for what is being written."""
        for project in list(self._held):
            self._drop(project)

    def _drop(self, project: str) -> None:
        held = self._held.pop(project, None)
        if held is not None and held.keeping is not None:
            held.keeping.join()

    def _follow(self, connection: Connection, project: str, held: Held) -> None:
        """Adds what the database has beyond the index. The caller waits where that is too much to be scanned."""
        settled = False
        while not self._caught_up(connection, project, held):
            if held.keeping is not None:
                held.keeping.join()
            if self._resume(connection, project, held):
                continue  # another process has done it
            try:
                held.index.settle()
            except RuntimeError:  # faiss; another process has just done it, and put away the file that was to grow
                if not self._resume(connection, project, held):
                    raise
            settled = True
        if settled:
            log.info("an index was made", extra={"project": project, "exemplars": len(held.index)})
            self._keep_now(connection, project, held)

    def _caught_up(self, connection: Connection, project: str, held: Held) -> bool:
        """Reads on from the database; False where there is more than may be scanned."""
        most = held.index.scanned * (1 if self._folder is None else 2)  # up to there it is kept in a thread of its own
        since = {"project": project, "last": held.index.last, "encoder": self.encoder}
        for row in connection.execute(_SINCE, since, execution_options={"yield_per": 1_000}).mappings():
            if held.index.loose >= most:
                return False
            found = _exemplar(row)
            held.index.add(row["number"], found.signature, found.vector)
            held.exemplars[row["number"]] = found
            if len(held.exemplars) > 2 * REMEMBERED:
                _forget_oldest(held.exemplars)
        _forget_oldest(held.exemplars)
        return True

    def _keep_now(self, connection: Connection, project: str, held: Held) -> None:
        """Writes an index that is in memory, and serves from what was written."""
        folder = self._of(project)
        if folder is not None:
            held.index.settle()
            self._kept(held.index.keeper(folder, self._mark(connection, project, held.index.last)), project)
            self._resume(connection, project, held)

    def _keep(self, connection: Connection, project: str, held: Held) -> None:
        """Takes up what another process has kept since; else has it written beside what goes on."""
        folder = self._of(project)
        if folder is None or (held.keeping is not None and held.keeping.is_alive()):
            return
        held.keeping = None
        if self._resume(connection, project, held):
            self._follow(connection, project, held)
        if held.index.loose > held.keep_at:
            held.keep_at = held.index.loose + AGAIN
            work = held.index.keeper(folder, self._mark(connection, project, held.index.last))
            held.keeping = threading.Thread(target=self._kept, args=(work, project), name="ems-index")
            held.keeping.start()

    def _kept(self, work: Callable[[], bool], project: str) -> None:
        try:
            if work():
                log.info("an index was kept", extra={"project": project})
        except (OSError, RuntimeError) as error:  # the disk is full, say: what is held serves on, the database is whole
            log.warning("an index could not be kept", extra={"project": project, "why": str(error)})

    def _resume(self, connection: Connection, project: str, held: Held) -> bool:
        """Holds what was kept in the folder where that is newer and tells of this database."""
        folder, fresh = self._of(project), self._new_index()
        mark = None if folder is None else fresh.resume(folder, than=held.index.kept)
        if folder is None or mark is None:
            return False
        if mark != self._mark(connection, project, fresh.last):
            log.warning("the kept index is of another database and is made anew", extra={"project": project})
            shutil.rmtree(folder, ignore_errors=True)
            return False
        held.index, held.keep_at = fresh, fresh.scanned
        return True

    def _mark(self, connection: Connection, project: str, last: int) -> str:
        """What tells whether an index up to `last` is of this database: how many exemplars that is, and its event."""
        up_to = select(func.count()).where(exemplar.c.project == project, exemplar.c.number <= last)
        newest = select(exemplar.c.event).where(exemplar.c.project == project, exemplar.c.number == last)
        return f"{connection.execute(up_to).scalar_one()} {connection.execute(newest).scalar()}"

    def _of(self, project: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / hashlib.sha256(f"{project}\x1f{self.encoder}".encode()).hexdigest()[:24]


def _exemplar(row: RowMapping) -> Exemplar:
    return Exemplar(
        event=row["event"],
        pattern=row["pattern"],
        signature=loads_signature(row["signature"]),
        vector=np.frombuffer(row["vector"], dtype=np.float32),
    )


def _forget_oldest(exemplars: dict[int, Exemplar]) -> None:
    for number in list(exemplars)[: max(0, len(exemplars) - REMEMBERED)]:
        del exemplars[number]
