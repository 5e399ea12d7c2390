"""A cell of a team's table understood by the line's own steps: parse, redact, normalise. Secrets leave first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ems_ml.build.system import System
from ems_ml.dataset import event_from_row
from ems_ml.errors import InputError
from ems_ml.ingest.envelope import sentry_report
from ems_ml.ingest.files import read_bytes, shorten
from ems_ml.types import ErrorEvent, RawReport, Signature

NO_ERROR = "no exception was recognised in the trace"


def understanding(system: System) -> Callable[[Any, str], tuple[Signature, datetime | None] | str]:
    """`understand(value, project)`: the signature of a redacted report with its own time, or why it is none."""

    def understand(value: Any, project: str) -> tuple[Signature, datetime | None] | str:
        event = _event(system, value, project)
        if isinstance(event, str):
            return event
        event = system.redactor.redact(event)
        return system.normalizer.normalize(event), event.time

    return understand


def reads_of(system: System) -> Callable[[Any], int]:
    """How well the parsers read a value: 2 with frames, 1 with an exception's type, 0 not at all."""

    def reads(value: Any) -> int:
        event = _event(system, value, "")
        if isinstance(event, str):
            return 0
        return 2 if event.error.frames else 1

    return reads


def _event(system: System, value: Any, project: str) -> ErrorEvent | str:
    try:
        if isinstance(value, Mapping):
            if "event" in value and "frames" in value:
                return event_from_row(value)
            report = sentry_report(value, project=project or "default", source="file")
        else:
            report = _report(str(value), project or "default", system.settings.max_report_bytes)
        event = system.parser.parse(report)
    except InputError as error:
        return str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"a broken event ({type(error).__name__})"
    return event if event.error.frames or event.error.type else NO_ERROR


def _report(text: str, project: str, limit: int) -> RawReport:
    """A text, which may itself be a Sentry event as JSON."""
    if text.lstrip()[:1] == "{" and text.strip():
        found = read_bytes(text.encode("utf-8", "replace"), name="the cell", project=project, limit=limit)
        if found.reports:
            return found.reports[-1]
    return RawReport(text=shorten(text, limit)[0], project=project, source="file")
