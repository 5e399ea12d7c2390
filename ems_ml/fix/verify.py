"""Judges proposals by the project's own tests: red before, green after, nothing else broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ems_ml.errors import RepositoryError
from ems_ml.fix.budget import Budget
from ems_ml.fix.match import in_output, localise, matches, outside, place, reproduced
from ems_ml.fix.publish import patch_of, put
from ems_ml.fix.runs import SuiteBench, SuiteRun
from ems_ml.ports import SourceTree
from ems_ml.types import Attempt, ErrorEvent, Outcome, Patch, Proposal, Verdict

BASELINE_SHARE = 0.7  # of the budget, for the first run of all tests
SLOWER = 3.0  # a candidate's run may take this much longer than the same tests took before ...
GRACE_SECONDS = 5.0  # ... and this
QUICK = 5  # of the tests that raise the error, for a first look at a proposal
SHOWN = 20  # test ids in an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """The reported error, seen in the project's own tests."""

    reported: ErrorEvent  # as it came, its frames named by their place in the repository
    event: ErrorEvent  # as the tests raised it, on the code as it is
    before: SuiteRun  # all tests, on the unchanged code
    again: SuiteRun  # the failing ones once more
    red: tuple[str, ...]  # ids of the tests that raise it; none for a command that does not tell its tests

    @property
    def quick(self) -> tuple[str, ...]:
        """Some of `red` for a first look, all from one file, so that only that one is collected."""
        return tuple(test for test in self.red if test.split("::")[0] == self.red[0].split("::")[0])[:QUICK]


