"""A team's table of two million rows: how long `ems train --data` takes, and how much memory at most.

`python tests/benchmarks/bench_train.py [ROWS]` writes a CSV of made errors (tests/own_errors.py), trains on it in a
process of its own, and reads that process's peak memory. The baseline is the same with a hundredth of the rows.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import keep, table

sys.path.append(str(Path(__file__).parents[1]))
from own_errors import errors

ROWS = 2_000_000
DIFFERENT = 50_000


def made_table(path: Path, rows: int) -> None:
    """Rows of which one in ten has no label, and one in a hundred thousand is broken."""
    made = errors(DIFFERENT)
    rng = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "time", "trace", "label", "project"])
        for number in range(rows):
            one = made[number % DIFFERENT]
            if number % 100_000 == 17:
                file.write('"broken,row\nonly"\n')
                continue
            label = one.label if rng.random() < 0.9 else ""
            out.writerow([number, one.time.isoformat(), one.trace, label, one.project])


def trained(rows: int) -> dict[str, Any]:
    """Train on so many rows in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="ems-bench-") as folder:
        path = Path(folder) / "table.csv"
        made_table(path, rows)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "ems_ml", "train", "--data", str(path), "--no-track", "--json"],
            env={**os.environ, "EMS_HOME": str(Path(folder) / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 15):
            raise SystemExit(done.stderr)
        answer = json.loads(done.stdout)
        return {
            "rows": answer["rows"]["read"],
            "not used": answer["rows"]["not_used"],
            "understood": answer["rows"]["understood"],
            "megabytes of table": round(path.stat().st_size / 1e6),
            "seconds": round(time.monotonic() - started, 1),
            # Of the largest child so far: the small table goes first.
            "peak memory in MiB": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        }


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    found = {"a hundredth": trained(rows // 100), "whole": trained(rows)}
    table(("table", *found["whole"]), [(name, *one.values()) for name, one in found.items()])
    keep("train", found)


if __name__ == "__main__":
    main()
