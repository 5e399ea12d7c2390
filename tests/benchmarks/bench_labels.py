"""How far people agree on what a real fix did, and how often `recognise` reads it as they do.

Judged by the hand labels of replayed fixes (`data/labels.csv`): two independent readings, and what was settled on.
Beside `recognise` stands the answer that needs no reading: the strategies by how often people settled on them, the
most frequent first, which has seen the labels that it is judged by. What `recognise` reads is taken from the data set
as it was stored there; with `--histories CLONES` (one folder a project) each commit is read afresh by the code of
today. A fix of which nothing is found counts as read wrongly. Intervals are Wilson's, 95%.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import keep, table
from histories import clones, texts_of

from ems_ml.dataset import HandLabel, data_folder, load_data, read_labels
from ems_ml.errors import EmsError
from ems_ml.repo import GitFailed
from ems_ml.strategies import STRATEGY_NAMES, load_strategies, recognise_commit
from ems_ml.train.scores import kappa, wilson

FEWEST = 7  # digits by which a commit may be told


def recognised() -> dict[tuple[str, str], list[str]]:
    """What `recognise` read in each replayed fix, best first, by project and commit."""
    fixes = load_data("replay").drop_duplicates("group")
    return {
        (str(row["project"]), str(row["commit"])): [one["name"] for one in row["strategies"]]
        for row in fixes.to_dict("records")
    }


def read_as(label: HandLabel, fixes: Mapping[tuple[str, str], Sequence[str]]) -> Sequence[str]:
    """The strategies read in a labelled fix; none where it is not in the data."""
    found = [
        names
        for (project, commit), names in fixes.items()
        if project == label.project and len(label.commit) >= FEWEST and commit.startswith(label.commit)
    ]
    return found[0] if len(found) == 1 else ()


def read_afresh(labels: Sequence[HandLabel], folder: Path) -> list[Sequence[str]]:
    """The strategies that today's code reads in each labelled fix; none, and a line on stderr, where that fails."""
    where, strategies = clones(folder), load_strategies()
    answers: list[Sequence[str]] = []
    for label in labels:
        try:
            texts = texts_of(where[label.project], label.commit)
            answers.append([name for name, _ in recognise_commit(texts, strategies)])
        except (EmsError, GitFailed, KeyError) as error:
            print(f"{label.project} {label.commit}: {error}", file=sys.stderr)
            answers.append(())
    return answers


def judge(labels: Sequence[HandLabel], answers: Sequence[Sequence[str]]) -> dict[str, tuple[int, float, float]]:
    """Hits and their share's interval: the primary first, any agreed name first, the primary in the first three."""
    pairs = list(zip(labels, answers, strict=True))
    counts = {
        "first is the primary": sum(label.primary in names[:1] for label, names in pairs),
        "first is one of the agreed": sum(bool({*names[:1]} & {*label.agreed}) for label, names in pairs),
        "primary in the first three": sum(label.primary in names[:3] for label, names in pairs),
    }
    return {name: (hits, *wilson(hits, len(labels))) for name, hits in counts.items()}


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=Path, help="folder with a clone of each project: read the commits afresh")
    options = parser.parse_args(arguments)
    path = data_folder() / "labels.csv"
    if not path.exists():
        print("no labels.csv in the data folder: there is nothing to judge by")
        return
    labels = read_labels(path, strategies=STRATEGY_NAMES)
    of = len(labels)
    if options.histories:
        answers = read_afresh(labels, options.histories)
    else:
        fixes = recognised()
        answers = [read_as(label, fixes) for label in labels]
    frequent = [name for name, _ in Counter(label.primary for label in labels).most_common()]
    first, second = [label.pass1 for label in labels], [label.pass2 for label in labels]
    same = sum(one == other for one, other in zip(first, second, strict=True))
    found: dict[str, Any] = {
        "labels": of,
        "absent": sum(not names for names in answers),
        "agreement": (same, *wilson(same, of)),
        "kappa": kappa(first, second),
        "recognise": judge(labels, answers),
        "most frequent": judge(labels, [frequent] * of),
    }

    def shown(figure: tuple[int, float, float]) -> str:
        hits, low, high = figure
        return f"{hits / of:.3f} [{low:.3f}, {high:.3f}] ({hits} of {of})" if of else "-"

    rows = [("two readings agree", shown(found["agreement"]), "-")]
    rows += [(name, shown(one), shown(found["most frequent"][name])) for name, one in found["recognise"].items()]
    table(("figure", "recognise", "most frequent label"), rows)
    print(f"Cohen's kappa between the readings: {found['kappa']:.3f}")
    print(f"labelled fixes in which nothing was read, counted as wrong: {found['absent']}")
    keep("labels", found)


if __name__ == "__main__":
    main(sys.argv[1:])
