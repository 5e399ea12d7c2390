"""Applying a plan: what changes hands is written down row by row, so that it can be undone. Inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    String,
    Table,
    and_,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from ems_ml.errors import LostRace
from ems_ml.ports import Exemplar
from ems_ml.regrouping import Asked, Kind, Plan
from ems_ml.store import patterns
from ems_ml.store.codec import dumps, loads, plain
from ems_ml.store.handing import EXACT, EXEMPLAR, THINGS, Thing, chunks, count_again, turn
from ems_ml.store.schema import decision, exact, exemplar, regrouped, regrouped_pattern, regrouping
from ems_ml.store.schema import event as events
from ems_ml.store.schema import pattern as pattern_table
from ems_ml.types import ErrorEvent, Neighbour, PatternStatus

NOTED = ("regrouping", "thing", "key", "was", "given")

#: Where each unit goes; lives as long as the transaction.
_moves = Table(
    "regroup_move",
    MetaData(),
    Column("pattern", String(40), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("given", String(40), nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class _Work:
    """What a plan asks for beside its moves."""

    exemplars: list[Exemplar]  # that are not kept under this encoder yet
    keys: dict[str, str]
    questions: dict[str, Neighbour | None]

    def __len__(self) -> int:
        return len(self.exemplars) + len(self.keys) + len(self.questions)


def rows(connection: Connection, plan: Plan, *, encoder: str) -> int:
    """How many rows `write` would write to the tables of patterns, events, exact signatures and exemplars."""
    work = _work(connection, plan, encoder)
    touched = {move.pattern for move in plan.moves} | {move.into for move in plan.moves} | set(work.questions)
    with _moving(connection, plan):
        moved = sum(
            int(
                connection.execute(
                    select(func.count()).select_from(thing.rows.join(_moves, _meets(thing)))
                ).scalar_one()
            )
            for thing in THINGS
        )
    return moved + len(work.exemplars) + len(work.keys) + len(touched | set(plan.made))


def write(
    connection: Connection, plan: Plan, *, epoch: int, encoder: str, kept: Mapping[str, Any], seconds: float
) -> int | None:
    """Write the plan; the number of the regrouping, None where there is nothing to write. Raises `LostRace`."""
    _, now = patterns.lock_project(connection, plan.project)
    if now != epoch or patterns.closed(connection, plan.project) != dict(plan.status):
        raise LostRace(
            f"somebody decided or regrouped in project {plan.project} meanwhile, or a pattern came back",
            hint="run ems regroup again",
        )
    work = _work(connection, plan, encoder)
    if not plan.moves and not work:
        return None
    number = _note(connection, plan, kept)
    touched = {move.pattern for move in plan.moves} | {move.into for move in plan.moves} - set(plan.made)
    _remember(connection, number, touched | set(work.questions) - set(plan.made), plan)
    _make(connection, number, plan)
    with _moving(connection, plan):
        for thing in THINGS:
            _hand_over(connection, number, plan.project, thing)
    _leave(connection, number, plan)
    _add_keys(connection, number, plan.project, work.keys)
    _add_exemplars(connection, number, plan.project, work.exemplars, encoder)
    living = (touched | set(plan.made)) - set(plan.merged)
    count_again(connection, living)
    for made in plan.made:
        _take_strategies(connection, made)
    _ask(connection, number, work.questions)
    noted = select(func.count()).select_from(regrouped).where(regrouped.c.regrouping == number)
    told = {
        "merged": plan.count(Kind.MERGED),
        "split": plan.count(Kind.SPLIT),
        "moved": plan.count(Kind.MOVED),
        "events": plan.events,
        "rows": int(connection.execute(noted).scalar_one()) + len(touched | set(work.questions) | set(plan.made)),
        "wrong_merges": round(plan.wrong_merges, 3),
        "wrong_splits": round(plan.wrong_splits, 3),
        "seconds": round(seconds, 3),
    }
    connection.execute(update(regrouping).where(regrouping.c.number == number).values(told=told))
    turn(connection, plan.project)
    return number


def _work(connection: Connection, plan: Plan, encoder: str) -> _Work:
    mine = exemplar.c.project == plan.project
    held = set(connection.execute(select(exemplar.c.event).where(mine, exemplar.c.encoder == encoder)).scalars())
    known = set(connection.execute(select(exact.c.key).where(exact.c.project == plan.project)).scalars())
    return _Work(
        exemplars=[one for one in plan.exemplars if one.event not in held],
        keys={key: into for key, into in plan.keys.items() if key not in known},
        questions=dict(_questions(connection, plan)),
    )


def _questions(connection: Connection, plan: Plan) -> Iterator[tuple[str, Neighbour | None]]:
    """The questions that change: pattern -> the new one. A question to a pattern of another status stays."""
    now = {one.id: one for one in patterns.listed(connection, project_name=plan.project)}
    for asked in plan.asked:
        before = now.get(asked.pattern)
        old = before.suggestion if before is not None else None
        if asked.other is None:
            if old is None:
                continue
            other = now.get(patterns.resolve_id(connection, old.pattern))
            if before is not None and other is not None and other.status != before.status:
                continue
            yield asked.pattern, None
        elif old is None or old.pattern != asked.other:
            yield asked.pattern, _neighbour(asked)


def _neighbour(asked: Asked) -> Neighbour:
    return Neighbour(pattern=asked.other or "", probability=asked.probability, example=asked.example)


@contextmanager
def _moving(connection: Connection, plan: Plan) -> Iterator[None]:
    """The plan's moves as a table of their own while the block runs; a rollback drops it too."""
    _moves.create(connection)
    if plan.moves:
        told = [{"pattern": move.pattern, "key": move.key, "given": move.into} for move in plan.moves]
        connection.execute(insert(_moves), told)
    yield
    _moves.drop(connection)


