"""From an error and a repository to a proven repair on a branch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ems_ml.errors import RepositoryError
from ems_ml.fix.bisect import Bisection, bisect, expected_seconds, proof_seconds
from ems_ml.fix.budget import Budget
from ems_ml.fix.command import choose_interpreter, find_command, import_roots, is_test_path
from ems_ml.fix.match import localise, own_files
from ems_ml.fix.propose import MAX_PROPOSALS, Candidates, candidates
from ems_ml.fix.publish import patch_of
from ems_ml.fix.publish import publish as publish_branch
from ems_ml.fix.runs import SuiteBench
from ems_ml.fix.verify import SuiteVerifier
from ems_ml.ports import HistoryStrategy, Strategy
from ems_ml.repo import DirectoryTree, GitHistory, Repository, Worktree
from ems_ml.types import Attempt, ErrorEvent, Outcome, RankedStrategy, Verdict

DEFAULT_BUDGET_SECONDS = 300.0
# Of the time that is left once the error is reproduced, at most this is kept for a look into the history. It comes
# last: a mend keeps what a commit brought, and taking the commit back does not.
HISTORY_SHARE = 0.4
Rank = Callable[[ErrorEvent], Sequence[RankedStrategy]]


def repair(
    repository: Repository | Path | str,
    event: ErrorEvent,
    *,
    ranking: Sequence[RankedStrategy] | Rank,
    strategies: Sequence[Strategy],
    test_command: str | None = None,
    python: str | None = None,
    budget_seconds: float = DEFAULT_BUDGET_SECONDS,
    max_proposals: int = MAX_PROPOSALS,
    branch: str | None = None,
    publish: bool = True,
    network: bool = False,
    env: Mapping[str, str] | None = None,
) -> Verdict:
    """Find a change that makes `event` go away, prove it with the project's own tests, put it on a branch.

    ranking: the strategies with their probabilities, or a function that ranks them for the event as the tests
    raised it (with the lines of the code as it is).
    test_command: run by `/bin/sh` at the root; None: pytest, else unittest. python: an interpreter; None: the
    repository's own environment, else the running one. budget_seconds: for all of it; what runs is ended then.
    max_proposals: how many are tried at most, the most promising ones.
    branch: None: `ems/fix-STRATEGY-ID`. publish: False leaves the repository as it is and only answers the patch.
    network: whether the tests may use the network. env: variables for the tests, which else see none of ours.

    Raises `RepositoryError` where `repository` cannot be opened, `UsageError` for an interpreter that does not
    start, `SandboxError` where tests cannot be run apart. Everything else is a `Verdict` with its reason.
    The user's work tree, index and HEAD are never written.
    """
    budget = Budget(budget_seconds)
    opened = repository if isinstance(repository, Repository) else Repository.open(repository)
    refusal = _refusal(opened, event, branch, publish)
    if refusal:
        return Verdict(verdict=Outcome.REFUSED, reason=refusal, seconds=budget.spent)
    with opened.worktree() as worktree:
        source = DirectoryTree(worktree.tree)
        interpreter = choose_interpreter(opened.root, python)
        command = find_command(source, interpreter, test_command)
        facts: dict[str, Any] = {
            "base": worktree.base,
            "python": {"program": interpreter.program, "version": interpreter.version},
            "built_files": list(worktree.built),
        }
        here = localise(event, source)
        roots = import_roots(source, own_files([here.error, *here.chain]))
        if isinstance(command, str):
            offered = candidates(here, source, ranking=_rank(ranking, here), strategies=strategies)
            return _unproven(command, offered, worktree, budget, facts)
        bench = SuiteBench(worktree=worktree, command=command, import_roots=roots, env=env or {}, network=network)
        verifier = SuiteVerifier(bench=bench, source=source, budget=budget, facts=facts)
        found = verifier.reproduce(here)
        if isinstance(found, Verdict):
            if found.verdict is not Outcome.UNPROVEN:
                return _with_untracked(found, opened)
            worktree.reset()
            offered = candidates(here, source, ranking=_rank(ranking, here), strategies=strategies)
            return _unproven(found.reason, offered, worktree, budget, found.evidence)
        worktree.reset()
        ranked = _rank(ranking, found.event)
        offered = candidates(found.event, source, ranking=ranked, strategies=strategies)
        looking_back = [strategy for strategy in strategies if isinstance(strategy, HistoryStrategy)]
        keep = min(expected_seconds(opened, found), budget.left * HISTORY_SHARE) if looking_back else 0.0
        verdict, proposal = verifier.judge(found, offered.proposals[:max_proposals], keep=keep)
        dropped = offered.dropped
        if proposal is None and looking_back:
            bisection = bisect(opened, bench, found, budget, keep=proof_seconds(found))
            verifier.facts |= bisection.evidence()
            past = _past(opened, worktree, bisection)
            again = candidates(found.event, past, ranking=ranked, strategies=looking_back)
            new = [one for one in again.proposals if one not in offered.proposals]
            verdict, proposal = verifier.judge(found, new[:max_proposals], earlier=verdict.tried)
            verdict = replace(verdict, reason=f"{verdict.reason}; {bisection.said}")
            dropped += again.dropped
        verdict = replace(verdict, tried=(*verdict.tried, *dropped))
        if proposal is not None and publish:
            try:
                verdict = publish_branch(opened, worktree, found.reported, proposal, verdict, branch)
            except RepositoryError as error:  # the proven patch must not be lost with the branch
                verdict = replace(verdict, reason=f"{verdict.reason}; but no branch could be made: {error}")
        return replace(verdict, seconds=budget.spent)


def _past(repository: Repository, worktree: Worktree, bisection: Bisection) -> DirectoryTree:
    """The tree with its history, for the strategies that take a commit back; without, where no commit is at fault."""
    if bisection.always:
        return DirectoryTree(worktree.tree)
    history = GitHistory(root=repository.root, base=worktree.base, leave=is_test_path, suspects=bisection.suspects)
    return DirectoryTree(worktree.tree, history=history)


def _rank(ranking: Sequence[RankedStrategy] | Rank, event: ErrorEvent) -> Sequence[RankedStrategy]:
    return ranking(event) if callable(ranking) else ranking


def _refusal(repository: Repository, event: ErrorEvent, branch: str | None, publish: bool) -> str | None:
    """Why this repository is left alone, with the remedy, or None."""
    changed = repository.changed()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"there are uncommitted changes ({changed[0]}{more}); commit them, or set them aside with `git stash`"
    if publish:
        obstacle = repository.branch_obstacle(branch or "ems/fix-it")
        if obstacle:
            return f"{obstacle}; give another name with --branch, or delete that branch"
    shadowing = _uncommitted_source(repository, event)
    if shadowing:
        return f"{shadowing} is in the trace but not committed; commit it first"
    return None


def _uncommitted_source(repository: Repository, event: ErrorEvent) -> str | None:
    """An untracked file that the trace goes through."""
    untracked = frozenset(path for path in repository.untracked() if path.endswith(".py"))
    if not untracked:
        return None
    tree = DirectoryTree(repository.root)
    for frame in event.error.frames:
        found = tree.find(frame)
        if found and found.path in untracked:
            return found.path
    return None


def _with_untracked(verdict: Verdict, repository: Repository) -> Verdict:
    """Where nothing was reproduced, tests that are not committed may be why."""
    tests = [path for path in repository.untracked() if path.endswith(".py")]
    if verdict.verdict is not Outcome.NOT_REPRODUCED or not tests:
        return verdict
    return replace(verdict, reason=f"{verdict.reason} (not committed, so not run: {', '.join(tests[:3])})")


def _unproven(
    reason: str, offered: Candidates, worktree: Worktree, budget: Budget, facts: Mapping[str, Any]
) -> Verdict:
    """The likeliest proposal as a patch that nothing has proven, and said so."""
    tried: list[Attempt] = []
    for proposal in offered.proposals:
        try:
            patch = patch_of(worktree, proposal)
        except RepositoryError as error:
            tried.append(Attempt(strategy=proposal.strategy, summary=proposal.summary, result=str(error)))
            continue
        tried.append(Attempt(strategy=proposal.strategy, summary=proposal.summary, result="proposed, not tested"))
        return Verdict(
            verdict=Outcome.UNPROVEN,
            reason=f"{reason}; the patch is the likeliest proposal, and nothing has proven it",
            strategy=proposal.strategy,
            patch=patch,
            tried=(*tried, *offered.dropped),
            seconds=budget.spent,
            evidence=facts,
        )
    return Verdict(
        verdict=Outcome.UNPROVEN,
        reason=f"{reason}; and no strategy has a proposal",
        tried=(*tried, *offered.dropped),
        seconds=budget.spent,
        evidence=facts,
    )
