"""`repair` on small git projects: every verdict, and a repository that stays as it was."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fix_projects import COUNTING, PYTHON, Replace, event, git, project, ranked, snapshot

from ems_ml.errors import UsageError
from ems_ml.fix import EXIT_CODES, repair, verdict_to_json
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.ports import SourceTree
from ems_ml.types import ErrorEvent, ExceptionRecord, Injection, Outcome, Proposal, RawReport, Verdict

LAST = event("IndexError", "list index out of range", ("/ci/build/counting.py", "last", 2))
OLD = "values[len(values)]"
OFF_BY_ONE = Replace("correct_expression", OLD, ("values[0]", "values[len(values) - 1]"))
MEND = Replace("correct_expression", OLD, ("values[len(values) - 1]",))
# The tests of these projects need no plugins; not loading them halves the time of each run.
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def mend(root: Path, error: ErrorEvent, *strategies: Replace, **options: Any) -> Verdict:
    """`repair` with the strategies ranked in the order given."""
    names = ranked(*(strategy.name for strategy in strategies))
    settings: dict[str, Any] = {"python": PYTHON, "env": QUICK, "budget_seconds": 60, **options}
    return repair(root, error, ranking=names, strategies=strategies, **settings)


def test_an_off_by_one_is_repaired_on_a_branch_and_nothing_else_changes(tmp_path: Path) -> None:
    root = project(tmp_path / "a project", COUNTING)
    before = snapshot(root)

    verdict = mend(root, LAST, OFF_BY_ONE)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.patch is not None
    assert snapshot(root) == before
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert git(root, "for-each-ref", "--format=%(refname:short)").split() == [verdict.branch, "main"]
    assert verdict.branch is not None
    assert verdict.branch.startswith("ems/fix-correct-expression-")
    assert git(root, "rev-parse", verdict.branch) == verdict.commit
    assert git(root, "rev-parse", f"{verdict.branch}~1") == git(root, "rev-parse", "main")
    assert "values[len(values) - 1]" in git(root, "show", f"{verdict.branch}:counting.py")
    assert [each.result.split(":")[0] for each in verdict.tried] == ["test_counting.py", "repaired"]
    message = git(root, "log", "-1", "--format=%B", verdict.branch)
    assert message.startswith("Write values[len(values) - 1]\n")
    assert "IndexError: list index out of range" in message
    assert "test_counting.py::test_last" in message


def test_the_answer_is_json_with_a_patch_that_git_applies(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)

    answer = json.loads(json.dumps(verdict_to_json(mend(root, LAST, MEND, publish=False))))

    assert list(answer)[:3] == ["verdict", "reason", "strategy"]
    assert answer["verdict"] == "repaired"
    assert answer["strategy"] == "correct_expression"
    assert answer["branch"] is None
    assert answer["tried"] == [
        {"strategy": "correct_expression", "summary": "Write values[len(values) - 1]", "result": "repaired"}
    ]
    assert answer["evidence"]["red"] == answer["evidence"]["green"] == ["test_counting.py::test_last"]
    assert answer["evidence"]["before"] == {"failed": 1, "passed": 1}
    assert answer["evidence"]["after"] == {"passed": 2}
    assert answer["evidence"]["base"] == git(root, "rev-parse", "HEAD")
    (tmp_path / "patch.diff").write_text(answer["patch"])
    git(root, "apply", "--check", str(tmp_path / "patch.diff"))
    git(root, "apply", str(tmp_path / "patch.diff"))
    done = subprocess.run([PYTHON, "-m", "pytest", "-q"], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0


def test_a_source_layout_and_windows_line_ends_are_kept(tmp_path: Path) -> None:
    module = b"def upper(name):\r\n    return name.upper()\r\n\r\n\r\ndef shout(name):\r\n    return upper(name)\r\n"
    root = project(
        tmp_path / "p",
        {
            "src/voice/__init__.py": b"",
            "src/voice/loud.py": module,
            "tests/test_loud.py": (
                "from voice.loud import shout\n\n\ndef test_none():\n    assert shout(None) == ''\n\n\n"
                "def test_name():\n    assert shout('a') == 'A'\n"
            ),
        },
    )
    error = event(
        "AttributeError",
        "'NoneType' object has no attribute 'upper'",
        ("C:\\site-packages\\voice\\loud.py", "shout", 6),
        ("C:\\site-packages\\voice\\loud.py", "upper", 2),
    )
    guard = Replace(
        "guard_none", "return name.upper()", ("return name.upper() if name is not None else ''\n    # kept",)
    )

    verdict = mend(root, error, guard)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    mended = subprocess.run(
        ["git", "show", f"{verdict.branch}:src/voice/loud.py"], cwd=root, capture_output=True, check=True
    ).stdout
    assert b"is not None else ''\r\n    # kept\r\n" in mended
    assert mended.count(b"\r\n") == mended.count(b"\n") == module.count(b"\n") + 1
    assert verdict.patch is not None
    (tmp_path / "patch.diff").write_bytes(verdict.patch.diff.encode())
    git(root, "apply", "--check", str(tmp_path / "patch.diff"))


def test_a_file_in_another_encoding_is_kept_in_it(tmp_path: Path) -> None:
    module = "# -*- coding: latin-1 -*-\n# für alle\ndef last(values):\n    return values[len(values)]\n".encode(
        "latin-1"
    )
    tests = "from counting import last\n\n\ndef test_last():\n    assert last([1]) == 1\n"
    root = project(tmp_path / "p", {"counting.py": module, "test_counting.py": tests})

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.patch is not None
    (tmp_path / "patch.diff").write_text(verdict.patch.diff)
    git(root, "apply", str(tmp_path / "patch.diff"))
    assert (root / "counting.py").read_bytes() == module.replace(b"len(values)]", b"len(values) - 1]")


def test_a_proposal_that_breaks_another_test_is_no_repair(tmp_path: Path) -> None:
    other = "\n\ndef test_empty():\n    import pytest\n    with pytest.raises(IndexError):\n        last([])\n"
    root = project(tmp_path / "p", {**COUNTING, "test_counting.py": COUNTING["test_counting.py"] + other})
    harm = Replace("guard_empty", OLD, ("(values or [None])[-1]",))

    verdict = mend(root, LAST, harm)

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert verdict.patch is None
    assert verdict.branch is None
    assert [each.result for each in verdict.tried] == ["test_counting.py::test_empty failed that did not before"]
    assert git(root, "for-each-ref", "--format=%(refname:short)") == "main"


def test_a_test_that_is_skipped_or_left_out_is_not_green(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)
    cheats = Replace("relax_check", OLD, ("__import__('pytest').skip('no')", "__import__('os')._exit(0)"))

    verdict = mend(root, LAST, cheats)

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert verdict.tried[0].result.endswith(": skipped")
    assert "did not end" in verdict.tried[1].result


def test_a_hanging_proposal_is_ended_and_the_next_one_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ems_ml.fix.verify.GRACE_SECONDS", 0.5)
    root = project(tmp_path / "p", COUNTING)
    hang = Replace("correct_expression", f"return {OLD}", ("while True: pass", "return values[len(values) - 1]"))

    verdict = mend(root, LAST, hang)

    assert verdict.verdict is Outcome.REPAIRED
    assert "ran out of time" in verdict.tried[0].result


def test_tests_that_do_not_end_leave_it_unproven_within_the_budget(tmp_path: Path) -> None:
    root = project(
        tmp_path / "p", {**COUNTING, "test_long.py": "import time\n\n\ndef test_it():\n    time.sleep(600)\n"}
    )

    verdict = mend(root, LAST, MEND, budget_seconds=3)

    assert verdict.verdict is Outcome.UNPROVEN
    assert "--budget" in verdict.reason
    assert verdict.patch is not None
    assert verdict.branch is None


@pytest.mark.parametrize("staged", [False, True])
def test_uncommitted_changes_are_refused(tmp_path: Path, staged: bool) -> None:
    root = project(tmp_path / "p", COUNTING)
    (root / "counting.py").write_text("# mine\n")
    if staged:
        git(root, "add", "-A")
    before = snapshot(root)

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.REFUSED
    assert "counting.py" in verdict.reason
    assert "git stash" in verdict.reason
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("existing", "asked", "said"),
    [
        ("mine", "mine", "exists already"),
        ("mine", "mine/fix", "the branch mine exists"),
        ("ems", None, "the branch ems exists"),
        ("mine", "not a name", "not a name that git allows"),
    ],
)
def test_a_branch_that_cannot_be_made_is_refused(tmp_path: Path, existing: str, asked: str | None, said: str) -> None:
    root = project(tmp_path / "p", COUNTING)
    git(root, "branch", existing)

    verdict = mend(root, LAST, MEND, branch=asked)

    assert verdict.verdict is Outcome.REFUSED
    assert said in verdict.reason
    assert "--branch" in verdict.reason


def test_a_file_of_the_trace_that_is_not_committed_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path / "p", {"README": "x"})
    (root / "counting.py").write_text(COUNTING["counting.py"])

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.REFUSED
    assert "counting.py" in verdict.reason


def test_an_error_that_no_test_raises_is_not_reproduced(tmp_path: Path) -> None:
    tests = "from counting import first\n\n\ndef test_first():\n    assert first([1]) == 1\n"
    root = project(tmp_path / "p", {**COUNTING, "test_counting.py": tests})
    (root / "test_mine.py").write_text("")

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.NOT_REPRODUCED
    assert "no test raises IndexError from last in counting.py" in verdict.reason
    assert "add a test" in verdict.reason
    assert "test_mine.py" in verdict.reason


def test_an_error_of_the_same_type_from_elsewhere_is_not_taken_for_it(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)

    other = mend(root, event("IndexError", "list index out of range", ("/ci/counting.py", "first", 6)), MEND)
    foreign = mend(root, event("IndexError", "no", ("/ci/their/thing.py", "run", 1)), MEND)

    assert other.verdict is Outcome.NOT_REPRODUCED
    assert "1 tests fail, none with this error" in other.reason
    assert foreign.verdict is Outcome.NOT_REPRODUCED
    assert "none of the trace's files is in this repository" in foreign.reason


def test_a_wrapped_error_is_known_by_its_cause(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)
    wrapped = ErrorEvent(id="w", error=ExceptionRecord(type="api.Failed", message="request 7"), chain=(LAST.error,))

    assert mend(root, wrapped, MEND).verdict is Outcome.REPAIRED


def test_a_traceback_as_python_prints_it_is_enough(tmp_path: Path) -> None:
    root = project(tmp_path / "p", {**COUNTING, "run.py": "import counting\n\ncounting.last([1])\n"})
    printed = subprocess.run([PYTHON, "run.py"], cwd=root, capture_output=True, text=True, check=False).stderr
    printed += "\nDuring the night:\nTraceback (most recent call last):\n" + (
        '  File "/srv/other/night.py", line 3, in work\n    go()\nValueError: late\n'
    )
    parsed = ParserChain(default_parsers()).parse(RawReport(text=printed))
    assert parsed.error.type == "ValueError"

    verdict = mend(root, parsed, MEND)

    assert verdict.verdict is Outcome.REPAIRED, verdict


def test_tests_that_run_in_several_processes_are_read(tmp_path: Path) -> None:
    files = {**COUNTING, "pytest.ini": "[pytest]\naddopts = -n 2 -x\n"}
    root = project(tmp_path / "p", files)

    verdict = mend(root, LAST, MEND, env={**QUICK, "PYTEST_PLUGINS": "xdist.plugin"})

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["before"] == {"failed": 1, "passed": 1}


def test_a_test_that_fails_now_and_then_is_flaky(tmp_path: Path) -> None:
    flaky = (
        "from pathlib import Path\nfrom counting import last\n\n\ndef test_once():\n"
        "    ran = Path(__file__).with_name('ran')\n    if not ran.exists():\n        ran.touch()\n        last([1])\n"
    )
    root = project(tmp_path / "p", {"counting.py": COUNTING["counting.py"], "test_flaky.py": flaky})

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.FLAKY
    assert verdict.evidence["flaky"] == ["test_flaky.py::test_once"]
    assert not (root / "ran").exists()


def test_another_test_that_fails_now_and_then_does_not_spoil_a_repair(tmp_path: Path) -> None:
    unsteady = (
        "from pathlib import Path\nimport counting\n\n\ndef test_steady_at_first():\n"
        "    mended = '- 1' in Path(counting.__file__).read_text()\n"
        "    ran = Path(__file__).with_name('ran')\n    again = ran.exists()\n    ran.touch()\n"
        "    assert again or not mended\n"
    )
    root = project(tmp_path / "p", {**COUNTING, "test_unsteady.py": unsteady})

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["unsteady"] == ["test_unsteady.py::test_steady_at_first"]


def test_without_tests_the_patch_is_only_proposed(tmp_path: Path) -> None:
    root = project(tmp_path / "p", {"counting.py": COUNTING["counting.py"]})
    before = snapshot(root)

    verdict = mend(root, LAST, MEND)

    assert verdict.verdict is Outcome.UNPROVEN
    assert "no tests" in verdict.reason
    assert verdict.patch is not None
    assert "values[len(values) - 1]" in verdict.patch.diff
    assert verdict.branch is None
    assert snapshot(root) == before


def test_a_module_that_cannot_be_imported_is_repaired(tmp_path: Path) -> None:
    root = project(
        tmp_path / "p",
        {
            "limits.py": "LIMIT = math.inf\n",
            "test_limits.py": "from limits import LIMIT\n\n\ndef test_limit():\n    assert LIMIT > 3\n",
            "test_other.py": "def test_other():\n    assert True\n",
        },
    )
    error = event("NameError", "name 'math' is not defined", ("/srv/app/limits.py", "<module>", 1))

    verdict = mend(root, error, Replace("add_import", "LIMIT = math.inf", ("import math\n\nLIMIT = math.inf",)))

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["red"] == ["test_limits.py"]
    assert verdict.evidence["after"] == {"passed": 2}


def test_unittest_is_used_where_there_is_no_pytest(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    case = (
        "import unittest\nfrom counting import last\n\n\nclass Counting(unittest.TestCase):\n"
        "    def test_last(self):\n        self.assertEqual(last([1, 2]), 2)\n\n"
        "    def test_other(self):\n        self.assertTrue(last)\n"
    )
    root = project(tmp_path / "p", {"counting.py": COUNTING["counting.py"], "tests/test_counting.py": case})

    verdict = mend(root, LAST, OFF_BY_ONE, python=python)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert "-m unittest" in verdict.evidence["command"]
    assert verdict.evidence["after"] == {"passed": 2}
    without = mend(project(tmp_path / "q", COUNTING), LAST, MEND, python=python)
    assert without.verdict is Outcome.UNPROVEN
    assert "no pytest" in without.reason


def test_any_command_can_judge_by_its_exit_code_and_output(tmp_path: Path) -> None:
    check = "from counting import last\nassert last([1, 2]) == 2\nprint('fine')\n"
    root = project(tmp_path / "p", {"counting.py": COUNTING["counting.py"], "check.py": check})

    verdict = mend(root, LAST, OFF_BY_ONE, test_command="python check.py && echo done")

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["before"] == {"exit_code": 1}
    assert verdict.tried[0].result.startswith("the test command still fails with exit code 1 (this error is gone")
    other = mend(root, event("KeyError", "'a'", ("counting.py", "last", 2)), MEND, test_command="python check.py")
    assert other.verdict is Outcome.NOT_REPRODUCED
    green = mend(root, LAST, MEND, test_command="true")
    assert green.verdict is Outcome.NOT_REPRODUCED


def test_a_command_around_pytest_is_read_in_full_even_where_it_stops_early(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)

    verdict = mend(root, LAST, MEND, test_command="python -m pytest -x -q --no-header")

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["before"] == {"failed": 1, "passed": 1}


def test_what_a_strategy_should_not_offer_is_left_out_and_told(tmp_path: Path) -> None:
    class Odd:
        name = "initialise"

        def recognise(self, before: str, after: str) -> float:
            return 0.0

        def inject(self, source: str) -> Iterator[Injection]:
            return iter(())

        def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
            text = source.read("counting.py") or ""
            for path, new in (
                ("test_counting.py", "def test_last(): pass\n"),
                ("counting.py", "def last(:\n"),
                ("counting.py", text),
                ("../counting.py", "x = 1\n"),
            ):
                yield Proposal(strategy=self.name, path=path, source=new, summary="odd")
            raise RuntimeError("broken")

    root = project(tmp_path / "p", COUNTING)
    verdict = repair(
        root, LAST, ranking=ranked("initialise"), strategies=[Odd(), MEND], python=PYTHON, env=QUICK, publish=False
    )

    assert verdict.verdict is Outcome.REPAIRED
    results = [each.result for each in verdict.tried]
    assert results[0] == "repaired"
    for part in ("the strategy failed", "a test", "not valid Python", "changes nothing", "not a file"):
        assert any(part in result for result in results[1:]), part


def test_an_interpreter_that_does_not_start_is_named(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)
    with pytest.raises(UsageError, match="no/python") as caught:
        mend(root, LAST, MEND, python="/no/python")
    assert "--python" in caught.value.hint


def test_a_generated_file_that_git_ignores_is_there_for_the_tests(tmp_path: Path) -> None:
    files = {
        ".gitignore": "_version.py\n",
        "pkg/__init__.py": "from pkg._version import V\n",
        "pkg/counting.py": COUNTING["counting.py"],
        "test_counting.py": COUNTING["test_counting.py"].replace("from counting", "from pkg.counting"),
    }
    root = project(tmp_path / "p", files)
    (root / "pkg" / "_version.py").write_text("V = 1\n")

    verdict = mend(root, event("IndexError", "", ("pkg/counting.py", "last", 2)), MEND)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["built_files"] == ["pkg/_version.py"]
    assert "_version" not in verdict.patch.diff if verdict.patch else False


def test_a_proven_patch_is_not_lost_where_the_branch_cannot_be_made(tmp_path: Path) -> None:
    root = project(tmp_path / "p", COUNTING)
    (root / ".git" / "refs" / "heads" / "mine.lock").write_text("")

    verdict = mend(root, LAST, MEND, branch="mine")

    assert verdict.verdict is Outcome.REPAIRED
    assert "no branch could be made" in verdict.reason
    assert verdict.patch is not None
    assert verdict.branch is None


def test_every_verdict_has_its_exit_code() -> None:
    assert set(EXIT_CODES) == set(Outcome)
    assert EXIT_CODES[Outcome.REPAIRED] == 0
    assert len(set(EXIT_CODES.values())) == len(Outcome)
