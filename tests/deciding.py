"""A person, simulated: decides what grouping asks about errors whose causes are known, and mends its wrong joins.

And what the later errors of such a project are worth to that person, by the model as shipped and as it has learned.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from ems_ml.build import System
from ems_ml.group import HeldExemplars, OnlineGrouper
from ems_ml.ports import NEAR
from ems_ml.train.grouping.ours import Ours
from ems_ml.train.grouping.stream import Stream
from ems_ml.types import Decision

WRONG_MERGE = 10.0  # costs as many wrong splits, as in `ems_ml.group.fitting`


def watched(system: System, stream: Stream, decisions: int) -> int:
    """Let errors arrive in the store until a person has decided so often; answers how many have arrived.

    A suggestion is confirmed or refused; of a wrong join the error is split off. Right joins are left alone.
    """
    line, made = system.line(), 0
    causes: dict[str, Counter[str]] = defaultdict(Counter)
    for arrived, trace in enumerate(stream.traces, start=1):
        told = line.process_event(trace.event).assignment
        pattern = told.pattern
        causes[pattern][trace.cause] += 1
        if told.decision is Decision.SUGGESTED:
            likely = told.nearest[0].pattern
            if causes[likely].most_common(1)[0][0] == trace.cause:
                system.store.decisions.merge(pattern, likely, actor="person")
                causes[likely] += causes.pop(pattern)
            else:
                system.store.decisions.apart(pattern, likely, actor="person")
            made += 1
        elif told.decision is Decision.JOINED and causes[pattern].most_common(1)[0][0] != trace.cause:
            causes[system.store.decisions.split(pattern, [trace.event.id], actor="person").id][trace.cause] += 1
            causes[pattern][trace.cause] -= 1
            made += 1
        if made == decisions:
            return arrived
    raise LookupError(f"{stream.project} ends before {decisions} decisions were asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What grouping says of later errors, each judged with all earlier ones put right.

    cost: wrong joins (10 each) and known errors that do not join, an error. auc: how well what is said of the
    likeliest pattern tells right ones from wrong ones. loss: mean -log p of whether it is right. right: of known
    errors, how often the likeliest pattern is theirs. nan where there is nothing to count.
    """

    errors: int
    cost: float
    auc: float
    loss: float
    right: float


def judged(system: System, grouper: OnlineGrouper, stream: Stream, start: int) -> Later:
    """The errors of the stream from the one numbered `start` on."""
    ours = Ours(grouper=grouper, encoder=system.encoder, new_index=HeldExemplars, near=NEAR)
    told = ours.taught(stream)
    later = np.arange(len(stream)) >= start
    p = np.clip(told.best, 1e-6, 1 - 1e-6)
    joined = told.best >= grouper.join
    wrong, missed = joined & ~told.right, stream.known & ~joined
    known, both = told.right[later & stream.known], len(set(told.right[later].tolist())) == 2
    return Later(
        errors=int(later.sum()),
        cost=float((WRONG_MERGE * wrong + missed)[later].mean()),
        auc=float(roc_auc_score(told.right[later], p[later])) if both else float("nan"),
        loss=float(-np.log(np.where(told.right, p, 1 - p))[later].mean()),
        right=float(known.mean()) if len(known) else float("nan"),
    )


def shortened(stream: Stream, length: int) -> Stream:
    """The first errors of a stream."""
    return Stream(stream.project, stream.traces[:length])


def gains(before: Sequence[Later], after: Sequence[Later], figure: str) -> list[float]:
    """How much better each project fares; positive is better. Projects without the figure are left out."""
    sign = -1 if figure in ("cost", "loss") else 1
    found = [sign * (getattr(b, figure) - getattr(a, figure)) for a, b in zip(before, after, strict=True)]
    return [one for one in found if one == one]
