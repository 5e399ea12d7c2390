"""revert_change: undoes the commit that brought the error in.

The one strategy that a file before and after cannot show: taking a change back looks like any other edit. Its faces
therefore stand on the history (`ports.HistoryStrategy`): a commit is recognised by what it says and by what it takes
back to the letter, and a proposal is an earlier commit undone. It plants nothing: its absence is the guilty commit
itself, which is a fault of some other kind.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ems_ml.ports import HasHistory, History, SourceTree
from ems_ml.strategies import base
from ems_ml.types import Commit, ErrorEvent, Injection, Proposal

PER_PLACE = 4  # commits that are offered for one frame
MOST = 8  # proposals
_SUBJECT = 40  # characters of the undone commit's subject that a summary shows
_NAMES_IT = re.compile(r"\bThis reverts (?:the )?commits? [0-9a-f]{7,64}\b", re.IGNORECASE)
_SAYS_IT = re.compile(r'^\W*(?:Revert(?:s|ed|ing)?|Back(?:s|ed|ing)? out|Undo(?:es|ne)?)\b\W*(?=["\'`]|[0-9a-f]{7,}\b)')


class RevertChange:
    name = "revert_change"

    def recognise(self, before: str, after: str) -> float:
        """Always 0: one file before and after does not tell a change taken back from another edit."""
        return 0.0

    def recognise_commit(self, message: str, undoes: str | None) -> float:
        """High for a commit that takes an earlier one back to the letter, or says so by its id; less by its subject.

        >>> STRATEGY.recognise_commit('Revert "Read lines lazily"', None)
        0.9
        >>> STRATEGY.recognise_commit("Revert to the old colours", None)
        0.0
        """
        if _NAMES_IT.search(message):
            return 1.0
        if undoes is not None:
            return 0.99
        return 0.9 if _SAYS_IT.search(message) else 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Nothing: see the module."""
        return iter(())

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """What bisection found, undone; then the commits that last wrote the lines that the error came through."""
        if isinstance(source, HasHistory):
            yield from itertools.islice(_proposed(event, source, source.history), MOST)


def _proposed(event: ErrorEvent, source: SourceTree, history: History) -> Iterator[Proposal]:
    seen: set[str] = set()
    for commit, score in _suspected(event, source, history):
        if commit.id in seen:
            continue
        seen.add(commit.id)
        undone = history.undone(commit)
        if not undone.files:
            continue
        first, *also = undone.files
        but = f", but not in {undone.left[0]}" if undone.left else ""
        yield Proposal(
            strategy=RevertChange.name,
            path=first.path,
            source=first.text,
            also=tuple(also),
            creates=undone.restored,
            summary=f"Revert {commit.short}{_quoted(commit.subject)}{but}",
            score=score * (0.5 if undone.left else 1.0),
        )


def _suspected(event: ErrorEvent, source: SourceTree, history: History) -> Iterator[tuple[Commit, float]]:
    for rank, commit in enumerate(history.suspects):
        yield commit, 0.95 * 0.9**rank
    if history.suspects:
        return  # the tests have told which it is; what merely touched the same lines is not guessed at
    for place in base.places(event, source):
        for rank, commit in enumerate(history.touched(place.path, place.line, most=PER_PLACE)):
            yield commit, max(0.05, 0.5 * 0.8 ** (place.depth + rank))


def _quoted(subject: str) -> str:
    short = subject if len(subject) <= _SUBJECT else f"{subject[: _SUBJECT - 3].rstrip()}..."
    return f' "{short}"' if short else ""


STRATEGY = RevertChange()
