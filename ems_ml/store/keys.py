"""Keys of the API. Only their SHA-256 is kept: a key has 128 random bits, so nothing can be guessed from it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from ems_ml.errors import UsageError
from ems_ml.store import patterns
from ems_ml.store.database import Database
from ems_ml.store.schema import api_key

SCOPES = ("ingest", "read", "write", "admin")  # each allows what those before it allow, but for ingest alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a key allows."""

    project: str
    scope: str

    def allows(self, scope: str) -> bool:
        """`admin` allows all, `write` also reads and ingests, `read` and `ingest` allow themselves."""
        return scope == self.scope or self.scope == "admin" or (self.scope == "write" and scope in ("read", "ingest"))


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: str, scope: str) -> str:
        """Makes the project where needed, and a key to it; the only moment at which the key is known."""
        if scope not in SCOPES:
            raise UsageError(f"there is no scope {scope!r}", hint=f"use one of {', '.join(SCOPES)}")
        if not project or len(project) > 200 or not all(c.isalnum() or c in "-_." for c in project):
            raise UsageError(
                f"{project!r} cannot be a project's name", hint="use letters, digits, '-', '_' and '.', at most 200"
            )
        key = secrets.token_hex(16)
        with self._database.write() as connection:
            patterns.ensure_project(connection, project)
            connection.execute(
                insert(api_key).values(
                    hash=_hashed(key), project=project, scope=scope, created=datetime.now(UTC), revoked=False
                )
            )
        return key

    def grant(self, key: str) -> Grant | None:
        """What a key allows; None for one that is unknown or revoked. Looked up by hash, so time tells nothing."""
        query = select(api_key.c.project, api_key.c.scope).where(
            api_key.c.hash == _hashed(key), api_key.c.revoked.is_(False)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Grant(project=row.project, scope=row.scope)

    def revoke(self, key: str) -> bool:
        """Whether there was such a key."""
        with self._database.write() as connection:
            done = connection.execute(update(api_key).where(api_key.c.hash == _hashed(key)).values(revoked=True))
            return bool(done.rowcount)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
