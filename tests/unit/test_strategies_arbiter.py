"""The arbiter weighs the strategies by a trained model: what it reads of a change, and that it stays quick and calm."""

from __future__ import annotations

import csv
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems_ml.dataset import data_folder
from ems_ml.ports import Strategy
from ems_ml.source.change import edits, hunks
from ems_ml.source.guards import guards
from ems_ml.source.signs import signs
from ems_ml.strategies import STRATEGY_NAMES, load_strategies, recognise, recognise_commit
from ems_ml.strategies.arbiter import FORMAT, SHARED, Arbiter, features, plain_order, shipped_arbiter

ALL = load_strategies()
PLAIN = "def f(x):\n    return x.y\n"

#: strategy, before, after: as people write them, several things at once
FIXES = [
    ("guard_none", PLAIN, "def f(x):\n    if x is None:\n        return None\n    return x.y\n"),
    (
        "catch_exception",
        "def f(k):\n    v = d[k]\n    g(v)\n",
        "def f(k):\n    try:\n        v = d[k]\n    except KeyError:\n        return\n    g(v)\n",
    ),
    (
        "catch_exception",
        "import os\n\n\ndef f(p):\n    if p.exists():\n        g(p)\n",
        "import os\nfrom contextlib import suppress\n\n\ndef f(p):\n    with suppress(OSError):\n"
        "        if p.exists():\n            g(p)\n",
    ),
    (
        "handle_type",
        "def f(v):\n    return v.items()\n",
        "def f(v):\n    if isinstance(v, list):\n        return enumerate(v)\n    return v.items()\n",
    ),
    ("guard_empty", "def f(v):\n    return v[0]\n", "def f(v):\n    if v:\n        return v[0]\n    return None\n"),
    ("convert_type", "def f(v):\n    g(', '.join(v))\n", "def f(v):\n    g(', '.join(map(str, v)))\n"),
    ("default_missing", "def f(c):\n    c.pop('a')\n", "def f(c):\n    c.pop('a', None)\n"),
    (
        "validate_input",
        "def f(n):\n    return 1 / n\n",
        "def f(n):\n    if n == 0:\n        raise ValueError('n must not be 0')\n    return 1 / n\n",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after"), FIXES)
def test_a_fix_as_people_write_it_is_read(name: str, before: str, after: str) -> None:
    assert name in [one for one, _ in recognise(before, after, ALL)[:2]]


def test_scores_are_shares_best_first_and_always_the_same() -> None:
    _, before, after = FIXES[1]
    found = recognise(before, after, ALL)
    assert found == recognise(before, after, ALL)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert 0 < sum(score for _, score in found) <= 1 + 1e-9
    assert {name for name, _ in found} <= {*STRATEGY_NAMES}


def test_a_commit_is_judged_as_a_whole() -> None:
    small = ("a = 1\n", "a = 2\n")
    one, other = FIXES[0][1:], FIXES[3][1:]
    assert "guard_none" in [name for name, _ in recognise_commit([small, one, (PLAIN, PLAIN)], ALL)[:2]]
    assert recognise_commit([one, other], ALL) == recognise_commit([other, one], ALL)
    assert recognise_commit([], ALL) == recognise_commit([(PLAIN, PLAIN)], ALL) == []


def test_a_strategy_of_another_package_stands_where_its_own_score_puts_it() -> None:
    class Theirs:
        name = "use_decimal"

        def __init__(self, score: float) -> None:
            self.score = score

        def recognise(self, before: str, after: str) -> float:
            return self.score

        inject = propose = None

    _, before, after = FIXES[0]
    sure: list[Strategy] = [*ALL, Theirs(1.0)]  # type: ignore[list-item]
    unsure: list[Strategy] = [*ALL, Theirs(0.5)]  # type: ignore[list-item]
    assert recognise(before, after, sure)[0][0] == "use_decimal"
    assert recognise(before, after, unsure)[0][0] == "guard_none"
    assert "use_decimal" in dict(recognise(before, after, unsure))


def test_what_is_no_python_is_judged_by_the_strategies_alone() -> None:
    assert recognise("a==1\n", "a==1\nno_such_thing\n", ALL)[0] == ("install_dependency", 0.98)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(FIXES), st.sampled_from(FIXES), st.integers(0, 80))
def test_no_diff_makes_the_arbiter_raise(noise: str, one: tuple[str, ...], other: tuple[str, ...], at: int) -> None:
    for before, after in ((one[1], other[2]), (one[1][:at] + noise, other[2]), (noise, one[1]), (one[2], noise * 3)):
        found = recognise(before, after, ALL)
        assert all(0 < score <= 1 for _, score in found)


def test_a_usual_file_takes_little() -> None:
    """20 ms is meant; four times that is allowed to a machine that does other things."""
    rest = "".join(
        f"def f{n}(a, b):\n    if a > {n}:\n        return a.x[b]\n    return [a, b, {n}]\n\n\n" for n in range(150)
    )
    _, before, after = FIXES[1]
    took = []
    for n in range(5):
        tail = f"z = {n}\n"  # nothing is cached
        start = time.perf_counter()
        assert recognise(rest + before + tail, rest + after + tail, ALL)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.08


def test_signs_cancel_where_code_only_moved() -> None:
    found = signs("def f():\n    g(1)\n    h()\n", "def f():\n    h()\n    g(1)\n")
    assert not {sign for sign in found if sign[0] in "+-"}
    assert found["moved"] == 1
    assert signs(PLAIN, PLAIN) == signs("(", PLAIN) == Counter()


def test_signs_name_nothing_of_a_project() -> None:
    told = signs(
        "class Secret:\n    pass\n", "class Secret:\n    def hidden(self, token):\n        return own(token)\n"
    )
    assert told["+def:class"] == 1
    assert not [sign for sign in told if any(word in sign for word in ("hidden", "token", "Secret", "own("))]


@pytest.mark.parametrize(
    ("body", "use"),
    [("g(x[0])", "container"), ("g(x.y)", "object"), ("x()", "object"), ("g(x)", "value"), ("g(len(x))", "container")],
)
def test_what_a_new_test_guards_is_told_by_its_use(body: str, use: str) -> None:
    (edit,) = edits(f"def f(x):\n    {body}\n", f"def f(x):\n    if x:\n        {body}\n")
    assert [found for _, found in guards(edit)] == [use]


def test_only_what_differs_is_parsed() -> None:
    assert [len(old.body) for old, _ in hunks("import a\n" + PLAIN + "b = 1\n", "import a\n" + PLAIN + "b = 2\n")] == [
        1
    ]
    long = 'a = """\nx\ny\n"""\n'
    assert edits(long, long.replace("y", "z")), "a string over several lines is read with what surrounds it"


def test_the_shipped_model_is_whole() -> None:
    model = shipped_arbiter()
    assert {*model.names} == {*STRATEGY_NAMES} - {"revert_change"}
    assert len(model.shared) == len(SHARED)
    assert all(len(row) == len(model.names) for row in model.rows.values())
    known = {f"score {name}" for name in model.names} | {"size", "few edits", "one edit", "more files"}
    assert {name for name in model.rows if not name.startswith("sign ")} <= known
    assert FORMAT == 1


def test_a_model_weighs_features_by_name() -> None:
    model = Arbiter.of({"names": ["a", "b"], "bias": [0, 1], "shared": [0] * len(SHARED), "rows": {"sign +x": [4, 0]}})
    assert plain_order(model.probabilities({}, {}, 1)) == ["b", "a"]
    assert plain_order(model.probabilities({"+x": 1}, {}, 1)) == ["a", "b"]
    assert "score guard_none" in features({}, {"guard_none": 0.5, "theirs": 1.0}, 1)


def test_the_labels_it_learned_from_are_of_other_projects_than_those_it_is_judged_by() -> None:
    with (data_folder() / "labels-train.csv").open(encoding="utf-8", newline="") as file:
        learned = list(csv.DictReader(file))
    with (data_folder() / "labels.csv").open(encoding="utf-8", newline="") as file:
        judged = {row["project"] for row in csv.DictReader(file)}
    assert len({(row["project"], row["commit"]) for row in learned}) == len(learned) == 2926
    assert {name for row in learned for name in (row["primary"], *filter(None, row["also"].split("|")))} <= {
        *STRATEGY_NAMES
    }
    assert not {row["project"] for row in learned} & judged
