"""A project's own rules of what is in-app: raw rules and frames in, what is in-app beside them."""

from __future__ import annotations

import pytest
from toy_steps import an_event, in_test

from ems_ml.errors import UsageError
from ems_ml.normalize import NormalizerV1, RuledNormalizer, RuledParsers, StackRules
from ems_ml.ports import Normalizer
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, RawReport, Role

FRAMES = {
    "own": Frame(file="/srv/shop/cart.py", function="total"),
    "vendored": Frame(file="shop/vendored/tax.py", function="rate"),
    "windows": Frame(file="C:\\shop\\Vendored\\tax.py", function="rate"),
    "library": Frame(file="/x/site-packages/plugin/io.py", function="read", role=Role.LIBRARY, in_app=False),
    "java": Frame(file="Tax.java", function="rate", module="com.shop.vendored.Tax"),
    "test": in_test("test_cart"),
}


def an_error(**fields: object) -> ErrorEvent:
    return ErrorEvent(
        id="1", error=ExceptionRecord(type="KeyError", frames=tuple(FRAMES.values())), project="shop"
    ).with_(**fields)


def in_app(event: ErrorEvent) -> set[str]:
    return {name for name, frame in zip(FRAMES, event.error.frames, strict=True) if frame.in_app}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", "own vendored windows java"),
        ("# a comment\n\n", "own vendored windows java"),
        ("stack.abs_path:**/vendored/** -app", "own java"),
        ("stack.abs_path:*/vendored/* -app", "own java windows"),
        ("stack.abs_path:shop/vendored/* -app", "own java windows"),
        ("stack.abs_path:**/vendored/?ax.py -app # why", "own java"),
        ("stack.module:vendored.* -app", "own java windows"),  # a module has its case
        ("stack.module:com.shop.vendored.* -app", "own vendored windows"),
        ("stack.function:rate -app", "own"),
        ("stack.function:r* stack.abs_path:**.java -app", "own vendored windows"),
        ("stack.function:r* !stack.abs_path:**.java -app", "own java"),
        ("stack.abs_path:**/plugin/** +app", "own vendored windows java library"),
        ("stack.abs_path:** -app\nstack.function:total +app", "own"),
        ("stack.function:total +app\nstack.abs_path:** -app", ""),
        ("stack.abs_path:**/tests/** +app", "own vendored windows java test"),
        ("'stack.abs_path:**/a folder/**' -app", "own vendored windows java"),
    ],
)
def test_a_rule_says_what_is_in_app(rules: str, expected: str) -> None:
    told = StackRules({"shop": rules}).apply(an_error())
    assert in_app(told) == set(expected.split())
    assert all((frame.role is Role.APP) == frame.in_app for frame in told.error.frames)
    assert StackRules({"shop": rules}).apply(told) == told


def test_rules_are_a_projects_own_and_those_of_every_project_come_first() -> None:
    rules = StackRules({"*": "stack.function:r* -app", "shop": "stack.abs_path:**.java +app"})
    assert in_app(rules.apply(an_error())) == {"own", "java"}
    assert in_app(rules.apply(an_error(project="other"))) == {"own"}
    assert len(rules) == 2


def test_causes_and_other_errors_of_a_text_obey_too() -> None:
    whole = an_error(chain=(an_error().error,), more=(an_error(),))
    told = StackRules({"shop": "stack.abs_path:** -app"}).apply(whole)
    assert not any(frame.in_app for frame in told.chain[0].frames)
    assert not in_app(told.more[0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("stack.abs_path:**/x/**", "then +app or -app"),
        ("-app", "then +app or -app"),
        ("stack.abs_path:**/x/** -group", "then +app or -app"),
        ("stack.package:x -app", "'stack.package:x' is none of stack.abs_path:GLOB"),
        ("stack.module: -app", "is none of"),
        ("'stack.module:x -app", "No closing quotation"),
    ],
)
def test_a_rule_that_cannot_be_read_is_told_with_its_line(line: str, said: str) -> None:
    with pytest.raises(UsageError, match="line 2 of the in-app rules of project 'shop'") as told:
        StackRules({"shop": f"# first\n{line}"})
    assert said in str(told.value)
    assert "ems.toml" in (told.value.hint or "")


def test_the_signature_obeys_and_its_version_tells_by_which_rules() -> None:
    event = an_event("1", project="shop")
    plain = NormalizerV1()
    ruled = RuledNormalizer(plain, StackRules({"shop": "stack.abs_path:**/price_of.py -app"}))
    assert isinstance(ruled, Normalizer)
    assert [frame.in_app for frame in ruled.normalize(event).frames] == [True, False]
    assert ruled.normalize(event).exact != plain.normalize(event).exact
    assert ruled.normalize(event.with_(project="other")) == plain.normalize(event.with_(project="other"))
    other = RuledNormalizer(plain, StackRules({"shop": "stack.abs_path:**/app.py -app"}))
    assert ruled.version.startswith("v1+")
    assert len({plain.version, ruled.version, other.version}) == 3


def test_what_is_parsed_obeys() -> None:
    class Always:
        def parse(self, report: RawReport) -> ErrorEvent:
            return an_error(project=report.project)

    parsers = RuledParsers(Always(), StackRules({"shop": "stack.function:rate -app"}))
    assert in_app(parsers.parse(RawReport(project="shop"))) == {"own"}
    assert in_app(parsers.parse(RawReport(project="x"))) == {"own", "vendored", "windows", "java"}
