"""Keys: making one, and judging the one that a request carries. The store keeps only their hashes.

Sentry's clients want a number as the project in a DSN, so each project has one, derived from its name
(`project_number`). It only has to agree with the key, which is what names the project.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ems_ml.build import System, bracketed
from ems_ml.errors import EmsError


class Denied(EmsError):
    """A key that is missing, unknown, of another project or of another scope. The API answers 403."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as it is shown this once. `dsn` is what a Sentry client is given."""

    project: str
    number: int
    scope: str
    key: str
    dsn: str


def add(system: System, project: str, scope: str = "ingest", *, host: str | None = None) -> NewKey:
    """Make the project where it is new, and a key to it. Raises `UsageError` for a bad name or scope."""
    key = system.store.keys.add(project, scope)
    number = project_number(project)
    settings = system.settings
    where = host or {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    place = where if host and ":" in host and not host.startswith("[") else f"{bracketed(where)}:{settings.port}"
    return NewKey(project=project, number=number, scope=scope, key=key, dsn=f"http://{key}@{place}/{number}")


def project_number(name: str) -> int:
    """The number of a project in a DSN: itself for a name of digits, else 31 bits of the name's SHA-256.

    >>> project_number("shop"), project_number("42")
    (1187512553, 42)
    """
    if name.isascii() and name.isdigit() and name == str(int(name)):
        return int(name)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1


def project_of(system: System, key: str, scope: str, *, path: str | None = None) -> str:
    """The project that `key` opens for `scope`. `path`: the project as the address names it, which has to agree.

    Raises `Denied`. An `admin` key opens its project by any door, and others by their name.
    """
    if not key:
        raise Denied("no key was given", hint="make one: ems key add PROJECT")
    grant = system.store.keys.grant(key)
    if grant is None:
        raise Denied("the key is unknown or revoked", hint="make one: ems key add PROJECT")
    if not grant.allows(scope):
        raise Denied(f"the key has the scope {grant.scope}, not {scope}", hint=f"ems key add PROJECT --scope {scope}")
    if path is None or path in (grant.project, str(project_number(grant.project))):
        return grant.project
    if grant.scope == "admin" and path in system.store.projects():
        return path
    raise Denied("the key belongs to another project", hint="use the whole DSN as `ems key add` printed it")
