"""Processes that meet a new error at the same moment make one pattern of it, and lose no event."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_store_index import ENCODER, arrive
from toy_steps import an_event

from ems_ml.group import ExemplarIndex
from ems_ml.store import SqlStore

PROCESSES = 3
ROUNDS = 30
spawned = multiprocessing.get_context("spawn")


def bring(url: str, number: int, start: Any, answers: Any) -> None:
    """One process: in each round all wait for each other, then bring an error that no store has seen.

    In even rounds it is the same one, in odd ones each comes by a caller of its own: by the toy model one cause too.
    """
    with SqlStore(url, new_index=ExemplarIndex, encoder=ENCODER.version) as store:
        for turn in range(ROUNDS):
            place = "".join(chr(97 + int(digit)) for digit in f"{turn:03d}")
            caller = "main" if turn % 2 == 0 else f"caller_{'abc'[number]}"
            event = an_event(f"{turn}-{number}", where=f"at_{place}", caller=caller)
            start.wait(60)
            answers.put((turn, arrive(store, event).pattern))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_one_new_error_in_several_processes_is_one_pattern(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    urls: dict[str, Callable[[], str]] = {
        "sqlite": lambda: f"sqlite:///{tmp_path / 'ems.db'}",
        "postgresql": lambda: str(request.getfixturevalue("postgres")),
    }
    url = urls[database]()
    with SqlStore(url, new_index=ExemplarIndex, encoder=ENCODER.version) as store:
        start, answers = spawned.Barrier(PROCESSES), spawned.Queue()
        racing = [spawned.Process(target=bring, args=(url, one, start, answers)) for one in range(PROCESSES)]
        for process in racing:
            process.start()
        made: dict[int, set[str]] = defaultdict(set)
        for _ in range(PROCESSES * ROUNDS):
            turn, pattern = answers.get(timeout=120)  # `queue.Empty` where one of them has died
            made[turn].add(pattern)
        for process in racing:
            process.join(120)
        assert [process.exitcode for process in racing] == [0] * PROCESSES
        assert {turn: len(patterns) for turn, patterns in made.items()} == dict.fromkeys(range(ROUNDS), 1)
        assert [one.count for one in store.patterns()] == [PROCESSES] * ROUNDS
        assert store.events.count() == PROCESSES * ROUNDS
