"""Errors that a commit brought in: found by bisection with the failing test, repaired by taking the commit back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fix_projects import PYTHON, event, git, project, ranked, snapshot

from ems_ml.fix import repair, verdict_to_json
from ems_ml.ports import Strategy
from ems_ml.strategies import load_strategies
from ems_ml.types import Outcome, RankedStrategy, Verdict

ALL = load_strategies()
REVERT = tuple(strategy for strategy in ALL if strategy.name == "revert_change")
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

PARSE = '''"""Prices."""


def clean(line):
    return line.strip()


def parse(line):
    name, price = clean(line).split(";")
    return name, int(price)


def total(lines):
    return sum(parse(line)[1] for line in lines)
'''
FAULT = ('split(";")', 'split("|")')
OLD_TEST = "from prices import clean\n\n\ndef test_clean():\n    assert clean(' a ') == 'a'\n"
NEW_TEST = "\n\ndef test_parse():\n    from prices import parse\n    assert parse('tea;2') == ('tea', 2)\n"
SPLIT = event("ValueError", "not enough values to unpack (expected 2, got 1)", ("/ci/prices.py", "parse", 9))


class Growing:
    """A project whose one module and one test file are changed by replacing text, a commit each."""

    def __init__(self, folder: Path, module: str = PARSE, **files: str) -> None:
        self.root = project(folder, {"prices.py": module, "test_prices.py": OLD_TEST, **files})

    def commit(self, subject: str, *changes: tuple[str, str], files: Mapping[str, str] | None = None) -> str:
        place = self.root / "prices.py"
        text = place.read_text()
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        place.write_text(text)
        for name, content in (files or {}).items():
            (self.root / name).write_text(content)
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "--allow-empty", "-m", subject)
        return git(self.root, "rev-parse", "HEAD")

    def grow(self, number: int, name: str = "step") -> None:
        for at in range(number):
            self.commit(f"Add {name} {at}", files={f"{name}_{at}.py": f"VALUE = {at}\n"})

    def test(self) -> str:
        return self.commit("Test what is parsed", files={"test_prices.py": OLD_TEST + NEW_TEST})


def mend(root: Path, strategies: Sequence[Strategy] = REVERT, **options: Any) -> Verdict:
    even = tuple(RankedStrategy(name=one.name, probability=1 / len(strategies)) for one in strategies)
    settings: dict[str, Any] = {"python": PYTHON, "env": QUICK, "budget_seconds": 240, "ranking": even, **options}
    return repair(root, SPLIT, strategies=strategies, **settings)


def test_what_no_other_strategy_mends_is_mended_by_taking_the_commit_back(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    made.grow(6, "early")
    guilty = made.commit("Separate by bars", FAULT)
    made.grow(5, "late")
    made.test()  # the test is younger than the fault: it is put onto the old code
    before = snapshot(made.root)

    verdict = mend(made.root, ALL)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.strategy == "revert_change"
    assert verdict.evidence["guilty"] == {
        "commit": guilty,
        "subject": "Separate by bars",
        "time": git(made.root, "log", "-1", "--format=%cI", guilty),
    }
    looked = verdict.evidence["bisection"]
    assert looked["commits"] == 14
    assert 0 < looked["tested"] <= 8, "halving looks at few"
    assert "the tests pass on the commit before" in verdict.reason
    assert {"Revert"} != {attempt.summary.split()[0] for attempt in verdict.tried}, "the others were tried first"
    assert verdict.tried[[one.result for one in verdict.tried].index("repaired")].summary.startswith("Revert ")
    assert snapshot(made.root) == before
    assert git(made.root, "show", f"{verdict.branch}:prices.py") == PARSE.strip()
    message = git(made.root, "log", "-1", "--format=%B", str(verdict.branch))
    assert message.startswith(f'Revert {guilty[:10]} "Separate by bars"\n')
    assert f"Brought in by: {guilty} Separate by bars" in message


def test_a_later_commit_beside_it_stays(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    made.commit("Separate by bars", FAULT)
    made.commit("Allow decimals", ("return name, int(price)", "return name, int(float(price))"))
    made.test()

    verdict = mend(made.root)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    mended = PARSE.replace("int(price)", "int(float(price))")
    assert git(made.root, "show", f"{verdict.branch}:prices.py") == mended.strip()


def test_a_later_commit_on_the_very_line_is_told_and_nothing_is_forced(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    guilty = made.commit("Separate by bars", FAULT)
    made.commit("Only two parts", ('split("|")', 'split("|", 1)'))
    made.test()

    verdict = mend(made.root)

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert verdict.evidence["guilty"]["commit"] == guilty
    assert "Separate by bars" in verdict.reason


def test_a_merge_is_looked_into(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    git(made.root, "checkout", "-q", "-b", "side")
    made.grow(1, "side")
    guilty = made.commit("Separate by bars", FAULT)
    made.grow(2, "more")
    git(made.root, "checkout", "-q", "main")
    made.grow(2, "main")
    git(made.root, "merge", "-q", "--no-ff", "-m", "Merge side", "side")
    merge = git(made.root, "rev-parse", "HEAD")
    made.test()

    verdict = mend(made.root)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["guilty"]["commit"] == guilty
    assert f"merged by {merge[:10]}" in verdict.evidence["bisection"]["said"]
    assert verdict.patch is not None
    assert verdict.patch.files == ("prices.py",), "what else the merge brought stays"


def test_a_merge_whose_sides_are_well_alone_is_the_guilty_one(tmp_path: Path) -> None:
    reading = 'MARK = ";"\n\n\ndef clean(line):\n    return line.strip()\n\n\ndef parse(line):\n'
    reading += (
        "    name, price = clean(line).split(mark())\n    return name, int(price)\n\n\ndef mark():\n    return MARK\n"
    )
    made = Growing(tmp_path / "p", reading)
    git(made.root, "checkout", "-q", "-b", "side")
    made.commit("Name it anew", ('MARK = ";"', 'MARK = "|"'), ("return MARK", 'return ";"'))
    git(made.root, "checkout", "-q", "main")
    git(made.root, "merge", "-q", "--no-ff", "--no-commit", "side")
    made.commit("Merge side, by hand", ('return ";"', "return MARK"))
    made.test()

    verdict = mend(made.root)

    assert verdict.evidence["guilty"]["subject"] == "Merge side, by hand"
    assert "neither of its sides" in verdict.evidence["bisection"]["said"]
    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert git(made.root, "show", f"{verdict.branch}:prices.py") == reading.strip()


def test_a_commit_of_several_files_is_taken_back_whole_but_for_its_tests(tmp_path: Path) -> None:
    marks = {"marks.py": 'MARK = ";"\n'}
    module = (
        PARSE.replace('split(";")', "split(mark())") + "\n\ndef mark():\n    from marks import MARK\n    return MARK\n"
    )
    made = Growing(tmp_path / "p", module, **marks)
    added = {"marks.py": 'BAR = "|"\n', "extra.py": "EXTRA = 1\n", "test_more.py": "def test_more():\n    pass\n"}
    made.commit(
        "Rename the mark",
        ("    from marks import MARK\n    return MARK", "    from marks import BAR\n    return BAR"),
        files=added,
    )
    made.test()

    verdict = mend(made.root)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.patch is not None
    assert sorted(verdict.patch.files) == ["marks.py", "prices.py"]
    assert git(made.root, "show", f"{verdict.branch}:marks.py") == 'MARK = ";"'
    git(made.root, "cat-file", "-e", f"{verdict.branch}:test_more.py")


def test_a_module_that_was_removed_is_put_back(tmp_path: Path) -> None:
    module = PARSE.replace('split(";")', "split(mark())")
    module += "\n\ndef mark():\n    from marks import MARK\n\n    return MARK\n"
    made = Growing(tmp_path / "p", module, **{"marks.py": 'MARK = ";"\n'})
    (made.root / "marks.py").unlink()
    guilty = made.commit("Remove what nobody uses")
    made.grow(2)
    made.test()
    missing = event("ModuleNotFoundError", "No module named 'marks'", ("/ci/prices.py", "mark", 18))

    verdict = repair(made.root, missing, strategies=REVERT, ranking=ranked("revert_change"), python=PYTHON, env=QUICK)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["guilty"]["commit"] == guilty
    assert verdict.patch is not None
    assert "new file mode" in verdict.patch.diff
    assert git(made.root, "diff", "--name-status", "main", str(verdict.branch)) == "A\tmarks.py"


def test_a_fault_as_old_as_the_history_has_no_guilty_commit(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p", PARSE.replace(*FAULT))
    made.grow(5)
    made.test()

    verdict = mend(made.root)

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert verdict.evidence["guilty"] is None
    assert "from the first commit on" in verdict.reason
    assert verdict.tried == ()


def test_a_single_commit_has_nothing_to_compare_with(tmp_path: Path) -> None:
    root = project(tmp_path / "p", {"prices.py": PARSE.replace(*FAULT), "test_prices.py": OLD_TEST + NEW_TEST})

    verdict = mend(root)

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert verdict.evidence["bisection"]["tested"] == 0
    assert "from the first commit on" in verdict.reason


@pytest.mark.parametrize(("depth", "found"), [(3, False), (6, True)])
def test_a_shallow_clone_is_searched_as_far_as_it_reaches(tmp_path: Path, depth: int, found: bool) -> None:
    made = Growing(tmp_path / "whole")
    made.grow(2, "early")
    guilty = made.commit("Separate by bars", FAULT)
    made.grow(2, "late")
    made.test()
    git(tmp_path, "clone", "-q", "--depth", str(depth), f"file://{made.root}", "shallow")

    verdict = mend(tmp_path / "shallow")

    if found:
        assert verdict.verdict is Outcome.REPAIRED, verdict
        assert verdict.evidence["guilty"]["commit"] == guilty
    else:
        assert verdict.evidence["guilty"] is None
        assert "git fetch --unshallow" in verdict.reason


def test_commits_that_cannot_be_tested_are_stepped_over(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    made.grow(1, "early")
    made.commit("Break the import", ('"""Prices."""', "import nothing_of_this_name"))
    guilty = made.commit("Separate by bars", FAULT, ("import nothing_of_this_name", '"""Prices."""'))
    made.grow(2, "late")
    made.commit("Break it again", ('"""Prices."""', "import nothing_of_this_name"))
    made.commit("And mend it", ("import nothing_of_this_name", '"""Prices."""'))
    made.test()

    verdict = mend(made.root)

    looked = verdict.evidence["bisection"]
    assert looked["untestable"] > 0
    assert verdict.evidence["guilty"] is None, "the commit before cannot be tested"
    assert [one["subject"] for one in looked["suspects"]] == ["Separate by bars", "Break the import"]
    assert looked["suspects"][0]["commit"] == guilty
    assert verdict.verdict is not Outcome.REPAIRED, "taken back, the module cannot be imported"


def test_where_older_code_lacks_what_is_tested_that_is_said(tmp_path: Path) -> None:
    head, tail = PARSE.split("def parse")
    made = Growing(tmp_path / "p", head.rstrip() + "\n")
    made.grow(3)
    (made.root / "prices.py").write_text(PARSE.replace(*FAULT))
    made.commit("Parse prices")
    made.grow(3, "late")
    made.test()

    verdict = mend(made.root)

    assert tail
    assert verdict.evidence["guilty"] is None
    assert "no earlier commit was found on which the tests pass" in verdict.reason


def test_too_short_a_budget_is_said_and_kept(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    made.commit("Separate by bars", FAULT)
    made.grow(3)
    made.test()
    slow = "import time\n\n\ndef test_slow():\n    time.sleep(4)\n"
    made.commit("Measure", files={"test_slow.py": slow})

    verdict = mend(made.root, budget_seconds=9)

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert verdict.evidence["guilty"] is None
    assert "--budget" in verdict.reason
    assert verdict.seconds < 15


def test_a_command_that_tells_no_tests_is_bisected_by_its_output(tmp_path: Path) -> None:
    check = "from prices import parse\nassert parse('tea;2') == ('tea', 2)\n"
    made = Growing(tmp_path / "p", **{"check.py": check})
    made.grow(1)
    guilty = made.commit("Separate by bars", FAULT)
    made.grow(2, "late")

    verdict = mend(made.root, test_command="python check.py")

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.evidence["guilty"]["commit"] == guilty


def test_other_strategies_do_without_the_history(tmp_path: Path) -> None:
    made = Growing(tmp_path / "p")
    made.commit("Separate by bars", FAULT)
    made.test()

    verdict = mend(made.root, [one for one in ALL if one.name == "guard_none"], ranking=ranked("guard_none"))

    assert verdict.verdict is Outcome.NOT_REPAIRED
    assert "guilty" not in verdict_to_json(verdict)["evidence"]
