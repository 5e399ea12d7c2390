"""The parts of the harvest: which tests can notice a fault, in which order faults are planted, what a trace says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ems_ml.harvest import Bars
from ems_ml.harvest.needs import _expand
from ems_ml.harvest.plan import Draw, Reach, edit
from ems_ml.harvest.traces import Places, cleaned, digest, judge
from ems_ml.harvest.types import Fault
from ems_ml.types import ErrorEvent, Injection, Proposal, Role

SOURCE = """\
import os

LIMIT = 3


class Box:
    size = 2

    def grow(self):
        if self.size > LIMIT:
            return None
        return self.size + (
            1
        )


def unused():
    return os.sep
"""
REACH = Reach(
    tests=("t.py::test_a[1]", "t.py::test_a[2]", "t.py::test_b"),
    lines={"toy.py": {10: frozenset({0, 1}), 12: frozenset({0, 2})}},
)


def fault(start: int, end: int | None = None, **changes: object) -> Fault:
    plain = Fault(
        id="f",
        strategy="guard_none",
        file="toy.py",
        start=start,
        end=start + 1 if end is None else end,
        lines=("x\n",),
        line=start + 1,
        function="",
        note="",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "tests"),
    [
        pytest.param(9, ["t.py::test_a[1]", "t.py::test_a[2]"], id="a line that tests run"),
        pytest.param(12, ["t.py::test_a[1]", "t.py::test_b"], id="a later line of a statement that they run"),
        pytest.param(10, [], id="a branch that no test takes"),
        pytest.param(8, list(REACH.tests), id="a function's head"),
        pytest.param(6, list(REACH.tests), id="a class attribute"),
        pytest.param(2, list(REACH.tests), id="a module's constant"),
        pytest.param(0, list(REACH.tests), id="an import"),
        pytest.param(17, [], id="a function that no test calls"),
    ],
)
def test_the_tests_that_can_notice_a_fault(start: int, tests: list[str]) -> None:
    assert REACH.choose(fault(start), SOURCE, 40) == tests


def test_few_tests_are_spread_over_test_functions() -> None:
    names = (*(f"t.py::test_many[{i}]" for i in range(50)), "t.py::test_one", "t.py::test_two")
    reach = Reach(tests=names, lines={"toy.py": {10: frozenset(range(len(names)))}})
    chosen = reach.choose(fault(9), SOURCE, 4)
    assert len(chosen) == 4
    assert {"t.py::test_one", "t.py::test_two"} <= set(chosen)
    assert chosen == reach.choose(fault(9), SOURCE, 4), "the same fault asks the same tests"


@pytest.mark.parametrize("after", ["a\nc\n", "a\nb\nb\nc\n", "a\nX\nY\nc\n", "", "a\nb\nc", "b\nc\n", SOURCE])
def test_an_edit_planted_is_the_changed_text(after: str) -> None:
    before = "a\nb\nc\n"
    start, end, lines = edit(before, after)
    assert fault(start, end, lines=lines).plant(before) == after


class Sayer:
    """A strategy that offers to append a word to each line that holds another; fails on a file that is unlucky."""

    def __init__(self, name: str, holds: str, word: str) -> None:
        self.name, self.holds, self.word = name, holds, word

    def recognise(self, before: str, after: str) -> float:
        return 0.0

    def propose(self, event: ErrorEvent, source: object) -> Iterator[Proposal]:
        return iter(())

    def inject(self, source: str) -> Iterator[Injection]:
        if "unlucky" in source:
            raise RuntimeError("no")
        lines = source.splitlines(keepends=True)
        for index, line in enumerate(lines):
            if self.holds in line:
                changed = "".join([*lines[:index], f"{line.rstrip()}  # {self.word}\n", *lines[index + 1 :]])
                yield Injection(strategy=self.name, source=changed, line=index + 1, function=line[:2], note="said")


LINES = "".join(f"v{i % 10}{'w' if i < 2 else ''} = {i}\n" for i in range(100))


def draw(*strategies: Sayer, seed: int = 1, per_place: int = 2) -> tuple[list[Fault], list[str]]:
    told: list[str] = []
    sources = {"one.py": LINES, "two.py": LINES, "bad.py": "unlucky"}
    lines = {file: {line: frozenset({0}) for line in range(1, 101)} for file in sources}
    faults = Draw(
        package="toy==1",
        sources=sources,
        reach=Reach(tests=("t.py::test_a",), lines=lines),
        strategies=strategies,
        seed=seed,
        per_place=per_place,
        tell=told.append,
    )
    return list(faults), told


def test_a_strategy_that_fails_costs_only_its_own_faults() -> None:
    faults, told = draw(Sayer("many", "v", "x"))
    assert {f.file for f in faults} == {"one.py", "two.py"}
    assert told == ["many cannot inject into bad.py: RuntimeError: no"]
    assert len({f.id for f in faults}) == len(faults)


def test_no_strategy_no_file_and_no_function_swamps() -> None:
    faults, _ = draw(Sayer("many", "v", "x"), Sayer("rare", "w", "y"))
    many = [f for f in faults if f.strategy == "many"]
    assert len(faults) - len(many) == 4, "both lines of both files"
    assert [f.strategy for f in faults[:6]] == ["many", "rare"] * 3, "in turns"
    assert {f.file for f in many[:2]} == {"one.py", "two.py"}
    assert len(many) == 10 * 2 * 2, "ten functions, two files, two a place"


def test_a_draw_depends_on_its_seed_only() -> None:
    many = Sayer("many", "v", "x")
    assert draw(many)[0] == draw(many)[0]
    assert draw(many)[0] != draw(many, seed=2)[0]


def test_the_same_change_of_two_strategies_is_taken_once() -> None:
    faults, _ = draw(Sayer("one", "w", "x"), Sayer("other", "w", "x"))
    assert len(faults) == len({(f.file, f.start) for f in faults}) == 4


def test_lines_that_no_test_reaches_are_left_alone() -> None:
    reach = Reach(tests=("t.py::test_a",), lines={"toy.py": {10: frozenset({0})}})
    one = Draw(
        package="toy==1",
        sources={"toy.py": SOURCE},
        reach=reach,
        strategies=[Sayer("many", "return", "x")],
        seed=1,
        per_place=9,
        tell=print,
    )
    assert list(one) == []


PLACES = Places(
    tree=Path("/c/work"), source=Path("/c/work/src"), tops=("toy",), home=Path("/c/home"), env=Path("/c/env")
)


@pytest.mark.parametrize(
    ("path", "module", "file", "role"),
    [
        ("/c/work/src/toy/a.py", "toy.a", "toy/a.py", Role.APP),
        ("/c/work/src/toy/tests/helper.py", "toy.tests.helper", "toy/tests/helper.py", Role.TEST),
        ("/c/work/src/toy/test_a.py", "toy.test_a", "toy/test_a.py", Role.TEST),
        ("/c/work/tests/test_a.py", "test_a", "tests/test_a.py", Role.TEST),
        ("/c/work/conftest.py", "conftest", "conftest.py", Role.TEST),
        (
            "/c/env/lib/python3.11/site-packages/_pytest/python.py",
            "_pytest.python",
            "site-packages/_pytest/python.py",
            Role.RUNNER,
        ),
        ("/c/env/lib/python3.11/site-packages/rich/a.py", "rich.a", "site-packages/rich/a.py", Role.LIBRARY),
        ("/root/x/lib/python3.11/json/decoder.py", "json.decoder", "lib/python3.11/json/decoder.py", Role.STDLIB),
        ("/usr/lib/python3.11/unittest/case.py", "unittest.case", "lib/python3.11/unittest/case.py", Role.RUNNER),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", "<frozen importlib._bootstrap>", Role.STDLIB),
        ("<generated init>", "toy.a", "<generated init>", Role.APP),
        ("/c/home/tmp/x/written.py", "written", "written.py", Role.TEST),
    ],
)
def test_whose_frame_it_is(path: str, module: str, file: str, role: Role) -> None:
    assert PLACES.file(path, module) == (file, role)


def raw(*files: str, kind: str = "ValueError", when: str = "call") -> dict[str, object]:
    frames = [{"file": file, "function": "f", "line": 1, "module": "toy", "code": "x", "repeated": 0} for file in files]
    told = {"type": kind, "message": f"in {PLACES.tree}/a", "relation": None, "test": "t", "when": when}
    return {**told, "frames": frames, "chain": [], "text": f'File "{files[-1]}"'}


TEST, APP = "/c/work/tests/test_a.py", "/c/work/src/toy/a.py"
JSON, RUNNER = "/usr/lib/python3.11/json/decoder.py", "/c/env/lib/python3.11/site-packages/_pytest/raises.py"


@pytest.mark.parametrize(
    ("trace", "verdict"),
    [
        pytest.param(raw(TEST, APP), "kept", id="raised by the package"),
        pytest.param(raw(TEST, APP, JSON), "kept", id="raised below the package"),
        pytest.param(raw(TEST, APP, kind="AssertionError"), "kept", id="an assertion of the package"),
        pytest.param(raw(TEST, APP, TEST), "elsewhere", id="raised by a test's callback"),
        pytest.param(raw(TEST, kind="AssertionError"), "asserted", id="an assertion of the test"),
        pytest.param(raw(TEST, RUNNER, kind="_pytest.outcomes.Failed"), "asserted", id="did not raise"),
        pytest.param(raw(TEST), "elsewhere", id="raised by the test"),
        pytest.param(raw(TEST, JSON), "elsewhere", id="raised by a library that the test called"),
        pytest.param(raw(TEST, APP, when="collect"), "import", id="raised while collecting"),
    ],
)
def test_which_traces_count(trace: dict[str, object], verdict: str) -> None:
    assert judge(cleaned(trace, PLACES)) == verdict


def test_a_cleaned_trace_names_no_place_of_this_machine() -> None:
    trace = cleaned(raw(TEST, APP), PLACES)
    assert "/c/" not in repr(trace)
    assert trace["message"] == "in a"
    assert trace["text"] == 'File "toy/a.py"'
    assert PLACES.text("no file:///c/beside-the-copy") == "no file:///build/beside-the-copy"


def test_equal_traces_have_equal_digests() -> None:
    one, other = cleaned(raw(TEST, APP), PLACES), cleaned(raw(TEST, APP), PLACES)
    assert digest(one) == digest({**other, "test": "another test"})
    assert digest(one) != digest({**other, "message": "else"})


def test_included_dependency_groups_are_followed_once() -> None:
    groups = {"test": ["pytest", {"include-group": "more"}], "more": ["x", {"include-group": "test"}]}
    assert _expand(groups, "test", ()) == ["pytest", "x"]


def test_progress_is_shown_for_each_package() -> None:
    shown = io.StringIO()
    with Bars(shown) as bars:
        bars("toolz", 0, 10, 0)
        bars("boltons", 0, 4, 0)
        bars("toolz", 10, 10, 7)
    assert "toolz: 100%" in shown.getvalue()
    assert "kept=7" in shown.getvalue()
    assert "boltons:   0%" in shown.getvalue()
