"""The search through a history, on made-up states: few looks, the guilty commit, nothing claimed that is not known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.errors import RepositoryError
from ems_ml.fix.bisect import MOST_SUSPECTS, MOST_UNTESTABLE, Bisection, State, _Search
from ems_ml.fix.budget import Budget
from ems_ml.fix.command import SuiteCommand
from ems_ml.fix.runs import SuiteBench, SuiteRun
from ems_ml.fix.verify import Reproduction
from ems_ml.repo import Repository, Worktree
from ems_ml.types import Commit, ErrorEvent, ExceptionRecord

EVENT = ErrorEvent(id="e", error=ExceptionRecord(type="KeyError"))
STATES = {"b": State.BAD, "g": State.GOOD, "-": State.UNTESTABLE}


def commit(at: int) -> Commit:
    return Commit(id=f"{at:040}", subject=f"Number {at}", time="2026-01-01T00:00:00Z", parents=(f"{at + 1:040}",))


class Made(_Search):
    """A search whose commits are letters, the newest first: b bad, g good, - cannot be tested, ! git fails."""

    def __init__(self, letters: str, *, seconds: float = 100.0, each: float = 0.0) -> None:
        run = SuiteRun(
            outcomes={}, failures=(), structured=True, complete=True, reason="exited", returncode=0, seconds=each,
            output="", isolation="none",
        )  # fmt: skip
        bench = SuiteBench(
            worktree=Worktree(folder=Path("/x"), git_dir=Path("/x"), base="", origin=Path("/x")),
            command=SuiteCommand(argv=("true",), shown="true", kind="pytest", path=""),
        )
        found = Reproduction(reported=EVENT, event=EVENT, before=run, again=run, red=("t",))
        super().__init__(Repository(Path("/x"), Path("/x")), bench, found, Budget(seconds), 0.0)
        self.letters = letters
        self.line = [commit(at) for at in range(len(letters))]
        self.states[self.line[0].id] = State.BAD

    def _tested(self, commit: Commit) -> State:
        letter = self.letters[int(commit.id)]
        if letter == "!":
            raise RepositoryError("gone", hint="")
        return STATES[letter]

    def look(self) -> tuple[list[int], str, int]:
        """Places of the suspects, what is said, how many commits were looked at."""
        suspects, said = self._between(self.line)
        return [int(one.id) for one in suspects], said, len(self.states) - 1


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_the_guilty_commit_is_found_by_few_looks(bad: int, good: int) -> None:
    places, said, looks = Made("b" * bad + "g" * good).look()

    assert places == [bad - 1]
    assert "brought it in" in said
    assert looks <= 2 * math.ceil(math.log2(bad + 1)) + 1, "young faults take fewer"


@pytest.mark.parametrize(
    ("letters", "suspects", "words"),
    [
        ("bg", [0], "Number 0"),
        ("b-bbggg", [3], "brought it in"),
        ("bb-g", [1, 2], "one of 2 commits"),
        ("b!g", [0, 1], "those between cannot be tested"),
        ("bbbg---------", [2], "brought it in"),
        ("b-g-", [0, 1], "one of 2 commits"),
        ("bbb----------", [], '"Number 2" is the oldest one found that raises the error'),
        ("bbbbbbbbb", [], "no earlier commit was found"),
        ("b", [], "no earlier commit was found"),
        ("b" + "-" * 9 + "g", [0, 1, 2, 3], "one of 10 commits"),
        ("b" + "-" * 60 + "ggg", [], "given up: 24 commits could not be tested"),
    ],
)
def test_what_cannot_be_told_is_not_claimed(letters: str, suspects: list[int], words: str) -> None:
    places, said, _ = Made(letters).look()

    assert places == suspects
    assert words in said


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_guilty_commit_is_among_the_suspects_whatever_cannot_be_tested(
    bad: int, good: int, data: st.DataObject
) -> None:
    letters = list("b" * bad + "g" * good)
    for at in data.draw(st.sets(st.integers(1, len(letters)), max_size=MOST_UNTESTABLE - 1)):
        if at < len(letters):
            letters[at] = "-"

    places, said, _ = Made("".join(letters)).look()

    assert "given up" not in said
    if 0 < len(places) < MOST_SUSPECTS:
        assert bad - 1 in places
    if not places:
        assert "g" not in letters or "no earlier commit was found" in said


def test_the_budget_ends_it() -> None:
    places, said, looks = Made("b" * 9 + "g" * 9, seconds=5, each=6).look()

    assert (places, looks) == ([], 0)
    assert "--budget" in said


def test_only_what_is_beyond_doubt_is_called_guilty() -> None:
    one = Bisection(suspects=(commit(1),), said="so")
    two = Bisection(suspects=(commit(1), commit(2)), said="so")

    assert one.evidence()["guilty"] == {
        "commit": commit(1).id,
        "subject": "Number 1",
        "time": "2026-01-01T00:00:00Z",
    }
    assert "suspects" not in one.evidence()["bisection"]
    assert two.evidence()["guilty"] is None
    assert [each["subject"] for each in two.evidence()["bisection"]["suspects"]] == ["Number 1", "Number 2"]
