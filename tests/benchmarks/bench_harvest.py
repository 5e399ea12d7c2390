"""What a planted fault costs: seconds of one core, beside the naive way, which runs the whole suite for each fault.

All processor time of the process tree is counted (user and system; the healthy runs that come first, too), but for
fetching and installing the packages. The naive way is measured in the same run, on faults that were just harvested:
a fresh interpreter, the whole suite, the same walls. `bench_harvest.py [PACKAGE ...]` fetches them with pip.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import keep, table

from ems_ml import sandbox
from ems_ml.harvest import Bounds, corpus_folder, harvest_faults
from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.package import prepare
from ems_ml.harvest.types import Prepared
from ems_ml.strategies import load_strategies

PACKAGES = ("toolz", "sqlparse")
FAULTS = 100
NAIVE_FAULTS = 5
GOAL = 1.0  # core-seconds per planted fault, on average


@contextmanager
def core_seconds(found: dict[str, float]) -> Iterator[None]:
    """Processor time of this process and all below it, once they have ended, and wall time."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    began, before = time.monotonic(), [resource.getrusage(kind) for kind in kinds]
    yield
    used = [resource.getrusage(kind) for kind in kinds]
    found["wall"] = time.monotonic() - began
    found["core"] = sum(u.ru_utime + u.ru_stime - b.ru_utime - b.ru_stime for u, b in zip(used, before, strict=True))


def naive(prepared: Prepared, folder: Path) -> float:
    """Core-seconds per fault where the whole suite runs anew for each."""
    spent = []
    for record in [record for record in read_corpus(prepared.corpus) if record["outcome"] == "kept"][:NAIVE_FAULTS]:
        tree = folder / "naive"
        shutil.rmtree(tree, ignore_errors=True)
        sandbox.copy_tree(prepared.tree, tree)
        source = tree / prepared.source.relative_to(prepared.tree)
        fault = record["fault"]
        changed = source / fault["file"]
        lines = changed.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[fault["start"] : fault["start"] + len(fault["before"])] = fault["after"]
        changed.write_text("".join(lines), encoding="utf-8")
        used: dict[str, float] = {}
        with core_seconds(used):
            sandbox.run(
                [
                    str(prepared.python),
                    "-m",
                    "pytest",
                    "-q",
                    "-o",
                    "addopts=",
                    "-p",
                    "no:cacheprovider",
                    *prepared.tests,
                ],
                cwd=tree,
                limits=sandbox.Limits(seconds=300),
                env={"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
                readable=[prepared.python.parent.parent],
            )
        spent.append(used["core"])
    return sum(spent) / len(spent)


def main() -> None:
    rows, found = [], []
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        cache.chmod(0o755)
        for package in sys.argv[1:] or PACKAGES:
            prepared = prepare(package, cache)
            used: dict[str, float] = {}
            with core_seconds(used):
                ledger = harvest_faults(
                    [f"{prepared.name}=={prepared.version}"],
                    strategies=load_strategies(),
                    cache=cache,
                    bounds=Bounds(per_package=FAULTS),
                )
            (told,) = ledger.packages
            each, whole = used["core"] / told.planted, naive(prepared, corpus_folder(cache))
            rows.append((told.package, told.version, told.tests, told.planted, ledger.kept, each, whole, whole / each))
            one: dict[str, Any] = {"package": told.package, "version": told.version, "planted": told.planted}
            found.append(
                {**one, **used, "core_per_fault": each, "naive_core_per_fault": whole, "seconds": told.seconds}
            )
    head = ("package", "version", "tests", "planted", "kept", "core-s/fault", "whole suite", "times")
    table(head, rows)
    planted = sum(one["planted"] for one in found)
    average = sum(one["core"] for one in found) / planted
    print(f"on average {average:.2f} seconds of one core for each of {planted} faults; the goal is {GOAL:.0f}")
    keep("harvest", {"packages": found, "core_per_fault": average, "goal": GOAL})


if __name__ == "__main__":
    main()