def _moving_rows(what: Any, thing: Thing) -> Any:
    return select(what).select_from(thing.rows.join(_moves, _meets(thing)))


def _meets(thing: Thing) -> ColumnElement[bool]:
    """A row of the thing that moves. Patterns are of one project, so the project need not be asked."""
    return and_(thing.table.c.pattern == _moves.c.pattern, thing.exact == _moves.c.key)


def _note(connection: Connection, plan: Plan, kept: Mapping[str, Any]) -> int:
    def last(column: Column[int]) -> int:
        return int(connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one())

    made = connection.execute(
        insert(regrouping)
        .values(
            **kept,
            told={},
            changes=[plain(change) for change in plan.changes],
            last_event=last(events.c.number),
            last_exemplar=last(exemplar.c.number),
            last_decision=last(decision.c.number),
        )
        .returning(regrouping.c.number)
    )
    return int(made.scalar_one())


def _remember(connection: Connection, number: int, ids: set[str], plan: Plan) -> None:
    """What of each pattern will change, as it is now."""
    for some in chunks(sorted(ids)):
        query = select(pattern_table).where(pattern_table.c.id.in_(some))
        before = [
            {
                "regrouping": number,
                "pattern": row["id"],
                "before": {name: row[name] for name in ("status", "merged_into", "example", "suggestion")},
                "home": plan.merged.get(row["id"]),
            }
            for row in connection.execute(query).mappings()
        ]
        connection.execute(insert(regrouped_pattern), before)


def _make(connection: Connection, number: int, plan: Plan) -> None:
    """The rows of new patterns, with the status of those that their events leave."""
    homes = _homes(plan)
    first = {one.pattern: one for one in reversed(plan.exemplars)}
    for made, unit in plan.made.items():
        row = connection.execute(select(events).where(events.c.number == unit.number)).mappings().one()
        event, signature = loads(ErrorEvent, row["event"]), first[made].signature
        status = connection.execute(select(pattern_table.c.status).where(pattern_table.c.id == unit.pattern)).scalar()
        connection.execute(
            insert(pattern_table).values(
                id=made,
                project=plan.project,
                title=patterns.title_of(event, signature),
                type=patterns.column_text(signature.type, 200),
                status=status,
                count=0,
                first_seen=row["time"],
                last_seen=row["time"],
                example=event.id,
                merged_into=None,
                strategies=row["strategies"],
                suggestion=None,
            )
        )
        connection.execute(
            insert(regrouped_pattern).values(regrouping=number, pattern=made, before=None, home=homes[made])
        )