@dataclass(slots=True)
class SuiteVerifier:
    """Implements `ports.Verifier` with a `SuiteBench` on a worktree of the unchanged code."""

    bench: SuiteBench
    source: SourceTree  # of the same worktree
    budget: Budget
    facts: dict[str, Any] = field(default_factory=dict)  # evidence, filled on the way
    out_of_time: bool = False  # proposals were left that there was no time for

    def verify(self, event: ErrorEvent, proposals: Iterable[Proposal]) -> Verdict:
        """Reproduce `event`, then judge `proposals` one by one; the first that holds is the repair."""
        found = self.reproduce(event)
        return found if isinstance(found, Verdict) else self.judge(found, proposals)[0]

    def reproduce(self, event: ErrorEvent) -> Reproduction | Verdict:
        """Run all tests on the unchanged code, and those that raise `event` twice.

        A verdict where there is nothing to repair against: not reproduced, flaky, unproven.
        """
        event = localise(event, self.source)
        before = self.bench.run(seconds=self.budget.left * BASELINE_SHARE)
        self.facts |= {
            "command": self.bench.command.shown,
            "isolation": before.isolation,
            "before": before.counts() if before.structured else {"exit_code": before.returncode},
            "seconds_before": round(before.seconds, 2),
        }
        if not before.complete:
            return self._verdict(
                Outcome.UNPROVEN,
                f"the tests do not run to their end on the unchanged code: {before.last_words()}; give a command that "
                "runs fewer with --test, or more time with --budget",
            )
        if not before.structured:
            return self._reproduce_by_output(event, before)
        if not before.outcomes:
            return self._verdict(Outcome.UNPROVEN, f"the test command ran no tests: {before.last_words()}")
        found = []
        for wanted in (event, *(localise(other, self.source) for other in reversed(event.more))):
            found = matches(wanted, before.failures, self.source)
            if found:
                event = wanted
                break
        if not found:
            return self._not_reproduced(event, before)
        red = tuple(dict.fromkeys(match.failure.id for match in found))
        self.facts["red"] = list(red[:SHOWN])
        again = self.bench.run(seconds=self._limit(before.seconds), select=red)
        repeated = {match.failure.id for match in matches(event, again.failures, self.source)}
        if not again.complete or repeated != set(red):
            unsteady = sorted(set(red) - repeated) or list(red)
            return self._verdict(
                Outcome.FLAKY,
                f"{_few(unsteady)} failed with this error, and did not when run again on the same code",
                flaky=unsteady[:SHOWN],
            )
        return Reproduction(reported=event, event=reproduced(event, found[0]), before=before, again=again, red=red)

    def judge(
        self,
        found: Reproduction,
        proposals: Iterable[Proposal],
        *,
        keep: float = 0.0,
        earlier: Iterable[Attempt] = (),
    ) -> tuple[Verdict, Proposal | None]:
        """Try each proposal on the worktree, which is as it was at the end. The one that holds, if any, comes too.

        keep: seconds of the budget that are left for what comes after. earlier: what was tried before, told with it.
        """
        tried: list[Attempt] = list(earlier)
        for proposal in proposals:
            if self.budget.left - keep <= found.again.seconds:
                self.out_of_time = True
                break
            result, run = self._try(found, proposal)
            tried.append(Attempt(strategy=proposal.strategy, summary=proposal.summary, result=result))
            if run is not None:
                patch = patch_of(self.bench.worktree, proposal)
                self.facts |= {
                    "after": run.counts() if run.structured else {"exit_code": run.returncode},
                    "seconds_after": round(run.seconds, 2),
                    "green": list(found.red[:SHOWN]),
                    "still_failing": sorted(run.failed)[:SHOWN],
                }
                what = _few(found.red) if found.red else "the test command"
                now = "pass" if len(found.red) > 1 else "passes"
                reason = f"{what} failed with this error and {now} now; nothing else broke"
                return self._verdict(Outcome.REPAIRED, reason, patch=patch, tried=tried), proposal
        if self.out_of_time:
            reason = f"the budget of {self.budget.total:.0f} seconds was spent after {len(tried)} proposals"
        elif tried:
            reason = f"the error was reproduced, and none of {len(tried)} proposals made it go away unharmed"
        else:
            reason = "the error was reproduced, and no strategy has a proposal for it"
        return self._verdict(Outcome.NOT_REPAIRED, reason, tried=tried), None

    def _try(self, found: Reproduction, proposal: Proposal) -> tuple[str, SuiteRun | None]:
        """What came of one proposal, and the run of all tests where it holds."""
        try:
            put(self.bench.worktree, proposal)
            few = found.quick
            first = self.bench.run(seconds=self._limit(found.again.seconds), select=few)
            flaw = self._flaw(found, first, red=few)
            if flaw:
                return flaw, None
            whole = self.bench.run(seconds=self._limit(found.before.seconds))
            flaw = self._flaw(found, whole)
            harmed = sorted(whole.failed - found.before.failed)
            if flaw and harmed and self._unsteady(harmed):
                whole = self._forgive(whole, harmed)
                flaw = self._flaw(found, whole)
            if flaw:
                return flaw, None
            last = self.bench.run(seconds=self._limit(found.again.seconds), select=found.red)
            flaw = self._flaw(found, last, red=found.red)
            return (f"green, but not when run again: {flaw}", None) if flaw else ("repaired", whole)
        except RepositoryError as error:
            return f"cannot be written: {error}", None
        finally:
            self.bench.worktree.reset()

    def _unsteady(self, harmed: list[str]) -> bool:
        """Whether tests that failed in the run of all pass when the files they stand in run again: a test that
        measures time, say. What the proposal breaks fails again."""
        files = list(dict.fromkeys(test.split("::", 1)[0] for test in harmed))
        again = self.bench.run(seconds=self.budget.left, select=files if "::" in harmed[0] else harmed)
        return again.complete and again.passed.issuperset(harmed)

    def _forgive(self, run: SuiteRun, unsteady: list[str]) -> SuiteRun:
        self.facts["unsteady"] = unsteady[:SHOWN]
        return replace(run, outcomes={**run.outcomes, **dict.fromkeys(unsteady, "passed")})

    def _flaw(self, found: Reproduction, run: SuiteRun, *, red: tuple[str, ...] | None = None) -> str | None:
        """Why a run with a proposal in place is not green. `red`: only these tests were asked for."""
        if not run.complete:
            return f"the tests did not end: {run.last_words()}"
        if not found.before.structured:
            if run.returncode == 0:
                return None
            gone = "" if in_output(found.event, run.output) else " (this error is gone; others stay)"
            return f"the test command still fails with exit code {run.returncode}{gone}"
        for test in found.red if red is None else red:
            flaw = still_red(test, run)
            if flaw:
                return flaw
        if red is not None:
            return None
        before = found.before
        failing = run.failed - before.failed
        if failing:
            return f"{_few(sorted(failing))} failed that did not before"
        missing = before.passed - run.passed
        if missing:
            return f"{_few(sorted(missing))} passed before and did not run"
        unseen = {test for test in before.failed if test not in found.red} - set(run.outcomes)
        if unseen:
            return f"{_few(sorted(unseen))} ran before and did not now"
        return None

    def _reproduce_by_output(self, event: ErrorEvent, before: SuiteRun) -> Reproduction | Verdict:
        """For a command that does not tell its tests: its exit code and its output have to do."""
        if before.returncode == 0:
            return self._not_reproduced(event, before)
        if not in_output(event, before.output):
            reason = f"the test command fails with exit code {before.returncode}, but shows another error"
            return self._verdict(Outcome.NOT_REPRODUCED, f"{reason}: {before.last_words()}")
        again = self.bench.run(seconds=self._limit(before.seconds))
        if not again.complete or again.returncode == 0 or not in_output(event, again.output):
            reason = "the test command failed with this error, and did not when run again on the same code"
            return self._verdict(Outcome.FLAKY, reason)
        return Reproduction(reported=event, event=event, before=before, again=again, red=())

    def _not_reproduced(self, event: ErrorEvent, before: SuiteRun) -> Verdict:
        where = place(event.error)
        told = f"{event.error.short_type or 'this error'}"
        if where:
            told += f" from {where.function or 'the module'} in {where.path}"
        foreign = outside(event, before.failures)
        if foreign:
            reason = f"the tests import {foreign} instead of the copy that is tested, so nothing can be proven"
            return self._verdict(Outcome.UNPROVEN, reason)
        if where is None and event.error.frames:
            reason = "none of the trace's files is in this repository; give the repository that it comes from"
            return self._verdict(Outcome.NOT_REPRODUCED, reason)
        remedy = "add a test that raises it and commit it, then run `ems fix` again"
        if before.structured and not before.passed:
            first = before.failures[0].chain[0] if before.failures else None
            what = (
                f"{first.type}: {first.message.splitlines()[0] if first.message else ''}"
                if first
                else before.last_words()
            )
            reason = f"no test passes on the unchanged code, and none raises {told}; the first failure is {what}"
            return self._verdict(
                Outcome.NOT_REPRODUCED, f"{reason[:400]}; give the project's own interpreter with --python"
            )
        failed = len(before.failed)
        state = "all tests pass" if not failed else f"{failed} tests fail, none with this error"
        return self._verdict(Outcome.NOT_REPRODUCED, f"{state}: no test raises {told}; {remedy}")

    def _limit(self, usual: float) -> float:
        return min(self.budget.left, usual * SLOWER + GRACE_SECONDS)

    def _verdict(
        self,
        verdict: Outcome,
        reason: str,
        *,
        patch: Patch | None = None,
        tried: Iterable[Attempt] = (),
        **more: object,
    ) -> Verdict:
        evidence: Mapping[str, Any] = {**self.facts, **more}
        return Verdict(
            verdict=verdict,
            reason=reason,
            strategy=patch.strategy if patch else None,
            patch=patch,
            tried=tuple(tried),
            seconds=self.budget.spent,
            evidence=evidence,
        )


def still_red(red: str, run: SuiteRun) -> str | None:
    """Why a test that raised the error is not green; `red` may be a whole file that could not be collected."""
    outcome = run.outcomes.get(red)
    if outcome == "passed":
        return None
    if outcome is not None:
        said = next((f"{f.chain[0].short_type}: {f.chain[0].message}" for f in run.failures if f.id == red), outcome)
        return f"{red}: {said.splitlines()[0][:200] if said else outcome}"
    inside = {test: what for test, what in run.outcomes.items() if test.startswith(red + "::")}
    if not inside:
        return f"{red} did not run"
    failed = sorted(test for test, what in inside.items() if what == "failed")
    if failed:
        return f"{_few(failed)} failed once {red} could be read"
    return None if "passed" in inside.values() else f"no test of {red} passed"


def _few(tests: Iterable[str]) -> str:
    listed = list(tests)
    return listed[0] if len(listed) == 1 else f"{listed[0]} and {len(listed) - 1} more tests"
