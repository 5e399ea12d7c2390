"""The wording of a change: what its lines hold that came and went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ems_ml.source.wording import changed_lines, wording

BEFORE = "def f(x):\n    # once\n    return x.value\n"
AFTER = "def f(x):\n    # twice\n    if x is None:\n        return openFile\n    return x.value\n"


def test_lines_that_came_are_told_by_neighbouring_tokens_and_words() -> None:
    found = wording(BEFORE, AFTER)
    assert found["line +^ if"] == found["line +is lit:none"] == found["line +: $"] == 1
    assert found["word +open"] == found["word +file"] == 1
    assert not [sign for sign in found if sign.startswith(("line -", "word -"))], "the comment alone does not count"


def test_taking_back_a_change_turns_its_signs() -> None:
    turned = {sign.replace(" +", " -", 1): count for sign, count in wording(BEFORE, AFTER).items()}
    assert wording(AFTER, BEFORE) == turned


def test_what_begins_like_a_header_of_a_diff_counts() -> None:
    assert [*changed_lines("a\n", "++b\n-- c\n")] == [("-", "a"), ("+", "++b"), ("+", "-- c")]


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_texts_have_a_wording(before: str, after: str) -> None:
    assert all(count > 0 for count in wording(before, after).values())
    assert not wording(before, before)
