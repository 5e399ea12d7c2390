"""What monitoring answers: checks with a remedy, and the use of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARN = "warn"  # works, but something is left out or will soon go wrong
    FAIL = "fail"  # something that this installation needs does not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `remedy` says what to do where `state` is not OK; "" otherwise."""

    name: str
    state: State
    detail: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be done for the system to work."""
        return self.state is not State.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUse:
    """One process of ours: its name, its share of one CPU in [0, ...] and its resident memory in bytes."""

    name: str
    pid: int
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The machine now. `cpu` in [0, 1] over all cores; memory and disk in bytes; disk: where the data folder lies."""

    cpu: float
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    disk_free: int
    processes: tuple[ProcessUse, ...] = ()
    load: Mapping[str, float] = field(default_factory=dict)  # "1", "5", "15" minutes, where the system tells
