"""Laws of reading: what the interpreter prints of a real exception comes back, whole, cut, prefixed or broken."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import CodeType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.parse.frames import HEAD_FRAMES, TAIL_FRAMES
from ems_ml.types import ErrorEvent, RawReport


def parse(text: str) -> ErrorEvent:
    return ParserChain(default_parsers()).parse(RawReport(text=text))


TYPES = st.sampled_from([ValueError, KeyError, ZeroDivisionError, RuntimeError, OSError, AssertionError, LookupError])
WORD = st.text(alphabet="abcdefghij'\"()[]{}<>=%,;:.0123456789 éß漢", min_size=1, max_size=30).map(str.strip)
MESSAGES = WORD.filter(lambda text: text and not text.startswith((">", "<", "[")) and "File" not in text)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True).filter(lambda name: name not in KEYWORDS)
KEYWORDS = {"if", "is", "in", "or", "as", "and", "not", "def", "for", "try", "del", "from", "with", "else", "pass",
            "elif", "while", "raise", "yield", "class", "async", "await", "break", "except", "assert", "import",
            "global", "lambda", "return", "finally", "nonlocal", "continue"}  # fmt: skip
FILES = st.sampled_from(["app.py", "/srv/shop/cart.py", "C:\\shop\\cart.py", "<string>", "/srv/my shop/été.py"])


def nested(names: list[str], files: list[str], error: BaseException) -> Callable[[], None]:
    """A function that calls the next one, each in a file of its own; the last raises `error`."""
    call: Callable[[], None] | None = None
    for name, file in reversed(list(zip(names, files, strict=True))):
        body = "raise error" if call is None else "call()"
        code: CodeType = compile(f"def {name}():\n    {body}\n", file, "exec")
        scope: dict[str, object] = {"call": call, "error": error}
        exec(code, scope)
        call = scope[name]  # type: ignore[assignment]
    assert call is not None
    return call


def raised(call: Callable[[], None]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


CALLS = st.lists(st.tuples(NAMES, FILES), min_size=1, max_size=6)


@given(calls=CALLS, kind=TYPES, message=MESSAGES)
def test_a_real_exception_comes_back(calls: list[tuple[str, str]], kind: type[Exception], message: str) -> None:
    error = raised(nested([name for name, _ in calls], [file for _, file in calls], kind(message)))
    event = parse("".join(traceback.format_exception(error)))
    expected = traceback.extract_tb(error.__traceback__)
    assert (event.error.type, event.error.message) == (kind.__name__, str(error))
    found = [(frame.file, frame.line, frame.function) for frame in event.error.frames]
    assert found == [(frame.filename, frame.lineno, frame.name) for frame in expected]


PREFIXES = st.sampled_from(["> ", "> > ", "    ", "web_1  | ", "2024-01-31 12:00:00,{0:03d} ERROR shop: ", "[{0}] "])


@given(calls=CALLS, kind=TYPES, message=MESSAGES, prefix=PREFIXES)
def test_a_prefix_on_each_line_changes_nothing(
    calls: list[tuple[str, str]], kind: type[Exception], message: str, prefix: str
) -> None:
    error = raised(nested([name for name, _ in calls], [file for _, file in calls], kind(message)))
    text = "".join(traceback.format_exception(error))
    lines = [prefix.format(number) + line for number, line in enumerate(text.splitlines())]
    plain, prefixed = parse(text), parse("\n".join(lines))
    assert prefixed.error == plain.error


@given(calls=CALLS, causes=st.lists(st.tuples(TYPES, MESSAGES, st.booleans()), min_size=1, max_size=4))
def test_a_chain_comes_back_with_the_nearest_cause_first(
    calls: list[tuple[str, str]], causes: list[tuple[type[Exception], str, bool]]
) -> None:
    previous: BaseException | None = None
    for kind, message, direct in causes:
        error = kind(message)
        if direct:
            error.__cause__ = previous
        error.__context__ = previous
        previous = raised(nested([name for name, _ in calls], [file for _, file in calls], error))
    assert previous is not None
    event = parse("".join(traceback.format_exception(previous)))
    records = [event.error, *event.chain]
    expected = [(kind.__name__, str(kind(message))) for kind, message, _ in reversed(causes)]
    assert [(record.type, record.message) for record in records] == expected
    relations = ["cause" if direct else "context" for _, _, direct in reversed(causes)][:-1]
    assert [record.relation for record in event.chain] == relations


TRACE = """\
2024-01-31 12:00:00 ERROR shop: failed
Traceback (most recent call last):
  File "/srv/shop/a.py", line 3, in first
    second()
  File "/srv/shop/b.py", line 5, in second
    {}["x"]
    ~~^^^^^
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/a.py", line 9, in <module>
    first()
shop.errors.Refused: no
"""


@pytest.mark.parametrize("end", range(1, len(TRACE), 3))
def test_a_trace_cut_anywhere_still_answers(end: int) -> None:
    known = {"", "KeyError", "shop.errors.Refused"}
    for part in (TRACE[:end], TRACE[end:]):
        event = parse(part)
        for frame in event.error.frames:
            assert frame.file.endswith(".py")
        if event.language == "python" and event.error.type not in known:
            assert any(name.startswith(event.error.type) or name.endswith(event.error.type) for name in known)


@given(noise=st.binary(max_size=200))
def test_broken_bytes_around_a_trace_do_not_hide_it(noise: bytes) -> None:
    junk = noise.decode("utf-8", errors="replace")
    event = parse(f"{junk}\n\n{TRACE}")
    assert event.error.type == "shop.errors.Refused"


def test_ten_thousand_frames_are_bounded_and_the_raise_point_stays() -> None:
    frames = "".join(f'  File "a.py", line {number}, in f{number}\n    g()\n' for number in range(10_000))
    event = parse(f"Traceback (most recent call last):\n{frames}ValueError: deep\n")
    assert len(event.error.frames) == HEAD_FRAMES + TAIL_FRAMES
    assert event.error.frames[-1].function == "f9999"
    assert event.attributes["frames_left_out"] == str(10_000 - HEAD_FRAMES - TAIL_FRAMES)


def test_an_endless_line_and_a_huge_text_are_bounded() -> None:
    event = parse("ValueError: " + "x" * 5_000_000)
    assert len(event.error.message) <= 20_000
    event = parse("noise\n" * 2_000_000 + TRACE)
    assert event.error.type == "shop.errors.Refused"
    assert event.attributes["characters_left_out"]
