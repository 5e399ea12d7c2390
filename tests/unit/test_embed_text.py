"""The text that our encoder reads: what it marks, what it hashes, what it leaves out."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from ems_ml.dataset import event_from_row, load_data
from ems_ml.embed import text
from ems_ml.embed.text import BUCKETS, KINDS, MAX_FRAMES, MAX_WORDS, trace_text, unit, units, words_of
from ems_ml.normalize import NormalizerV1
from ems_ml.types import FrameKey, Role, Signature


def _frame(
    file: str = "shop/prices.py", function: str = "price_of", *, in_app: bool = True, word: str = ""
) -> FrameKey:
    words = (word,) if word else ("name", "prices")
    return FrameKey(file=file, function=function, role=Role.APP, in_app=in_app, shape=("return", "name"), words=words)


ONE = Signature(
    version="v1",
    language="python",
    type="KeyError",
    types=("KeyError",),
    message="'tea'",
    template="<str> is no price + <int>",
    frames=(_frame("shop/app.py", "main"), _frame()),
    exact="0" * 32,
    text="",
)


def _tokens(signature: Signature, mark: str) -> set[str]:
    return {word for word in trace_text(signature).split() if word.startswith(mark)}


def test_examples() -> None:
    assert doctest.testmod(text).failed == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parseHTTPHeader", ("parse", "http", "header")),
        ("_read_line2", ("read", "line", "2")),
        ("src/http/Client.py", ("src", "/", "http", "/", "client", "py")),
        ("unsupported operand type(s) for +=: 'int'", ("unsupported", "operand", "type", "s", "for", "+=", "int")),
        ("could not convert <str> at <hex>", ("could", "not", "convert", "<str>", "at", "<hex>")),
        ("caféΛόγος λ", ("caféλόγος", "λ")),
        ("", ()),
    ],
)
def test_names_paths_operators_and_placeholders_are_cut(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


def test_words_are_marked_by_where_they_stand() -> None:
    assert _tokens(ONE, "!") == {"!key", "!error"}
    assert _tokens(ONE, '"') == {'"<str>', '"is', '"no', '"price', '"+', '"<int>'}
    assert _tokens(ONE, ">") == {">name", ">prices", ">price", ">of"}


def test_the_applications_line_counts_as_the_one_that_raised() -> None:
    below = replace(ONE, frames=(*ONE.frames, _frame("json/decoder.py", "decode", in_app=False, word="scan")))
    assert _tokens(below, ">") == _tokens(ONE, ">")
    assert _tokens(below, "@a") == _tokens(ONE, "@a")
    only = replace(ONE, frames=tuple(replace(frame, in_app=False) for frame in ONE.frames))
    assert _tokens(only, "@a") == _tokens(ONE, "@a"), "without one of the application's, the innermost counts"


def test_a_line_is_one_unit_and_its_place_another() -> None:
    other_line = replace(ONE, frames=(ONE.frames[0], _frame(word="size")))
    assert _tokens(other_line, "@a") != _tokens(ONE, "@a")
    assert _tokens(other_line, "@p") == _tokens(ONE, "@p")
    assert _tokens(other_line, "@e") == _tokens(ONE, "@e")


def test_every_unit_is_among_those_that_a_tokenizer_is_told_of() -> None:
    assert len(units()) == len(set(units())) == len(KINDS) * BUCKETS
    made = {unit(kind, str(number)) for kind in KINDS for number in range(5000)}
    assert made <= set(units())
    rows = load_data("fault", split="tune").head(200).to_dict("records")
    known = set(units())
    for row in rows:
        signature = NormalizerV1().normalize(event_from_row({str(key): value for key, value in row.items()}))
        assert _tokens(signature, "@") <= known


def test_of_an_unknown_error_nothing_is_said_and_of_a_huge_one_not_everything() -> None:
    nothing = replace(ONE, type="", types=(), message="", template="", frames=())
    assert trace_text(nothing) == ""
    deep = tuple(_frame(f"a/m{number}.py", f"f{number}", word=f"word{number}") for number in range(5000))
    huge = replace(ONE, frames=deep, template=" ".join(f"w{number}" for number in range(5000)))
    assert len(trace_text(huge).split()) <= 6 * MAX_WORDS + 3 * MAX_FRAMES
