"""Historical errors out of healthy code: plant one fault at a time, keep the traces of the tests that it breaks.

The corpus (real traces, real lines, the change itself) stays in the cache, one JSON line a planted fault, written at
once: an interrupted run goes on where it stopped. `ems_ml.harvest.corpus` makes the shipped data of it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ems_ml.errors import EmsError, InputError, UsageError
from ems_ml.harvest.package import is_folder, prepare
from ems_ml.harvest.plan import Draw
from ems_ml.harvest.spread import Post, posts, spread
from ems_ml.harvest.types import HARVEST_VERSION, KEPT, Bounds, Fault, Ledger, PackageLedger, Prepared
from ems_ml.harvest.worker import Worker
from ems_ml.ports import Strategy

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int, int], None]  # package, planted, of how many, kept


def silent(package: str, planted: int, of: int, kept: int) -> None:
    """The progress display that shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is to be done to every package of a run. Travels to other processes and machines."""

    strategies: Sequence[Strategy]
    cache: Path
    bounds: Bounds
    seed: int
    pip_arguments: Sequence[str]


def harvest_faults(
    packages: Sequence[str],
    *,
    strategies: Sequence[Strategy],
    cache: Path,
    bounds: Bounds | None = None,
    jobs: int = 1,
    dask: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
    pip_arguments: Sequence[str] = (),
) -> Ledger:
    """Harvest each `PACKAGE`, `PACKAGE==VERSION` or folder; what an earlier run has done is not done again.

    cache: `Settings.cache`; each package lies in `cache/harvest/vN/NAME-VERSION`. jobs: packages at a time, each in a
    process of its own. dask: the address of a Dask scheduler, whose workers then take the packages; they must see the
    same `cache`. seed: decides which faults are chosen and their order; the same seed, package and strategies choose
    the same. progress: called from this thread.

    A package that cannot be harvested is a line in `Ledger.problems` and stops no other; where none can, its
    `EmsError` is raised. Raises `UsageError` where no package or no strategy is given, and as `spread` does.
    """
    packages = list(dict.fromkeys(packages))
    if not packages or not strategies:
        raise UsageError("nothing to harvest: no package or no strategy", hint="name packages, say: boltons toolz")
    order = _Order(
        strategies=tuple(strategies),
        cache=cache.absolute(),
        bounds=bounds or Bounds(),
        seed=seed,
        pip_arguments=tuple(pip_arguments),
    )
    with posts(order.cache / "harvest" / f"v{HARVEST_VERSION}" / "runs", len(packages)) as each:
        seen: dict[Post, tuple[str, int, int, int]] = {}

        def look() -> None:
            for post in each:
                told = post.told()
                if told is not None and seen.get(post) != told:
                    seen[post] = told
                    progress(*told)

        found = spread(
            _harvest_package,
            [(_placed(package), order, post) for package, post in zip(packages, each, strict=True)],
            jobs=jobs,
            dask=dask,
            look=look,
            stop=(each[0].folder / "stop").touch,
        )
    results: dict[str, PackageLedger | EmsError] = dict(zip(packages, found, strict=True))
    problems = {package: result for package, result in results.items() if isinstance(result, EmsError)}
    if len(problems) == len(packages):
        raise next(iter(problems.values()))
    return Ledger(
        packages=tuple(result for result in results.values() if isinstance(result, PackageLedger)),
        problems={name: str(error) for name, error in problems.items()},
    )


def _placed(package: str) -> str:
    """A folder by its whole path: a worker may stand elsewhere."""
    return str(Path(package).resolve()) if is_folder(package) else package


def _harvest_package(package: str, order: _Order, post: Post) -> PackageLedger | EmsError:
    """One unit of work. An error is an answer: it must not end the other packages."""
    post.only_stop()
    unbegun = InputError("the run was stopped before it was begun", hint="run it again")
    if post.stopped:
        return unbegun
    try:
        prepared = prepare(package, order.cache, pip_arguments=order.pip_arguments)
        return unbegun if post.stopped else _harvest(prepared, order, post)
    except EmsError as error:
        log.warning("%s is not harvested: %s", package, error)
        return error
    except Exception as error:  # packages come from anybody, and break what nobody has thought of
        log.exception("%s is not harvested", package)
        return InputError(f"{type(error).__name__}: {error}", hint="tell it to the authors of EMS, with the log")


def _harvest(prepared: Prepared, order: _Order, post: Post) -> PackageLedger:
    bounds = order.bounds
    began = time.monotonic()
    with Worker(prepared, bounds) as worker:
        reach, left_out = worker.baseline()
        walls = worker.isolation
        ledger = PackageLedger(
            package=prepared.name,
            version=prepared.version,
            licence=prepared.licence,
            python=prepared.python_version,
            per_package=bounds.per_package,
            isolation="; ".join([walls.level, *walls.why]),
            tests=len(reach.tests),
            left_out=left_out,
            notes=list(prepared.notes),
        )
        sources = own_sources(prepared, reach.lines)
        done = set()
        for record in read_corpus(prepared.corpus):
            done.add(record["fault"]["id"])
            ledger.count(record)
        draw = Draw(
            package=f"{prepared.name}=={prepared.version}",
            sources=sources,
            reach=reach,
            strategies=order.strategies,
            seed=order.seed,
            per_place=bounds.per_place,
            tell=ledger.notes.append,
        )
        for fault in draw:
            post.tell(prepared.name, ledger.planted, bounds.per_package, ledger.outcomes[KEPT])
            spent = time.monotonic() - began > bounds.seconds or ledger.planted >= bounds.per_package
            if spent or post.stopped:
                break
            if fault.id in done:
                continue
            healthy = sources[fault.file]
            outcome = worker.try_fault(fault, healthy, reach.choose(fault, healthy, bounds.tests_per_fault))
            record = {"fault": as_record(fault, healthy, prepared), **outcome}
            append(prepared.corpus, record)
            ledger.count(record)
        post.tell(prepared.name, ledger.planted, bounds.per_package, ledger.outcomes[KEPT])
    ledger.seconds = round(ledger.seconds, 1)
    written = prepared.ledger.with_name("ledger.json.new")
    written.write_text(json.dumps(ledger.to_json(), indent=1))
    written.replace(prepared.ledger)
    return ledger


def own_sources(prepared: Prepared, files: Iterable[str]) -> dict[str, str]:
    """The package's own files that tests reach, by path in the tree; its tests are no place for faults."""
    sources = {}
    for file in sorted(files):
        parts = Path(file).parts
        if any(part in ("test", "tests") for part in parts[:-1]) or parts[-1].startswith(("test_", "conftest")):
            continue
        try:
            with open(prepared.tree / file, encoding="utf-8", newline="") as text:
                sources[file] = text.read()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("%s of %s is left out: %s", file, prepared.name, error)
    return sources