def _homes(plan: Plan) -> dict[str, str]:
    """New pattern -> the older one that most of its events leave."""
    homes: dict[str, str] = {}
    for change in plan.changes:  # the most events first
        if change.kind is Kind.SPLIT:
            homes.setdefault(change.into, change.pattern)
    return homes


def _hand_over(connection: Connection, number: int, name: str, thing: Thing) -> None:
    """Write down whose rows move where, then move them."""
    found = select(literal(number), literal(thing.name), thing.mark, thing.table.c.pattern, _moves.c.given).select_from(
        thing.rows.join(_moves, _meets(thing))
    )
    connection.execute(insert(regrouped).from_select(NOTED, found))

    mine = and_(regrouped.c.regrouping == number, regrouped.c.thing == thing.name, regrouped.c.key == thing.mark)
    goes = select(regrouped.c.given).where(mine).scalar_subquery()
    connection.execute(
        update(thing.table)
        .where(
            thing.table.c.project == name,
            thing.table.c.pattern.in_(select(regrouped.c.was).where(regrouped.c.regrouping == number)),
            exists(select(literal(1)).where(mine)),
        )
        .values(pattern=goes)
    )


def _leave(connection: Connection, number: int, plan: Plan) -> None:
    """Patterns that end: what came to them since the plan was made goes along, and their ids lead on."""
    for ended, into in plan.merged.items():
        for thing in THINGS:
            found = select(
                literal(number), literal(thing.name), thing.mark, thing.table.c.pattern, literal(into)
            ).where(thing.table.c.pattern == ended)
            connection.execute(insert(regrouped).from_select(NOTED, found))
            connection.execute(update(thing.table).where(thing.table.c.pattern == ended).values(pattern=into))
        connection.execute(
            update(pattern_table)
            .where(pattern_table.c.id == ended)
            .values(status=PatternStatus.MERGED, merged_into=into, suggestion=None)
        )


def _add_keys(connection: Connection, number: int, name: str, keys: Mapping[str, str]) -> None:
    for key, into in keys.items():
        connection.execute(insert(exact).values(project=name, key=key, pattern=into))
        connection.execute(insert(regrouped).values(regrouping=number, thing=EXACT.name, key=key, was=None, given=into))


def _add_exemplars(connection: Connection, number: int, name: str, new: list[Exemplar], encoder: str) -> None:
    for some in chunks(new):
        made = connection.execute(
            insert(exemplar).returning(exemplar.c.number, exemplar.c.pattern),
            [
                {
                    "project": name,
                    "pattern": one.pattern,
                    "event": one.event,
                    "encoder": encoder,
                    "signature": dumps(one.signature),
                    "vector": np.ascontiguousarray(one.vector, dtype=np.float32).tobytes(),
                }
                for one in some
            ],
        ).all()
        connection.execute(
            insert(regrouped),
            [
                {
                    "regrouping": number,
                    "thing": EXEMPLAR.name,
                    "key": str(row.number),
                    "was": None,
                    "given": row.pattern,
                }
                for row in made
            ],
        )


def _take_strategies(connection: Connection, made: str) -> None:
    """A pattern's strategies are those of its newest event."""
    newest = select(events.c.strategies).where(events.c.pattern == made).order_by(events.c.number.desc()).limit(1)
    ranked = connection.execute(newest).scalar_one()
    connection.execute(update(pattern_table).where(pattern_table.c.id == made).values(strategies=ranked))


def _ask(connection: Connection, number: int, questions: Mapping[str, Neighbour | None]) -> None:
    for pattern, question in questions.items():
        told = None if question is None else plain(question)
        connection.execute(update(pattern_table).where(pattern_table.c.id == pattern).values(suggestion=told))
        connection.execute(
            update(regrouped_pattern)
            .where(regrouped_pattern.c.regrouping == number, regrouped_pattern.c.pattern == pattern)
            .values(question=told)
        )
