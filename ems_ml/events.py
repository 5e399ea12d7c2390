"""The bus: what happened, as frozen types. Dashboard, metrics, alerts and plugins only subscribe.

Each subscriber has a bounded queue and a thread of its own, so a slow or raising one delays nothing and nobody;
what it missed is counted in `Subscription.dropped`, what it raised in `Subscription.failures` and the log.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ems_ml.types import Assignment, Outcome, RankedStrategy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Anything that is published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReceived(Happened):
    event: str
    project: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProcessed(Happened):
    """Stored, grouped and searchable."""

    event: str
    project: str
    assignment: Assignment
    strategies: tuple[RankedStrategy, ...]
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDropped(Happened):
    event: str
    project: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternChanged(Happened):
    """A person merged, split, parted, resolved or ignored."""

    pattern: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternsRegrouped(Happened):
    """A project's patterns were regrouped, or that was undone."""

    project: str
    number: int
    undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FixTried(Happened):
    event: str
    pattern: str | None
    verdict: Outcome
    strategy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTrained(Happened):
    name: str
    version: str
    run: str


class Subscription:
    """One subscriber with its queue. `close` drains what is queued and ends its thread."""

    def __init__(self, handler: Callable[[Happened], None], kinds: tuple[type[Happened], ...], size: int) -> None:
        self.handler = handler
        self.kinds = kinds
        self.dropped = 0
        self.failures = 0
        self._queue: queue.Queue[Happened | None] = queue.Queue(maxsize=size)
        self._thread = threading.Thread(target=self._run, name="ems-bus", daemon=True)
        self._thread.start()

    def offer(self, happened: Happened) -> None:
        """Queue `happened` if this subscriber wants its kind; never blocks."""
        if not isinstance(happened, self.kinds):
            return
        try:
            self._queue.put_nowait(happened)
        except queue.Full:
            self.dropped += 1

    def close(self, timeout: float = 5.0) -> None:
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return  # the handler hangs; its daemon thread ends with the process
        self._thread.join(timeout)

    def _run(self) -> None:
        while (happened := self._queue.get()) is not None:
            try:
                self.handler(happened)
            except Exception:  # a subscriber is foreign code: whatever it raises must stop here, told in the log
                self.failures += 1
                log.exception("a subscriber failed on %s", type(happened).__name__)


class Bus:
    """Publish to all subscribers; `publish` costs one queue operation a subscriber and never raises."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._lock = threading.Lock()

    def subscribe(
        self, handler: Callable[[Happened], None], *kinds: type[Happened], size: int = 10_000
    ) -> Subscription:
        """Call `handler` for each published event of `kinds` (all where none is named), in order."""
        subscription = Subscription(handler, kinds or (Happened,), size)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def publish(self, happened: Happened) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.offer(happened)

    def close(self) -> None:
        """Let every subscriber finish what is queued."""
        with self._lock:
            subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.close()
