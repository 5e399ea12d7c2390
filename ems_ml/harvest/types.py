"""The words of the harvest: a package made ready, a fault to plant, what came of it, the honest ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ems_ml.types import Condition

HARVEST_VERSION = "1"  # a change of the rules changes it, and with it where the corpus is kept

KEPT = "kept"  # at least one trace that counts
OUTCOMES = (
    KEPT,
    "survived",  # every test that reaches it still passes
    "asserted_only",  # tests broke, but only by assertions of their own
    "elsewhere_only",  # tests broke by an exception that was raised in test or runner code
    "broke_import",  # nothing could be collected any more
    "timed_out",
    "memory",
    "disk",  # its tests wrote too much
    "crashed",  # the interpreter ended: a signal, or the runner itself was broken
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a harvest may spend."""

    per_package: int = 250  # faults planted, at most
    seconds: float = 3600.0  # for each package, after it is made ready
    fault_seconds: float = 10.0  # wall time of one fault's tests
    fault_memory: int = 768 * 1024 * 1024  # address space that one fault's tests may add, bytes
    tests_per_fault: int = 40
    traces_per_fault: int = 10
    baseline_seconds: float = 300.0
    slowest_test: float = 2.0  # seconds; slower ones are left out
    per_test_function: int = 25  # of its parameter sets; the rest is not run
    per_place: int = 2  # faults of one strategy in one function


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A package unpacked, with an environment that can run its tests. All in one folder of the cache."""

    name: str
    version: str
    licence: str
    folder: Path
    tree: Path  # the unpacked distribution, which the tests run in
    source: Path  # the folder in `tree` that is put on the import path
    tops: tuple[str, ...]  # importable names: "attr", "attrs"
    tests: tuple[str, ...]  # arguments for pytest, relative to `tree`
    python: Path  # the environment's interpreter
    python_version: str
    notes: tuple[str, ...] = ()

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus.jsonl"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One change of one file: lines `start` to `end` (0-based, end exclusive) of the healthy text become `lines`."""

    id: str
    strategy: str
    file: str  # relative to the tree
    start: int
    end: int
    lines: tuple[str, ...]
    line: int  # first line of the fault in the changed text, 1-based
    function: str
    note: str
    condition: Condition | None = None  # then `lines` are the healthy ones, and the environment is at fault

    def plant(self, healthy: str) -> str:
        """The file's text with the fault in it."""
        lines = healthy.splitlines(keepends=True)
        return "".join([*lines[: self.start], *self.lines, *lines[self.end :]])


def fault_id(*parts: object) -> str:
    """A stable name of 20 hex digits for what these parts say."""
    return hashlib.sha256(json.dumps([HARVEST_VERSION, *map(str, parts)]).encode()).hexdigest()[:20]


@dataclass(slots=True, kw_only=True)
class PackageLedger:
    """What was done to one package, and what came of it. Every planted fault is in exactly one outcome."""

    package: str
    version: str
    licence: str
    python: str
    per_package: int  # faults that were to be planted at most
    isolation: str  # level, and for each missing wall why
    tests: int = 0  # that pass on healthy code, twice
    left_out: int = 0  # tests that fail, are skipped, flaky or slow on healthy code
    planted: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    traces: int = 0
    kept_by_strategy: dict[str, int] = field(default_factory=dict)
    planted_by_strategy: dict[str, int] = field(default_factory=dict)
    asserted: int = 0  # broken tests whose own assertion failed, over all faults; not kept
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def count(self, record: Mapping[str, Any]) -> None:
        """Add one line of the corpus."""
        strategy = record["fault"]["strategy"]
        self.planted += 1
        self.outcomes[record["outcome"]] += 1
        self.traces += len(record["traces"])
        self.asserted += record["asserted"]
        self.seconds += record["seconds"]
        self.planted_by_strategy[strategy] = self.planted_by_strategy.get(strategy, 0) + 1
        if record["outcome"] == KEPT:
            self.kept_by_strategy[strategy] = self.kept_by_strategy.get(strategy, 0) + 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True, kw_only=True)
class ReleaseLedger(PackageLedger):
    """What was done to one version of a package in which the faults of its newest version were sought."""

    newest: str  # the version that they were drawn in, which may be this one
    sought: int = 0  # faults: those that gave a trace in the newest version
    moved: int = 0  # of those that were found: in a function of another name or file
    without: dict[str, int] = field(default_factory=dict)  # those without a counterpart, by reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One `PackageLedger` for each package (or version) that was harvested, and a line for each that could not be."""

    packages: tuple[PackageLedger, ...]
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """Faults that gave at least one trace that counts."""
        return sum(package.outcomes[KEPT] for package in self.packages)

    @property
    def traces(self) -> int:
        return sum(package.traces for package in self.packages)
