"""Where training data come from: the harvest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ems_ml.build.system import System
from ems_ml.harvest import Bounds, Built, Ledger, build_dataset, harvest_faults, harvest_releases
from ems_ml.harvest.faults import Progress, silent
from ems_ml.harvest.history import SINCE, Replays, replay_histories
from ems_ml.harvest.reports import ReportFile, harvest_reports
from ems_ml.harvest.told import ToldHistories, tell_histories
from ems_ml.ingest.junit import read_test_reports
from ems_ml.strategies import STRATEGY_NAMES, recognise_commit, recognise_undoing


def harvest(
    system: System,
    packages: Sequence[str],
    *,
    out: Path | None = None,
    jobs: int = 1,
    dask: str | None = None,
    seed: int = 0,
    per_package: int | None = None,
    seconds: float | None = None,
    progress: Progress = silent,
) -> tuple[Ledger, Built | None]:
    """Plant faults in the packages and keep the traces; with `out`, write the data set of the whole corpus there.

    The corpus lies in the cache (EMS_CACHE); what an earlier run has done is not done again. per_package, seconds:
    bounds for each package; else those of `Bounds`. Raises as `ems_ml.harvest.harvest_faults` and `build_dataset` do.
    """
    ledger = harvest_faults(
        packages,
        strategies=system.strategies,
        cache=system.settings.cache,
        bounds=_bounds(per_package, seconds),
        jobs=jobs,
        dask=dask,
        seed=seed,
        progress=progress,
    )
    if out is None:
        return ledger, None
    return ledger, build_data(system, out)


def harvest_versions(
    system: System,
    package: str,
    versions: Sequence[str],
    *,
    seed: int = 0,
    per_package: int | None = None,
    seconds: float | None = None,
    progress: Progress = silent,
) -> Ledger:
    """Plant the same faults in several versions of a package, the newest first, and keep the traces in the cache.

    per_package, seconds: bounds for each version; else those of `Bounds`. Raises as `ems_ml.harvest.harvest_releases`
    does.
    """
    return harvest_releases(
        package,
        versions,
        strategies=system.strategies,
        cache=system.settings.cache,
        bounds=_bounds(per_package, seconds),
        seed=seed,
        progress=progress,
    )


def _bounds(per_package: int | None, seconds: float | None) -> Bounds:
    bounds = Bounds()
    if per_package is not None:
        bounds = replace(bounds, per_package=per_package)
    return bounds if seconds is None else replace(bounds, seconds=seconds)


def build_data(system: System, out: Path, *, add: bool = False) -> Built:
    """Write the data set of all that the cache (EMS_CACHE) holds, with its card, into the folder `out`.

    Nothing is harvested; the same cache gives the same files. add: other projects' rows that lie in `out` stay.
    Raises as `ems_ml.harvest.build_dataset` does.
    """
    names = dict.fromkeys((*STRATEGY_NAMES, *(strategy.name for strategy in system.strategies)))
    return build_dataset(system.settings.cache, redactor=system.redactor, out=out, add=add, strategies=list(names))


def tell_history(
    system: System,
    repositories: Sequence[Path],
    *,
    name: str | None = None,
    since: str | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> ToldHistories:
    """Keep the fixes that the messages of these git histories tell, in the cache (EMS_CACHE). No test is run.

    Raises as `ems_ml.harvest.told.tell_histories` does.
    """
    strategies = system.strategies
    return tell_histories(
        repositories,
        recognise=lambda files: recognise_commit(files, strategies),
        redact_text=system.redactor.redact_text,
        cache=system.settings.cache,
        name=name,
        since=since,
        jobs=jobs,
        progress=progress,
    )


def replay_history(
    system: System,
    repositories: Sequence[Path],
    *,
    name: str | None = None,
    since: str | None = None,
    seconds: float | None = None,
    python: str | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Replays:
    """Keep the real crashes of these git histories, in the cache (EMS_CACHE): new tests are run on old code.

    since: a day; else 2016 began it. seconds: for each history; else an hour. Raises as
    `ems_ml.harvest.history.replay_histories` does.
    """
    return replay_histories(
        repositories,
        recognise=partial(recognise_commit, strategies=system.strategies),
        recognise_undoing=partial(recognise_undoing, strategies=system.strategies),
        cache=system.settings.cache,
        name=name,
        since=since or SINCE,
        seconds=seconds or 3600.0,
        python=python,
        jobs=jobs,
        progress=progress,
    )


def bring_reports(system: System, files: Sequence[Path], *, project: str = "default") -> list[ReportFile]:
    """Store and group the failures in reports of past test runs: pytest's report logs, and JUnit XML."""
    store = system.store
    return harvest_reports(
        files,
        read=lambda path: read_test_reports(path, project=project),
        known=lambda name, id: store.events.get(name, id) is not None,
        line=system.line().process_many,
    )
