"""The log: every process of ours appends redacted JSON lines to one file, `Settings.log_file`.

One record is one line, written at once in append mode, so that several processes share the file. Each names its
time, level, logger, process and, where it is about one, the event and the pattern. The file is turned when it has
grown (`turn`): renamed to `.1`, the older ones to `.2` ... Every process notices by itself and opens the new file.
What is logged is redacted after it is formatted: message, extra fields and exception text alike.
"""

from __future__ import annotations

import fcntl
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from ems_ml.errors import UsageError
from ems_ml.events import Bus, EventDropped, EventReceived, FixTried, Happened, PatternChanged, PatternsRegrouped
from ems_ml.settings import Settings

MAX_BYTES = 20_000_000
KEEP = 3
HANDLER = "ems"  # the name of the handler that `configure` sets up
QUIET = ("alembic", "httpx", "httpcore", "asyncio", "multipart", "urllib3")

Redact = Callable[[str], str]
log = logging.getLogger(__name__)


class Redacting(logging.Filter):
    """Takes secrets out of a record before anything formats it: message, exception text and extra fields.

    The arguments are merged into the message here, because a secret may stand across the two.
    """

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self.redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text, record.exc_info = self.redact(record.exc_text), None
        for name in set(vars(record)) - PLAIN:
            value = vars(record)[name]
            if isinstance(value, str):
                setattr(record, name, self.redact(value))
        return True


PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLine(JsonFormatter):
    """One JSON object a record, with the fields of this house."""

    def __init__(self, process: str) -> None:
        super().__init__("%(message)s", json_ensure_ascii=False)
        self.process = process

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": self.process,
            "pid": record.process,
            "event": getattr(record, "event", None),
            "pattern": getattr(record, "pattern", None),
        }
        rest = {name: value for name, value in log_data.items() if name not in fields}
        log_data.clear()
        log_data.update(fields | rest)


def configure(settings: Settings, *, process: str, redact: Redact) -> None:
    """Send this process's log to the one file, redacted. Where the file cannot be made, says so on standard error.

    Only what is not ours to log is quiet below WARNING. Calling again replaces what an earlier call set up.
    """
    level = settings.log_level.upper()
    if level not in logging.getLevelNamesMapping():
        raise UsageError(
            f"there is no log level {settings.log_level!r}", hint="EMS_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR"
        )
    handler: logging.Handler
    try:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        turn(settings.log_file)
        handler = WatchedFileHandler(settings.log_file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        print(f"ems: the log goes to standard error, {settings.log_file} cannot be written: {error}", file=sys.stderr)
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
    handler.addFilter(Redacting(redact))
    handler.setFormatter(JsonLine(process))
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.name == HANDLER]:
        root.removeHandler(old)
        old.close()
    handler.name = HANDLER
    root.addHandler(handler)
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def turn(path: Path, *, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> bool:
    """Start a new file where this one has grown beyond `max_bytes`; `keep` old ones stay. True where it did.

    Safe for several processes: the folder's lock file is held while looking and renaming. Raises OSError.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    with (path.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists() or path.stat().st_size <= max_bytes:
            return False  # another process was first
        numbered = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
        for newer, older in reversed(list(pairwise(numbered))):
            if newer.exists():
                newer.replace(older)
    return True


def follow(bus: Bus) -> None:
    """Write down what happens on the bus, with the ids that it is about. (The line itself logs what it grouped.)"""
    bus.subscribe(_write, EventReceived, EventDropped, PatternChanged, PatternsRegrouped, FixTried)


def _write(happened: Happened) -> None:
    match happened:
        case EventReceived(event=event, project=project, source=source):
            log.info("received", extra={"event": event, "project": project, "source": source})
        case EventDropped(event=event, project=project, reason=reason):
            log.warning("dropped: %s", reason, extra={"event": event, "project": project})
        case PatternChanged(pattern=pattern, action=action):
            log.info("decided: %s", action, extra={"pattern": pattern})
        case PatternsRegrouped(project=project, number=number, undone=undone):
            log.info("regrouping R%d %s", number, "undone" if undone else "applied", extra={"project": project})
        case FixTried(event=event, pattern=pattern, verdict=verdict, strategy=strategy):
            log.info("fix: %s", verdict.value, extra={"event": event, "pattern": pattern, "strategy": strategy})
        case _:
            log.debug("%s", happened)
