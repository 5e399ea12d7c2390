"""What a replayed commit is, with the strategies that are recognised in it today.

Labels grow old when the strategies change. What a commit did does not, so that a corpus gets today's labels without
one test being run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ems_ml.harvest.commits import Candidate
from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.replay import UNEXPLAINED
from ems_ml.harvest.told import changed_places

Read = Callable[[Candidate], list[tuple[str, float]]]  # the strategies that are recognised in it, best first


def head(candidate: Candidate, read: Read) -> dict[str, Any]:
    """What a candidate is, whatever comes of it: its fix with its real lines and what is recognised in it."""
    place = next((one for change in candidate.sources for one in changed_places(change)), None)
    return {
        "commit": candidate.commit,
        "parent": candidate.parent,
        "time": candidate.time,
        "fix": {
            "file": place.file if place else candidate.sources[0].path,
            "line": place.line if place else None,
            "function": place.function if place else "",
            "strategies": read(candidate),
            "removed": list(candidate.removed),
            "added": list(candidate.added),
        },
    }


def relabel(corpus: Path, candidates: Mapping[str, Candidate], read: Read) -> int:
    """Give each line of a corpus today's labels, and take out those that are to be tried again; how many changed.

    candidates: by commit; a line of a commit that is none of them stays as it is. Taken out is what an older EMS could
    not run and wrote no reason for. The file is replaced as a whole, and only where something changed. Whoever calls
    this must hold the corpus for itself (`ems_ml.harvest.worker.claim`).
    """
    kept: list[Mapping[str, Any]] = []
    changed = dropped = 0
    for record in read_corpus(corpus):
        candidate = candidates.get(record["commit"])
        if candidate is None:
            kept.append(record)
        elif record["outcome"] in UNEXPLAINED and "reason" not in record:
            dropped += 1
        else:
            today = {**record, **json.loads(json.dumps(head(candidate, read)))}
            changed += today != record
            kept.append(today)
    if changed or dropped:
        staged = corpus.with_name(corpus.name + ".new")
        staged.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        staged.replace(corpus)
    return changed
