"""Real crashes out of a git history: for each commit that may be a fix, its new tests on the code before it.

What was found lies in the cache, one JSON line a candidate, written at once: an interrupted run goes on where it
stopped. `ems_ml.harvest.compose` makes the shipped data of it.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ems_ml.errors import EmsError
from ems_ml.harvest.commits import Candidate, Walk, candidates
from ems_ml.harvest.eras import Builder, eras
from ems_ml.harvest.faults import append, read_corpus, silent
from ems_ml.harvest.licences import licence_of
from ems_ml.harvest.relabel import head, relabel
from ems_ml.harvest.replay import REPLAY_OUTCOMES
from ems_ml.harvest.replay_era import EraReplay
from ems_ml.harvest.spread import Post, posts, spread
from ems_ml.harvest.told import Recognise, history_folder, projects_of
from ems_ml.harvest.types import KEPT
from ems_ml.harvest.worker import claim
from ems_ml.repo import git, undoes

log = logging.getLogger(__name__)

RecogniseUndoing = Callable[[str, str | None], list[tuple[str, float]]]  # its message, and the commit that it undoes
SINCE = "2016-01-01"


@dataclass(slots=True, kw_only=True)
class ReplayLedger:
    """What was seen in one history. Every commit is left out for one reason, or tried with one outcome."""

    project: str
    licence: str
    python: str  # version of Python that its tests ran on
    since: str
    commits: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REPLAY_OUTCOMES, 0))
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)  # of the outcomes that have some, with counts
    untried: int = 0  # candidates for which the time was up
    relabelled: int = 0  # candidates of earlier runs in which other strategies are recognised now
    traces: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def count(self, record: Mapping[str, Any]) -> None:
        """Add one line of the corpus."""
        self.outcomes[record["outcome"]] += 1
        self.traces += len(record["traces"])
        if "reason" in record:
            reasons = self.reasons.setdefault(record["outcome"], {})
            reasons[record["reason"]] = reasons.get(record["reason"], 0) + 1
        self.seconds = round(self.seconds + record["seconds"], 1)

    @property
    def candidates(self) -> int:
        return sum(self.outcomes.values())

    @property
    def kept(self) -> int:
        """Real crashes."""
        return self.outcomes[KEPT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """A ledger for each history that was replayed, and a line for each that could not be."""

    ledgers: tuple[ReplayLedger, ...]
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    recognise: Recognise
    recognise_undoing: RecogniseUndoing
    cache: Path
    since: str
    seconds: float
    python: str
    pip_arguments: tuple[str, ...]


def replay_histories(
    repositories: Sequence[Path],
    *,
    recognise: Recognise,
    recognise_undoing: RecogniseUndoing,
    cache: Path,
    name: str | None = None,
    since: str = SINCE,
    seconds: float = 3600.0,
    python: str | None = None,
    jobs: int = 1,
    progress: Callable[[str, int, int, int], None] = silent,
    pip_arguments: Sequence[str] = (),
) -> Replays:
    """Write `replay.jsonl` and `replay-ledger.json` for each history; a candidate that was tried is not tried again.

    name: the project's, where there is one repository; else each folder's name counts. since: a day. seconds: for
    each history. python: the interpreter whose environments run the tests; else this one. jobs: histories at a time,
    by joblib. recognise, recognise_undoing: must be picklable where `jobs` is more than one. A folder that cannot be
    replayed is a line in `problems` and stops no other; where none can, its error is raised.
    """
    named = projects_of(repositories, name)
    order = _Order(
        recognise=recognise,
        recognise_undoing=recognise_undoing,
        cache=cache,
        since=since,
        seconds=seconds,
        python=python or sys.executable,
        pip_arguments=tuple(pip_arguments),
    )
    with posts(cache / "runs", len(named)) as ours:

        def look() -> None:
            for told in filter(None, (post.told() for post in ours)):
                progress(*told)

        def stop() -> None:
            for post in ours:
                (post.folder / "stop").touch()

        each = [(project, path, order, post) for (project, path), post in zip(named.items(), ours, strict=True)]
        found = spread(_replay_or_tell, each, jobs=jobs, dask=None, look=look, stop=stop)
    problems = {str(path): one for path, one in zip(named.values(), found, strict=True) if isinstance(one, EmsError)}
    ledgers = tuple(one for one in found if isinstance(one, ReplayLedger))
    if not ledgers:
        raise next(iter(problems.values()))
    return Replays(ledgers=ledgers, problems={path: str(error) for path, error in problems.items()})


def _replay_or_tell(project: str, repository: Path, order: _Order, post: Post) -> ReplayLedger | EmsError:
    post.only_stop()
    try:
        return _replay(project, repository, order, post)
    except EmsError as error:
        log.warning("%s is not replayed: %s", repository, error)
        return error


def _replay(project: str, repository: Path, order: _Order, post: Post) -> ReplayLedger:
    folder = history_folder(order.cache, project)
    walk = Walk()
    all_candidates = list(candidates(repository, since=order.since, walk=walk))
    folder.mkdir(parents=True, exist_ok=True)
    corpus, ledger_file = folder / "replay.jsonl", folder / "replay-ledger.json"
    earlier = json.loads(ledger_file.read_text(encoding="utf-8")) if ledger_file.is_file() else {}
    ledger = ReplayLedger(
        project=project,
        licence=licence_of(repository),
        python=earlier.get("python", ""),
        since=order.since,
        commits=walk.commits,
        left_out=dict(walk.left_out.most_common()),
        notes=list(dict.fromkeys([*earlier.get("notes", ()), *walk.notes])),
    )
    read = partial(_strategies, repository, order)
    with claim(folder, project):
        relabelled = relabel(corpus, {one.commit: one for one in all_candidates}, read)
    ledger.relabelled = relabelled
    done = set()
    for record in read_corpus(corpus):
        done.add(record["commit"])
        ledger.count(record)
    until = time.monotonic() + order.seconds

    def may_go_on() -> bool:
        return time.monotonic() < until and not post.stopped

    def keep(candidate: Candidate, outcome: Mapping[str, Any]) -> None:
        record = {**head(candidate, read), **outcome}
        append(corpus, record)
        ledger.count(record)
        ledger.python = outcome.get("python") or ledger.python
        post.tell(project, ledger.candidates, len(all_candidates), ledger.kept)

    builder = Builder(
        repository, folder, python=order.python, tools=order.cache / "tools", pip_arguments=order.pip_arguments
    )
    for era in eras(repository, all_candidates):
        todo = tuple(one for one in era.candidates if one.commit not in done)
        if todo and may_go_on():
            EraReplay(builder, project, era, keep=keep, note=ledger.notes.append, may_go_on=may_go_on).replay(todo)
    ledger.untried = len(all_candidates) - ledger.candidates
    ledger.notes = list(dict.fromkeys(ledger.notes))
    staged = ledger_file.with_name("replay-ledger.json.new")
    staged.write_text(json.dumps(asdict(ledger), indent=1), encoding="utf-8")
    staged.replace(ledger_file)
    return ledger


def _strategies(repository: Path, order: _Order, candidate: Candidate) -> list[tuple[str, float]]:
    """What is recognised in a commit, best first: in its message and history, and in the files that it changes."""
    message = git("show", "--no-patch", "--encoding=UTF-8", "--format=%B", candidate.commit, cwd=repository)
    undone = undoes(repository, candidate.commit, candidate.parent, [change.path for change in candidate.sources])
    files = [(change.before or "", change.after or "") for change in candidate.sources]
    scores = dict(order.recognise(files)) | dict(order.recognise_undoing(message, undone))
    return sorted(scores.items(), key=lambda pair: -pair[1])
