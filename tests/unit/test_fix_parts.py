"""The parts of a repair that run nothing: what belongs to the tests, what is imported from where, what matches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ems_ml.fix.budget import Budget
from ems_ml.fix.command import Interpreter, SuiteCommand, find_command, import_roots, is_test_path
from ems_ml.fix.match import Place, in_output, localise, matches, outside, reproduced
from ems_ml.fix.propose import candidates
from ems_ml.fix.runs import Failure, SuiteBench
from ems_ml.fix.verify import SuiteVerifier
from ems_ml.ports import Verifier
from ems_ml.repo import DirectoryTree, Worktree
from ems_ml.strategies import load_strategies
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, RankedStrategy, Role

PYTHON = Interpreter(program="/x/bin/python", version="3.11", prefix="/x", base_prefix="/usr", has_pytest=True)
BARE = Interpreter(program="/x/bin/python", version="3.11", prefix="/x", base_prefix="/usr", has_pytest=False)


def tree(root: Path, files: Mapping[str, str]) -> DirectoryTree:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return DirectoryTree(root)


@pytest.mark.parametrize(
    ("path", "is_test"),
    [
        ("tests/helpers.py", True),
        ("pkg/test/data.py", True),
        ("test_a.py", True),
        ("pkg/a_test.py", True),
        ("conftest.py", True),
        ("a\\tests\\b.py", True),
        ("pkg/testing/tools.py", False),
        ("pkg/contest.py", False),
        ("pkg/latest.py", False),
        ("", False),
    ],
)
def test_what_belongs_to_the_tests(path: str, is_test: bool) -> None:
    assert is_test_path(path) is is_test


@pytest.mark.parametrize(
    ("files", "trace", "roots"),
    [
        (["pkg/__init__.py"], [], ("",)),
        (["src/pkg/__init__.py"], [], ("src", "")),
        (["src/__init__.py", "src/a.py"], [], ("",)),
        (["src/types.py", "main.py"], [], ("",)),
        (["lib/pkg/__init__.py", "lib/pkg/a.py"], ["lib/pkg/a.py"], ("lib", "")),
        (["libs/one/src/pkg/__init__.py", "libs/one/src/pkg/a.py"], ["libs/one/src/pkg/a.py"], ("libs/one/src", "")),
        (["app/types.py"], ["app/types.py"], ("",)),
        (["json/__init__.py"], [], ()),
        (["tests/__init__.py", "tests/test_a.py"], ["tests/test_a.py"], ("",)),
    ],
)
def test_where_packages_are_imported_from(
    tmp_path: Path, files: list[str], trace: list[str], roots: tuple[str, ...]
) -> None:
    assert import_roots(tree(tmp_path, dict.fromkeys(files, "")), trace) == roots


@pytest.mark.parametrize(
    ("files", "python", "command"),
    [
        ({"a.py": ""}, PYTHON, "the repository has no tests"),
        ({"conftest.py": ""}, PYTHON, "the repository has no tests"),
        ({"a.py": "", "test_a.py": ""}, PYTHON, "pytest"),
        ({"checks/one.py": "", "pyproject.toml": "[tool.pytest.ini_options]\n"}, PYTHON, "pytest"),
        ({"setup.cfg": "[tool:pytest]\n"}, PYTHON, "pytest"),
        ({"tox.ini": "[pytest]\n"}, PYTHON, "pytest"),
        ({"pytest.ini": ""}, PYTHON, "pytest"),
        ({"pyproject.toml": "broken = ["}, PYTHON, "the repository has no tests"),
        ({"test_a.py": "import pytest\n"}, BARE, "/x/bin/python has no pytest to run the tests with"),
        ({"test_a.py": "import unittest\n"}, BARE, "unittest"),
        ({"tests/test_a.py": "import unittest\n"}, BARE, "unittest -s tests"),
        ({"tests/test_a.py": "import unittest\n", "tests/__init__.py": ""}, BARE, "unittest -s tests -t ."),
    ],
)
def test_which_command_runs_the_tests(tmp_path: Path, files: dict[str, str], python: Interpreter, command: str) -> None:
    found = find_command(tree(tmp_path, files), python, None)
    if isinstance(found, SuiteCommand):
        assert " ".join((found.kind, *found.argv[4:])) == command if found.kind == "unittest" else found.kind == command
    else:
        assert found == command


def record(kind: str, *frames: tuple[str, str], message: str = "") -> ExceptionRecord:
    return ExceptionRecord(
        type=kind, message=message, frames=tuple(Frame(file=f, function=n, line=1) for f, n in frames)
    )


def failed(*chain: ExceptionRecord) -> Failure:
    return Failure(id="t", when="call", chain=chain)


FILES = {
    "pkg/__init__.py": "",
    "pkg/a.py": "def f():\n    g()\n",
    "pkg/b.py": "def g(): ...\n",
    "test_a.py": "def t(): ...",
}
REPORTED = record("KeyError", ("/srv/pkg/a.py", "f"), ("/usr/lib/python3.11/os.py", "get"))


@pytest.mark.parametrize(
    ("reported", "chain", "same"),
    [
        (REPORTED, [record("KeyError", ("test_a.py", "t"), ("pkg/a.py", "f"))], True),
        (REPORTED, [record("builtins.KeyError", ("pkg/a.py", "f"), ("/l/site-packages/x/y.py", "z"))], True),
        (REPORTED, [record("KeyError", ("pkg/a.py", "<listcomp>"))], True),
        (REPORTED, [record("KeyError", ("pkg/a.py", "Some.f"))], True),
        (REPORTED, [record("AssertionError", ("test_a.py", "t")), record("KeyError", ("pkg/a.py", "f"))], True),
        (REPORTED, [record("IndexError", ("pkg/a.py", "f"))], False),
        (REPORTED, [record("KeyError", ("pkg/a.py", "other"))], False),
        (REPORTED, [record("KeyError", ("pkg/a.py", "<module>"))], False),
        (REPORTED, [record("KeyError", ("pkg/b.py", "f"))], False),
        (REPORTED, [record("KeyError", ("test_a.py", "t"))], False),
        (
            record("ValueError", message="id 17 at 0xff"),
            [record("ValueError", ("pkg/a.py", "f"), message="id 4 at 0x0")],
            True,
        ),
        (record("ValueError", message="one"), [record("ValueError", ("pkg/a.py", "f"), message="two")], False),
    ],
)
def test_type_and_place_tell_whether_it_is_the_same_error(
    tmp_path: Path, reported: ExceptionRecord, chain: list[ExceptionRecord], same: bool
) -> None:
    source = tree(tmp_path, FILES)
    event = localise(ErrorEvent(id="e", error=reported), source)
    found = matches(event, [failed(*chain)], source)
    assert bool(found) is same
    if same:
        assert reproduced(event, found[0]).error.short_type == reported.short_type


def test_frames_take_their_line_and_role_from_the_repository(tmp_path: Path) -> None:
    source = tree(tmp_path, FILES)
    frames = (
        Frame(file="/usr/lib/python3.11/site-packages/_pytest/python.py", function="call", line=1, role=Role.APP),
        Frame(file="/ci/test_a.py", function="t", line=1, role=Role.APP),
        Frame(file="/ci/site-packages/pkg/a.py", function="f", line=9, code="g()", role=Role.LIBRARY, in_app=False),
    )
    located = localise(ErrorEvent(id="e", error=ExceptionRecord(type="E", frames=frames)), source).error.frames
    assert [frame.role for frame in located] == [Role.RUNNER, Role.TEST, Role.APP]
    assert [frame.in_app for frame in located] == [False, False, True]
    assert (located[2].file, located[2].line, located[2].code) == ("pkg/a.py", 2, "g()")
    assert located[1].code == "def t(): ..."


def test_an_error_raised_by_another_copy_is_told(tmp_path: Path) -> None:
    source = tree(tmp_path, FILES)
    event = localise(ErrorEvent(id="e", error=REPORTED), source)
    assert outside(event, [failed(record("KeyError", ("/home/me/work/pkg/a.py", "f")))]) == "/home/me/work/pkg/a.py"
    assert outside(event, [failed(record("KeyError", ("/home/me/work/pkg/b.py", "f")))]) is None


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ('  File "/t/pkg/a.py", line 2, in f\n    g()\nKeyError: 1\n', True),
        ('  File "/t/pkg/a.py", line 2, in f\n    g()\nKeyError\n', True),
        ('E     File "/t/pkg/a.py", line 2, in f\nE   KeyError: 1\n', True),
        ('  File "/t/pkg/a.py", line 2, in other\nKeyError: 1\n', False),
        ('  File "/t/pkg/b.py", line 2, in f\nKeyError: 1\n', False),
        ('  File "/t/pkg/a.py", line 2, in f\nMyKeyError: 1\n', False),
        ("", False),
    ],
)
def test_an_output_shows_the_error_or_not(tmp_path: Path, output: str, shown: bool) -> None:
    event = localise(ErrorEvent(id="e", error=REPORTED), tree(tmp_path, FILES))
    assert in_output(event, output) is shown


def test_the_port_is_kept(tmp_path: Path) -> None:
    command = SuiteCommand(argv=("true",), shown="true", kind="shell", path="")
    worktree = Worktree(folder=tmp_path, git_dir=tmp_path, base="", origin=tmp_path)
    bench = SuiteBench(worktree=worktree, command=command)
    assert isinstance(SuiteVerifier(bench=bench, source=DirectoryTree(tmp_path), budget=Budget(1)), Verifier)


def test_a_comprehension_is_not_a_place_of_its_own() -> None:
    assert Place("a.py", "f").same(Place("a.py", "<genexpr>"))
    assert not Place("a.py", "f").same(Place("a.py", "<module>"))
    assert not Place("a.py", "f").same(Place("b.py", "f"))


def test_a_teams_own_word_that_is_ranked_first_writes_nothing_and_the_strategies_go_on(tmp_path: Path) -> None:
    source = tree(tmp_path, {"shop/a.py": "def f(user):\n    return user.name\n"})
    frame = Frame(file="shop/a.py", function="f", line=2, code="return user.name")
    error = ExceptionRecord(type="AttributeError", message="'NoneType' object has no attribute 'name'", frames=(frame,))
    event = ErrorEvent(id="1", error=error)
    ranking = [
        RankedStrategy(name="Stammdaten pflegen", probability=0.9),
        RankedStrategy(name="guard_none", probability=0.05),
    ]
    found = candidates(event, source, ranking=ranking, strategies=load_strategies())
    assert found.proposals[0].strategy == "guard_none"
    assert "Stammdaten pflegen" not in {one.strategy for one in found.proposals}
