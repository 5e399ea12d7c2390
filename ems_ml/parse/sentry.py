"""Events as Sentry's clients send them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ems_ml.parse.base import event_id
from ems_ml.parse.blocks import CHAIN_LENGTH, MESSAGE_CHARS
from ems_ml.parse.fingerprint import MOST_PARTS, client_fingerprint
from ems_ml.parse.frames import bounded, left_out_note
from ems_ml.parse.languages import readers
from ems_ml.parse.lines import HEAD_CHARS, TAIL_CHARS
from ems_ml.parse.platforms import language_of, role_on
from ems_ml.parse.text import read_text
from ems_ml.types import ErrorEvent, ExceptionRecord, Form, Frame, RawReport, Role

_ATTRIBUTES = ("environment", "level", "logger", "server_name", "transaction", "platform", "dist")
_TAGS = 50
#: So many characters of a name or a value are looked at, and of a message, which may hold a whole trace.
FIELD_CHARS = 4_000
MESSAGE_READ = HEAD_CHARS + TAIL_CHARS
#: A message is filled in up to so many characters; else its template stands for it.
FILLED_CHARS = 1_000_000
_MODULES = 5_000
_SOURCES = {"__cause__": "cause", "__context__": "context"}
#: A conversion whose width or precision is given beside it, or has four digits and more.
_WIDE = re.compile(r"%(?:\([^)]{0,200}\))?[-+ #0]*(?:\d{0,3}\.)?(?:\*|\d{4})")
#: Modules that Python does not print before an exception's name.
_UNNAMED_MODULES = frozenset({"", "builtins", "exceptions", "__main__"})


class SentryParser:
    """Reads `Form.SENTRY`: a decoded event of any platform. None where it holds neither exception nor message."""

    name = "sentry"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        if report.form is not Form.SENTRY or not isinstance(report.payload, Mapping):
            return None
        payload = report.payload
        language = language_of(_text(payload.get("platform")))
        records, notes = _exceptions(payload, language)
        formatted, template = _message(payload)
        if not records:
            if not formatted:
                return None
            if (inside := _trace_in(formatted, report)) is not None:
                return _dressed(inside, report, template, {})
            frames, notes = _frames(_stack(payload), language)
            records = [ExceptionRecord(type="", message=formatted[:MESSAGE_CHARS], frames=frames)]
        event = ErrorEvent(
            id=report.id or _text(payload.get("event_id")).replace("-", "") or event_id(report),
            error=records[0],
            chain=tuple(records[1 : CHAIN_LENGTH + 1]),
            language=language,
            parser=self.name,
            project=report.project,
            source=report.source,
        )
        return _dressed(event, report, template, notes)


def _dressed(event: ErrorEvent, report: RawReport, template: str, notes: dict[str, str]) -> ErrorEvent:
    """`event` with what stands beside the exception in a Sentry event."""
    payload = report.payload or {}
    dressed = event.with_(
        time=_time(payload.get("timestamp")) or report.time,
        release=_text(payload.get("release")) or report.release,
        template=template or None,
        attributes={**event.attributes, **_attributes(payload), **notes},
        modules=_strings(payload.get("modules"), _MODULES),
    )
    given = payload.get("fingerprint")
    parts = [_text(part, MESSAGE_CHARS) for part in given[:MOST_PARTS]] if isinstance(given, list) else []
    return dressed.with_(fingerprint=client_fingerprint([part for part in parts if part], dressed))


def _exceptions(payload: Mapping[str, Any], language: str) -> tuple[list[ExceptionRecord], dict[str, str]]:
    """The exceptions, the one raised last first. Clients send them the other way round."""
    given = payload.get("exception") or payload.get("sentry.interfaces.Exception")
    if isinstance(given, Mapping) and "values" not in given and ("type" in given or "value" in given):
        given = [given]
    values = [value for value in _values(given) if isinstance(value, Mapping)]
    records: list[ExceptionRecord] = []
    notes: dict[str, str] = {}
    for index, value in enumerate(reversed(values)):
        stack = value.get("stacktrace") or value.get("raw_stacktrace")
        if index == 0 and not stack:
            stack = _stack(payload)
        frames, note = _frames(stack, language)
        notes = notes or note
        records.append(
            ExceptionRecord(
                type=_qualified(value),
                message=_text(value.get("value"), MESSAGE_CHARS),
                frames=frames,
                relation=None if index == 0 else _relation(value.get("mechanism")),
            )
        )
    return records, notes


def _qualified(value: Mapping[str, Any]) -> str:
    type_, module = _text(value.get("type")), _text(value.get("module"))
    if not type_ or module in _UNNAMED_MODULES or "." in type_:
        return type_
    return f"{module}.{type_}"


def _relation(mechanism: object) -> str:
    source = _text(mechanism.get("source")) if isinstance(mechanism, Mapping) else ""
    return "member" if source.startswith("exceptions[") else _SOURCES.get(source, "cause")


def _frames(stack: object, language: str) -> tuple[tuple[Frame, ...], dict[str, str]]:
    given = stack.get("frames") if isinstance(stack, Mapping) else None
    frames = [frame for frame in _values(given) if isinstance(frame, Mapping)]
    return tuple(_frame(frame, language) for frame in bounded(frames)), left_out_note(len(frames))


def _frame(given: Mapping[str, Any], language: str) -> Frame:
    language = language_of(_text(given.get("platform"))) if given.get("platform") else language
    frame = Frame(
        file=_path(given.get("abs_path")) or _path(given.get("filename")),
        function=_text(given.get("function")),
        line=_integer(given.get("lineno")),
        module=_text(given.get("module")) or _text(given.get("package")) or None,
        code=_text(given.get("context_line")).strip() or None,
    )
    frame, role = role_on(language, frame)
    claimed = given.get("in_app")
    if claimed is False and role is Role.APP:
        role = Role.LIBRARY
    elif claimed is True and role is Role.LIBRARY:
        role = Role.APP
    return replace(frame, in_app=role is Role.APP, role=role)


def _stack(payload: Mapping[str, Any]) -> object:
    """A stack that does not hang on an exception: the event's own, or that of its crashed or only thread."""
    if payload.get("stacktrace"):
        return payload["stacktrace"]
    threads = [thread for thread in _values(payload.get("threads")) if isinstance(thread, Mapping)]
    for wanted in ("crashed", "current"):
        for thread in threads:
            if thread.get(wanted) and thread.get("stacktrace"):
                return thread["stacktrace"]
    return threads[0].get("stacktrace") if len(threads) == 1 else None


