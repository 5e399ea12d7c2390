"""The three faces of every strategy check each other: one contract over all of them."""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.ports import HasHistory, History, HistoryStrategy, SourceTree, Strategy, Undone
from ems_ml.source.module import Module
from ems_ml.strategies import BUILT_IN, STRATEGY_NAMES, load_strategies, recognise
from ems_ml.strategies.base import first_difference, is_test_path
from ems_ml.strategies.environment import mended
from ems_ml.types import Commit, ErrorEvent, Frame, Proposal, RawReport, SourceFile

ALL = load_strategies()
BY_NAME = {strategy.name: strategy for strategy in ALL}
SAMPLES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "strategy_samples").glob("*.py"))}
EACH = pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
KNOWN_RATE = 0.95
#: Those that stand on a history and not on a file: `recognise` of a file is 0, nothing is planted (the absence of a
#: revert is the guilty commit, a fault of some other kind), and a repair needs a past.
LOOKING_BACK = {strategy.name for strategy in ALL if isinstance(strategy, HistoryStrategy)}
PLANTING = pytest.mark.parametrize(
    "strategy", [one for one in ALL if one.name not in LOOKING_BACK], ids=lambda strategy: strategy.name
)
NOTE = re.compile(r"[A-Za-z' .,`]+")  # no digit, quote, bracket or underscore, as code would have
MOST_LINES = 12  # that a proposal may touch


@pytest.mark.parametrize(
    ("path", "is_test"),
    [("shop/tests.py", True), ("shop/cart_tests.py", True), ("test.py", True), ("a/tests/b.py", True),
     ("shop/latest.py", False), ("contests.py", False)],
)  # fmt: skip
def test_no_repair_is_offered_in_a_test(path: str, is_test: bool) -> None:
    assert is_test_path(path) is is_test


