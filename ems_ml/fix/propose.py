"""Asks the strategies for proposals and puts them in the order in which they are worth a test run."""

from __future__ import annotations

import ast
import itertools
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from ems_ml.fix.command import is_test_path
from ems_ml.ports import SourceTree, Strategy
from ems_ml.types import Attempt, ErrorEvent, Proposal, RankedStrategy, SourceFile

log = logging.getLogger(__name__)

PER_STRATEGY = 12
MAX_PROPOSALS = 60
# Each further proposal of one strategy counts for less, so that one likely strategy with many ideas does not
# keep all others waiting.
NEXT_COUNTS = 0.7
# What a strategy counts for that the ranker was not trained on.
UNRANKED = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Proposals, the most promising first, and what was left out and why."""

    proposals: tuple[Proposal, ...]
    dropped: tuple[Attempt, ...]


def candidates(
    event: ErrorEvent, source: SourceTree, *, ranking: Sequence[RankedStrategy], strategies: Sequence[Strategy]
) -> Candidates:
    """Proposals of all strategies by falling `probability of the strategy * score * 0.7 ** rank within it`.

    Left out: what is no valid Python, changes nothing, changes a test, names a file that is not there, or gives
    the same text as an earlier one. A strategy that raises is told in `dropped`; the others go on.
    """
    probability = {ranked.name: ranked.probability for ranked in ranking}
    weighed: list[tuple[float, int, Proposal]] = []
    dropped: list[Attempt] = []
    for strategy in strategies:
        weight = max(probability.get(strategy.name, UNRANKED), 1e-6)
        asked: list[Proposal] = []
        try:
            asked.extend(itertools.islice(strategy.propose(event, source), PER_STRATEGY))
        except Exception as error:  # foreign code: it is told, and the other strategies still have their say
            log.exception("strategy %s failed to propose", strategy.name)
            dropped.append(Attempt(strategy=strategy.name, summary="", result=f"the strategy failed: {error!r}"))
        asked.sort(key=lambda proposal: -proposal.score)
        for rank, proposal in enumerate(asked):
            flaw = _flaw(proposal, source)
            if flaw:
                dropped.append(Attempt(strategy=proposal.strategy, summary=proposal.summary, result=flaw))
            else:
                weighed.append((weight * max(proposal.score, 0.01) * NEXT_COUNTS**rank, len(weighed), proposal))
    weighed.sort(key=lambda each: (-each[0], each[1]))
    unique: dict[tuple[SourceFile, ...], Proposal] = {}
    for _, _, proposal in weighed:
        unique.setdefault(proposal.files, proposal)
    return Candidates(proposals=tuple(unique.values())[:MAX_PROPOSALS], dropped=tuple(dropped))


def _flaw(proposal: Proposal, source: SourceTree) -> str | None:
    return next(filter(None, (_flaw_of(file, source, file.path in proposal.creates) for file in proposal.files)), None)


def _flaw_of(file: SourceFile, source: SourceTree, new: bool) -> str | None:
    if is_test_path(file.path):
        return "left out: it changes a test"
    before = source.read(file.path)
    if before is None and not new:
        return f"left out: {file.path} is not a file of the repository"
    if before is not None and new:
        return f"left out: {file.path} is there already"
    if before == file.text:
        return "left out: it changes nothing"
    if not file.path.endswith(".py"):
        return None  # requirements and other settings: the tests are the judge
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the project's own odd escapes are not our concern
            ast.parse(file.text)
    except (SyntaxError, ValueError, RecursionError) as error:
        return f"left out: not valid Python ({error})"
    return None
