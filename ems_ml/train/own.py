"""A team's own labelled errors: which causes they have, which labels can be learnt, and an honest split of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ems_ml.errors import InputError
from ems_ml.train.examples import Examples
from ems_ml.types import Signature

TUNE, TEST = 0.15, 0.25  # of the causes
LEAST_CAUSES = 20
LEAST_TESTED = 5
LEAST_PROJECTS = 4
TIMED = 0.8  # of the errors must have a time before time splits them
TRACES = 10  # of one cause that are kept
PARTS = ("train", "tune", "test")
#: Of each label's causes, in drawn order: 12 of 20 are learnt from, 3 tune, 5 judge.
_DEAL = (
    "train test train tune test train train test train train tune train test train train train test train tune train"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnErrors:
    """Labelled errors side by side; all of one length. A time may be unknown, a project empty."""

    signatures: Sequence[Signature]
    labels: Sequence[str]
    times: Sequence[datetime | None]
    projects: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSplit:
    """The parts, by what they were divided, and what was left out on the way."""

    parts: dict[str, Examples]
    by: str  # "time", "project", "cause"
    said: str
    once: tuple[str, ...]  # the team's own words that occur once, and are left out
    repeats: int  # traces of a cause beyond the first `TRACES`
    later: int  # errors of causes that are learnt from, seen again in the time that is judged
    disagree: int  # causes whose errors carry more than one label


def cause_of(signature: Signature) -> str:
    """Equal for errors that count as one cause when parts are divided: the exception's type, and the place and form of
    the last line of the application's own code. Wider than the exact signature, which differs by the callers above;
    where no frame is the application's, it is that signature.
    """
    own = [frame for frame in signature.frames if frame.in_app]
    if not own:
        return signature.exact
    last = own[-1]
    return "\n".join((signature.type, last.file, last.function, " ".join(last.shape)))


def split_own(errors: OwnErrors, *, strategies: Collection[str], seed: int = 0) -> OwnSplit:
    """Train, tune and test: by time where nearly all errors have one, else by project where there are several, else by
    cause. A cause is in one part only, and errors are never dealt out one by one.

    By time a cause belongs to where it was first seen, the latest causes judge, and its later repeats are left out of
    everything. A label of the team's own that occurs once is left out: it cannot be both learnt and judged; names of
    `strategies` stay. Raises `InputError` where too little is left.
    """
    counts = Counter(errors.labels)
    once = tuple(sorted(label for label, count in counts.items() if count == 1 and label not in strategies))
    rows = [row for row, label in enumerate(errors.labels) if label not in once]
    causes = [cause_of(signature) for signature in errors.signatures]
    if len({causes[row] for row in rows}) < LEAST_CAUSES:
        raise InputError(
            f"only {len({causes[row] for row in rows})} different labelled errors are left to learn from and to judge",
            hint=f"give at least {LEAST_CAUSES} with labels that occur more than once",
        )
    if len({errors.labels[row] for row in rows}) < 2:
        raise InputError("all errors have one label: there is nothing to tell apart", hint="give errors of two labels")
    by, part_of, said = _divided(errors, rows, causes, seed)
    kept, repeats, later = _kept(errors, rows, causes, part_of, by)
    parts = {
        name: Examples(
            signatures=tuple(errors.signatures[row] for row in kept[name]),
            strategies=tuple(errors.labels[row] for row in kept[name]),
            groups=tuple(causes[row] for row in kept[name]),
            projects=tuple(errors.projects[row] for row in kept[name]),
        )
        for name in PARTS
    }
    if parts["test"].causes < LEAST_TESTED or not len(parts["train"]) or not len(parts["tune"]):
        raise InputError(
            f"the part that judges has only {parts['test'].causes} causes", hint="give more errors with labels"
        )
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[causes[row]].add(errors.labels[row])
    disagree = sum(len(told) > 1 for told in labels.values())
    return OwnSplit(parts=parts, by=by, said=said, once=once, repeats=repeats, later=later, disagree=disagree)


def _divided(errors: OwnErrors, rows: list[int], causes: list[str], seed: int) -> tuple[str, dict[str, str], str]:
    """By what, cause -> part, and that in words."""
    first: dict[str, datetime] = {}
    for row in rows:
        time = errors.times[row]
        if time is not None:
            first[causes[row]] = min(time, first.get(causes[row], time))
    timed = sum(errors.times[row] is not None for row in rows) / len(rows)
    if timed >= TIMED and len(set(first.values())) >= LEAST_CAUSES // 2:
        ordered = sorted(first, key=lambda cause: (first[cause], cause))
        tune, test = int(len(ordered) * (1 - TUNE - TEST)), int(len(ordered) * (1 - TEST))
        by_time = {cause: "train" if at < tune else "tune" if at < test else "test" for at, cause in enumerate(ordered)}
        by_time |= {causes[row]: "train" for row in rows if causes[row] not in by_time}
        return "time", by_time, f"by time: causes first seen since {first[ordered[test]]:%Y-%m-%d %H:%M} judge"
    held: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        held[errors.projects[row]][causes[row]] = None
    if len(held) >= LEAST_PROJECTS and "" not in held:
        return _by_project(held)
    return "cause", _dealt(errors, rows, causes, seed), "by cause: each label's causes are dealt out in a drawn order"


def _by_project(held: dict[str, dict[str, None]]) -> tuple[str, dict[str, str], str]:
    """Whole projects, the largest first, each to the part that lacks most; every part gets one."""
    total = sum(map(len, held.values()))
    lack = {"train": total * (1 - TUNE - TEST), "test": total * TEST, "tune": total * TUNE}
    chosen: dict[str, str] = {}
    for project in sorted(held, key=lambda name: (-len(held[name]), name)):
        empty = [part for part in lack if part not in chosen.values()]
        left = len(held) - len(chosen)
        part = max(empty if left <= len(empty) else lack, key=lambda name: lack[name])
        chosen[project] = part
        lack[part] -= len(held[project])
    parts: dict[str, str] = {}
    for part in PARTS:  # a cause that several projects show is learnt from, not judged
        for project, told in chosen.items():
            if told == part:
                parts = {**dict.fromkeys(held[project], part), **parts}
    judges = ", ".join(sorted(project for project, part in chosen.items() if part == "test"))
    return "project", parts, f"by project: {judges} judge{'s' if ', ' not in judges else ''}"


def _dealt(errors: OwnErrors, rows: list[int], causes: list[str], seed: int) -> dict[str, str]:
    by_label: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        by_label[errors.labels[row]][causes[row]] = None
    rng = np.random.default_rng(seed)
    deal, parts = _DEAL.split(), dict[str, str]()
    for label in sorted(by_label):
        fresh = sorted(cause for cause in by_label[label] if cause not in parts)
        for at, place in enumerate(rng.permutation(len(fresh)).tolist()):
            parts[fresh[place]] = deal[at % len(deal)]
    return parts


def _kept(
    errors: OwnErrors, rows: list[int], causes: list[str], part_of: dict[str, str], by: str
) -> tuple[dict[str, list[int]], int, int]:
    """The rows of each part, at most `TRACES` a cause; how many were more, and how many came later than their part."""
    starts: dict[str, datetime] = {}
    if by == "time":
        for row in rows:
            time, part = errors.times[row], part_of[causes[row]]
            if time is not None:
                starts[part] = min(time, starts.get(part, time))
    kept: dict[str, list[int]] = {name: [] for name in PARTS}
    held: Counter[str] = Counter()
    repeats = later = 0
    far = datetime.max
    for row in sorted(rows, key=lambda one: ((errors.times[one] or far).replace(tzinfo=None), one)):
        cause, time = causes[row], errors.times[row]
        part = part_of[cause]
        after = [starts[name] for name in PARTS[PARTS.index(part) + 1 :] if name in starts]
        if time is not None and after and time >= min(after):
            later += 1
            continue
        held[cause] += 1
        if held[cause] > TRACES:
            repeats += 1
            continue
        kept[part].append(row)
    return kept, repeats, later
