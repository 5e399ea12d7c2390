"""Patterns: made, counted, followed through merges, listed. Functions run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ems_ml.errors import NotFound
from ems_ml.store.codec import from_plain, plain
from ems_ml.store.schema import pattern, project, regrouped_pattern
from ems_ml.types import (
    Assignment,
    Decision,
    ErrorEvent,
    Neighbour,
    Pattern,
    PatternStatus,
    RankedStrategy,
    Signature,
)

MAX_TITLE = 200

# Built once: a statement costs more to build than to run.
_PROJECT = select(project.c.name).where(project.c.name == bindparam("of"))
_ONE_MORE = update(project).where(project.c.name == bindparam("of")).values(sequence=project.c.sequence + 1)
_SEEN = select(pattern.c.status, pattern.c.first_seen, pattern.c.last_seen).where(pattern.c.id == bindparam("of"))
_COUNT = update(pattern).where(pattern.c.id == bindparam("of")).values(count=pattern.c.count + 1)


def ensure_project(connection: Connection, name: str) -> None:
    """Makes the project where it does not exist."""
    if connection.execute(_PROJECT, {"of": name}).first() is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(project).values(name=name, sequence=0, epoch=0))
        except IntegrityError:
            return  # another process made it at the same moment


def lock_project(connection: Connection, name: str) -> tuple[int, int]:
    """Locks the project's row until the transaction ends; how many patterns it has made, and its epoch."""
    ensure_project(connection, name)
    query = select(project.c.sequence, project.c.epoch).where(project.c.name == name).with_for_update()
    row = connection.execute(query).one()
    return int(row.sequence), int(row.epoch)


def make(
    connection: Connection,
    event: ErrorEvent,
    signature: Signature,
    assignment: Assignment,
    strategies: Sequence[RankedStrategy],
    time: datetime,
) -> None:
    """A new pattern with its first event."""
    suggestion = assignment.nearest[0] if assignment.decision is Decision.SUGGESTED else None
    connection.execute(
        insert(pattern),
        {
            "id": assignment.pattern,
            "project": event.project,
            "title": title_of(event, signature),
            "type": column_text(signature.type, 200),
            "status": PatternStatus.OPEN,
            "count": 1,
            "first_seen": time,
            "last_seen": time,
            "example": event.id,
            "merged_into": None,
            "strategies": plain(tuple(strategies)),
            "suggestion": None if suggestion is None else plain(suggestion),
        },
    )
    connection.execute(_ONE_MORE, {"of": event.project})


def title_of(event: ErrorEvent, signature: Signature) -> str:
    """`KeyError: 'tea' in price_of`: type, message and raise point, on one line."""
    message = " ".join(column_text(event.error.message, 10_000).split())
    kind = column_text(signature.type, MAX_TITLE)
    head = f"{kind}: {message}" if kind and message else kind or message or "error without words"
    if len(head) > MAX_TITLE:
        head = head[: MAX_TITLE - 1] + "…"
    function = column_text(signature.frames[-1].function, 80) if signature.frames else ""
    return f"{head} in {function}" if function and function != "<module>" else head


def column_text(text: str, limit: int) -> str:
    """Text as every database can hold it: no NUL, no half of a surrogate pair, and not too long."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:limit]


def count_event(connection: Connection, pattern_id: str, time: datetime, strategies: list[Any]) -> None:
    """One more event of a pattern. A resolved pattern that comes back is open again."""
    row = connection.execute(_SEEN, {"of": pattern_id}).one()
    reopened = row.status == PatternStatus.RESOLVED
    changed = {
        "first_seen": min(row.first_seen, time),
        "last_seen": max(row.last_seen, time),
        "strategies": strategies,
        "status": PatternStatus.OPEN if reopened else row.status,
    }
    connection.execute(_COUNT, {"of": pattern_id, **changed})


def resolve_id(connection: Connection, pattern_id: str) -> str:
    """The id that a pattern lives under now: links of merged ones are followed. Raises `NotFound`."""
    seen: set[str] = set()
    current = pattern_id
    while current not in seen:
        seen.add(current)
        row = connection.execute(select(pattern.c.merged_into).where(pattern.c.id == current)).one_or_none()
        leads = row.merged_into if row is not None else _home(connection, current)
        if row is None and leads is None:
            raise NotFound(f"there is no pattern {pattern_id}", hint="`ems pattern list` shows those there are")
        if leads is None:
            break
        current = leads
    return current


def _home(connection: Connection, pattern_id: str) -> str | None:
    """Of a pattern that a regrouping made and its undoing removed: the one that most of its events came from."""
    query = select(regrouped_pattern.c.home).where(regrouped_pattern.c.pattern == pattern_id)
    return connection.execute(query).scalar()


def read(connection: Connection, pattern_id: str) -> Pattern:
    """One pattern under its own id, merged or not. Raises `NotFound`."""
    row = connection.execute(select(pattern).where(pattern.c.id == pattern_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no pattern {pattern_id}", hint="`ems pattern list` shows those there are")
    return of_row(row)


def listed(
    connection: Connection, *, project_name: str | None = None, status: PatternStatus | None = None
) -> list[Pattern]:
    """Patterns by their last event, newest first; merged ones only where that status is asked for."""
    query = select(pattern).order_by(pattern.c.last_seen.desc(), pattern.c.id)
    if project_name is not None:
        query = query.where(pattern.c.project == project_name)
    query = query.where(pattern.c.status == status if status is not None else pattern.c.status != PatternStatus.MERGED)
    return [of_row(row) for row in connection.execute(query).mappings()]


def closed(connection: Connection, project_name: str) -> dict[str, PatternStatus]:
    """The project's resolved and ignored patterns, with which of the two each is."""
    query = select(pattern.c.id, pattern.c.status).where(
        pattern.c.project == project_name, pattern.c.status.in_((PatternStatus.RESOLVED, PatternStatus.IGNORED))
    )
    return {row.id: PatternStatus(row.status) for row in connection.execute(query)}


def of_row(row: RowMapping) -> Pattern:
    return Pattern(
        id=row["id"],
        project=row["project"],
        title=row["title"],
        type=row["type"],
        status=PatternStatus(row["status"]),
        count=row["count"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        example=row["example"],
        merged_into=row["merged_into"],
        strategies=tuple(from_plain(RankedStrategy, item) for item in row["strategies"]),
        suggestion=None if row["suggestion"] is None else from_plain(Neighbour, row["suggestion"]),
    )
