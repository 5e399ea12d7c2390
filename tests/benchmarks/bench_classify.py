"""How long an answer takes: p50 and p99 of a warm `classify`, a cold `ems classify` against importing scikit-learn.

Warm: the whole line with a store on disk, over the test packages' traces written as tracebacks. Cold: a whole process,
alternating with `python -c "import sklearn.ensemble"`; the issue allows a ratio of medians of 1.5, and this exits
with 1 above it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import keep, system, table

from ems_ml.dataset import load_data
from ems_ml.types import RawReport

ALLOWED = 1.5
RUNS = 9
WARM = 600


def texts() -> list[str]:
    """The test packages' traces as Python prints them, without source lines, which the data do not hold."""
    frame = load_data("fault", "test").sample(WARM, random_state=0)
    written = []
    for row in frame.to_dict("records"):
        lines = ["Traceback (most recent call last):"]
        lines += [f'  File "{one["file"]}", line {one["line"] or 1}, in {one["function"]}' for one in row["frames"]]
        written.append("\n".join([*lines, f"{row['type']}: {row['message']}"]))
    return written


def warm(home: Path) -> list[float]:
    """Milliseconds of each answer."""
    with system(home) as made:
        line = made.line()
        line.process(RawReport(text="Traceback (most recent call last):\nValueError: warm"))
        taken = []
        for text in texts():
            started = time.perf_counter()
            line.process(RawReport(text=text))
            taken.append(1000 * (time.perf_counter() - started))
    return taken


def cold(home: Path) -> tuple[list[float], list[float]]:
    """Seconds of `ems classify` and of the import, alternating."""
    trace = home / "trace.txt"
    trace.write_text(texts()[0])
    environment = os.environ | {"EMS_HOME": str(home)}
    commands = (
        [sys.executable, "-m", "ems_ml", "classify", str(trace)],
        [sys.executable, "-c", "import sklearn.ensemble"],
    )
    taken: tuple[list[float], list[float]] = ([], [])
    for run in range(RUNS + 1):
        for kind, command in enumerate(commands):
            started = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            if run:  # the first of each warms the disk
                taken[kind].append(time.perf_counter() - started)
    return taken


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        milliseconds = warm(home / "warm")
        (home / "cold").mkdir()
        classify, imported = cold(home / "cold")
    ratio = statistics.median(classify) / statistics.median(imported)
    p50, p99 = (float(value) for value in np.percentile(milliseconds, [50, 99]))
    table(
        ("figure", "value"),
        [
            (f"warm classify, p50 of {len(milliseconds)} (ms)", f"{p50:.1f}"),
            ("warm classify, p99 (ms)", f"{p99:.1f}"),
            ("cold ems classify (s, median)", statistics.median(classify)),
            ("python -c 'import sklearn.ensemble' (s, median)", statistics.median(imported)),
            (f"ratio (allowed: {ALLOWED})", ratio),
        ],
    )
    keep("classify", {"p50_ms": p50, "p99_ms": p99, "cold_ratio": ratio})
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    raise SystemExit(main())
