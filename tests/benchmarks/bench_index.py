"""What an arriving error costs beside 1,000,000 patterns and beside 10,000, and how well the index finds the nearest.

Each store is filled with errors of one project, one a pattern (`many.py`). Its index is made as `ems index rebuild`
does, then new errors are assigned one by one: candidates, decision, commit, on SQLite on disk. Filling takes longest,
is done once for a folder, and goes on where it was stopped.

    python tests/benchmarks/bench_index.py [--patterns N] [--small N] [--home FOLDER] [--errors N]

A commit waits for one fsync, whose time is measured beside it in the same run. The time that this thread had a core is
told beside the time that passed, for a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, model, system, table
from many import components, shapes
from sqlalchemy import func, insert, select

from ems_ml.build import System
from ems_ml.embed import StaticEncoder
from ems_ml.ports import NEAR
from ems_ml.store.codec import dumps
from ems_ml.store.schema import exact, exemplar, pattern, project
from ems_ml.types import ErrorEvent, ExceptionRecord

NAME = "many"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATTERN = {"project": NAME, "title": "an error", "status": "open", "count": 1, "first_seen": NOW, "last_seen": NOW}
PARTS = ("candidates", "decide", "commit", "assign", "assign, core")


def encoder() -> StaticEncoder:
    entry, folder = model("encoder")
    return StaticEncoder.load(folder, version=entry.version)


def fill(home: Path, count: int) -> None:
    """Brings a store to `count` patterns of one exemplar each. Vectors lie in `vectors.f32` too, in the same order."""
    home.mkdir(parents=True, exist_ok=True)
    real, encode = shapes(), encoder()
    with system(home) as made, (home / "vectors.f32").open("ab") as vectors:
        database = made.store.database
        with database.write() as connection:
            if connection.execute(select(project.c.name).where(project.c.name == NAME)).first() is None:
                connection.execute(insert(project).values(name=NAME, sequence=0, epoch=0))
            have = connection.execute(select(func.count()).select_from(pattern)).scalar_one()
        vectors.truncate(have * encode.dimension * 4)
        for component in components(count, real, encode):
            wanted = min(len(real), count - component.number * len(real))
            first = component.number * len(real)
            if first + wanted <= have:
                continue
            rows = []
            for shape in range(wanted):
                signature, vector = component.error(shape)
                if first + shape >= have:
                    rows.append((f"{first + shape:08d}", signature, vector))
            with database.write() as connection:
                connection.execute(
                    insert(pattern),
                    [
                        {**PATTERN, "id": f"P-{n}", "type": one.type[:200], "example": f"e{n}", "strategies": []}
                        for n, one, _ in rows
                    ],
                )
                connection.execute(
                    insert(exact), [{"project": NAME, "key": one.exact, "pattern": f"P-{n}"} for n, one, _ in rows]
                )
                connection.execute(
                    insert(exemplar),
                    [
                        {
                            "project": NAME,
                            "pattern": f"P-{n}",
                            "event": f"e{n}",
                            "encoder": encode.version,
                            "signature": dumps(one),
                            "vector": vector.tobytes(),
                        }
                        for n, one, vector in rows
                    ],
                )
            for _, _, vector in rows:
                vectors.write(vector.tobytes())
            vectors.flush()
            print(f"filled {first + wanted:,} of {count:,}", flush=True)


def rebuilt(home: Path) -> dict[str, Any]:
    """Makes the index from the database."""
    with system(home) as made:
        started = time.perf_counter()
        count = made.store.events.rebuild_index(NAME)
        seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in (home / "index").rglob("*") if path.is_file())
    return {"exemplars": count, "seconds": seconds, "peak_mb": peak(), "file_mb": size / 1e6}


def measured(home: Path, errors: int) -> dict[str, Any]:
    """Assigns new errors; milliseconds of each part, recall against an exact scan, memory of this process."""
    real, encode = shapes(), encoder()
    stored = np.memmap(home / "vectors.f32", dtype=np.float32, mode="r").reshape(-1, encode.dimension)
    rng = random.Random(7)
    known = list(components(len(stored), real, encode))
    picked = rng.sample(known, min(len(known), 8))
    fresh = [picked[n % len(picked)].error(rng.randrange(len(real)), other=rng) for n in range(errors)]
    taken: dict[str, list[float]] = {name: [] for name in PARTS}
    recalls, decisions = [], {}
    with system(home) as made:
        started = time.perf_counter()
        seek(made, fresh[0])
        opening = time.perf_counter() - started
        for number, (signature, vector) in enumerate(fresh):
            event = ErrorEvent(id=f"{os.getpid()}-{number}", project=NAME, error=ExceptionRecord(type=signature.type))
            moments, busy = [time.perf_counter()], time.thread_time()
            candidates = made.store.candidates(NAME, event, signature, vector)
            moments.append(time.perf_counter())
            proposed = made.grouper.assign(event, signature, vector, candidates)
            moments.append(time.perf_counter())
            made.store.commit(event, signature, vector, proposed, (), {}, candidates=candidates)
            moments.append(time.perf_counter())
            parts = 1000 * np.diff(moments)
            core = 1000 * (time.thread_time() - busy)
            for name, part in zip(PARTS, [*parts, parts.sum(), core], strict=True):
                taken[name].append(float(part))
            decisions[str(proposed.decision)] = decisions.get(str(proposed.decision), 0) + 1
            if number % 5 == 0:
                recalls.append(recall(stored, vector, [one.vector for one in candidates.near[:NEAR]]))
        memory = peak()
    return {
        "opening_s": opening,
        "ms": {name: [float(v) for v in np.percentile(some, [50, 99])] for name, some in taken.items()},
        "recall": float(np.mean(recalls)),
        "decisions": decisions,
        "peak_mb": memory,
        "fsync_ms": fsyncs(home),
    }


def seek(made: System, one: Any) -> None:
    """Asks once, so that index and models are open."""
    signature, vector = one
    event = ErrorEvent(id="first", project=NAME, error=ExceptionRecord(type=signature.type))
    made.grouper.assign(event, signature, vector, made.store.candidates(NAME, event, signature, vector))


def recall(stored: Any, vector: Any, near: list[Any]) -> float:
    """The share of the found that are as near as the nearest `NEAR` are; of equally near ones any counts.

    Errors that were assigned before in this run are not in `stored`; where they are nearer they count as found.
    """
    likeness = stored @ vector
    least = float(np.partition(likeness, -NEAR)[-NEAR])
    return sum(float(one @ vector) >= least - 1e-5 for one in near) / NEAR


def fsyncs(home: Path) -> list[float]:
    """p50 and p99 of appending 16 KB and waiting until they are on the disk, in ms."""
    taken = []
    with (home / "fsync").open("wb") as file:
        for _ in range(300):
            file.write(b"x" * 16_384)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(1000 * (time.perf_counter() - started))
    (home / "fsync").unlink()
    return [float(value) for value in np.percentile(taken, [50, 99])]


def peak() -> float:
    """Most memory that this process has held, in MB; pages of mapped files that it has read are among it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(step: str, home: Path, number: int) -> dict[str, Any]:
    """A step in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--step", step, "--home", str(home), "--errors", str(number)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answer: dict[str, Any] = json.loads(told.splitlines()[-1])
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patterns", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--errors", type=int, default=500)
    parser.add_argument("--home", type=Path, default=Path("build/index-bench"))
    parser.add_argument("--step", choices=["fill", "rebuild", "measure"])
    options = parser.parse_args()
    if options.step == "fill":
        fill(options.home, options.patterns)
        return 0
    if options.step:
        found = rebuilt(options.home) if options.step == "rebuild" else measured(options.home, options.errors)
        print(json.dumps(found))
        return 0
    answers = {}
    for count in (options.small, options.patterns):
        home = options.home / str(count)
        fill(home, count)
        answers[count] = {"build": apart("rebuild", home, 0), "serve": apart("measure", home, options.errors)}
    small, large = (answers[count]["serve"] for count in (options.small, options.patterns))
    rows: list[tuple[object, ...]] = []
    for part in PARTS:
        for at, name in enumerate(("p50", "p99")):
            here, there = small["ms"][part][at], large["ms"][part][at]
            rows.append((f"{part}, {name} (ms)", here, there, there / here))
    for at, name in enumerate(("p50", "p99")):
        rows.append((f"fsync alone, {name} (ms)", small["fsync_ms"][at], large["fsync_ms"][at], ""))
    rows.append((f"recall of the nearest {NEAR}", small["recall"], large["recall"], ""))
    rows.append(("opening the index (s)", small["opening_s"], large["opening_s"], ""))
    rows.append(("memory of the process at most (MB)", small["peak_mb"], large["peak_mb"], ""))
    for name in ("seconds", "peak_mb", "file_mb"):
        rows.append((f"rebuild: {name}", *(answers[c]["build"][name] for c in answers), ""))
    table(("figure", f"{options.small:,} patterns", f"{options.patterns:,} patterns", "ratio"), rows)
    keep("index", {str(count): found for count, found in answers.items()})
    return int(large["recall"] < 0.99)


if __name__ == "__main__":
    raise SystemExit(main())
