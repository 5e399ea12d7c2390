"""Undoing a regrouping. Where nothing came later, every row is as it was; what came later is kept.

Events that were moved go back, unless a person has moved them since. Later ones go along with their exact signature, or
with the event that they joined by. A pattern that the regrouping made goes, unless a person has decided about it since:
then it stays, with its events. The id of one that goes leads to where most of its events came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, exists, func, literal, not_, select, update

from ems_ml.errors import UsageError
from ems_ml.store import patterns
from ems_ml.store.codec import loads
from ems_ml.store.handing import EVENT, EXACT, EXEMPLAR, THINGS, Thing, count_again, turn
from ems_ml.store.schema import decision, exact, exemplar, fix_attempt, regrouped, regrouped_pattern, regrouping
from ems_ml.store.schema import event as events
from ems_ml.store.schema import pattern as pattern_table
from ems_ml.types import Assignment, Decision, PatternStatus

_ENDS = ("source", "target", "pattern")


@dataclass(slots=True)
class _Back:
    """A regrouping on its way back."""

    number: int
    project: str
    last_event: int
    last_exemplar: int
    before: dict[str, Mapping[str, Any]]  # pattern that was there -> what of its row was changed
    led: dict[str, str]  # pattern that ended -> the one that its id led to
    homes: dict[str, str]  # pattern that was made -> where most of its events came from
    questions: dict[str, Any]
    decided: set[str] = field(default_factory=set)  # patterns that a person has decided about since
    status: dict[str, str] = field(default_factory=dict)  # the status that a person has given since

    @property
    def kept(self) -> set[str]:
        """Patterns that the regrouping made and a person has decided about since."""
        return set(self.homes) & self.decided


def undo(connection: Connection, row: RowMapping, *, actor: str) -> None:
    """Take back the regrouping of this row. Raises `UsageError` where it is undone, or not the project's last one."""
    if row["undone"] is not None:
        raise UsageError(f"R{row['number']} is undone already", hint="`ems regroup --list` shows which are not")
    later = connection.execute(
        select(func.max(regrouping.c.number)).where(
            regrouping.c.project == row["project"],
            regrouping.c.number > row["number"],
            regrouping.c.undone.is_(None),
        )
    ).scalar()
    if later is not None:
        raise UsageError(
            f"R{later} of project {row['project']} stands on R{row['number']}",
            hint=f"first: ems regroup --undo R{later}",
        )
    patterns.lock_project(connection, row["project"])
    back = _read(connection, row)
    received = _received(connection, back)
    for thing in THINGS:
        _give_back(connection, back, thing)
    _take_along(connection, back, received)
    _remove_made(connection, back)
    _restore(connection, back)
    turn(connection, back.project)
    connection.execute(
        update(regrouping).where(regrouping.c.number == back.number).values(undone=datetime.now(UTC), undone_by=actor)
    )


def _read(connection: Connection, row: RowMapping) -> _Back:
    back = _Back(row["number"], row["project"], row["last_event"], row["last_exemplar"], {}, {}, {}, {})
    query = select(regrouped_pattern).where(regrouped_pattern.c.regrouping == back.number)
    for one in connection.execute(query).mappings():
        pattern, home = one["pattern"], one["home"]
        back.questions[pattern] = one["question"]
        if one["before"] is None:
            back.homes[pattern] = home
            continue
        back.before[pattern] = one["before"]
        if home is not None:
            back.led[pattern] = home
    since = select(decision.c.action, decision.c.payload).where(
        decision.c.project == back.project, decision.c.number > row["last_decision"]
    )
    for action, payload in connection.execute(since.order_by(decision.c.number)):
        back.decided |= {payload[end] for end in _ENDS if end in payload}
        if "pattern" in payload:
            back.status[payload["pattern"]] = action
    return back


def _mine(back: _Back, thing: Thing) -> Any:
    """What was written down of a row of the thing, where that still stands where it was put."""
    return and_(
        regrouped.c.regrouping == back.number,
        regrouped.c.thing == thing.name,
        regrouped.c.key == thing.mark,
        regrouped.c.given == thing.table.c.pattern,
        not_(regrouped.c.given.in_(sorted(back.kept))),
    )


def _received(connection: Connection, back: _Back) -> set[str]:
    """Patterns that rows were moved into."""
    given = select(regrouped.c.given).distinct().where(regrouped.c.regrouping == back.number)
    return set(connection.execute(given).scalars()) - back.kept


def _give_back(connection: Connection, back: _Back, thing: Thing) -> None:
    """Rows that were moved and still stand where they were put go back; those that were made go."""
    mine = _mine(back, thing)
    was = select(regrouped.c.was).where(mine).scalar_subquery()
    connection.execute(
        update(thing.table)
        .where(
            thing.table.c.project == back.project,
            thing.table.c.pattern.in_(select(regrouped.c.given).where(regrouped.c.regrouping == back.number)),
            exists(select(literal(1)).where(mine, regrouped.c.was.is_not(None))),
        )
        .values(pattern=was)
    )
    made = exists(select(literal(1)).where(mine, regrouped.c.was.is_(None)))
    if thing is EXEMPLAR:
        connection.execute(delete(exemplar).where(exemplar.c.project == back.project, made))
    if thing is EXACT:  # one that an event has come under since stays, and goes along with that event
        came = exists().where(
            events.c.project == back.project, events.c.exact == exact.c.key, events.c.number > back.last_event
        )
        connection.execute(delete(exact).where(exact.c.project == back.project, made, ~came))