class OneFile:
    """A source tree of one file, found for any frame that names it."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text

    def find(self, frame: Frame) -> SourceFile | None:
        return SourceFile(path=self.path, text=self.text) if frame.file.endswith(self.path) else None

    def read(self, path: str) -> str | None:
        return self.text if path == self.path else None

    def paths(self) -> Iterable[str]:
        return [self.path]


def run(text: str, call: str) -> Any:
    """What a call answers in a module of this text."""
    space: dict[str, Any] = {"__name__": "app"}
    exec(compile(text, "/srv/app.py", "exec"), space)
    return eval(compile(call, "<call>", "eval"), space)


def error_of(text: str, call: str) -> ErrorEvent:
    """The error that the call really raises, as the parser reads its printed traceback."""
    try:
        run(text, call)
    except Exception:
        printed = traceback.format_exc()
        return ParserChain(default_parsers()).parse(RawReport(text=printed))
    raise AssertionError(f"{call} raises nothing")


def test_every_name_is_of_the_vocabulary_and_has_a_file() -> None:
    assert [strategy.name for strategy in ALL] == list(BUILT_IN)
    assert set(BUILT_IN) == set(STRATEGY_NAMES)
    assert all(isinstance(strategy, Strategy) for strategy in ALL)


@EACH
@pytest.mark.parametrize("sample", SAMPLES)
def test_an_injection_is_one_valid_fault(strategy: Strategy, sample: str) -> None:
    healthy = SAMPLES[sample]
    for injection in strategy.inject(healthy):
        assert injection.strategy == strategy.name
        if injection.condition is None:
            assert injection.source != healthy
            assert injection.line == first_difference(healthy, injection.source)
        else:
            assert injection.source == healthy, "the environment is at fault, not the text"
            assert 0 < injection.line <= injection.line + injection.condition.lines - 1 <= len(healthy.splitlines())
        ast.parse(injection.source)
        assert NOTE.fullmatch(injection.note), "a note is plain words: no source text"


@PLANTING
def test_an_injection_exists_for_each(strategy: Strategy) -> None:
    assert any(True for text in SAMPLES.values() for _ in strategy.inject(text))


def test_undoing_a_fault_is_recognised_as_its_strategy() -> None:
    confused: Counter[tuple[str, str]] = Counter()
    right = total = 0
    for healthy in SAMPLES.values():
        for strategy in ALL:
            for injection in strategy.inject(healthy):
                change = (injection.source, healthy) if injection.condition is None else mended(injection.condition)
                named = recognise(*change, ALL)
                primary = named[0][0] if named else "nothing"
                right += primary == strategy.name
                total += 1
                if primary != strategy.name:
                    confused[strategy.name, primary] += 1
    told = "\n".join(f"{true} taken for {primary}: {count}" for (true, primary), count in confused.most_common())
    assert right / total >= KNOWN_RATE, f"{right} of {total}\n{told}"


@EACH
@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80), st.sampled_from(list(SAMPLES.values())))
def test_no_text_makes_a_face_raise(strategy: Strategy, noise: str, sample: str) -> None:
    for before, after in ((noise, sample), (sample, noise), (noise, noise), (sample[:200] + noise, sample[:200])):
        assert 0 <= strategy.recognise(before, after) <= 1
    assert list(strategy.inject(noise + "(")) == []


#: strategy, broken code, the call that raises, what must hold once it is mended
REPAIRS = [
    ('guard_none',
     'def city(c):\n    return c.upper()\n',
     'city(None)', "city(None) is None and city('x') == 'X'"),
    ('guard_empty',
     'def mean(v):\n    return sum(v) / len(v)\n',
     'mean([])', 'mean([]) == 0 and mean([2, 4]) == 3'),
    ('default_missing',
     'def price(d, k):\n    return d[k]\n',
     'price({}, 1)', 'price({}, 1) is None and price({1: 2}, 1) == 2'),
    ('catch_exception',
     'def number(t):\n    return int(t)\n',
     "number('x')", "number('x') is None and number('4') == 4"),
    ('copy_before_change',
     'def tidy(d):\n    for k in d:\n        if not d[k]:\n            del d[k]\n    return d\n',
     'tidy({1: 0, 2: 1})', 'tidy({1: 0, 2: 1}) == {2: 1}'),
    ('add_import',
     'import os\n\n\ndef up(x):\n    return math.ceil(x)\n',
     'up(1.5)', 'up(1.5) == 2'),
    ('initialise',
     'def last(v):\n    for x in v:\n        found = x\n    return found\n',
     'last([])', 'last([]) is None and last([3]) == 3'),
    ('extend_interface',
     'class Box:\n    def __init__(self):\n        self.items = [1, 2]\n\n\ndef size(b):\n    return len(b)\n',
     'size(Box())', 'size(Box()) == 2'),
    ('validate_input',
     'def first(v):\n    return v[0]\n',
     'first(None)', "refuses('first(None)', ValueError)"),
    ('relax_check',
     "def half(n):\n    if n < 0:\n        raise ValueError('n')\n    return n / 2\n",
     'half(-2)', 'half(-2) == -1'),
    ('handle_type',
     'def flat(v):\n    return v.items()\n',
     'flat([1])', 'flat([1]) == [1]'),
    ('convert_type',
     "def label(n):\n    return 'no ' + n\n",
     'label(3)', "label(3) == 'no 3'"),
    ('correct_arguments',
     'def add(a, b):\n    return a + b\n\n\ndef twice(a, b):\n    return add(a)\n',
     'twice(1, 2)', 'twice(1, 2) == 3'),
    ('correct_name',
     'def total(values):\n    return sum(valeus)\n',
     'total([1])', 'total([1]) == 1'),
    ('correct_condition',
     'def pick(v, i):\n    if i <= len(v):\n        return v[i]\n    return None\n',
     'pick([1], 1)', 'pick([1], 1) is None'),
    ('correct_literal',
     "def pair(t):\n    a, b = t.split('-', 2)\n    return a\n",
     "pair('1-2-3')", "pair('1-2-3') == '1'"),
    ('correct_expression',
     'def end(v):\n    n = len(v)\n    return v[n]\n',
     'end([1, 2])', 'end([1, 2]) == 2'),
    ('handle_encoding',
     "def load(raw):\n    return raw.decode('ascii')\n",
     "load('\u00e9'.encode())", "load('\u00e9'.encode()) == '\u00e9'"),
    ('release_resource',
     'import contextlib\n\n\n@contextlib.contextmanager\ndef box():\n    yield [1]\n\n\ndef size():\n'
     '    b = box()\n    b.append(2)\n    return len(b)\n',
     'size()', 'size() == 2'),
    ('reorder_statements',
     'def total(v):\n    found = start + sum(v)\n    start = 1\n    return found\n',
     'total([1])', 'total([1]) == 2'),
    ('replace_call',
     'def pairs(d):\n    return sorted(d.iteritems())\n',
     'pairs({1: 2})', 'pairs({1: 2}) == [(1, 2)]'),
    ('fix_configuration',
     "import os\n\n\ndef name():\n    return os.environ['NO_SUCH_VARIABLE_OF_EMS']\n",
     'name()', "name() == ''"),
    ('create_path',
     'def keep(p):\n    with open(p, "w") as file:\n        return file.write("a")\n',
     'keep("no_such_folder_here/a.txt")', 'keep(fresh("a") + "-b/c/a.txt") == 1'),
    ('grant_permission',
     'import os\n\n\ndef load(p):\n    text = open(p)\n    return text\n\n\ndef open(p):\n'
     '    if os.stat(p).st_mode & 0o777 != 0o700:\n        raise PermissionError(13, "denied")\n    return "in"\n',
     'load(os.__file__)', 'load(fresh("a")) == "in"'),
    ('raise_limit',
     'def down(n):\n    if n == 0:\n        return 0\n    return down(n - 1)\n',
     'down(3000)', 'down(3000) == 0'),
    ('retry_transient',
     'seen = []\n\n\ndef ask():\n    answer = service()\n    return answer\n\n\ndef service():\n'
     '    seen.append(1)\n    if len(seen) % 2:\n        raise ConnectionResetError(104, "reset")\n    return 7\n',
     'ask()', 'ask() == 7'),
]  # fmt: skip


OUTSIDE = {"install_dependency", "pin_dependency"} & set(BUILT_IN)  # they change requirements, and no code


class TwoFiles(OneFile):
    """A source tree of a module and its requirements."""

    def __init__(self, path: str, text: str, requirements: str) -> None:
        super().__init__(path, text)
        self.requirements = requirements

    def read(self, path: str) -> str | None:
        return self.requirements if path == "requirements.txt" else super().read(path)


@pytest.mark.parametrize(
    ("name", "code", "before", "after"),
    [
        ("install_dependency", "import no_such_thing\n", "a==1\n", "a==1\nno_such_thing\n"),
        ("install_dependency", "import no_such_thing\n", "a==1\r\n", "a==1\r\nno_such_thing\r\n"),
        ("pin_dependency", "from yaml import no_such_name\n", "PyYAML==5.1\nb\n", "PyYAML>=5.1\nb\n"),
    ],
)
def test_a_proposal_changes_the_requirements(name: str, code: str, before: str, after: str) -> None:
    proposal = next(iter(BY_NAME[name].propose(error_of(code, "1"), TwoFiles("app.py", code, before))))
    assert (proposal.path, proposal.source) == ("requirements.txt", after)
    assert recognise(before, after, ALL)[0][0] == name
    assert proposal not in BY_NAME[name].propose(error_of(code, "1"), TwoFiles("app.py", code, after))


def mends(text: str, check: str) -> bool:
    def refuses(call: str, kind: type[Exception]) -> bool:
        try:
            run(text, call)
        except kind as error:
            return "must" in str(error)
        except Exception:
            return False
        return False

    def fresh(name: str) -> str:
        path = Path(folder) / name
        path.touch(0o600)
        return str(path)

    limit = sys.getrecursionlimit()
    try:
        with mock.patch.dict(os.environ), tempfile.TemporaryDirectory() as folder:
            space: dict[str, Any] = {"__name__": "app", "refuses": refuses, "fresh": fresh}
            exec(compile(text, "/srv/app.py", "exec"), space)
            return bool(eval(check, space))
    except Exception:
        return False
    finally:
        sys.setrecursionlimit(limit)


def test_the_table_of_repairs_has_every_strategy() -> None:
    assert {name for name, *_ in REPAIRS} == set(BUILT_IN) - OUTSIDE - LOOKING_BACK


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("name", "broken", "call", "check"), REPAIRS, ids=[row[0] for row in REPAIRS])
def test_a_proposal_turns_red_to_green(name: str, broken: str, call: str, check: str, newline: str) -> None:
    assert not mends(broken, check)
    text = broken.replace("\n", newline)
    proposals = list(BY_NAME[name].propose(error_of(text, call), OneFile("app.py", text)))
    for proposal in proposals:
        ast.parse(proposal.source)
        assert_small(text, proposal)
        assert proposal.source.count("\r\n") == (proposal.source.count("\n") if newline == "\r\n" else 0)
    assert any(mends(proposal.source, check) for proposal in proposals), [proposal.summary for proposal in proposals]


def assert_small(before: str, proposal: Proposal) -> None:
    """A few lines differ, all others stand to the letter."""
    old, new = before.splitlines(keepends=True), proposal.source.splitlines(keepends=True)
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    assert max(len(old), len(new)) - head - tail <= MOST_LINES
    assert 0 < proposal.score <= 1.5
    assert proposal.summary
    assert "\n" not in proposal.summary


class OneCommit(OneFile):
    """A source tree of one file with one commit behind it."""

    def __init__(self, path: str, text: str, before: str, *, suspected: bool) -> None:
        super().__init__(path, text)
        self.history: History = self
        self.commit = Commit(id="c" * 40, subject="Bring it in", time="2026-01-01T00:00:00Z", parents=("a" * 40,))
        self.before = before
        self.suspects = (self.commit,) if suspected else ()
        self.asked: list[tuple[str, int]] = []

    def touched(self, path: str, line: int, *, most: int) -> tuple[Commit, ...]:
        self.asked.append((path, line))
        return (self.commit,)

    def undone(self, commit: Commit) -> Undone:
        assert commit == self.commit
        return Undone(commit=commit, files=(SourceFile(path=self.path, text=self.before),))


def test_which_strategies_stand_on_a_history() -> None:
    assert {"revert_change"} == LOOKING_BACK
    for name in LOOKING_BACK:
        assert all(list(BY_NAME[name].inject(text)) == [] for text in SAMPLES.values())
        assert all(BY_NAME[name].recognise(text, "") == 0 for text in SAMPLES.values())


@pytest.mark.parametrize("suspected", [True, False], ids=["bisected", "by blame"])
@pytest.mark.parametrize("name", sorted(LOOKING_BACK))
def test_a_commit_taken_back_turns_red_to_green(name: str, suspected: bool) -> None:
    for broken, good, call, check in (
        ("def f(t):\n    return t['b']\n", "def f(t):\n    return t['a']\n", "f({'a': 4})", "f({'a': 4}) == 4"),
        ("def f(t):\r\n    return t.x\r\n", "def f(t):\r\n    return t\r\n", "f(4)", "f(4) == 4"),
    ):
        event = error_of(broken, call)
        tree = OneCommit("app.py", broken, good, suspected=suspected)
        assert isinstance(tree, SourceTree)
        assert isinstance(tree, HasHistory)
        (proposal,) = BY_NAME[name].propose(event, tree)
        assert proposal.source == good
        assert mends(proposal.source, check)
        assert_small(broken, proposal)
        assert proposal.also == ()
        assert tree.asked == ([] if suspected else [("app.py", 2)])
        assert list(BY_NAME[name].propose(event, OneFile("app.py", broken))) == [], "no history, nothing to say"


@pytest.mark.parametrize("name", sorted(LOOKING_BACK))
@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.sampled_from([None, "a" * 40, ""]))
def test_no_message_makes_a_commit_raise(name: str, message: str, undoes: str | None) -> None:
    strategy = BY_NAME[name]
    assert isinstance(strategy, HistoryStrategy)
    assert 0 <= strategy.recognise_commit(message, undoes) <= 1


@EACH
def test_no_proposal_touches_a_test(strategy: Strategy) -> None:
    for name, broken, call, _ in REPAIRS:
        if name == strategy.name:
            event = error_of(broken, call)
            assert list(strategy.propose(event, OneFile("tests/test_app.py", broken))) == []


AWKWARD = (
    'NAME = "Zoë"; OTHER = f"{NAME!r:>{10}}"\n\n\n'
    '@staticmethod\ndef f(a, b="é"):\n\tif a is None: return b\n\treturn a\n'
)


def test_edits_by_position_keep_what_they_do_not_touch() -> None:
    module = Module.of(AWKWARD)
    assert module is not None
    (function,) = [node for node in module.tree.body if isinstance(node, ast.FunctionDef)]
    text = module.replace(function.args.defaults[0], '"è"')
    assert text == AWKWARD.replace('"é"', '"è"')
    assert module.deleted(function.body[0]) == AWKWARD.replace("\tif a is None: return b\n", "")
    assert module.deleted(module.tree.body[0]) is None, "it shares its line with another statement"
