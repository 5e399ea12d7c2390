"""The built-in strategies mend ordinary mistakes in ordinary projects, proven by the projects' tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fix_projects import PYTHON, git, project

from ems_ml.fix import repair
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.strategies import load_strategies
from ems_ml.types import Outcome, RankedStrategy, RawReport

CASES = {
    "none": (
        "def initials(person):\n    middle = person.get('middle')\n    return person['first'][0] + middle[0]\n",
        "assert m.initials({'first': 'Ada', 'middle': 'King'}) == 'AK'",
        "assert m.initials({'first': 'Ada'}) in ('A', '', None)",
        {"guard_none", "catch_exception"},
    ),
    "missing key": (
        "PRICES = {'tea': 2, 'cake': 4}\n\n\ndef total(basket):\n    return sum(PRICES[item] for item in basket)\n",
        "assert m.total(['tea', 'cake']) == 6",
        "assert m.total(['tea', 'coffee']) == 2",
        {"default_missing"},
    ),
    "empty list": (
        "def mean(values):\n    return sum(values) / len(values)\n",
        "assert m.mean([1, 3]) == 2",
        "assert m.mean([]) in (0, None)",
        {"guard_empty", "catch_exception"},
    ),
    "number in a text": (
        "def label(name, count):\n    return name + ': ' + count\n",
        "assert m.label('tea', '2') == 'tea: 2'",
        "assert m.label('tea', 2) == 'tea: 2'",
        {"convert_type"},
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_an_ordinary_mistake_is_mended(tmp_path: Path, case: str) -> None:
    module, healthy, failing, strategies = CASES[case]
    files = {
        "shop/__init__.py": "",
        "shop/m.py": module,
        "tests/test_m.py": (
            f"from shop import m\n\n\ndef test_well():\n    {healthy}\n\n\ndef test_ill():\n    {failing}\n"
        ),
    }
    root = project(tmp_path / "p", files)
    script = f"from shop import m\n{failing}\n"
    printed = subprocess.run([PYTHON, "-c", script], cwd=root, capture_output=True, text=True, check=False).stderr
    event = ParserChain(default_parsers()).parse(RawReport(text=printed))
    known = load_strategies()
    even = tuple(RankedStrategy(name=strategy.name, probability=1 / len(known)) for strategy in known)

    verdict = repair(
        root, event, ranking=even, strategies=known, python=PYTHON, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    )

    assert verdict.verdict is Outcome.REPAIRED, verdict
    assert verdict.strategy in strategies
    assert verdict.branch is not None
    assert git(root, "diff", "--name-only", "main", verdict.branch) == "shop/m.py"
