"""`repair` on small git projects: every verdict, and a repository that stays as it was."""

from __future__ import annotations

from pathlib import Path

from fix_projects import COUNTING, PYTHON, Replace, event, git, project, ranked, snapshot

from ems_ml.fix import repair
from ems_ml.types import Outcome

LAST = event("IndexError", "list index out of range", ("/ci/build/counting.py", "last", 2))
OFF_BY_ONE = Replace("correct_expression", "values[len(values)]", ("values[0]", "values[len(values) - 1]"))


def test_an_off_by_one_is_repaired_on_a_branch_and_nothing_else_changes(tmp_path: Path) -> None:
    root = project(tmp_path / "a project", COUNTING)
    before = snapshot(root)

    verdict = repair(root, LAST, ranking=ranked("correct_expression"), strategies=[OFF_BY_ONE], python=PYTHON)

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.patch is not None
    assert snapshot(root) == before
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert verdict.branch is not None
    assert verdict.branch.startswith("ems/fix-correct-expression-")
    assert git(root, "rev-parse", verdict.branch) == verdict.commit
    assert git(root, "rev-parse", f"{verdict.branch}~1") == git(root, "rev-parse", "main")
    assert "values[len(values) - 1]" in git(root, "show", f"{verdict.branch}:counting.py")
    assert [each.result.split(":")[0] for each in verdict.tried] == ["test_counting.py", "repaired"]
