"""A client's own fingerprint, with Sentry's variables filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ems_ml.types import DEFAULT, ErrorEvent

MOST_PARTS = 100
_VARIABLE = re.compile(r"\{\{\s*([\w.-]{1,200})\s*\}\}")
_ATTRIBUTES = ("transaction", "level", "logger")


def client_fingerprint(parts: Sequence[str], event: ErrorEvent) -> tuple[str, ...]:
    """The parts as the grouper obeys them; () where they say no more than `DEFAULT`.

    A part that is a variable of Sentry's (`{{ type }}`, `{{ function }}`, `{{ tags.NAME }}` ...) becomes the event's
    value, `<no-NAME>` where it has none; a variable that is not known stays as it is written.

    >>> from ems_ml.types import ExceptionRecord
    >>> event = ErrorEvent(id="1", error=ExceptionRecord(type="app.Bad", message="no"))
    >>> client_fingerprint(["{{default}}", "{{ type }}", "checkout", "{{ logger }}"], event)
    ('{{ default }}', 'Bad', 'checkout', '<no-logger>')
    """
    filled = tuple(_filled(part, event) for part in parts[:MOST_PARTS])
    return filled if any(part != DEFAULT for part in filled) else ()


def _filled(part: str, event: ErrorEvent) -> str:
    found = _VARIABLE.fullmatch(part.strip())
    if found is None:
        return part
    name = found[1]
    if name == "default":
        return DEFAULT
    value = _value(name, event)
    return part if value is None else value or f"<no-{name}>"


def _value(name: str, event: ErrorEvent) -> str | None:
    """ "" where the event does not have it, None where nothing is called so."""
    frames = event.error.frames
    raised = next((frame for frame in reversed(frames) if frame.in_app), frames[-1] if frames else None)
    match name.removeprefix("stack."):
        case "type" | "error.type":
            return event.error.short_type
        case "value" | "error.value" | "message":
            return event.error.message
        case "function":
            return raised.function if raised else ""
        case "module" | "package":
            return (raised.module or "") if raised else ""
        case "path" | "abs_path" | "filename":
            return raised.file if raised else ""
    if name in _ATTRIBUTES:
        return event.attributes.get(name, "")
    return event.attributes.get(f"tag.{name[5:]}", "") if name.startswith("tags.") else None
