"""Nested values as columns with dotted names, and Sentry events among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ems_ml.ingest.tables.sentry_web import is_web_event, posted
from ems_ml.ingest.tables.types import EVENT

DEEPEST = 6  # levels of nesting that become columns
MOST_COLUMNS = 300  # of one row
#: What tells that a mapping is an event as Sentry's clients send it.
_SENTRY = ("exception", "sentry.interfaces.Exception", "logentry", "sentry.interfaces.Message")
#: Parts of an event that are no columns: the parser of events reads them.
_WHOLE = frozenset(
    (*_SENTRY, "stacktrace", "threads", "breadcrumbs", "modules", "_meta", "debug_meta", "request", "sdk", "spans")
)


def flat(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Columns of a nested mapping: `{"error": {"stack": "..."}}` -> `{"error.stack": "..."}`.

    A list of plain values becomes their lines; Sentry's tags, in each of their forms, become `tags.NAME`. A mapping
    that is a Sentry event also stands whole under `EVENT`, or under its own name where it is nested; one of the web
    API is first brought into the form that clients send.
    """
    found: dict[str, Any] = {}
    if is_web_event(value):
        value = posted(value)
    if is_event(value):
        found[EVENT] = value
    for name, one in _columns(value, "", 0, inside_event=EVENT in found):
        if len(found) >= MOST_COLUMNS:
            break
        found[name] = one
    return found


def is_event(value: object) -> bool:
    """Whether it is an event as Sentry's clients send it."""
    return isinstance(value, Mapping) and any(isinstance(value.get(key), (Mapping, list)) for key in _SENTRY)


def _columns(value: Mapping[Any, Any], before: str, depth: int, *, inside_event: bool) -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        name = f"{before}{key}"
        if inside_event and key in _WHOLE:
            continue
        if key == "tags" and isinstance(one, (list, Mapping)):
            yield from ((f"{name}.{tag}", told) for tag, told in _tags(one))
        elif isinstance(one, Mapping):
            event = is_event(one)
            if event:
                yield name, one
            if depth < DEEPEST:
                yield from _columns(one, f"{name}.", depth + 1, inside_event=event)
        elif isinstance(one, (list, tuple)):
            if all(isinstance(part, (str, int, float, bool)) for part in one):
                yield name, "\n".join(map(str, one))
        else:
            yield name, one.decode("utf-8", "replace") if isinstance(one, bytes) else one


def _tags(given: list[Any] | Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Sentry's tags: a mapping, a list of pairs, or a list of `{"key", "value"}`."""
    if isinstance(given, Mapping):
        yield from ((str(key), value) for key, value in given.items())
        return
    for one in given:
        if isinstance(one, Mapping) and "key" in one:
            yield str(one["key"]), one.get("value")
        elif isinstance(one, (list, tuple)) and len(one) == 2:
            yield str(one[0]), one[1]
