"""A `logging` handler that reports errors without ever delaying or breaking the application."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener
from typing import Any
from urllib.parse import urlsplit

from ems_ml.errors import UsageError
from ems_ml.ingest.capture import event_of_record
from ems_ml.ingest.envelope import sentry_report
from ems_ml.types import RawReport

#: Loggers of the transport itself: their errors are counted, not reported.
_OWN = ("httpx", "httpcore", "ems_ml.ingest")


@dataclass(frozen=True, slots=True)
class Dsn:
    """Where to post, and with which key: `http://KEY@HOST[:PORT][/PATH]/PROJECT`."""

    url: str
    key: str
    project: str

    @classmethod
    def parse(cls, text: str) -> Dsn:
        """Raises `UsageError` that shows what a DSN looks like."""
        hint = "give a DSN such as http://KEY@127.0.0.1:8400/PROJECT, as `ems key add PROJECT` prints it"
        try:
            parts = urlsplit(text)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise UsageError(f"not a DSN: {error}", hint=hint) from error
        path, _, project = parts.path.rpartition("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.username or not project:
            raise UsageError("not a DSN: scheme, key, host and project are needed", hint=hint)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{parts.scheme}://{host}{port}{path}/api/{project}/envelope/", parts.username, project)


class EmsHandler(QueueHandler):
    """Sends records from `level` on, with their exception, to a DSN or to a callable.

    `target`: a DSN (envelopes are posted as Sentry's clients do) or a callable that takes a `RawReport`.
    The caller of the logger only builds the report and queues it; a thread of our own, started with the first
    record, sends. What could not be queued or sent is counted in `lost`, never raised. `close` (called by
    `logging.shutdown` at exit) gives the queue `timeout` seconds to empty, and counts what is left.

        logging.getLogger().addHandler(EmsHandler("http://KEY@127.0.0.1:8400/shop", release="1.2"))
    """

    def __init__(
        self,
        target: str | Callable[[RawReport], object],
        *,
        level: int = logging.ERROR,
        environment: str | None = None,
        release: str | None = None,
        capacity: int = 1_000,
        timeout: float = 5.0,
    ) -> None:
        self._pending: queue.Queue[Any] = queue.Queue(capacity)
        super().__init__(self._pending)
        self.setLevel(level)
        self.lost = 0
        self.timeout = timeout
        self._extra = {"environment": environment, "release": release}
        self._sender = _Sender(target, self, timeout)
        self._listener: QueueListener | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        own = any(record.name == name or record.name.startswith(f"{name}.") for name in _OWN)
        return not own and bool(super().filter(record))

    def prepare(self, record: logging.LogRecord) -> Any:
        """The record as an event; made here, while the frames of its exception still live."""
        given = {key: value for key, value in self._extra.items() if value}
        return event_of_record(record) | given

    def enqueue(self, record: Any) -> None:
        try:
            self._pending.put_nowait(record)
        except queue.Full:
            self.lost += 1
            return
        if self._listener is None:  # emit holds the handler's lock
            self._listener = QueueListener(self._pending, self._sender)
            self._listener.start()

    def handleError(self, record: logging.LogRecord) -> None:
        """Whatever went wrong with a record is ours to count, not the application's to see."""
        self.lost += 1

    def flush(self) -> None:
        """Wait until everything queued is sent, at most `timeout` seconds."""
        if self._listener is None:
            return
        with self._pending.all_tasks_done:
            self._pending.all_tasks_done.wait_for(lambda: not self._pending.unfinished_tasks, self.timeout)

    def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._sender.deadline = time.monotonic() + self.timeout
            while True:
                try:
                    listener.stop()
                    break
                except queue.Full:  # no room for the sign to stop: the oldest has to go
                    with contextlib.suppress(queue.Empty):
                        self._pending.get_nowait()
                        self.lost += 1
        self._sender.close()
        super().close()


class _Sender(logging.Handler):
    """Runs in the listener's thread: one event after the other, until the deadline at closing."""

    def __init__(self, target: str | Callable[[RawReport], object], owner: EmsHandler, timeout: float) -> None:
        super().__init__()
        self.deadline: float | None = None
        self._owner = owner
        self._timeout = timeout
        self._dsn = Dsn.parse(target) if isinstance(target, str) else None
        self._call = None if isinstance(target, str) else target
        self._client: Any = None
        self._paused_until = 0.0

    def handle(self, record: Any) -> bool:
        """Send one event, given as a mapping. Never raises: the listener's thread would end."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            self._owner.lost += 1
            return False
        try:
            sent = self._send(record)
        except Exception:  # the network, or a callable of the application: counted, and told in our own log
            logging.getLogger(__name__).debug("an event could not be sent", exc_info=True)
            sent = False
        self._owner.lost += not sent
        return sent

    def _send(self, event: Mapping[str, Any]) -> bool:
        if self._call is not None:
            self._call(sentry_report(event, project="default", source="logging"))
            return True
        return self._post(event)

    def _post(self, event: Mapping[str, Any]) -> bool:
        """Post an envelope; after a 429 nothing is sent until the time that the server names."""
        import httpx

        from ems_ml.ingest.capture import envelope_of

        if self._dsn is None or time.monotonic() < self._paused_until:
            return False
        if self._client is None:
            self._client = httpx.Client(timeout=self._timeout)
        answer = self._client.post(
            self._dsn.url,
            content=envelope_of(event),
            headers={
                "Content-Type": "application/x-sentry-envelope",
                "X-Sentry-Auth": f"Sentry sentry_key={self._dsn.key}, sentry_version=7, sentry_client=ems/1",
            },
        )
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            told = answer.headers.get("Retry-After", "")
            self._paused_until = time.monotonic() + (float(told) if told.isdigit() else 60.0)
        return bool(answer.is_success)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        super().close()
