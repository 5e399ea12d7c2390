"""Which strategy mends an error: top-k of the shipped ranker on packages that it never saw, beside its baseline.

The baseline orders the strategies by how often each mended errors of this exception type in the training packages.
Every fault weighs the same; intervals are bootstrapped over faults.
"""

from __future__ import annotations

from common import keep, model, splits, table

from ems_ml.embed import StaticEncoder
from ems_ml.rank import LinearRanker
from ems_ml.train.evaluate import judge_ranking


def main() -> None:
    parts = splits()
    train, test = parts["train"], parts["test"]
    entry, folder = model("encoder")
    encoder = StaticEncoder.load(folder, version=entry.version)
    ranker = LinearRanker.load(model("ranker")[1])
    found = {}
    rows = []
    for name in ("all", *test.packages):
        rows_of = [i for i, project in enumerate(test.projects) if name in ("all", project)]
        judged = judge_ranking(ranker, encoder, train, test.chosen(rows_of))
        found[name] = judged
        for one in judged["top_k"]:
            ours = f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
            base = f"{one['baseline']:.3f} [{one['baseline_low']:.3f}, {one['baseline_high']:.3f}]"
            rows.append((name, test.chosen(rows_of).causes, one["name"], ours, base))
    table(("package", "faults", "figure", "EMS", "most frequent for this exception type"), rows)
    print(f"expected calibration error of the first strategy's probability: {found['all']['ece']:.3f}")
    keep("rank", found)


if __name__ == "__main__":
    main()
