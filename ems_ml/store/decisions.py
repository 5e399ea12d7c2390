"""What people decide about patterns. It binds at once, and each decision is kept as training data."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ems_ml.errors import UsageError
from ems_ml.store import patterns
from ems_ml.store.codec import plain
from ems_ml.store.database import Database
from ems_ml.store.schema import decision, exact, exemplar, project
from ems_ml.store.schema import event as events
from ems_ml.store.schema import pattern as pattern_table
from ems_ml.types import Pattern, PatternStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanDecision:
    """One decision of a person: the action, on what, when and by whom."""

    time: datetime
    actor: str
    action: str
    project: str
    payload: Mapping[str, Any]


def told_apart(connection: Connection, project_name: str) -> frozenset[tuple[str, str]]:
    """Pairs of patterns that are not the same, each in both orders; what was merged since counts no more."""
    query = select(decision.c.payload).where(decision.c.project == project_name, decision.c.action == "apart")
    pairs: set[tuple[str, str]] = set()
    for payload in connection.execute(query).scalars():
        one, other = (patterns.resolve_id(connection, payload[end]) for end in ("source", "target"))
        if one != other:
            pairs |= {(one, other), (other, one)}
    return frozenset(pairs)


def decided(connection: Connection, project_name: str) -> frozenset[str]:
    """The patterns that a person has merged into or split: what their keys say binds."""
    query = select(decision.c.payload).where(
        decision.c.project == project_name, decision.c.action.in_(("merge", "split"))
    )
    payloads = list(connection.execute(query).scalars())
    return frozenset(
        patterns.resolve_id(connection, payload[end]) for payload in payloads for end in ("source", "target")
    )


class Decisions:
    """Merge, split, apart, resolve, ignore, reopen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def merge(self, source: str, target: str, *, actor: str = "cli") -> Pattern:
        """`source` becomes part of `target` and lives on as a link to it. Returns `target`."""
        with self._database.write() as connection:
            one = patterns.read(connection, patterns.resolve_id(connection, source))
            two = patterns.read(connection, patterns.resolve_id(connection, target))
            if one.id == two.id:
                raise UsageError(f"{source} and {target} are the same pattern already", hint="name two patterns")
            if one.project != two.project:
                raise UsageError(
                    f"{one.id} is of project {one.project}, {two.id} of {two.project}",
                    hint="patterns of different projects stay apart",
                )
            for table in (events, exemplar, exact):
                connection.execute(update(table).where(table.c.pattern == one.id).values(pattern=two.id))
            connection.execute(
                update(pattern_table)
                .where(pattern_table.c.id == one.id)
                .values(status=PatternStatus.MERGED, merged_into=two.id, suggestion=None)
            )
            suggestion = None if two.suggestion is None or two.suggestion.pattern == one.id else plain(two.suggestion)
            connection.execute(
                update(pattern_table)
                .where(pattern_table.c.id == two.id)
                .values(
                    count=one.count + two.count,
                    first_seen=min(one.first_seen, two.first_seen),
                    last_seen=max(one.last_seen, two.last_seen),
                    suggestion=suggestion,
                )
            )
            self._record(connection, "merge", one.project, actor, source=one.id, target=two.id)
            return patterns.read(connection, two.id)

    def split(self, source: str, event_ids: Sequence[str], *, actor: str = "cli") -> Pattern:
        """Some events of a pattern become a new one, with later ones like them. Returns the new pattern."""
        with self._database.write() as connection:
            old = patterns.read(connection, patterns.resolve_id(connection, source))
            rows = connection.execute(
                select(events.c.id, events.c.exact, events.c.time, events.c.search)
                .where(events.c.pattern == old.id, events.c.id.in_(event_ids))
                .order_by(events.c.number)
            ).all()
            missing = set(event_ids) - {row.id for row in rows}
            if missing or not rows:
                raise UsageError(
                    f"pattern {old.id} holds no event {', '.join(sorted(missing)) or '(none was named)'}",
                    hint=f"`ems pattern show {old.id}` lists its events",
                )
            if len(rows) == old.count:
                raise UsageError(f"that would leave {old.id} empty", hint="name some of its events, not all")
            fresh = "P-" + secrets.token_hex(5)
            moved = [row.id for row in rows]
            connection.execute(
                insert(pattern_table).values(
                    id=fresh,
                    project=old.project,
                    title=old.title,
                    type=old.type,
                    status=PatternStatus.OPEN,
                    count=len(moved),
                    first_seen=min(row.time for row in rows),
                    last_seen=max(row.time for row in rows),
                    example=moved[0],
                    merged_into=None,
                    strategies=[plain(item) for item in old.strategies],
                    suggestion=None,
                )
            )
            connection.execute(
                update(events).where(events.c.pattern == old.id, events.c.id.in_(moved)).values(pattern=fresh)
            )
            left = set(connection.execute(select(events.c.exact).where(events.c.pattern == old.id)).scalars())
            keys = {row.exact for row in rows} - left
            connection.execute(
                update(exact)
                .where(exact.c.project == old.project, exact.c.pattern == old.id, exact.c.key.in_(keys))
                .values(pattern=fresh)
            )
            connection.execute(
                update(exemplar)
                .where(
                    exemplar.c.pattern == old.id,
                    exemplar.c.event.in_(
                        select(events.c.id).where(events.c.project == old.project, events.c.exact.in_(keys))
                    ),
                )
                .values(pattern=fresh)
            )
            times = connection.execute(
                select(func.min(events.c.time), func.max(events.c.time)).where(events.c.pattern == old.id)
            ).one()
            first = connection.execute(
                select(events.c.id).where(events.c.pattern == old.id).order_by(events.c.number).limit(1)
            ).scalar_one()
            connection.execute(
                update(pattern_table)
                .where(pattern_table.c.id == old.id)
                .values(
                    count=old.count - len(moved),
                    first_seen=times[0],
                    last_seen=times[1],
                    example=old.example if old.example not in moved else first,
                )
            )
            self._record(connection, "split", old.project, actor, source=old.id, target=fresh, events=moved)
            return patterns.read(connection, fresh)

    def apart(self, one: str, other: str, *, actor: str = "cli") -> None:
        """The two are not the same: they are never suggested to be again."""
        with self._database.write() as connection:
            first = patterns.read(connection, patterns.resolve_id(connection, one))
            second = patterns.read(connection, patterns.resolve_id(connection, other))
            if first.id == second.id:
                raise UsageError(
                    f"{one} and {other} are one pattern", hint=f"`ems pattern split {first.id} EVENT...` parts them"
                )
            for here, there in ((first, second), (second, first)):
                if here.suggestion is not None and here.suggestion.pattern == there.id:
                    connection.execute(
                        update(pattern_table).where(pattern_table.c.id == here.id).values(suggestion=None)
                    )
            self._record(connection, "apart", first.project, actor, source=first.id, target=second.id)

    def set_status(self, pattern_id: str, status: PatternStatus, *, actor: str = "cli") -> Pattern:
        """Resolve, ignore or reopen."""
        if status is PatternStatus.MERGED:
            raise UsageError("a pattern is merged into another one", hint="use `ems pattern merge`")
        with self._database.write() as connection:
            found = patterns.read(connection, patterns.resolve_id(connection, pattern_id))
            connection.execute(update(pattern_table).where(pattern_table.c.id == found.id).values(status=status))
            self._record(connection, str(status), found.project, actor, pattern=found.id)
            return patterns.read(connection, found.id)

    def log(self, *, project_name: str | None = None) -> list[HumanDecision]:
        """All decisions in order."""
        query = select(decision).order_by(decision.c.number)
        if project_name is not None:
            query = query.where(decision.c.project == project_name)
        with self._database.read() as connection:
            return [
                HumanDecision(
                    time=row["time"],
                    actor=row["actor"],
                    action=row["action"],
                    project=row["project"],
                    payload=row["payload"],
                )
                for row in connection.execute(query).mappings()
            ]

    def _record(self, connection: Connection, action: str, project_name: str, actor: str, **payload: Any) -> None:
        connection.execute(
            insert(decision).values(
                time=datetime.now(UTC), actor=actor, action=action, project=project_name, payload=payload
            )
        )
        connection.execute(update(project).where(project.c.name == project_name).values(epoch=project.c.epoch + 1))
