"""One fault in several versions of a package: drawn in the newest, sought and planted in the older ones.

The corpus of a package lies apart from that of `ems_ml.harvest.faults`, one JSON line a version and fault, written at
once: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
import logging
import posixpath
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ems_ml.errors import EmsError, UsageError
from ems_ml.harvest.corpus import releases_folder
from ems_ml.harvest.counterparts import Counterparts
from ems_ml.harvest.faults import Progress, append, as_record, own_sources, read_corpus, silent
from ems_ml.harvest.package import prepare
from ems_ml.harvest.plan import Draw, Reach
from ems_ml.harvest.types import KEPT, Bounds, Fault, Ledger, Prepared, ReleaseLedger
from ems_ml.harvest.worker import Worker
from ems_ml.ports import Strategy
from ems_ml.types import Condition

log = logging.getLogger(__name__)


def harvest_releases(
    package: str,
    versions: Sequence[str],
    *,
    strategies: Sequence[Strategy],
    cache: Path,
    bounds: Bounds | None = None,
    seed: int = 0,
    progress: Progress = silent,
    pip_arguments: Sequence[str] = (),
) -> Ledger:
    """Plant the same faults in each version of a package; what an earlier run has done is not done again.

    versions: the first one is where faults are drawn and run, as `harvest_faults` does; those that gave a trace there
    are sought in each of the others (`Counterparts`), and planted and run where they are found. All have the id of the
    first version's fault as their cause. bounds: of each version. An older version that cannot be harvested is a line
    in `Ledger.problems` and stops no other. Raises `UsageError` without a strategy or with fewer than two different
    versions, and the `EmsError` of the first version, or of the others where none of them can be harvested.
    """
    versions = list(dict.fromkeys(versions))
    if len(versions) < 2 or not strategies:
        raise UsageError(
            "nothing to compare: name two versions or more, the newest first", hint="say h11 0.16.0 0.14.0"
        )
    prepared = prepare(f"{package}=={versions[0]}", cache.absolute(), pip_arguments=pip_arguments)
    folder = releases_folder(cache.absolute())
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(
        strategies=strategies,
        bounds=bounds or Bounds(),
        seed=seed,
        progress=progress,
        corpus=folder / f"{prepared.name}-{prepared.version}.jsonl",
        newest=prepared.version,
    )
    ledgers = [run.draw(prepared)]
    problems: dict[str, EmsError] = {}
    for version in versions[1:]:
        requirement = f"{package}=={version}"
        try:
            ledgers.append(run.seek(prepare(requirement, cache.absolute(), pip_arguments=pip_arguments)))
        except EmsError as error:
            log.warning("%s is not harvested: %s", requirement, error)
            problems[requirement] = error
    if len(ledgers) == 1:
        raise next(iter(problems.values()))
    written = run.corpus.with_suffix(".json.new")
    written.write_text(json.dumps([ledger.to_json() for ledger in ledgers], indent=1))
    written.replace(run.corpus.with_suffix(".json"))
    return Ledger(packages=tuple(ledgers), problems={name: str(error) for name, error in problems.items()})


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the versions of one package share; of the newest: the faults that gave a trace, its files, its root."""

    strategies: Sequence[Strategy]
    bounds: Bounds
    seed: int
    progress: Progress
    corpus: Path
    newest: str
    drawn: list[Fault] = field(default_factory=list)
    healthy: Mapping[str, str] = field(default_factory=dict)
    root: str = "."

    def draw(self, prepared: Prepared) -> ReleaseLedger:
        """Draw faults in the newest version and run them."""
        done = self._done(prepared)
        with Worker(prepared, self.bounds) as worker:
            ledger, reach = self._begin(prepared, worker)
            self.healthy, self.root = own_sources(prepared, _files(prepared)), _root(prepared)
            for record in done.values():
                self._count(ledger, _fault(record["fault"], self.root), record)
            faults = Draw(
                package=f"{prepared.name}=={prepared.version}",
                sources=own_sources(prepared, reach.lines),
                reach=reach,
                strategies=self.strategies,
                seed=self.seed,
                per_place=self.bounds.per_place,
                tell=ledger.notes.append,
            )
            began = time.monotonic()
            for fault in faults:
                if ledger.planted >= self.bounds.per_package or time.monotonic() - began > self.bounds.seconds:
                    break
                if fault.id not in done:
                    record = self._try(worker, reach, prepared, fault, self.healthy, fault.id)
                    self._count(ledger, fault, record)
        ledger.seconds = round(ledger.seconds, 1)
        return ledger

    def _count(self, ledger: ReleaseLedger, fault: Fault, record: Mapping[str, Any]) -> None:
        ledger.count(record)
        if record["outcome"] == KEPT:
            self.drawn.append(fault)
        self._tell(ledger, self.bounds.per_package)

    def seek(self, prepared: Prepared) -> ReleaseLedger:
        """Plant in an older version those of the newest's faults that are found there."""
        done = self._done(prepared)
        with Worker(prepared, self.bounds) as worker:
            ledger, reach = self._begin(prepared, worker)
            sources = own_sources(prepared, _files(prepared))
            counterparts = Counterparts(
                package=f"{prepared.name}=={prepared.version}",
                sources=sources,
                reach=reach,
                root=_root(prepared),
                strategies=self.strategies,
                tell=ledger.notes.append,
            )
            began = time.monotonic()
            for drawn in self.drawn:
                if time.monotonic() - began > self.bounds.seconds:
                    break
                ledger.sought += 1
                if drawn.id in done:
                    ledger.moved += done[drawn.id]["moved"]
                    ledger.count(done[drawn.id])
                    continue
                found = counterparts.of(drawn, self.healthy[drawn.file], self.root)
                if found.fault is None:
                    ledger.without[found.why] = ledger.without.get(found.why, 0) + 1
                    continue
                ledger.moved += found.moved
                record = self._try(worker, reach, prepared, found.fault, sources, drawn.id, moved=found.moved)
                ledger.count(record)
                self._tell(ledger, len(self.drawn))
        ledger.seconds = round(ledger.seconds, 1)
        return ledger

    def _begin(self, prepared: Prepared, worker: Worker) -> tuple[ReleaseLedger, Reach]:
        reach, left_out = worker.baseline()
        walls = worker.isolation
        ledger = ReleaseLedger(
            package=prepared.name,
            version=prepared.version,
            newest=self.newest,
            licence=prepared.licence,
            python=prepared.python_version,
            per_package=self.bounds.per_package,
            isolation="; ".join([walls.level, *walls.why]),
            tests=len(reach.tests),
            left_out=left_out,
            notes=list(prepared.notes),
        )
        return ledger, reach

    def _done(self, prepared: Prepared) -> dict[str, Mapping[str, Any]]:
        """What an earlier run has tried in this version, by cause."""
        return {one["group"]: one for one in read_corpus(self.corpus) if one["version"] == prepared.version}

    def _try(
        self,
        worker: Worker,
        reach: Reach,
        prepared: Prepared,
        fault: Fault,
        sources: Mapping[str, str],
        group: str,
        *,
        moved: bool = False,
    ) -> Mapping[str, Any]:
        healthy = sources[fault.file]
        outcome = worker.try_fault(fault, healthy, reach.choose(fault, healthy, self.bounds.tests_per_fault))
        about = {"version": prepared.version, "group": group, "moved": moved}
        record = {**about, "fault": as_record(fault, healthy, prepared), **outcome}
        append(self.corpus, record)
        return record

    def _tell(self, ledger: ReleaseLedger, of: int) -> None:
        self.progress(f"{ledger.package} {ledger.version}", ledger.planted, of, ledger.outcomes[KEPT])


def _fault(told: Mapping[str, Any], root: str) -> Fault:
    """A fault of the corpus as it was planted."""
    condition = told.get("condition")
    return Fault(
        id=told["id"],
        strategy=told["strategy"],
        file=posixpath.normpath(f"{root}/{told['file']}"),
        start=told["start"],
        end=told["start"] + len(told["before"]),
        lines=tuple(told["after"]),
        line=told["line"],
        function=told["function"],
        note=told["note"],
        condition=None if condition is None else Condition(**condition),
    )


def _files(prepared: Prepared) -> list[str]:
    """The package's own files, also those that no test reaches: a fault in them is told from one that is gone."""
    own = [prepared.source / f"{top}.py" for top in prepared.tops]
    own += [path for top in prepared.tops for path in (prepared.source / top).rglob("*.py")]
    return [path.relative_to(prepared.tree).as_posix() for path in own if path.is_file()]


def _root(prepared: Prepared) -> str:
    """The folder of the tree that is imported from, as the faults' files name it."""
    return prepared.source.relative_to(prepared.tree).as_posix()
