"""A log record with its exception as a Sentry event, so that one form serves every sender."""

from __future__ import annotations

import json
import linecache
import logging
import platform
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from uuid import uuid4

#: Frames of one exception: the first and last half of so many.
FRAMES = 300
#: Exceptions of one event.
EXCEPTIONS = 50
_TEXT = 20_000


def event_of_record(record: logging.LogRecord) -> dict[str, Any]:
    """The event of a record: its exception, its unformatted message with arguments, and where it was logged."""
    event: dict[str, Any] = {
        "event_id": uuid4().hex,
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        "platform": "python",
        "level": record.levelname.lower(),
        "logger": record.name,
        "logentry": {
            "message": str(record.msg)[:_TEXT],
            "params": _params(record.args),
            "formatted": _formatted(record)[:_TEXT],
        },
        "contexts": {"runtime": {"name": platform.python_implementation(), "version": platform.python_version()}},
        "sdk": {"name": "ems.logging", "version": "1"},
    }
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        event["exception"] = {"values": exceptions_of(error)}
    else:
        event["stacktrace"] = {"frames": [_place(record)]}
    return event


def envelope_of(event: Mapping[str, Any]) -> bytes:
    """An envelope that holds one event."""
    payload = json.dumps(event, default=repr).encode()
    header = json.dumps({"event_id": event.get("event_id"), "sent_at": datetime.now(UTC).isoformat()}).encode()
    item = json.dumps({"type": "event", "content_type": "application/json", "length": len(payload)}).encode()
    return b"\n".join((header, item, payload)) + b"\n"


def exceptions_of(error: BaseException) -> list[dict[str, Any]]:
    """The exception and all that it stands on, in a client's order: the oldest cause first, this one last."""
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    waiting: list[tuple[BaseException, str | None]] = [(error, None)]
    while waiting and len(found) < EXCEPTIONS:
        current, source = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        found.append(_exception(current, source))
        if current.__cause__ is not None:
            waiting.append((current.__cause__, "__cause__"))
        elif current.__context__ is not None and not current.__suppress_context__:
            waiting.append((current.__context__, "__context__"))
        if isinstance(current, BaseExceptionGroup):
            members = [(member, f"exceptions[{place}]") for place, member in enumerate(current.exceptions)]
            waiting.extend(reversed(members))
    return found[::-1]


def _exception(error: BaseException, source: str | None) -> dict[str, Any]:
    kind = type(error)
    return {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "value": _value(error),
        "mechanism": {"type": "chained", "source": source} if source else {"type": "logging", "handled": True},
        "stacktrace": {"frames": _frames(error.__traceback__)},
    }


def _value(error: BaseException) -> str:
    try:
        return str(error)[:_TEXT]
    except Exception as broken:  # a `__str__` of the application that itself raises
        return f"<no message: {type(broken).__name__} in __str__>"


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    """Outermost call first."""
    places = list(traceback.walk_tb(trace))
    if len(places) > FRAMES:
        places = places[: FRAMES // 2] + places[-FRAMES // 2 :]
    return [
        {
            "filename": frame.f_code.co_filename,
            "abs_path": frame.f_code.co_filename,
            "function": frame.f_code.co_name,
            "module": str(frame.f_globals.get("__name__") or ""),
            "lineno": line,
            "context_line": linecache.getline(frame.f_code.co_filename, line, frame.f_globals).rstrip("\n"),
        }
        for frame, line in places
    ]


def _formatted(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit the template, or whose `__str__` raises
        return str(record.msg)


def _place(record: logging.LogRecord) -> dict[str, Any]:
    return {
        "filename": record.pathname,
        "abs_path": record.pathname,
        "function": record.funcName,
        "module": record.module,
        "lineno": record.lineno,
        "context_line": linecache.getline(record.pathname, record.lineno).rstrip("\n"),
    }


def _params(args: object) -> list[str]:
    values = args if isinstance(args, tuple) else () if not args else (args,)
    return [str(value)[:1_000] for value in values]
