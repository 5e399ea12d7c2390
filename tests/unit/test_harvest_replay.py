"""Replaying, without running anything: what is a feature and no crash, and which environments an era is tried in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ems_ml.harvest.commits import Candidate, Change, Walk, candidates
from ems_ml.harvest.eras import READY, Era, Layout, ways
from ems_ml.harvest.replay import needs_new_name


def candidate(before: str | None, after: str, *, path: str = "shop/table.py", time: str = "2019-05-31") -> Candidate:
    change = Change(path=path, before=before, after=after)
    digits = f"{abs(hash((before, after, time))):040x}"[:40]
    return Candidate(
        commit=digits, parent="0" * 40, time=f"{time}T23:30:00+02:00", sources=(change,), tests=(), test_files=()
    )


ADDS = candidate("def price(): pass\n", "def price(): pass\ndef total(limit=0): pass\n")
ADDS_CART = candidate(None, "x = 1\n", path="shop/cart.py")


@pytest.mark.parametrize(
    ("kind", "message", "made", "feature"),
    [
        pytest.param("AttributeError", "module 'shop' has no attribute 'total'", ADDS, True, id="function"),
        pytest.param("ImportError", "cannot import name 'total' from 'shop.table' (a.py)", ADDS, True, id="import"),
        pytest.param("NameError", "name 'total' is not defined", ADDS, True, id="name"),
        pytest.param("TypeError", "price() got an unexpected keyword argument 'limit'", ADDS, True, id="argument"),
        pytest.param("ModuleNotFoundError", "No module named 'shop.cart'", ADDS_CART, True, id="module"),
        pytest.param("AttributeError", "'NoneType' object has no attribute 'price'", ADDS, False, id="old name"),
        pytest.param("AttributeError", "'NoneType' object has no attribute 'strip'", ADDS, False, id="other name"),
        pytest.param("ValueError", "total", ADDS, False, id="another type"),
        pytest.param("KeyError", "'b'", ADDS, False, id="a key"),
        pytest.param("TypeError", "unsupported operand type(s)", ADDS, False, id="no name"),
    ],
)  # fmt: skip
def test_a_name_that_only_the_commit_brings_in_is_a_feature(
    kind: str, message: str, made: Candidate, feature: bool
) -> None:
    assert needs_new_name({"type": kind, "message": message}, made) is feature


def test_files_with_letters_of_any_language_are_found_in_a_history(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(("git", *who, *arguments), cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for number in range(2):
        (tmp_path / "größe.py").write_text(f"def groesse():\n    return {number}\n")
        (tmp_path / "test_größe.py").write_text(f"def test_it():\n    assert {number} == {number}\n")
        git("add", ".")
        git("commit", "-m", "fix")
    (found,) = candidates(tmp_path, since="2000-01-01", walk=Walk())
    assert found.sources[0].path == "größe.py"
    assert found.test_files == ("test_größe.py",)


def test_needs_are_had_of_the_commits_own_day_first() -> None:
    newest, middle, oldest = (candidate("a", "b", time=day) for day in ("2019-05-31", "2018-12-31", "2018-01-01"))
    era = Era(Layout("src", ("shop",)), (newest, middle, oldest))
    found = [choose([newest, middle, oldest]) for choose in ways(era)]
    assert [(way.candidate, way.day) for way in found] == [
        (newest, "2019-06-01"),
        (middle, "2019-01-01"),
        (newest, "2019-06-01"),
        (newest, READY),
        (newest, None),
        (oldest, None),
    ]
    assert ways(era)[1]([oldest]).day == "2018-01-02"


def test_a_day_after_the_first_fitting_one_stays() -> None:
    late = candidate("a", "b", time="2024-02-28")
    assert ways(Era(Layout("", ("shop",)), (late,)))[3]([late]).day == "2024-02-29"
