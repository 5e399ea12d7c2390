"""Clustering 1,000,000 errors at once: how long, and whether it fits in 8 GB. Exits with 1 where it does not.

The errors are drawn from many different ones (`many.py`) as errors occur, a few of them very often (a share of
1 / rank), and are read from a file as `PatternGrouper` allows, so that they do not count as its memory.

    python tests/benchmarks/bench_batch.py [--errors N] [--different N]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
from common import keep, model, table
from many import components, shapes

from ems_ml.embed import StaticEncoder
from ems_ml.group.batch import PatternGrouper
from ems_ml.group.pairs import PairModel
from ems_ml.store.codec import dumps, loads
from ems_ml.types import Signature

ALLOWED_MB = 8_000


class OnDisk(Sequence[Signature]):
    """Errors by number; each is one of the lines of a file."""

    def __init__(self, path: Path, drawn: np.ndarray, starts: np.ndarray) -> None:
        self._lines, self._drawn, self._starts = np.memmap(path, dtype=np.uint8, mode="r"), drawn, starts
        self._read = lru_cache(maxsize=4_096)(self._line)

    def _line(self, line: int) -> Signature:
        return loads(Signature, bytes(self._lines[self._starts[line] : self._starts[line + 1]]).decode())

    def __len__(self) -> int:
        return len(self._drawn)

    @overload
    def __getitem__(self, number: int) -> Signature: ...
    @overload
    def __getitem__(self, number: slice) -> list[Signature]: ...
    def __getitem__(self, number: int | slice) -> Signature | list[Signature]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        return self._read(int(self._drawn[number]))


def written(path: Path, different: int, encoder: StaticEncoder) -> np.ndarray:
    """Writes different errors, a line each; where each begins, and the end."""
    real, starts = shapes(), [0]
    with path.open("wb") as file:
        for component in components(different, real, encoder):
            for shape in range(min(len(real), different - len(starts) + 1)):
                starts.append(starts[-1] + file.write(dumps(component.error(shape)[0]).encode()))
    return np.asarray(starts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", type=int, default=1_000_000)
    parser.add_argument("--different", type=int, default=100_000)
    options = parser.parse_args()
    entry, folder = model("encoder")
    encoder = StaticEncoder.load(folder, version=entry.version)
    pairs = PairModel.load(model("grouper")[1])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "errors"
        starts = written(path, options.different, encoder)
        random = np.random.default_rng(0)
        shares = 1 / np.arange(1, options.different + 1)
        often = random.choice(options.different, max(0, options.errors - options.different), p=shares / shares.sum())
        drawn = random.permutation(np.concatenate([np.arange(options.different), often])[: options.errors])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started, busy = time.perf_counter(), time.process_time()
        labels = PatternGrouper(model=pairs, encoder=encoder).fit(OnDisk(path, drawn, starts)).labels_
        seconds, core = time.perf_counter() - started, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows: list[tuple[str, object]] = [
        ("errors", len(labels)),
        ("exact signatures", len(set(drawn.tolist()))),
        ("clusters", len(set(labels.tolist()))),
        ("seconds", seconds),
        ("seconds of a core", core),
        ("memory before (MB)", before),
        (f"memory at most (MB; allowed: {ALLOWED_MB})", peak),
    ]
    table(("figure", "value"), rows)
    keep("batch", dict(rows))
    return int(peak > ALLOWED_MB)


if __name__ == "__main__":
    raise SystemExit(main())
