"""Trains the arbiter of `recognise` (ems_ml/strategies/arbiter.json) and says what it is worth.

    python tests/benchmarks/train_recogniser.py --histories CLONES [--out FILE]

It learns from the hand labels of `data/labels-train.csv` (fixes of projects that `data/labels.csv` has none of), whose
commits are read out of CLONES (one folder a project; a commit that two projects share counts once; reverts, which no
diff shows, are left out), and from faults
planted by the strategies into the files of these commits, drawn by a seed. A table says how often the primary is first,
and among the first three, in cross-validation by project (six folds, planted faults of a project held out with it), for
the plain order of the strategies' own scores and for the model; the file is written only where the model is better.
Nothing of the labels in `data/labels.csv` is read.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, table
from histories import clones, texts_of
from scipy.optimize import minimize
from scipy.sparse import csr_array

from ems_ml.dataset import data_folder
from ems_ml.dataset.splits import project_name
from ems_ml.strategies import STRATEGY_NAMES, load_strategies, read_change
from ems_ml.strategies.arbiter import FORMAT, SHARED, WEIGHTS, Arbiter, features, plain_order, shared_features

NAMES = tuple(name for name in STRATEGY_NAMES if name != "revert_change")  # which no diff of one commit shows
PLANTED = 30  # of each strategy
PER_FILE = 2  # of each strategy
LOOKED_AT = 30  # places of a strategy in a file
LARGEST = 60_000  # characters of a file that faults are planted into
LEAST, LEAST_OF_WORDING = 4, 10  # examples that must have a feature
LEAST_PROJECTS = 4  # in which a word must stand
PENALTY, PENALTY_OF_WORDING, PENALTY_OF_FEW = 1.0, 5.0, 0.1
WEIGHT_OF_PLANTED = 0.3  # where a fix that was read weighs 1
SHARE_OF_ALSO = 0.2  # of a label, that goes to the further names
FOLDS = 6
STEPS = 80


@dataclass(frozen=True, slots=True)
class Example:
    project: str
    primary: str
    also: tuple[str, ...]
    signs: dict[str, int]
    scores: dict[str, float]
    files: int
    planted: bool

    @property
    def features(self) -> dict[str, float]:
        return features(self.signs, self.scores, self.files)

    @property
    def shared(self) -> list[tuple[float, ...]]:
        order = plain_order(self.scores)
        return [shared_features(name, self.scores, order) for name in NAMES]

    @property
    def target(self) -> list[float]:
        share = SHARE_OF_ALSO if self.also else 0.0
        return [
            (1 - share) * (name == self.primary) + (share / len(self.also) if name in self.also else 0.0)
            for name in NAMES
        ]


def example(
    project: str, primary: str, also: Sequence[str], texts: Sequence[tuple[str, str]], planted: bool
) -> Example:
    told, scores, files = read_change(texts, load())
    return Example(project, primary, tuple(also), dict(told), scores, files, planted)


def load() -> tuple[Any, ...]:
    """The built-in strategies."""
    return tuple(one for one in load_strategies() if one.name in NAMES)


def labelled(path: Path) -> list[tuple[str, str, str, list[str]]]:
    """Project, commit, primary and further names of each hand label; a commit of two histories counts once."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            (project_name(row["project"]), row["commit"], row["primary"], [*filter(None, row["also"].split("|"))])
            for row in csv.DictReader(file)
        ]
    rows = [row for row in rows if row[2] != "revert_change"]
    unknown = {name for _, _, primary, also in rows for name in (primary, *also)} - {*STRATEGY_NAMES}
    if unknown:
        raise SystemExit(f"{path} has names that are no strategy's: {', '.join(sorted(unknown))}")
    return [*{row[1]: row for row in reversed(rows)}.values()][::-1]


def planted(files: Sequence[tuple[str, str]]) -> Iterator[Example]:
    """Faults of each strategy in the files (project, text), each as the change that takes it back."""
    rng = random.Random(0)
    left: Counter[str] = Counter(dict.fromkeys(NAMES, PLANTED))
    for project, text in rng.sample(files, len(files)):
        for strategy in load():
            if left[strategy.name] <= 0:
                continue
            faults = [one for one in islice(strategy.inject(text), LOOKED_AT) if one.condition is None]
            for one in rng.sample(faults, min(PER_FILE, len(faults))):
                left[strategy.name] -= 1
                yield example(project, strategy.name, (), [(one.source, text)], planted=True)


def is_wording(feature: str) -> bool:
    return feature.startswith(("sign line ", "sign word "))


def frequent(examples: Sequence[Example]) -> list[str]:
    """The features that enough examples have, and words those of enough projects."""
    seen = Counter(name for one in examples for name in one.features)
    where: dict[str, set[str]] = defaultdict(set)
    for one in examples:
        for name in one.features:
            if name.startswith("sign word "):
                where[name].add(one.project)
    return [
        name
        for name, count in seen.items()
        if count >= (LEAST_OF_WORDING if is_wording(name) else LEAST)
        and (name not in where or len(where[name]) >= LEAST_PROJECTS)
    ]


