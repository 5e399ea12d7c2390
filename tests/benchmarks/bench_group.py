"""Same cause or not: ROC-AUC over pairs of traces of packages that were not trained on, and the decisions at arrival.

Beside it in the same run: equality of the exact signature, TF-IDF (fitted on the training packages), FaST with its
authors' form and fixed parameters, and the shipped encoder's cosine alone. Intervals are bootstrapped over faults.
"""

from __future__ import annotations

from common import keep, model, splits, table

from ems_ml.embed import StaticEncoder
from ems_ml.embed.tfidf import TfidfEncoder
from ems_ml.group.pairs import PairModel, pair_features
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
    judged = judge_grouping(PairModel.load(pairs), limits, encoder, tfidf, test, pair_features=pair_features)
    first = judged["figures"][0]
    rows = [("EMS", first["value"], first["low"], first["high"])]
    rows += [(f["baseline_name"], f["baseline"], f["baseline_low"], f["baseline_high"]) for f in judged["figures"]]
    print(f"{judged['pairs']} pairs within {', '.join(test.packages)}, {judged['same']} of them of one fault")
    table(("method", "ROC-AUC", "low", "high"), rows)
    print()
    table(("decisions at arrival", ""), list(judged["arrival"].items()))
    print(f"expected calibration error of p(same cause) over these pairs: {judged['pair_ece']:.3f}")
    keep("group", judged)


if __name__ == "__main__":
    main()
