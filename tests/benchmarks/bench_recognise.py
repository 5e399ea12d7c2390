"""How often the undoing of a planted fault is recognised under its own name, and what it is taken for else.

Over the kept faults in the harvest's corpora of the cache (EMS_CACHE): the changed file is put together again from the
healthy tree, and `recognise` reads the way back. At most so many faults of a strategy, drawn by their ids (argument:
how many; else 60). Faults of the environment change no file; what is read there is the line that sets them right, which
our own code writes: theirs is a table of its own, and proves no more than that the two sides fit. Intervals are
Wilson's, 95%.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from common import keep, table

from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.types import HARVEST_VERSION, KEPT
from ems_ml.settings import load_settings
from ems_ml.strategies import load_strategies, recognise
from ems_ml.strategies.environment import mended
from ems_ml.train.scores import wilson
from ems_ml.types import Condition

MOST = 60


def changes(folder: Path) -> Iterator[tuple[str, str, bool, str, str]]:
    """Strategy, id, whether it is of the environment, broken and healthy text of each kept fault."""
    for prepared in sorted(folder.glob("*/prepared.json")):
        source = Path(json.loads(prepared.read_text())["source"])
        for record in read_corpus(prepared.with_name("corpus.jsonl")):
            fault = record["fault"]
            if record["outcome"] != KEPT:
                continue
            if "condition" in fault:
                yield fault["strategy"], fault["id"], True, *mended(Condition(**fault["condition"]))
                continue
            with open(source / fault["file"], encoding="utf-8", newline="") as text:
                healthy = text.read()
            lines = healthy.splitlines(keepends=True)
            end = fault["start"] + len(fault["before"])
            if lines[fault["start"] : end] == fault["before"]:
                broken = "".join([*lines[: fault["start"]], *fault["after"], *lines[end:]])
                yield fault["strategy"], fault["id"], False, broken, healthy


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else MOST
    found: dict[tuple[bool, str], list[tuple[str, str, str]]] = defaultdict(list)
    for strategy, id, outside, broken, healthy in changes(load_settings().cache / "harvest" / f"v{HARVEST_VERSION}"):
        found[outside, strategy].append((id, broken, healthy))
    strategies = load_strategies()
    confused: Counter[tuple[str, str]] = Counter()
    answers: dict[str, object] = {}
    for outside, title in ((False, "Edits of code"), (True, "Changes of the environment, by construction")):
        rows: list[tuple[object, ...]] = []
        right = tried = 0
        for name in sorted(name for kind, name in found if kind is outside):
            drawn = sorted(found[outside, name])[:most]
            primaries = [next(iter(recognise(old, new, strategies)), ("nothing", 0.0))[0] for _, old, new in drawn]
            hits = primaries.count(name)
            confused.update((name, other) for other in primaries if other != name)
            low, high = wilson(hits, len(drawn))
            rows.append((name, len(found[outside, name]), len(drawn), hits / len(drawn), f"{low:.2f}-{high:.2f}"))
            answers[name] = {"tried": len(drawn), "hits": hits}
            right, tried = right + hits, tried + len(drawn)
        if tried:
            low, high = wilson(right, tried)
            rows.append(("all", "", tried, right / tried, f"{low:.2f}-{high:.2f}"))
            print(f"\n{title}\n")
            table(("strategy", "kept", "tried", "own name first", "interval"), rows)
    print("\nConfusions\n")
    table(("planted", "taken for", "times"), [(*pair, count) for pair, count in confused.most_common()])
    keep("recognise", answers)


if __name__ == "__main__":
    main()