def fit(examples: Sequence[Example]) -> dict[str, Any]:
    """The model of `Arbiter`, as its file says it: a softmax with ridge penalties, by L-BFGS."""
    columns = {name: i for i, name in enumerate(sorted(frequent(examples)))}
    cells = [
        (i, columns[name], value)
        for i, one in enumerate(examples)
        for name, value in one.features.items()
        if name in columns
    ]
    rows, places, values = zip(*cells, strict=True)
    x = csr_array((values, (rows, places)), shape=(len(examples), len(columns)))
    penalties = np.array([PENALTY_OF_WORDING if is_wording(name) else PENALTY for name in columns])
    s = np.array([one.shared for one in examples])
    y = np.array([one.target for one in examples])
    w = np.array([WEIGHT_OF_PLANTED if one.planted else 1.0 for one in examples])[:, None]
    k, f, u = len(NAMES), len(columns), len(SHARED)

    def parts(theta: Any) -> tuple[Any, Any, Any]:
        return theta[: k * f].reshape(k, f), theta[k * f : k * f + k], theta[k * f + k :]

    def loss(theta: Any) -> tuple[float, Any]:
        weights, bias, shared = parts(theta)
        logits = x @ weights.T + bias + s @ shared
        logits -= logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        gap = (np.exp(logs) - y) * w
        penalty = (penalties * weights**2).sum() + PENALTY_OF_FEW * ((bias**2).sum() + (shared**2).sum())
        slope = [
            ((x.T @ gap).T + penalties * weights).ravel(),
            gap.sum(axis=0) + PENALTY_OF_FEW * bias,
            np.einsum("nk,nku->u", gap, s) + PENALTY_OF_FEW * shared,
        ]
        return float(penalty / 2 - (w * y * logs).sum()), np.concatenate(slope)

    found = minimize(loss, np.zeros(k * f + k + u), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    weights, bias, shared = parts(found.x)
    return {
        "format": FORMAT,
        "names": [*NAMES],
        "bias": [round(float(one), 3) for one in bias],
        "shared": [round(float(one), 3) for one in shared],
        "rows": {name: [round(float(one), 2) for one in weights[:, i]] for name, i in columns.items()},
    }


def answers(model: Arbiter, examples: Sequence[Example]) -> list[list[str]]:
    found = []
    for one in examples:
        likely = model.probabilities(one.signs, one.scores, one.files)
        found.append(sorted(likely, key=lambda name: -likely[name]))
    return found


def folds(examples: Sequence[Example]) -> dict[str, int]:
    """The fold of each project: the largest first, each into the fold that is smallest."""
    filled = [0] * FOLDS
    found = {}
    for project, count in Counter(one.project for one in examples).most_common():
        found[project] = filled.index(min(filled))
        filled[found[project]] += count
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=Path, required=True, help="folder with a clone of each labelled project")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the model's file (default: the shipped one)")
    options = parser.parse_args()
    where = clones(options.histories)
    fixes, files = [], {}
    for project, commit, primary, also in labelled(data_folder() / "labels-train.csv"):
        texts = texts_of(where[project], commit)
        fixes.append(example(project, primary, also, texts, planted=False))
        files.update({text: project for _, text in texts if len(text) < LARGEST})
    faults = [*planted([(project, text) for text, project in files.items()])]
    print(f"{len(fixes)} fixes, {len(faults)} planted faults")

    fold = folds(fixes)
    read: dict[tuple[str, str], list[tuple[Example, list[str]]]] = defaultdict(list)
    for number in range(FOLDS):
        model = Arbiter.of(fit([one for one in (*fixes, *faults) if fold[one.project] != number]))
        for kind, examples in (("fixes", fixes), ("planted faults", faults)):
            held = [one for one in examples if fold[one.project] == number]
            read[kind, "model"] += zip(held, answers(model, held), strict=True)
            read[kind, "plain order"] += [(one, plain_order(one.scores)) for one in held]
    rows, figures = [], {}
    for (kind, how), pairs in read.items():
        first = sum(names[:1] == [one.primary] for one, names in pairs)
        three = sum(one.primary in names[:3] for one, names in pairs)
        figures[f"{kind}, {how}"] = {"of": len(pairs), "first": first, "three": three}
        rows.append((kind, how, len(pairs), first / len(pairs), three / len(pairs)))
    table(("held out", "read by", "of", "primary first", "in the first three"), rows)
    wrong = Counter((one.primary, names[0]) for one, names in read["fixes", "model"] if names[0] != one.primary)
    print("\nConfusions of the model")
    table(("primary", "taken for", "times"), [(*pair, count) for pair, count in wrong.most_common(15)])
    keep("train_recogniser", figures)
    if figures["fixes, model"]["first"] <= figures["fixes, plain order"]["first"]:
        raise SystemExit("the model is no better than the plain order: nothing is written")
    whole = fit([*fixes, *faults])
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in whole.pop("rows").items())
    head = "".join(f" {json.dumps(name)}: {json.dumps(value)},\n" for name, value in whole.items())
    options.out.write_text(f'{{\n{head} "rows": {{\n{lines}\n }}\n}}\n', encoding="utf-8")
    print(f"\nwrote {options.out}")


if __name__ == "__main__":
    main()