def _take_along(connection: Connection, back: _Back, received: set[str]) -> None:
    """Events that came later to patterns that rows were moved into, with their exact signatures and exemplars."""
    back_again = (  # exact signatures that went back: with which pattern they came, and where they are now
        select(regrouped.c.key, regrouped.c.given, regrouped.c.was)
        .join(exact, and_(exact.c.key == regrouped.c.key, exact.c.project == back.project))
        .where(
            regrouped.c.regrouping == back.number,
            regrouped.c.thing == EXACT.name,
            exact.c.pattern == regrouped.c.was,
        )
    )
    restored = {(row.key, row.given): row.was for row in connection.execute(back_again)}
    went: dict[str, str] = {}  # later event -> where it goes
    keys: set[tuple[str, str]] = set()
    query = (
        select(events.c.number, events.c.id, events.c.pattern, events.c.exact, events.c.assignment)
        .where(
            events.c.project == back.project,
            events.c.number > back.last_event,
            events.c.pattern.in_(sorted(received)),
        )
        .order_by(events.c.number)
    )
    for number, id, pattern, key, told in connection.execute(query).all():
        if (key, pattern) in restored:
            goes = restored[key, pattern]
        else:
            goes = _where_joined(connection, back, loads(Assignment, told), pattern, went)
        goes = back.homes.get(goes, goes)
        went[id] = goes
        if goes == pattern:
            continue
        connection.execute(update(events).where(events.c.number == number).values(pattern=goes))
        if (key, pattern) not in keys:
            keys.add((key, pattern))
            connection.execute(
                update(exact)
                .where(exact.c.project == back.project, exact.c.key == key, exact.c.pattern == pattern)
                .values(pattern=goes)
            )
    goes_with = (
        select(events.c.pattern)
        .where(events.c.project == exemplar.c.project, events.c.id == exemplar.c.event)
        .scalar_subquery()
    )
    connection.execute(
        update(exemplar)
        .where(
            exemplar.c.project == back.project,
            exemplar.c.number > back.last_exemplar,
            exemplar.c.pattern.in_(sorted(received)),
        )
        .values(pattern=goes_with)
    )


def _where_joined(connection: Connection, back: _Back, told: Assignment, pattern: str, went: Mapping[str, str]) -> str:
    """Where a later event goes: with the event that it joined by, where the regrouping had put that there."""
    if told.decision is not Decision.JOINED or told.pattern != pattern or not told.nearest:
        return pattern  # it opened the pattern itself, or a person brought it here
    example = told.nearest[0].example
    if example in went:
        return went[example]
    row = connection.execute(
        select(events.c.pattern, regrouped.c.given)
        .join(
            regrouped,
            and_(
                regrouped.c.regrouping == back.number,
                regrouped.c.thing == EVENT.name,
                regrouped.c.key == EVENT.mark,
            ),
        )
        .where(events.c.project == back.project, events.c.id == example)
    ).one_or_none()
    return pattern if row is None or row.given != pattern else str(row.pattern)


def _remove_made(connection: Connection, back: _Back) -> None:
    """Patterns that the regrouping made, that are empty now and that nobody has decided about."""
    for made, home in back.homes.items():
        if made in back.kept or _holds(connection, made):
            continue
        for table in (exact, exemplar, fix_attempt):
            connection.execute(update(table).where(table.c.pattern == made).values(pattern=home))
        connection.execute(delete(pattern_table).where(pattern_table.c.id == made))


def _restore(connection: Connection, back: _Back) -> None:
    """The rows of the patterns that were there."""
    for pattern, before in back.before.items():
        row = connection.execute(select(pattern_table).where(pattern_table.c.id == pattern)).mappings().one()
        values: dict[str, Any] = {}
        led = back.led.get(pattern)
        if led is not None and row["merged_into"] == led and _holds(connection, pattern):
            values |= {"merged_into": before["merged_into"], "status": _status(connection, back, pattern, led)}
        elif led is not None:
            continue  # a person has decided about all of its events since: its id goes on leading there
        if pattern not in back.decided and row["suggestion"] in (None, back.questions[pattern]):
            values["suggestion"] = before["suggestion"]
        if _holds(connection, pattern, before["example"]):
            values["example"] = before["example"]
        if values:
            connection.execute(update(pattern_table).where(pattern_table.c.id == pattern).values(**values))
    count_again(connection, {*back.before, *back.kept, *back.homes.values()})
    for one in patterns.listed(connection, project_name=back.project):
        asked = one.suggestion
        if asked is None or asked.pattern not in back.homes or asked.pattern in back.kept:
            continue
        home = patterns.resolve_id(connection, asked.pattern)
        told = None if home == one.id else {**_plain(asked), "pattern": home}
        connection.execute(update(pattern_table).where(pattern_table.c.id == one.id).values(suggestion=told))


def _plain(asked: Any) -> dict[str, Any]:
    return {"pattern": asked.pattern, "probability": asked.probability, "example": asked.example}


def _status(connection: Connection, back: _Back, pattern: str, led: str) -> str:
    """What a person has decided since about the pattern that it was part of; else what it was, open if it came back."""
    if led in back.status:
        return back.status[led]
    was = str(back.before[pattern]["status"])
    came = connection.execute(
        select(events.c.number).where(events.c.pattern == pattern, events.c.number > back.last_event).limit(1)
    ).first()
    return PatternStatus.OPEN if was == PatternStatus.RESOLVED and came is not None else was


def _holds(connection: Connection, pattern: str, event: str | None = None) -> bool:
    query = select(events.c.number).where(events.c.pattern == pattern)
    if event is not None:
        query = query.where(events.c.id == event)
    return connection.execute(query.limit(1)).first() is not None
