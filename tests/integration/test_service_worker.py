"""The worker in this process: one line for all, and what happens to an event that breaks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ems_ml.build import System, build
from ems_ml.errors import ModelError
from ems_ml.service import inbox
from ems_ml.service.worker import run, work_off
from ems_ml.settings import Settings
from ems_ml.types import Problem, RawReport

TRACE = 'Traceback (most recent call last):\n  File "shop/a.py", line 3, in f\n    return rows[0]\nIndexError: {}\n'


@pytest.fixture
def system(toy_home: Path) -> Iterator[System]:
    with build(Settings(home=toy_home)) as system:
        yield system


def report(number: int, **fields: str) -> RawReport:
    return RawReport(text=TRACE.format(number), **{"id": f"e{number}", **fields})  # type: ignore[arg-type]


def test_the_inbox_is_worked_off_in_order(system: System) -> None:
    inbox.accept(system, [report(1), report(2), report(3)])
    assert system.store.counters() == {("received", ""): 3}
    assert work_off(system, batch=2) == 3
    (pattern,) = system.store.patterns()
    assert (pattern.count, pattern.example) == (3, "e1")
    assert system.store.counters() == {("received", ""): 3, ("processed", ""): 3}


def test_an_event_that_is_sent_twice_counts_once(system: System) -> None:
    inbox.accept(system, [report(1)])
    work_off(system)
    inbox.accept(system, [report(1)])
    assert work_off(system) == 0
    counters = system.store.counters()
    assert counters == {("received", ""): 2, ("processed", ""): 1, ("dropped", "duplicate"): 1}
    assert system.store.inbox.waiting() == 0


def test_an_event_that_breaks_the_line_is_kept_aside_and_the_next_goes_on(
    system: System, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.accept(system, [report(1), report(2), report(3)])
    normalize = system.normalizer.normalize

    def breaks(event: object) -> object:
        if getattr(event, "id", "") == "e2":
            raise ZeroDivisionError("poison")
        return normalize(event)  # type: ignore[arg-type]

    monkeypatch.setattr(system.normalizer, "normalize", breaks)
    assert work_off(system) == 2
    assert system.store.counters()[("dropped", "failed")] == 1
    assert system.store.inbox.waiting() == 0
    with system.store.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT id, problem FROM inbox").all()
    assert [tuple(row) for row in kept] == [("e2", "ZeroDivisionError: poison")]
    assert "set aside" in caplog.text


def test_a_model_that_is_missing_blames_no_event(system: System, toy_home: Path) -> None:
    inbox.accept(system, [report(1)])
    (toy_home / "models" / "grouper" / "pairs.json").unlink()
    with pytest.raises(ModelError):
        work_off(system)
    assert system.store.inbox.waiting() == 1
    assert ("dropped", "failed") not in system.store.counters()


def test_reports_that_cannot_be_read_are_counted_not_lost_silently(system: System) -> None:
    accepted = inbox.accept(system, [report(1), Problem(id="", problem="line 2 is not JSON")])
    assert (accepted.ids, accepted.problems) == (("e1",), ("line 2 is not JSON",))
    assert system.store.counters() == {("received", ""): 2, ("dropped", "unreadable"): 1}


def test_it_stops_between_two_events_when_told(system: System) -> None:
    inbox.accept(system, [report(number) for number in range(5)])
    stop = threading.Event()
    stop.set()
    assert work_off(system, stop=stop) == 0
    run(system, stop)
    assert system.store.inbox.waiting() == 5
