"""Regroupings: what a project holds for one, those that were applied, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, func, select

from ems_ml.errors import NotFound
from ems_ml.regrouping import Binding, Change, Plan, Regrouping, Unit
from ems_ml.store import decisions, patterns, regrouped, undone
from ems_ml.store.codec import from_plain, loads
from ems_ml.store.database import Database
from ems_ml.store.handing import chunks
from ems_ml.store.schema import decision, project, regrouping
from ems_ml.store.schema import event as events
from ems_ml.types import ErrorEvent

BATCH = 256  # events that are read at once


class Regroupings:
    """Reading for a plan, applying it in one transaction, listing and undoing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, project_name: str) -> tuple[list[Unit], Binding, int]:
        """The units in the order of their first events, what people's decisions bind, and the project's epoch.

        The epoch tells `apply` whether somebody decided or regrouped meanwhile. Raises `NotFound`.
        """
        query = (
            select(events.c.pattern, events.c.exact, func.min(events.c.number), func.count())
            .where(events.c.project == project_name)
            .group_by(events.c.pattern, events.c.exact)
        )
        with self._database.read() as connection:
            epoch = connection.execute(select(project.c.epoch).where(project.c.name == project_name)).scalar()
            if epoch is None:
                raise NotFound(f"there is no project {project_name}", hint="`ems pattern list` shows where errors are")
            rows = {number: (pattern, key, count) for pattern, key, number, count in connection.execute(query)}
            ids = {
                row.number: row.id
                for some in chunks(sorted(rows))
                for row in connection.execute(select(events.c.number, events.c.id).where(events.c.number.in_(some)))
            }
            units = [
                Unit(number=number, event=ids[number], pattern=pattern, key=key, count=count)
                for number, (pattern, key, count) in sorted(rows.items())
            ]
            return units, _binding(connection, project_name), int(epoch)

    def firsts(self, units: Sequence[Unit]) -> Iterator[list[tuple[Unit, ErrorEvent]]]:
        """The first event of each unit, some hundreds at a time, in the order of `units`."""
        for some in chunks(units, BATCH):
            numbers = [unit.number for unit in some]
            with self._database.read() as connection:
                query = select(events.c.number, events.c.event).where(events.c.number.in_(numbers))
                told = {row.number: row.event for row in connection.execute(query)}
            yield [(unit, loads(ErrorEvent, told[unit.number])) for unit in some]

    def rows(self, plan: Plan, *, encoder: str) -> int:
        """How many rows applying the plan would write; 0 where there is nothing to do."""
        with self._database.read() as connection:
            return regrouped.rows(connection, plan, encoder=encoder)

    def apply(
        self,
        plan: Plan,
        *,
        epoch: int,
        encoder: str,
        run: str,
        actor: str,
        models: str,
        models_before: str,
        seconds: float,
    ) -> Regrouping | None:
        """Write a plan in one transaction; None where there is nothing to write.

        encoder: the version of the vectors in `plan.exemplars`. Events that came since the plan was made follow their
        pattern. Raises `LostRace` where the epoch is another one: then plan again.
        """
        with self._database.write() as connection:
            number = regrouped.write(
                connection,
                plan,
                epoch=epoch,
                encoder=encoder,
                kept={
                    "run": run,
                    "project": plan.project,
                    "time": datetime.now(UTC),
                    "actor": actor,
                    "models": models,
                    "models_before": models_before,
                },
                seconds=seconds,
            )
            return None if number is None else _of_row(_row(connection, number))

    def undo(self, number: int, *, actor: str) -> Regrouping:
        """Take a regrouping back, in one transaction; what came later stays. See `ems_ml.store.undone`.

        Raises `NotFound`, and `UsageError` where it is undone already or a later one of its project stands on it.
        """
        with self._database.write() as connection:
            undone.undo(connection, _row(connection, number), actor=actor)
            return _of_row(_row(connection, number))

    def listed(self, project_name: str | None = None) -> list[Regrouping]:
        """Those that were applied, the latest first, undone ones too."""
        query = select(regrouping).order_by(regrouping.c.number.desc())
        if project_name is not None:
            query = query.where(regrouping.c.project == project_name)
        with self._database.read() as connection:
            return [_of_row(row) for row in connection.execute(query).mappings()]

    def get(self, number: int) -> tuple[Regrouping, list[Change]]:
        """One of them with all its changes. Raises `NotFound`."""
        with self._database.read() as connection:
            row = _row(connection, number)
            return _of_row(row), [from_plain(Change, change) for change in row["changes"]]


def _binding(connection: Connection, project_name: str) -> Binding:
    """What a project's decisions bind; what was merged since counts as one."""
    query = (
        select(decision.c.action, decision.c.payload)
        .where(decision.c.project == project_name, decision.c.action.in_(("merge", "split", "apart")))
        .order_by(decision.c.number)
    )
    whole: set[str] = set()
    split: set[tuple[str, str]] = set()
    for action, payload in connection.execute(query):
        ends = [patterns.resolve_id(connection, payload[end]) for end in ("source", "target")]
        whole.update(ends)
        if action == "split" and ends[0] != ends[1]:
            split |= {(ends[0], ends[1]), (ends[1], ends[0])}
    return Binding(
        whole=frozenset(whole),
        decided=decisions.decided(connection, project_name),
        apart=decisions.told_apart(connection, project_name) | split,
        status=patterns.closed(connection, project_name),
    )


def _row(connection: Connection, number: int) -> RowMapping:
    found = connection.execute(select(regrouping).where(regrouping.c.number == number)).mappings().one_or_none()
    if found is None:
        raise NotFound(f"there is no regrouping R{number}", hint="`ems regroup --list` shows those there are")
    return found


def _of_row(row: RowMapping) -> Regrouping:
    told = row["told"]
    return Regrouping(
        number=row["number"],
        run=row["run"],
        project=row["project"],
        time=row["time"],
        actor=row["actor"],
        models=row["models"],
        models_before=row["models_before"],
        undone=row["undone"],
        undone_by=row["undone_by"],
        **told,
    )
