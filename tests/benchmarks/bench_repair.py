"""Of the injected faults of a package that no model was trained on, the share that `repair` mends and proves.

`python tests/benchmarks/bench_repair.py [--package mistune] [--faults 30] [--proposals 15] [--seed 0] [--jobs 2]`

A seeded sample of the harvest's faults that gave a trace (harvested first where the cache has none). For each, a git
repository of the package with the fault committed is handed to `repair` together with the text of one trace, as `ems
fix` does: all of the package's own tests judge. Twice, with the same number of proposals: the strategies ordered by
the shipped model, and, as the baseline, by how often each was the label of this exception type in the training data.
A repair is counted whatever strategy made it, for the tests are the judge; how often it was the injected one is told
apart.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ems_ml.dataset import load_data
from ems_ml.fix import repair
from ems_ml.harvest import Bounds, harvest_faults
from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.package import prepare
from ems_ml.harvest.types import KEPT, Prepared
from ems_ml.manifest import find_model
from ems_ml.normalize import NormalizerV1
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.rank import LinearRanker
from ems_ml.redact import SecretRedactor
from ems_ml.resources import shipped
from ems_ml.settings import load_settings
from ems_ml.strategies import load_strategies
from ems_ml.train.scores import wilson
from ems_ml.types import ErrorEvent, Outcome, RankedStrategy, RawReport, Verdict

Rank = Callable[[ErrorEvent], Sequence[RankedStrategy]]


def ranked_by_model() -> Rank:
    """The order of the shipped ranker, as the line asks it. Raises `ModelError` where it is not there."""
    _, folder = find_model("ranker", [shipped("models")])
    ranker, normalizer, redactor = LinearRanker.load(folder), NormalizerV1(), SecretRedactor()

    def rank(event: ErrorEvent) -> tuple[RankedStrategy, ...]:
        return ranker.rank([normalizer.normalize(redactor.redact(event))])[0]

    return rank


def most_frequent(names: Sequence[str]) -> Rank:
    """The baseline: strategies by how often they mend this exception type in the training data, then at all.

    Counted by fault, not by trace. Shares serve as probabilities.
    """
    rows = load_data("fault", "train").drop_duplicates("group")
    everywhere = Counter(rows["strategy"])
    by_type: dict[str, Counter[str]] = {}
    for kind, strategy in zip(rows["type"], rows["strategy"], strict=True):
        by_type.setdefault(kind.rsplit(".", 1)[-1], Counter())[strategy] += 1

    def rank(event: ErrorEvent) -> tuple[RankedStrategy, ...]:
        here = by_type.get(event.error.short_type, Counter())
        weights = {name: here[name] + everywhere[name] / (everywhere.total() + 1) for name in names}
        total = sum(weights.values()) or 1.0
        ranked = [RankedStrategy(name=name, probability=weight / total) for name, weight in weights.items()]
        return tuple(sorted(ranked, key=lambda each: (-each.probability, each.name)))

    return rank


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One line of the harvest's corpus, with the trace that is handed in."""

    id: str
    strategy: str
    file: str  # relative to the tree
    start: int
    before: list[str]
    after: list[str]
    text: str


def sample(prepared: Prepared, number: int, seed: int) -> list[Fault]:
    """A seeded choice among the faults that gave a trace, and one trace of each."""
    chance = random.Random(seed)
    records = sorted(
        (record for record in read_corpus(prepared.corpus) if record["outcome"] == KEPT and record["traces"]),
        key=lambda record: str(record["fault"]["id"]),
    )
    chosen = chance.sample(records, min(number, len(records)))
    source = prepared.source.relative_to(prepared.tree)
    return [
        Fault(
            id=record["fault"]["id"],
            strategy=record["fault"]["strategy"],
            file=(source / record["fault"]["file"]).as_posix(),
            start=record["fault"]["start"],
            before=record["fault"]["before"],
            after=record["fault"]["after"],
            text=chance.choice(record["traces"])["text"],
        )
        for record in chosen
    ]


def repository(prepared: Prepared, fault: Fault, folder: Path) -> Path:
    """A git repository of the package with the fault in it."""
    root = folder / "repository"
    shutil.copytree(prepared.tree, root, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    with open(root / fault.file, encoding="utf-8", newline="") as file:
        lines = file.read().splitlines(keepends=True)
    end = fault.start + len(fault.before)
    if lines[fault.start : end] != fault.before:
        raise SystemExit(f"the corpus of {prepared.name} was made of another text; remove {prepared.folder}")
    with open(root / fault.file, "w", encoding="utf-8", newline="") as file:
        file.write("".join([*lines[: fault.start], *fault.after, *lines[end:]]))
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "core.hooksPath=/dev/null"]
    for command in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "With a fault"]):
        subprocess.run(["git", *who, *command], cwd=root, check=True, capture_output=True)
    return root


def one(prepared: Prepared, fault: Fault, rank: Rank, budget: float, proposals: int) -> Verdict:
    """What `ems fix` would answer for this fault."""
    event = ParserChain(default_parsers()).parse(RawReport(text=fault.text))
    with tempfile.TemporaryDirectory(prefix="ems-bench-") as folder:
        return repair(
            repository(prepared, fault, Path(folder)),
            event,
            ranking=rank,
            strategies=load_strategies(),
            python=str(prepared.python),
            budget_seconds=budget,
            max_proposals=proposals,
        )


