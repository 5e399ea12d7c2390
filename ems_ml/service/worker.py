"""The worker: takes what waits in the inbox through the same line as everything else.

`Pipeline.process` commits event, assignment and the deletion from the inbox in one transaction, so a worker that is
killed anywhere loses nothing and doubles nothing: what was not committed still waits. An event that makes the line
fail is set aside with its problem and counted as dropped; the next one goes on.
"""

from __future__ import annotations

import logging
import signal
import threading

from ems_ml.build import System, Waiting, build
from ems_ml.errors import DuplicateEvent, ModelError, StoreError
from ems_ml.events import EventDropped
from ems_ml.service import logs
from ems_ml.settings import Settings

log = logging.getLogger(__name__)

BATCH = 100
IDLE = 0.2  # seconds between two looks into an empty inbox


def work_off(system: System, *, stop: threading.Event | None = None, batch: int = BATCH) -> int:
    """Process until the inbox is empty or `stop` is set; answers how many were processed.

    Raises `StoreError` and `ModelError`: with these, no event is at fault, and all of them wait on.
    """
    processed = 0
    while waiting := system.store.inbox.take(batch):
        for one in waiting:
            if stop is not None and stop.is_set():
                return processed
            processed += process(system, one)
    return processed


def process(system: System, one: Waiting) -> bool:
    """Take one event through the line; False where it had to be dropped."""
    event = one.event
    try:
        system.line().process_event(event)
    except (StoreError, ModelError):
        raise
    except DuplicateEvent:
        system.store.inbox.discard(one.number, reason="duplicate")
        reason = "duplicate"
    except Exception as error:  # whatever an event does to the line, it must not stop the events behind it
        log.exception("an event is set aside", extra={"event": event.id, "project": event.project})
        system.store.inbox.set_aside(one.number, f"{type(error).__name__}: {error}", reason="failed")
        reason = "failed"
    else:
        return True
    system.bus.publish(EventDropped(event=event.id, project=event.project, reason=reason))
    return False


def run(system: System, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    while not stop.is_set():
        if not work_off(system, stop=stop):
            stop.wait(IDLE)


def serve(settings: Settings) -> int:
    """The worker as a process of its own: until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with build(settings) as system:
        logs.configure(settings, process="worker", redact=system.redactor.redact_text)
        logs.follow(system.bus)
        system.warm_up()
        print("the worker is ready", flush=True)
        run(system, stop)
    return 0
