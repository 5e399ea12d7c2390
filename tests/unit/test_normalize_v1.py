"""Version 1 of what counts as identity, as tables: a changed answer here moves events on every installation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_steps import an_event, in_test

from ems_ml.normalize import NormalizerV1
from ems_ml.normalize.v1 import MAX_FRAMES, file_of, function_of, template_of
from ems_ml.ports import Normalizer
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role, Signature

TEMPLATES = [
    ("VM Started", "VM Started"),
    ("VM Paused", "VM Paused"),
    ("'NoneType' object has no attribute 'foo'", "'NoneType' object has no attribute 'foo'"),
    ("module 'time' has no attribute 'clock'", "module 'time' has no attribute 'clock'"),
    ("name 'nmae' is not defined", "name 'nmae' is not defined"),
    ("f() got an unexpected keyword argument 'x'", "f() got an unexpected keyword argument 'x'"),
    ("cannot import name 'a' from 'b.c' (/usr/lib/b/c.py)", "cannot import name 'a' from 'b.c' (<path>)"),
    ("No module named 'yaml'", "No module named 'yaml'"),
    ("Cannot read properties of null (reading 'a')", "Cannot read properties of null (reading 'a')"),
    ("undefined is not an object (evaluating 't.a.b')", "undefined is not an object (evaluating 't.a.b')"),
    ("failed (reading 'a b') of 'c'", "failed (reading <str>) of <str>"),
    (
        "'<' not supported between instances of 'str' and 'int'",
        "<str> not supported between instances of 'str' and 'int'",
    ),
    ('can only concatenate str (not "int") to str', 'can only concatenate str (not "int") to str'),
    ("unsupported operand type(s) for +: 'Money' and 'int'", "unsupported operand type(s) for +: 'Money' and 'int'"),
    ("f() missing 1 required positional argument: 'x'", "f() missing <int> required positional argument: 'x'"),
    ("'tea'", "<str>"),
    ("invalid literal for int() with base 10: '12 kg'", "invalid literal for int() with base <int>: <str>"),
    ("no user ann@example.org at 10.0.0.7:80", "no user <email> at <ip>"),
    ("GET https://a.b/c?d=1 took 30.5 s", "GET <url> took <duration>"),
    ("task 123e4567-e89b-12d3-a456-426614174000 lost", "task <uuid> lost"),
    ("since 2026-01-02T03:04:05Z, at 03:04:05", "since <date>, at <time>"),
    ("<A object at 0x7f00aa> is bad", "<A object at <hex>> is bad"),
    ("commit 0123456789abcdef0123456789abcdef01234567", "commit <hex>"),
    ("[Errno 2] No such file or directory: '/tmp/a b'", "[Errno <int>] No such file or directory: <str>"),
    ("cannot open C:\\Users\\ann\\x.txt now", "cannot open <path>"),
    ("scale -1.5e-3 of 7", "scale <float> of <int>"),
    ("two\n  lines\tand spaces", "two lines and spaces"),
    ("utf8 and sha256 stay words", "utf8 and sha256 stay words"),
    ("", ""),
]


@pytest.mark.parametrize(("message", "template"), TEMPLATES, ids=[message[:30] for message, _ in TEMPLATES])
def test_a_template_keeps_the_words_that_decide(message: str, template: str) -> None:
    assert template_of(message) == template


FILES = [
    ("/home/a/proj/pkg/mod.py", None, "pkg/mod.py"),
    ("C:\\x\\proj\\pkg\\mod.py", None, "pkg/mod.py"),
    ("pkg/mod.py", None, "pkg/mod.py"),
    ("./pkg/mod.py", None, "pkg/mod.py"),
    ("/usr/src/app/pkg/mod.py", None, "pkg/mod.py"),
    ("/home/a/proj/src/pkg/mod.py", "pkg.mod", "pkg/mod.py"),
    ("/home/a/proj/pkg/sub/mod.py", "pkg.sub.mod", "sub/mod.py"),
    ("/home/a/proj/pkg/sub/mod.py", None, "sub/mod.py"),
    ("/app/mod.py", "mod", "mod.py"),
    ("/app/main.py", "__main__", "app/main.py"),
    ("/app/pkg/__init__.py", "pkg", "pkg/__init__.py"),
    ("/opt/v/lib/python3.12/site-packages/click/core.py", None, "click/core.py"),
    ("C:\\V\\Lib\\site-packages\\click\\core.py", None, "click/core.py"),
    ("/usr/lib/python3/dist-packages/yaml/nodes.py", "yaml.nodes", "yaml/nodes.py"),
    ("/usr/lib/python3.11/json/decoder.py", None, "json/decoder.py"),
    ("C:\\Python312\\Lib\\json\\decoder.py", None, "json/decoder.py"),
    ("<string>", None, "<string>"),
    ("<frozen importlib._bootstrap>", None, "<frozen"),
    ("", None, ""),
]


@pytest.mark.parametrize(("path", "module", "expected"), FILES, ids=[f"{path} {module}" for path, module, _ in FILES])
def test_a_file_is_the_same_on_every_machine(path: str, module: str | None, expected: str) -> None:
    assert file_of(Frame(file=path, module=module)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f", "f"),
        ("Shop.price_of", "price_of"),
        ("outer.<locals>.inner", "inner"),
        ("<lambda>", "<lambda>"),
        ("outer.<locals>.<genexpr>", "<genexpr>"),
        ("handler_0042", "handler"),
        ("step2", "step2"),
        ("", ""),
    ],
)
def test_a_function_is_its_own_name(name: str, expected: str) -> None:
    assert function_of(Frame(file="a.py", function=name)) == expected


def signature(event: ErrorEvent) -> Signature:
    return NormalizerV1().normalize(event)


def with_frames(*frames: Frame) -> ErrorEvent:
    return ErrorEvent(id="1", error=ExceptionRecord(type="E", message="m", frames=frames))


def test_the_whole_signature_stays_as_released() -> None:
    """The golden record: any difference needs a `v2.py`."""
    event = an_event("1", message="no price for 'tea' in order 7")
    event = event.with_(chain=(ExceptionRecord(type="a.b.Low", message="x", relation="cause"),))
    made = signature(event)
    assert (made.version, made.type, made.types, made.in_test) == ("v1", "KeyError", ("KeyError", "Low"), False)
    assert made.template == "no price for <str> in order <int>"
    assert made.text.splitlines() == [
        "KeyError Low",
        "no price for <str> in order <int>",
        "shop/price_of.py price_of name prices | return name subscript name ]",
        "shop/app.py main order run | name call name )",
    ]
    assert made.exact == "a468f68364b167678dec326a4aa073b2"


SAME = {
    "another machine": lambda e: moved(e, "/srv/a", "D:/builds/7"),
    "other lines": lambda e: relined(e),
    "another value": lambda e: replaced(e, message="'milk'"),
    "a qualified type": lambda e: replaced(e, type="builtins.KeyError"),
    "a runner around": lambda e: framed(e, Frame(file="/x/_pytest/python.py", function="call", role=Role.RUNNER)),
    "a test around": lambda e: framed(e, in_test("test_shop")),
    "another time": lambda e: e.with_(id="9", release="2", attributes={"server": "b"}),
}
OTHER = {
    "another type": lambda e: replaced(e, type="IndexError"),
    "other words": lambda e: replaced(e, message="no price"),
    "another function": lambda e: an_event("1", where="cost_of"),
    "another caller": lambda e: an_event("1", caller="job"),
    "another raising line": lambda e: an_event("1", code="return prices.pop(name)"),
    "another language": lambda e: e.with_(language="java"),
}


def moved(event: ErrorEvent, old: str, new: str) -> ErrorEvent:
    frames = tuple(replace(frame, file=frame.file.replace(old, new)) for frame in event.error.frames)
    return event.with_(error=replace(event.error, frames=frames))


def relined(event: ErrorEvent) -> ErrorEvent:
    frames = tuple(replace(frame, line=999) for frame in event.error.frames)
    return event.with_(error=replace(event.error, frames=frames))


def replaced(event: ErrorEvent, **changes: str) -> ErrorEvent:
    return event.with_(error=replace(event.error, **changes))


def framed(event: ErrorEvent, frame: Frame) -> ErrorEvent:
    return event.with_(error=replace(event.error, frames=(frame, *event.error.frames)))


@pytest.mark.parametrize("how", SAME)
def test_what_does_not_change_identity(how: str) -> None:
    event = an_event("1")
    assert signature(SAME[how](event)).exact == signature(event).exact


@pytest.mark.parametrize("how", OTHER)
def test_what_changes_identity(how: str) -> None:
    event = an_event("1")
    assert signature(OTHER[how](event)).exact != signature(event).exact


def test_frames_of_tests_and_runners_are_no_feature() -> None:
    own = Frame(file="pkg/m.py", function="f")
    made = signature(with_frames(in_test("test_a"), Frame(file="r.py", function="r", role=Role.RUNNER), own))
    assert [frame.function for frame in made.frames] == ["f"]
    assert not made.in_test


def test_an_error_of_the_test_itself_keeps_the_tests_frames() -> None:
    made = signature(with_frames(Frame(file="r.py", function="r", role=Role.RUNNER), in_test("test_a")))
    assert [frame.function for frame in made.frames] == ["test_it"]
    assert made.in_test


def test_the_tracers_own_frames_are_left_out() -> None:
    tracer = Frame(file="/v/site-packages/opentelemetry/trace/__init__.py", function="use_span", role=Role.LIBRARY)
    assert [frame.function for frame in signature(with_frames(tracer, Frame(file="a/b.py", function="f"))).frames] == [
        "f"
    ]


@pytest.mark.parametrize("cycle", [1, 2, 3, 4])
def test_recursion_is_folded(cycle: int) -> None:
    def stack(rounds: int) -> ErrorEvent:
        body = [Frame(file="a/b.py", function=f"f{letter}") for letter in "abcd"[:cycle]]
        return with_frames(
            Frame(file="a/b.py", function="main"), *(body * rounds), Frame(file="a/b.py", function="end")
        )

    assert signature(stack(7)).exact == signature(stack(300)).exact
    assert len(signature(stack(300)).frames) == cycle + 2


def test_a_deep_stack_is_bounded_at_the_raise_point() -> None:
    frames = tuple(Frame(file="a/b.py", function=f"step{chr(97 + n % 26)}{chr(97 + n // 26)}") for n in range(400))
    made = signature(with_frames(*frames))
    assert len(made.frames) == MAX_FRAMES
    assert made.frames[-1].function == frames[-1].function


def test_a_log_template_is_obeyed() -> None:
    event = an_event("1", message="user ann is late", template="user %s is late")
    assert signature(event).template == "user %s is late"


def test_shapes_that_are_given_are_taken() -> None:
    frame = Frame(file="a/b.py", function="f", code=None, shape=("return", "name"), words=("price",))
    made = signature(with_frames(frame)).frames[0]
    assert (made.shape, made.words) == (("return", "name"), ("price",))


def test_is_a_normalizer() -> None:
    assert isinstance(NormalizerV1(), Normalizer)


FRAMES = st.builds(
    Frame,
    file=st.text(max_size=60),
    function=st.text(max_size=30),
    module=st.none() | st.text(max_size=20),
    code=st.none() | st.text(max_size=60),
    role=st.sampled_from(Role),
    in_app=st.booleans(),
)


@given(
    kind=st.text(max_size=30),
    message=st.text(max_size=300),
    frames=st.lists(FRAMES, max_size=8),
    log=st.none() | st.text(),
)
def test_never_raises_and_is_pure(kind: str, message: str, frames: list[Frame], log: str | None) -> None:
    error = ExceptionRecord(type=kind, message=message, frames=tuple(frames))
    event = ErrorEvent(id="1", error=error, template=log)
    made = signature(event)
    assert made == signature(event.with_(id="2", project="p"))
    assert len(made.exact) == 32
    assert len(made.frames) <= MAX_FRAMES