def figures(faults: Sequence[Fault], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What came of one ordering over all faults."""
    mended = [v.verdict is Outcome.REPAIRED for v in verdicts]
    low, high = wilson(sum(mended), len(mended))
    tries = [
        next(number for number, attempt in enumerate(v.tried, 1) if attempt.result == "repaired")
        for v, done in zip(verdicts, mended, strict=True)
        if done
    ]
    seconds = [v.seconds for v in verdicts]
    strategies = sorted({fault.strategy for fault in faults})
    return {
        "faults": len(faults),
        "repaired": sum(mended),
        "share": round(sum(mended) / len(faults), 3),
        "interval_95": [round(low, 3), round(high, 3)],
        "by_the_injected_strategy": sum(v.strategy == f.strategy for f, v in zip(faults, verdicts, strict=True)),
        "at_first_try": sum(number == 1 for number in tries),
        "within_three_tries": sum(number <= 3 for number in tries),
        "median_tries_of_repairs": statistics.median(tries) if tries else None,
        "median_seconds": round(statistics.median(seconds), 1),
        "median_seconds_of_repairs": round(
            statistics.median([v.seconds for v, done in zip(verdicts, mended, strict=True) if done] or [0.0]), 1
        ),
        "verdicts": dict(Counter(str(v.verdict) for v in verdicts)),
        "per_strategy": {
            name: {
                "repaired": sum(done for fault, done in zip(faults, mended, strict=True) if fault.strategy == name),
                "faults": sum(fault.strategy == name for fault in faults),
            }
            for name in strategies
        },
    }


def show(report: Mapping[str, Any]) -> None:
    sampled = f"{report['sampled']} of {report['with_trace']} faults with a trace"
    print(f"{report['package']}: {sampled} (seed {report['seed']}),")
    print(f"at most {report['proposals']} proposals each, judged by all of the package's own tests\n")
    print(f"{'order':14} {'repaired':>9} {'share':>6} {'95% interval':>14} {'1st try':>8} {'<=3':>4} {'median s':>9}")
    for name in ("ranked", "baseline"):
        row = report[name]
        low, high = row["interval_95"]
        repaired = f"{row['repaired']}/{row['faults']}"
        print(
            f"{name:14} {repaired:>9} {row['share']:>6.2f} {f'{low:.2f}-{high:.2f}':>14} "
            f"{row['at_first_try']:>8} {row['within_three_tries']:>4} {row['median_seconds']:>9.1f}"
        )
    print(f"\n{'strategy injected':22} {'ranked':>8} {'baseline':>9}")
    for name, row in report["ranked"]["per_strategy"].items():
        other = report["baseline"]["per_strategy"][name]
        print(f"{name:22} {row['repaired']:>4}/{row['faults']:<3} {other['repaired']:>5}/{other['faults']:<3}")
    print(f"\nverdicts: ranked {report['ranked']['verdicts']}, baseline {report['baseline']['verdicts']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--package", default="mistune", help="one of the packages that no model was trained on")
    parser.add_argument("--faults", type=int, default=int(os.environ.get("EMS_BENCH_FAULTS", "30")))
    parser.add_argument("--proposals", type=int, default=15, help="tried for each fault, at most")
    parser.add_argument("--budget", type=float, default=180.0, help="seconds for each fault, against hanging tests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="repairs at a time")
    options = parser.parse_args()

    strategies = load_strategies()
    cache = load_settings().cache
    prepared = prepare(options.package, cache)
    if not any(record["outcome"] == KEPT for record in read_corpus(prepared.corpus)):
        print(f"harvesting {prepared.name} {prepared.version} first (some minutes)", flush=True)
        bounds = Bounds(per_package=max(100, 5 * options.faults), seconds=1200)
        harvest_faults([f"{prepared.name}=={prepared.version}"], strategies=strategies, cache=cache, bounds=bounds)
    with_trace = sum(record["outcome"] == KEPT for record in read_corpus(prepared.corpus))
    faults = sample(prepared, options.faults, options.seed)
    orders: dict[str, Rank] = {
        "ranked": ranked_by_model(),
        "baseline": most_frequent([strategy.name for strategy in strategies]),
    }
    began = time.monotonic()
    report: dict[str, Any] = {
        "package": f"{prepared.name} {prepared.version}",
        "with_trace": with_trace,
        "sampled": len(faults),
        "seed": options.seed,
        "proposals": options.proposals,
        "budget_seconds": options.budget,
    }
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, rank in orders.items():
            judge = partial(one, prepared, rank=rank, budget=options.budget, proposals=options.proposals)
            verdicts = list(pool.map(judge, faults))
            report[name] = figures(faults, verdicts)
            rows += [
                {
                    "order": name,
                    "fault": fault.id,
                    "injected": fault.strategy,
                    "verdict": str(verdict.verdict),
                    "strategy": verdict.strategy,
                    "tries": len(verdict.tried),
                    "seconds": round(verdict.seconds, 1),
                    "reason": verdict.reason[:200],
                }
                for fault, verdict in zip(faults, verdicts, strict=True)
            ]
    report["seconds"] = round(time.monotonic() - began, 1)
    show(report)
    out = Path(os.environ.get("EMS_BENCH_OUT", "build/bench"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "repair.json").write_text(json.dumps({**report, "each": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
