"""What every parser promises: it never raises on what it is given, and what it answers is well formed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ems_ml.parse import (
    GoParser,
    JavaScriptParser,
    JvmParser,
    NativeParser,
    ParserChain,
    PlainParser,
    PytestParser,
    PythonParser,
    RustParser,
    SentryParser,
    TextParser,
    default_parsers,
)
from ems_ml.parse.blocks import CHAIN_LENGTH, MESSAGE_CHARS
from ems_ml.parse.frames import HEAD_FRAMES, TAIL_FRAMES
from ems_ml.parse.languages import readers
from ems_ml.ports import Parser
from ems_ml.types import ErrorEvent, Form, RawReport, Role

LANGUAGES = [PythonParser(), JvmParser(), JavaScriptParser(), GoParser(), NativeParser(), RustParser()]
PARSERS = [SentryParser(), PytestParser(), *LANGUAGES, TextParser(readers()), PlainParser()]
NAMES = [parser.name for parser in PARSERS]

TRACE = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
    main()
ValueError: bad
"""

#: Pieces that mean something to a parser, in any order: more likely to hurt than random characters.
PIECES = st.sampled_from(
    [
        "Traceback (most recent call last):", '  File "a.py", line 3, in f', "    x = 1", "ValueError: bad", "a.B",
        "  + Exception Group Traceback (most recent call last):", '  |   File "a.py", line 3', "  | E: x (1 sub)",
        "  +-+---------------- 1 ----------------", "    | ValueError: a", "    +------------------------------------",
        "During handling of the above exception, another exception occurred:", "> ", "web_1  | ", "", "   ",
        "The above exception was the direct cause of the following exception:", "E   KeyError: 1", "a.py:3: KeyError",
        "KeyError                Traceback (most recent call last)", "Cell In[1], line 2, in f(x)", "----> 2 x",
        "  [Previous line repeated 9 more times]", "____ test_x ____", ">   assert x", "_ _ _ _ _ _ _ _ _", "\x1b[31m",
        '{"exc_info": "Traceback (most recent call last):\\n  File \\"a\\", line 1, in f\\nE: x"}', "\ufffd", "\x00",
        "╭─── Traceback (most recent call last) ───╮", "│ a.py:1 in f │", "│ ❱ 1 x │", "╰──────╯", "Call stack:",
        "Current thread 0x1 (most recent call first):", '  File "a" in f', "Exception Type: E at /",
        "java.lang.Error: x", "\tat a.B.c(B.java:3)", "Caused by: a.B: y", "\tSuppressed: a.C", "\t... 3 more",
        "Wrapped by: a.D", "Caused by: [CIRCULAR REFERENCE: a.B: y]", "TypeError: x", "    at f (/a.js:1:2) {",
        "  [cause]: Error: y", "      at async new B (file:///b.mjs:1:2)", "  [errors]: [", "  ]", "}", "    ^",
        "    ... 4 lines matching cause stack trace ...", "f@https://x/a.js:1:2", "/a.js:3", "panic: x [recovered]",
        "\tpanic: y", "goroutine 1 [running]:", "main.f(...)", "\t/a.go:3 +0x1", "panic({0x1, 0x2})",
        "created by main.g",
        "fatal error: z", "WARNING: DATA RACE", "Write at 0x00c0 by goroutine 7:",
        "==1==ERROR: AddressSanitizer: SEGV on x",
        "    #0 0x4f in f /a.c:3:1", "#1  0x1 in g (x=1) at a.c:4", "#2  h (", "freed by thread T0 here:",
        "Program received signal SIGSEGV, Segmentation fault.", "#3  <signal handler called>", "./a(f+0x1)[0x2]",
        "Direct leak of 1 byte(s) in 1 object(s) allocated from:", "a.c:3:1: runtime error: x", "12\tx = 1;",
        "thread 'main' panicked at a.rs:3:1:", "stack backtrace:", "   0: core::panicking::panic",
        "             at a.rs:3:1",
        "Indirect leak of 1 byte(s) in 1 object(s) allocated from:",
        "terminate called after throwing an instance of 'A'",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("\n".join), st.lists(PIECES, max_size=8).map("".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SENTRY_KEYS = st.sampled_from(
    ["exception", "values", "type", "value", "stacktrace", "frames", "filename", "lineno", "function", "logentry",
     "message", "params", "fingerprint", "modules", "tags", "timestamp", "mechanism", "threads", "platform", "sdk"]
)  # fmt: skip
PYTEST_KEYS = st.sampled_from(
    ["longrepr", "chain", "reprtraceback", "reprentries", "data", "lines", "reprfileloc", "path", "lineno", "message",
     "reprcrash", "type", "nodeid", "when"]
)  # fmt: skip


def payloads(keys: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    return st.recursive(
        JSON,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


def check(event: ErrorEvent) -> None:
    """Well formed, and within its bounds."""
    assert event.id
    for record in (event.error, *event.chain):
        assert len(record.message) <= MESSAGE_CHARS
        assert len(record.frames) <= HEAD_FRAMES + TAIL_FRAMES
        for frame in record.frames:
            assert frame.in_app == (frame.role is Role.APP)
            assert frame.line is None or isinstance(frame.line, int)
            assert frame.code is None or (frame.code == frame.code.strip() != "")
    assert event.error.relation is None
    assert all(record.relation in ("cause", "context", "member") for record in event.chain)
    assert len(event.chain) <= CHAIN_LENGTH
    for other in event.more:
        check(other)


@pytest.mark.parametrize("parser", PARSERS, ids=NAMES)
def test_is_a_parser(parser: Parser) -> None:
    assert isinstance(parser, Parser)


@pytest.mark.parametrize("parser", PARSERS, ids=NAMES)
@given(text=TEXTS, form=st.sampled_from(Form))
@example(text=TRACE, form=Form.TEXT)
def test_never_raises_on_a_text(parser: Parser, text: str, form: Form) -> None:
    event = parser.parse(RawReport(text=text, form=form))
    if event is not None:
        check(event)


@pytest.mark.parametrize("parser", PARSERS, ids=NAMES)
@given(payload=st.dictionaries(SENTRY_KEYS | PYTEST_KEYS, payloads(SENTRY_KEYS | PYTEST_KEYS), max_size=6))
def test_never_raises_on_a_payload(parser: Parser, payload: dict[str, object]) -> None:
    for form in Form:
        event = parser.parse(RawReport(payload=payload | {"outcome": "failed"}, form=form))
        if event is not None:
            check(event)


@given(text=TEXTS, id=st.text(max_size=5))
def test_the_chain_always_answers_with_what_the_report_knew(text: str, id: str) -> None:
    report = RawReport(text=text, id=id, project="shop", release="1.2", source="file")
    event = ParserChain(default_parsers()).parse(report)
    assert (event.project, event.release, event.source) == ("shop", "1.2", "file")
    assert event.id == id if id else len(event.id) == 32


def test_a_chain_without_a_last_answer_says_so() -> None:
    with pytest.raises(LookupError, match="must always answer"):
        ParserChain([PythonParser()]).parse(RawReport(text="nothing here"))


@pytest.mark.parametrize("parser", PARSERS, ids=NAMES)
def test_knows_its_own_form_only(parser: Parser) -> None:
    own = {"sentry": Form.SENTRY, "pytest": Form.PYTEST, "plain": None}.get(parser.name, Form.TEXT)
    for form in Form:
        answer = parser.parse(RawReport(text=TRACE, payload={}, form=form))
        if own is not None and form is not own:
            assert answer is None