def _message(payload: Mapping[str, Any]) -> tuple[str, str]:
    """The message as a person reads it, and its template where one was given."""
    entry = payload.get("logentry") or payload.get("sentry.interfaces.Message") or payload.get("message")
    if isinstance(entry, Mapping):
        template = _text(entry.get("message"), MESSAGE_READ)
        formatted = _text(entry.get("formatted"), MESSAGE_READ) or _filled(template, entry.get("params"))
        return formatted, template if entry.get("params") or formatted != template else ""
    return _text(entry, MESSAGE_READ), ""


def _filled(template: str, params: object) -> str:
    """The template with its parameters, where that does not grow beyond all bounds: a width may ask for a gigabyte."""
    if not params or _WIDE.search(template):
        return template
    values = params.values() if isinstance(params, Mapping) else params if isinstance(params, list) else [params]
    longest = max((len(str(value)) for value in values), default=0)
    if len(template) + template.count("%") * (longest + 999) > FILLED_CHARS:
        return template
    try:
        return template % (tuple(params) if isinstance(params, list) else params)
    except (TypeError, ValueError, KeyError):
        return template


def _trace_in(message: str, report: RawReport) -> ErrorEvent | None:
    """The error whose whole traceback was logged as a message."""
    if "\n" not in message:
        return None
    text = RawReport(text=message, id=report.id, project=report.project, source=report.source)
    found = read_text(text, readers())
    return found if found is not None and found.error.type and found.error.frames else None


def _attributes(payload: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _text(payload.get(name)) for name in _ATTRIBUTES}
    sdk = payload.get("sdk")
    if isinstance(sdk, Mapping):
        found["sdk"] = " ".join(part for part in (_text(sdk.get("name")), _text(sdk.get("version"))) if part)
    contexts = payload.get("contexts")
    runtime = contexts.get("runtime") if isinstance(contexts, Mapping) else None
    if isinstance(runtime, Mapping):
        found["runtime"] = " ".join(
            part for part in (_text(runtime.get("name")), _text(runtime.get("version"))) if part
        )
    for key, value in _strings(payload.get("tags"), _TAGS).items():
        found[f"tag.{key}"] = value
    return {key: value for key, value in found.items() if value}


def _time(given: object) -> datetime | None:
    """RFC 3339 or seconds since 1970, as a timezone-aware time."""
    try:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return datetime.fromtimestamp(given, UTC)
        if isinstance(given, str) and given:
            time = datetime.fromisoformat(given)
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _values(given: object) -> Sequence[Any]:
    """A list that may stand alone or under `values`."""
    if isinstance(given, Mapping):
        given = given.get("values")
    return given if isinstance(given, list) else []


def _strings(given: object, limit: int) -> dict[str, str]:
    """A mapping, or a list of pairs, as strings."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, list):
        pairs = [(pair[0], pair[1]) for pair in given if isinstance(pair, list) and len(pair) == 2]
    return {_text(key): _text(value) for key, value in pairs[:limit] if _text(key) and _text(value)}


def _text(given: object, most: int = FIELD_CHARS) -> str:
    if isinstance(given, str):
        return given[:most]
    return str(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else ""


def _path(given: object) -> str:
    """A long path keeps its end, which says more."""
    return given[-FIELD_CHARS:] if isinstance(given, str) else _text(given)


def _integer(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None
