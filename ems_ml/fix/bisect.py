"""Which commit brought an error in: today's failing test on the code of earlier commits, by halving."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ems_ml.errors import RepositoryError
from ems_ml.fix.budget import Budget
from ems_ml.fix.command import import_roots, is_test_path
from ems_ml.fix.match import in_output, matches, own_files
from ems_ml.fix.runs import SuiteBench
from ems_ml.fix.verify import GRACE_SECONDS, SLOWER, Reproduction, still_red
from ems_ml.repo import DirectoryTree, Repository, is_shallow, main_line
from ems_ml.types import Commit

log = logging.getLogger(__name__)

MOST_COMMITS = 4096  # of the main line that are looked at
MOST_UNTESTABLE = 24  # commits that cannot be tested before the search is given up
NEAR = 6  # commits behind the oldest bad one that are each looked at where the steps met no good one
MOST_SUSPECTS = 4  # where those between bad and good cannot be tested, as many are still worth a try

ALWAYS = "the error was there from the first commit on: no commit brought it in"
SHALLOW = (
    "the history is shallow, and the error is in its oldest commit too; fetch the rest with `git fetch --unshallow`"
)


class State(Enum):
    """What the failing test does on a commit."""

    BAD = "bad"  # it raises the error
    GOOD = "good"  # it passes
    UNTESTABLE = "untestable"  # anything else: the code cannot be imported yet, another error, no end


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """What the search through the history found."""

    suspects: tuple[Commit, ...] = ()  # one: it is the guilty; several: not to be told apart; none: `said` says why
    said: str  # in words
    always: bool = False  # the error is as old as the history: no commit brought it in
    commits: int = 0  # of the main line that could be looked at
    tested: int = 0
    untestable: int = 0
    seconds: float = 0.0

    @property
    def guilty(self) -> Commit | None:
        """The commit that brought the error in, where it is told beyond doubt."""
        return self.suspects[0] if len(self.suspects) == 1 else None

    def evidence(self) -> dict[str, Any]:
        """For the verdict: `guilty` (null where it is not told) and how it was looked for."""
        counts = {"commits": self.commits, "tested": self.tested, "untestable": self.untestable}
        looked = {"said": self.said, **counts, "seconds": round(self.seconds, 2)}
        if len(self.suspects) > 1:
            looked["suspects"] = [_told(commit) for commit in self.suspects]
        return {"guilty": _told(self.guilty) if self.guilty else None, "bisection": looked}


def bisect(repository: Repository, bench: SuiteBench, found: Reproduction, budget: Budget, *, keep: float) -> Bisection:
    """The commit of the main line that brought `found` in; of a merge, the one of its branch where that can be told.

    The tests that raise the error run as they are today, with all other files of the tests, on the code of each commit
    that is looked at; a commit where they neither raise it nor pass is stepped over. The search ends `keep` seconds
    before the budget does. bench: how the tests are run on the code of today.
    """
    search = _Search(repository, bench, found, budget, keep)
    began = time.monotonic()
    try:
        suspects, said, commits = search.run()
    except RepositoryError as error:
        suspects, said, commits = (), f"the history cannot be read: {error}", 0
    states = search.states.values()
    return Bisection(
        suspects=suspects,
        said=said,
        always=search.always,
        commits=commits,
        tested=max(0, len(search.states) - 1),  # the newest was known
        untestable=sum(state is State.UNTESTABLE for state in states),
        seconds=time.monotonic() - began,
    )


def expected_seconds(repository: Repository, found: Reproduction) -> float:
    """What a search takes at the usual pace, and the proof of one proposal after it; 0 where there is no history."""
    try:
        commits = len(main_line(repository.root, "HEAD", most=MOST_COMMITS))
    except RepositoryError as error:  # `bisect` tells it as evidence
        log.info("the history cannot be read: %s", error)
        return 0.0
    if commits < 2:
        return 0.0
    steps = 2 * math.ceil(math.log2(commits)) + 1
    return steps * found.again.seconds + proof_seconds(found)


def proof_seconds(found: Reproduction) -> float:
    """What the proof of one proposal takes: some of the red tests, all tests, the red ones again."""
    return 2 * found.again.seconds + found.before.seconds


class _GivenUp(Exception):
    """The search ends before its time; the text says why."""


@dataclass(slots=True)
class _Search:
    repository: Repository
    bench: SuiteBench
    found: Reproduction
    budget: Budget
    keep: float
    states: dict[str, State] = field(default_factory=dict)
    always: bool = False

    def run(self) -> tuple[tuple[Commit, ...], str, int]:
        root, head = self.repository.root, self.bench.worktree.base
        line = main_line(root, head, most=MOST_COMMITS)
        self.states[head] = State.BAD
        suspects, said = self._between(line)
        if not suspects and self.states.get(line[-1].id) is State.BAD and not line[-1].parents:
            self.always = not is_shallow(root)
            return (), ALWAYS if self.always else SHALLOW, len(line)
        while len(suspects) == 1 and len(suspects[0].parents) > 1:
            merge = suspects[0]
            try:
                inside = next((each for each in self._branches(merge) if self._state(each[0]) is State.BAD), None)
            except _GivenUp as why:
                return suspects, f"{said}; it is a merge, and was not looked into: {why}", len(line)
            if inside is None:
                return suspects, f"{said}; it is a merge, and neither of its sides alone raises it", len(line)
            suspects, more = self._between(inside)
            if not suspects:
                return (merge,), f"{said}; it is a merge, and on its branch {more}", len(line)
            said = f"{more} (merged by {merge.short})"
        return suspects, said, len(line)

    def _branches(self, merge: Commit) -> list[list[Commit]]:
        """The lines that a merge brought in, each with the commit that it began from."""
        found = []
        for tip in merge.parents[1:]:
            own = main_line(self.repository.root, tip, most=MOST_COMMITS, until=merge.parents[0])
            if own:
                base = own[-1].parents[:1]
                found.append(own + (main_line(self.repository.root, base[0], most=1) if base else []))
        return found

    def _between(self, line: Sequence[Commit]) -> tuple[tuple[Commit, ...], str]:
        """The suspects among commits, the newest first, the newest known to be bad; and what is to be said."""
        bad, good = 0, len(line)  # `good` is one past the oldest until one is found
        try:
            bad, good = self._gallop(line)
            if good < len(line):
                bad, good = self._halve(line, bad, good)
        except _GivenUp as why:
            return (), str(why)
        if good == len(line):
            oldest = f'{line[bad].short} "{line[bad].subject}" is the oldest one found that raises the error'
            return (), f"no earlier commit was found on which the tests pass; {oldest}"
        between = tuple(line[bad:good])
        if len(between) == 1:
            only = between[0]
            return between, f'{only.short} "{only.subject}" brought it in: the tests pass on the commit before'
        said = f"one of {len(between)} commits from {between[-1].short} to {between[0].short} brought it in"
        return between[:MOST_SUSPECTS], f"{said}; those between cannot be tested"

    def _gallop(self, line: Sequence[Commit]) -> tuple[int, int]:
        """Two places: one that is bad, and an older one that is good (`len(line)`: none was found).

        Steps double, because most errors are young and old commits often cannot be tested. Where the steps met only
        what is bad and then what cannot be tested, what lies between them is halved, and then each of the next few is
        looked at.
        """
        bad, step, untestable = 0, 1, None
        at = 1
        while at < len(line):
            state = self._state(line[at])
            if state is State.GOOD:
                return bad, at
            if state is State.BAD:
                bad, untestable = at, None
            elif untestable is None:
                untestable = at
            if at == len(line) - 1:
                break
            step *= 2
            at = min(at + step, len(line) - 1)
        while untestable is not None and untestable - bad > 1:
            middle = (bad + untestable) // 2
            state = self._state(line[middle])
            if state is State.GOOD:
                return bad, middle
            bad, untestable = (middle, untestable) if state is State.BAD else (bad, middle)
        for at in range(bad + 1, min(bad + 1 + NEAR, len(line))):
            state = self._state(line[at])
            if state is State.GOOD:
                return bad, at
            if state is State.BAD:
                bad = at
        return bad, len(line)

    def _halve(self, line: Sequence[Commit], bad: int, good: int) -> tuple[int, int]:
        """The two brought as near as what can be tested allows."""
        stepped_over: set[int] = set()
        while True:
            left = [at for at in range(bad + 1, good) if at not in stepped_over]
            if not left:
                return bad, good
            middle = min(left, key=lambda at: abs(2 * at - bad - good))
            state = self._state(line[middle])
            if state is State.UNTESTABLE:
                stepped_over.add(middle)
            elif state is State.BAD:
                bad = middle
            else:
                good = middle

    def _state(self, commit: Commit) -> State:
        known = self.states.get(commit.id)
        if known is not None:
            return known
        skipped = sum(state is State.UNTESTABLE for state in self.states.values())
        if skipped >= MOST_UNTESTABLE:
            raise _GivenUp(f"given up: {skipped} commits could not be tested")
        if self.budget.left - self.keep <= self.found.again.seconds:
            raise _GivenUp("the time was up before the commit was found; give more with --budget")
        try:
            state = self._tested(commit)
        except RepositoryError as error:
            log.info("%s is stepped over: %s", commit.short, error)
            state = State.UNTESTABLE
        self.states[commit.id] = state
        return state

    def _tested(self, commit: Commit) -> State:
        """What the red tests of today do on the code of a commit. Raises `RepositoryError` where it has no files."""
        found, usual = self.found, self.found.again.seconds
        with self.repository.worktree(commit.id) as worktree:
            worktree.take(self.bench.worktree.base, is_test_path)
            source = DirectoryTree(worktree.tree)
            files = own_files([found.event.error, *found.event.chain])
            bench = SuiteBench(
                worktree=worktree,
                command=self.bench.command,
                import_roots=import_roots(source, files),
                env=self.bench.env,
                network=self.bench.network,
            )
            seconds = min(usual * SLOWER + GRACE_SECONDS, self.budget.left - self.keep)
            run = bench.run(seconds=seconds, select=found.quick)
            if not run.complete or run.structured is not found.before.structured:
                return State.UNTESTABLE
            if not run.structured:
                if run.returncode == 0:
                    return State.GOOD
                return State.BAD if in_output(found.event, run.output) else State.UNTESTABLE
            if matches(found.event, run.failures, source):
                return State.BAD
            green = all(still_red(test, run) is None for test in found.quick)
            return State.GOOD if green else State.UNTESTABLE


def _told(commit: Commit) -> dict[str, str]:
    return {"commit": commit.id, "subject": commit.subject, "time": commit.time}
