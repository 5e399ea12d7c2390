"""Aligning two stacks: which frames stand in both, and how alike the whole is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.align import align, fast_similarity, in_a_row
from ems_ml.align.frames import LIMIT, places
from ems_ml.types import FrameKey, Role


def stack(names: str) -> tuple[FrameKey, ...]:
    """A frame a letter, raise point last."""
    return tuple(FrameKey(file="a/b.py", function=name, role=Role.APP, in_app=True) for name in names)


def pairs(a: str, b: str) -> list[str]:
    found = align(stack(a), stack(b)).pairs
    return [f"{a[i] if i is not None else '-'}{b[j] if j is not None else '-'}" for i, j in found]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("abc", "abc", ["aa", "bb", "cc"]),
        ("axc", "abc", ["aa", "x-", "-b", "cc"]),
        ("abc", "bc", ["a-", "bb", "cc"]),
        ("abc", "xyz", ["a-", "b-", "c-", "-x", "-y", "-z"]),
        ("", "ab", ["-a", "-b"]),
        ("", "", []),
        ("aab", "ab", ["a-", "aa", "bb"]),  # the one nearer to the raise point weighs more
    ],
)
def test_alignment(a: str, b: str, expected: list[str]) -> None:
    assert pairs(a, b) == expected


def test_a_shared_raise_point_weighs_more_than_a_shared_entry() -> None:
    assert align(stack("xc"), stack("yc")).share > align(stack("ax"), stack("ay")).share
    assert align(stack("abc"), stack("abc")).share == pytest.approx(1)
    assert align(stack("a"), stack("b")).share == 0


@pytest.mark.parametrize(("a", "b", "count"), [("abc", "xbc", 2), ("abc", "abx", 0), ("bc", "abc", 2), ("", "a", 0)])
def test_frames_in_common_from_the_raise_point(a: str, b: str, count: int) -> None:
    assert in_a_row(places(stack(a))[::-1], places(stack(b))[::-1]) == count


def fast(a: str, b: str, **options: float) -> float:
    return fast_similarity(places(stack(a)), places(stack(b)), **options)


def test_fast_by_hand() -> None:
    """`ab` and `xb`, alpha 1, no rarity: weights 1 and 1/2; b matches (+2), a and x do not (-1/2 each); 1 / 3."""
    assert fast("ab", "xb", alpha=1.0, beta=0.0) == pytest.approx((2 - 1) / 3)
    # b is the raise point of one and the second frame of the other: one step apart.
    assert fast("b", "bx", alpha=1.0, beta=0.0, gamma=0.5) == pytest.approx((1.5 * math.exp(-0.5) - 1) / 2.5)


def test_a_frame_that_is_everywhere_counts_less() -> None:
    common = {("a/b.py", "c"): 100}
    rare = fast_similarity(places(stack("xc")), places(stack("yc")), traces=100)
    frequent = fast_similarity(places(stack("xc")), places(stack("yc")), frequency=common, traces=100)
    assert frequent < rare


STACKS = st.text(alphabet="abcd", max_size=60)


@given(a=STACKS, b=STACKS)
def test_laws(a: str, b: str) -> None:
    here, there = align(stack(a), stack(b)), align(stack(b), stack(a))
    assert here.share == pytest.approx(there.share)
    assert -1e-9 <= here.share <= 1 + 1e-9
    assert fast(a, b) == pytest.approx(fast(b, a))
    assert -1 - 1e-9 <= fast(a, b) <= 1 + 1e-9
    if a:
        assert fast(a, a) == pytest.approx(1)
    both = [(i, j) for i, j in here.pairs if i is not None and j is not None]
    assert both == sorted(both)
    assert all(a[i] == b[j] for i, j in both)
    assert [i for i, _ in here.pairs if i is not None] == list(range(max(0, len(a) - LIMIT), len(a)))
    assert [j for _, j in here.pairs if j is not None] == list(range(max(0, len(b) - LIMIT), len(b)))
