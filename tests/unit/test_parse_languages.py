"""Laws of reading languages other than Python: the order of mixed texts, quoting, prefixes, bounds, redaction."""

from __future__ import annotations

import json
import time

import pytest

from ems_ml.normalize import NormalizerV1
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.parse.frames import HEAD_FRAMES, TAIL_FRAMES
from ems_ml.redact.redactors import SecretRedactor
from ems_ml.types import ErrorEvent, Form, RawReport

JAVA = """java.lang.IllegalStateException: no
\tat com.shop.Cart.total(Cart.java:12)
\tat com.shop.App.main(App.java:5)"""
NODE = """TypeError: x is undefined
    at Cart.total (/srv/cart.js:3:5)
    at main (/srv/main.js:9:1)"""
GO = """panic: bad order

goroutine 1 [running]:
main.total(0x3)
\t/srv/cart.go:12 +0x1d
main.main()
\t/srv/main.go:5 +0x1d"""
ASAN = """==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x60200000eff0 at pc 0x4 bp 0x7 sp 0x7
READ of size 4 at 0x60200000eff0 thread T0
    #0 0x4f1 in total /srv/cart.c:12:3
    #1 0x4f2 in main /srv/main.c:5:3"""
PYTHON = """Traceback (most recent call last):
  File "/srv/main.py", line 5, in main
    total()
  File "/srv/cart.py", line 12, in total
    raise ValueError("bad")
ValueError: bad"""
ALL = {"java": JAVA, "javascript": NODE, "go": GO, "native": ASAN, "python": PYTHON}


def parse(text: str) -> ErrorEvent:
    return ParserChain(default_parsers()).parse(RawReport(text=text))


def last(event: ErrorEvent) -> str:
    return event.error.frames[-1].function.rpartition(".")[2]


@pytest.mark.parametrize("language", ALL)
def test_each_language_is_known(language: str) -> None:
    event = parse(ALL[language])
    assert (event.language, event.parser, last(event)) == (language, language, "total")
    assert not event.more


PREFIXES = ["web_1  | ", "2024-01-01T12:00:0{0}.123Z stderr F ", "> ", "    ", "Jan 31 12:00:0{0} host shop[475]: "]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("language", ALL)
def test_a_prefix_on_each_line_changes_nothing(language: str, prefix: str) -> None:
    lines = [prefix.format(number % 10) + line for number, line in enumerate(ALL[language].split("\n"))]
    assert parse("\n".join(lines)).error == parse(ALL[language]).error


@pytest.mark.parametrize("language", ALL)
def test_line_ends_colours_and_escapes_change_nothing(language: str) -> None:
    text = ALL[language]
    plain = parse(text).error
    assert parse(text.replace("\n", "\r\n")).error == plain
    assert parse("\x1b[31m" + text.replace("\n", "\x1b[0m\n\x1b[31m")).error == plain
    assert parse(json.dumps({"level": "error", "msg": "failed", "stack": text})).error == plain
    docker = [json.dumps({"log": f"{line}\n", "stream": "stderr"}, separators=(",", ":")) for line in text.split("\n")]
    if language != "python":
        assert parse("\n".join(docker)).error == plain


@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize("second", ALL)
def test_of_two_reports_the_last_is_the_error_and_the_other_is_more(first: str, second: str) -> None:
    event = parse(f"{ALL[first]}\n\n2024-01-01 12:00:00 INFO shop: next order\n\n{ALL[second]}\n")
    assert event.language == second
    assert [other.language for other in event.more] == [first]


def test_a_python_error_that_quotes_java_is_python() -> None:
    frames = PYTHON.rpartition("\n")[0]
    event = parse(f"{frames}\npy4j.protocol.Py4JJavaError: An error occurred while calling o4.f.\n: {JAVA}")
    assert (event.language, event.error.type, event.more) == ("python", "py4j.protocol.Py4JJavaError", ())


def test_a_java_error_that_quotes_python_is_java() -> None:
    event = parse(f"org.apache.spark.api.python.PythonException: {PYTHON}\n\n\tat com.shop.App.main(App.java:5)")
    assert (event.language, event.error.type) == ("java", "org.apache.spark.api.python.PythonException")
    assert event.error.message.endswith("ValueError: bad")
    assert not event.more


def test_a_javascript_error_that_quotes_python_is_javascript() -> None:
    event = parse(
        f"Error: Command failed: python x.py\n{PYTHON}\n\n    at handler (node:child_process:4:1)\n    at f (/a.js:1:2)"
    )
    assert (event.language, event.error.type) == ("javascript", "Error")
    assert not event.more


@pytest.mark.parametrize("language", ALL)
def test_a_trace_cut_anywhere_still_answers(language: str) -> None:
    text = ALL[language]
    for end in range(1, len(text), 5):
        for part in (text[:end], text[end:]):
            for frame in parse(part).error.frames:
                assert frame.line is None or frame.line > 0


