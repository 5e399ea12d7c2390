"""Events as Sentry's web API gives them out (`GET /api/0/projects/.../events/`), in the form that clients send them in.

The API renames and regroups what it received: see docs.sentry.io, "Retrieve an Event for a Project".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FRAME = {"absPath": "abs_path", "lineNo": "lineno", "colNo": "colno", "inApp": "in_app"}
_KEPT = ("platform", "tags", "contexts", "sdk", "dist", "culprit")


def is_web_event(value: Mapping[Any, Any]) -> bool:
    """Whether it is an event as the web API gives it out: its parts stand in `entries`, each with a type."""
    entries = value.get("entries")
    return (
        "eventID" in value
        and isinstance(entries, list)
        and any(isinstance(one, Mapping) and one.get("type") in ("exception", "message") for one in entries)
    )


def posted(value: Mapping[Any, Any]) -> dict[str, Any]:
    """The event as a client would send it; columns of the API that clients do not send (`dateCreated`) stay beside."""
    event: dict[str, Any] = {name: value[name] for name in _KEPT if value.get(name) is not None}
    event |= {"event_id": value["eventID"], "timestamp": value.get("dateCreated")}
    for entry in value["entries"]:
        data = entry.get("data") if isinstance(entry, Mapping) else None
        if not isinstance(data, Mapping):
            continue
        if entry.get("type") == "exception":
            event["exception"] = {"values": [_exception(one) for one in data.get("values") or () if _is(one)]}
        elif entry.get("type") == "message":
            event["logentry"] = dict(data)
    plain = (str, int, float, bool)
    return {str(name): one for name, one in value.items() if isinstance(one, plain)} | event


def _is(value: object) -> bool:
    return isinstance(value, Mapping)


def _exception(given: Mapping[str, Any]) -> dict[str, Any]:
    stack = given.get("stacktrace")
    frames = stack.get("frames") if isinstance(stack, Mapping) else None
    found = {name: given.get(name) for name in ("type", "value", "module", "mechanism")}
    return found | {"stacktrace": {"frames": [_frame(one) for one in frames or () if _is(one)]}}


def _frame(given: Mapping[str, Any]) -> dict[str, Any]:
    frame = {_FRAME.get(name, name): one for name, one in given.items()}
    for number, line in (
        pair for pair in given.get("context") or () if isinstance(pair, (list, tuple)) and len(pair) == 2
    ):
        if number == given.get("lineNo"):
            frame["context_line"] = line
    return frame
