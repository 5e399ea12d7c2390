"""What of an event is kept at most."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_steps import an_event

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.parse.bounds import (
    ATTRIBUTES,
    CHAIN_FRAMES,
    CHAIN_MESSAGES,
    CODE_CHARS,
    NAME_CHARS,
    TYPE_CHARS,
    VALUE_CHARS,
    in_bounds,
)
from ems_ml.parse.sentry import FILLED_CHARS
from ems_ml.types import ExceptionRecord, Form, Frame, RawReport


def test_an_ordinary_event_is_left_as_it_is() -> None:
    event = an_event("1", release="1.2", attributes={"a": "b"}, fingerprint=("x",))
    event = event.with_(chain=(event.error,), more=(an_event("2"),))
    assert in_bounds(event) is event


def test_what_is_longer_is_cut_and_cutting_twice_changes_no_more() -> None:
    frame = Frame(file="a/" * 1000 + "b.py", function="f" * 1000, module="m" * 1000, code="x" * 5000)
    record = ExceptionRecord(type="a" * 300 + ".Bad", message="m" * 20_000, frames=(frame, Frame(file="short.py")))
    event = an_event("1").with_(
        error=record,
        more=(an_event("2").with_(error=record),),
        release="r" * 1000,
        attributes={str(n): "v" * 5000 for n in range(500)},
    )
    kept = in_bounds(event)
    assert len(kept.error.type) == TYPE_CHARS
    assert kept.error.short_type == "Bad"
    first, second = kept.error.frames
    assert (len(first.file), first.file[-5:]) == (NAME_CHARS, "/b.py")
    assert (len(first.function), len(first.module or ""), len(first.code or "")) == (NAME_CHARS, NAME_CHARS, CODE_CHARS)
    assert second is record.frames[1]
    assert len(kept.attributes) == ATTRIBUTES
    assert {len(value) for value in kept.attributes.values()} == {VALUE_CHARS}
    assert kept.more[0].error == kept.error
    assert in_bounds(kept) is kept


def test_the_nearest_causes_keep_their_frames() -> None:
    cause = ExceptionRecord(type="E", message="m" * 9_000, frames=tuple(Frame(file=f"{n}.py") for n in range(300)))
    kept = in_bounds(an_event("1").with_(chain=(cause,) * 50)).chain
    assert len(kept) == 50
    assert [len(record.frames) for record in kept[:4]] == [300, 300, 300, 0]
    assert sum(len(record.frames) for record in kept) <= CHAIN_FRAMES
    assert sum(len(record.message) for record in kept) == CHAIN_MESSAGES


def test_long_parts_of_a_fingerprint_still_differ() -> None:
    one, other = ("x" * 10_000 + end for end in "ab")
    kept = [in_bounds(an_event("1", fingerprint=(part,))).fingerprint[0] for part in (one, other, one)]
    assert kept[0] == kept[2] != kept[1]
    assert {len(part) for part in kept} == {NAME_CHARS}


@pytest.mark.parametrize(
    ("template", "params", "filled"),
    [
        ("order %s of %d", ["tea", 3], "order tea of 3"),
        ("%(a)s", {"a": "tea"}, "tea"),
        ("%-10s|", ["tea"], "tea       |"),
        ("%.2f", [1.5], "1.50"),
        ("%1000000000d", [1], "%1000000000d"),
        ("%.1000000000f", [1], "%.1000000000f"),
        ("%*d", [10**9, 1], "%*d"),
        ("%(a)1000000000d", {"a": 1}, "%(a)1000000000d"),
        ("%s and %s", ["one"], "%s and %s"),
    ],
)
def test_a_template_is_filled_where_that_stays_small(template: str, params: object, filled: str) -> None:
    report = RawReport(payload={"logentry": {"message": template, "params": params}}, form=Form.SENTRY)
    assert ParserChain(default_parsers()).parse(report).error.message == filled


def test_a_template_that_repeats_a_long_value_stays_a_template() -> None:
    template = "%(a)s" * 1000
    report = RawReport(
        payload={"logentry": {"message": template, "params": {"a": "x" * FILLED_CHARS}}}, form=Form.SENTRY
    )
    assert ParserChain(default_parsers()).parse(report).error.message == template


def test_the_chain_of_parsers_answers_within_bounds() -> None:
    payload = {"exception": {"values": [{"type": "T" * 1000, "value": "v"}]}, "release": "r" * 1000}
    event = ParserChain(default_parsers()).parse(RawReport(payload=payload, form=Form.SENTRY))
    assert in_bounds(event) is event
    assert replace(event.error, message="v") == event.error