def as_record(fault: Fault, healthy: str, prepared: Prepared) -> dict[str, Any]:
    """The fault as the corpus keeps it, with the lines before and after."""
    file = os.path.relpath(prepared.tree / fault.file, prepared.source)
    before = healthy.splitlines(keepends=True)[fault.start : fault.end]
    condition = {} if fault.condition is None else {"condition": asdict(fault.condition)}
    return {
        "id": fault.id,
        "strategy": fault.strategy,
        "file": Path(file).as_posix(),
        "line": fault.line,
        "function": fault.function,
        "note": fault.note,
        "start": fault.start,
        "before": before,
        "after": list(fault.lines),
        **condition,
    }


def read_corpus(path: Path) -> Iterator[Mapping[str, Any]]:
    """Each line of a corpus; a last line that an interruption tore is left out."""
    if not path.is_file():
        return
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line to a corpus, after cutting off one that an interruption tore."""
    with open(path, "ab+") as corpus:
        if corpus.tell() and not _ends_line(corpus):
            _cut_torn(corpus)
        corpus.write(json.dumps(record).encode() + b"\n")


def _ends_line(corpus: Any) -> bool:
    corpus.seek(-1, os.SEEK_END)
    return bool(corpus.read(1) == b"\n")


def _cut_torn(corpus: Any) -> None:
    corpus.seek(0)
    corpus.truncate(corpus.read().rfind(b"\n") + 1)
