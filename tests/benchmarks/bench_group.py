"""Same cause or not, over the pairs that errors of packages that were not trained on are compared in as they arrive.

With the decisions at arrival, and how far the stated probabilities hold.

Beside it in the same run: equality of the exact signature, TF-IDF (fitted on the training packages), FaST with its
authors' form and fixed parameters, and the shipped encoder's cosine alone. Intervals are bootstrapped over faults.
"""

from __future__ import annotations

from common import keep, model, splits, table

from ems_ml.embed import StaticEncoder
from ems_ml.embed.tfidf import TfidfEncoder
from ems_ml.group.fitting import arrivals, simulate
from ems_ml.group.pairs import PairModel
from ems_ml.train.evaluate import judge_grouping
from ems_ml.train.fit import Thresholds


def main() -> None:
    parts = splits()
    train, test = parts["train"], parts["test"]
    entry, folder = model("encoder")
    encoder = StaticEncoder.load(folder, version=entry.version)
    told, pairs = model("grouper")
    limits = Thresholds(join=told.about["join"], suggest=told.about["suggest"])
    tfidf = TfidfEncoder(random_state=0).fit(train.signatures)
    judged = judge_grouping(PairModel.load(pairs), limits, encoder, tfidf, test, arrivals=arrivals, simulate=simulate)
    first = judged["figures"][0]
    rows = [("EMS", first["value"], first["low"], first["high"])]
    rows += [(f["baseline_name"], f["baseline"], f["baseline_low"], f["baseline_high"]) for f in judged["figures"]]
    print(f"{judged['pairs']} pairs within {', '.join(test.packages)}, {judged['same']} of them of one fault")
    table(("method", "ROC-AUC", "low", "high"), rows)
    print()
    table(("decisions at arrival", ""), list(judged["arrival"].items()))
    print(f"expected calibration error of p(same cause as the nearest pattern) at arrival: {judged['ece']:.3f}")
    table(("stated", "right", "errors"), [(one["stated"], one["right"], one["count"]) for one in judged["calibration"]])
    keep("group", judged)


if __name__ == "__main__":
    main()