HOSTILE = {
    "java frames": "\tat a.b.C.d(C.java:3)\n" * 10_000,
    "java causes": "java.lang.E: x\n\tat a.b.C.d(C.java:3)\n" + "Caused by: a.b.E: x\n" * 10_000,
    "suppressed": "java.lang.E: x\n\tat a.b.C.d(C.java:3)\n"
    + "\tSuppressed: a.b.E: x\n\t\tat a.B.c(B.java:1)\n" * 5_000,
    "node frames": "TypeError: x\n" + "    at f (/a.js:1:2)\n" * 10_000,
    "alternating": "    at f (/a.js:1:2)\nnoise\n" * 10_000,
    "names": "ValueError: x\n" * 20_000 + "    at f (/a.js:1:2)\n",
    "goroutines": "goroutine 1 [running]:\n" * 20_000,
    "go frames": "panic: x\n\ngoroutine 1 [running]:\n" + "main.f()\n\t/a.go:1 +0x1\n" * 10_000,
    "gdb": "".join(f"#{n}  0x1 in f (x=1) at a.c:4\n" for n in range(10_000)),
    "leaks": "Direct leak of 1 byte(s) in 1 object(s) allocated from:\n    #0 0x1 in f /a.c:3\n\n" * 5_000,
    "one line of ats": "at " * 350_000,
    "one line of words": "a.b" * 350_000,
    "one line of brackets": "at f (" * 200_000,
    "one line of numbers": "#1 0x1 in " * 100_000,
    "one line of signs": "f@" * 500_000,
    "lines of ats": ("at " * 6_000 + "\n") * 100,
    "lines of slashes": ("at " + "a/" * 9_000 + "\n") * 100,
    "lines of templates": ("#0 0x1 in " + "f<" * 9_000 + "\n") * 100,
    "lines of calls": ("main.f(" + "(" * 15_000 + ")\n\t/a.go:1\n") * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_linear_time_and_stay_bounded(name: str) -> None:
    text = HOSTILE[name]
    begun = time.process_time()
    event = parse(text)
    assert time.process_time() - begun < 5
    assert len(event.error.frames) <= HEAD_FRAMES + TAIL_FRAMES


@pytest.mark.parametrize("language", ALL)
def test_redaction_and_normalisation_work_on_each(language: str) -> None:
    text = ALL[language].replace("/srv/", "/home/ann/")
    event = SecretRedactor().redact(parse(text))
    assert "ann" not in "".join(frame.file for frame in event.error.frames)
    signature = NormalizerV1().normalize(event)
    assert signature.frames[-1].function.endswith("total")
    assert signature.language == language


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (JAVA.replace("Cart.total", "Cart.lambda$total$0"), JAVA.replace("Cart.total", "Cart.lambda$total$3")),
        (JAVA.replace("Cart.total", "Cart$$EnhancerBySpringCGLIB$$1a2b.total"),
         JAVA.replace("Cart.total", "Cart$$EnhancerBySpringCGLIB$$9f8e.total")),
        (JAVA.replace("Cart.java:12", "Cart.java:99"), JAVA),
        (NODE.replace("3:5", "30:9"), NODE),
        (GO.replace("main.total(0x3)", "main.total.func1(0xc)"), GO.replace("main.total(0x3)", "main.total.func2()")),
        (GO.replace("+0x1d", "+0x99"), GO),
        (ASAN.replace("0x60200000eff0", "0x60300000aaaa").replace("==7==", "==9=="), ASAN),
        (ASAN.replace("in total ", "in shop::total(int) "), ASAN.replace("in total ", "in shop::total(long, char*) ")),
    ],
)  # fmt: skip
def test_what_another_build_changes_is_no_identity(before: str, after: str) -> None:
    normalize = NormalizerV1().normalize
    assert normalize(parse(before)).exact == normalize(parse(after)).exact


def test_two_function_literals_of_two_functions_differ() -> None:
    normalize = NormalizerV1().normalize
    one, other = GO.replace("main.total(0x3)", "main.a.func1()"), GO.replace("main.total(0x3)", "main.b.func1()")
    assert normalize(parse(one)).exact != normalize(parse(other)).exact


def test_sentry_events_of_other_platforms_are_named_and_judged_as_their_texts_are() -> None:
    frames = [{"module": "com.shop.App", "function": "main", "filename": "App.java", "lineno": 5},
              {"module": "com.shop.Cart", "function": "lambda$total$4", "filename": "Cart.java", "lineno": 12},
              {"module": "java.util.Map", "function": "get", "filename": "Map.java"}]  # fmt: skip
    values = [{"type": "IllegalStateException", "module": "java.lang", "value": "no", "stacktrace": {"frames": frames}}]
    report = RawReport(payload={"platform": "java", "exception": {"values": values}}, form=Form.SENTRY)
    event = ParserChain(default_parsers()).parse(report)
    assert (event.language, event.error.type) == ("java", "java.lang.IllegalStateException")
    assert [(frame.function, frame.in_app) for frame in event.error.frames] == [
        ("com.shop.App.main", True), ("com.shop.Cart.lambda$total", True), ("java.util.Map.get", False),
    ]  # fmt: skip
    node = {"platform": "node", "exception": {"values": [{"type": "E", "value": "x", "stacktrace": {"frames": [
        {"function": "f", "filename": "/srv/node_modules/x/i.js"}]}}]}}  # fmt: skip
    event = ParserChain(default_parsers()).parse(RawReport(payload=node, form=Form.SENTRY))
    assert (event.language, event.error.frames[0].in_app) == ("javascript", False)
    logged = RawReport(payload={"platform": "java", "message": JAVA}, form=Form.SENTRY)
    assert last(ParserChain(default_parsers()).parse(logged)) == "total"
