"""What bad and hostile reports cost and what becomes of them: the real line with the shipped models and a real store.

Work is counted, not timed: characters that the encoder reads, examples that an error is compared with, frames that
decide, characters that are stored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ems_ml.build import System, build
from ems_ml.group.index import SAME_LINE
from ems_ml.normalize.v1 import MAX_FRAMES
from ems_ml.pipeline import Pipeline
from ems_ml.ports import NEAR, PER_PATTERN, Candidates, Encoder, Grouper
from ems_ml.settings import load_settings
from ems_ml.types import Assignment, Decision, ErrorEvent, Form, RawReport, Result, Signature

MEGABYTE = 1_000_000
READ = 60_000  # characters of one error that the encoder may read
KEPT = 1_500_000  # characters of one error that may be stored
SIGNED = 120_000  # characters of its signature
COMPARED = NEAR + SAME_LINE + PER_PATTERN  # the nearest, those of the same line, those of the pattern that is known


@dataclass
class Counted:
    """A line whose encoder and grouper count what they are given."""

    line: Pipeline
    read: list[int] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)

    def __call__(self, *reports: RawReport | str) -> list[Result]:
        made = [RawReport(text=one) if isinstance(one, str) else one for one in reports]
        return [self.line.process(one) for one in made]


class Reading:
    def __init__(self, inner: Encoder, counted: list[int]) -> None:
        self.inner, self.counted = inner, counted
        self.version, self.dimension = inner.version, inner.dimension

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        self.counted += [len(signature.text) for signature in signatures]
        return self.inner.encode(signatures)


class Comparing:
    def __init__(self, inner: Grouper, counted: list[int]) -> None:
        self.inner, self.counted = inner, counted
        self.version = inner.version

    def assign(
        self, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32], candidates: Candidates
    ) -> Assignment:
        self.counted.append(len(candidates.near))
        return self.inner.assign(event, signature, vector, candidates)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The shipped models, loaded once."""
    with build(load_settings(home=tmp_path_factory.mktemp("home"), database_url="sqlite://")) as made:
        yield made


@pytest.fixture
def counted(system: System, tmp_path: Path) -> Iterator[Counted]:
    """The line over a store of the test's own."""
    with build(load_settings(home=tmp_path, database_url="sqlite://")) as fresh:
        for name in ("encoder", "grouper", "ranker"):
            vars(fresh)[name] = getattr(system, name)
        made = Counted(fresh.line())
        made.line.encoder = Reading(made.line.encoder, made.read)
        made.line.grouper = Comparing(made.line.grouper, made.compared)
        yield made


def traceback(*frames: tuple[str, str, str], kind: str = "ValueError", message: str = "no") -> str:
    told = "".join(
        f'  File "{file}", line {n}, in {where}\n    {code}\n' for n, (file, where, code) in enumerate(frames, 1)
    )
    return f"Traceback (most recent call last):\n{told}{kind}: {message}\n"


def sentry(frames: Sequence[dict[str, Any]] = (), *, kind: str = "Bad", value: str = "no", **more: Any) -> RawReport:
    exception = {"type": kind, "value": value, "stacktrace": {"frames": list(frames)}}
    return RawReport(payload={"exception": {"values": [exception]}, **more}, form=Form.SENTRY)


def stack(count: int, prefix: str = "f") -> list[dict[str, Any]]:
    return [
        {"filename": f"app/{prefix}{n}.py", "function": f"{prefix}{n}", "lineno": n, "context_line": f"g{n}(x)"}
        for n in range(count)
    ]


LIBRARY = "/x/site-packages/django/db/models/query.py"
#: name -> what is sent, the exception's type, frames that decide
BAD: dict[str, tuple[Callable[[], RawReport | str], str, int]] = {
    "nothing": (lambda: "", "", 0),
    "only NULs": (lambda: "\0" * 1000, "", 0),
    "no frames": (lambda: "ValueError: no", "ValueError", 0),
    "no words": (lambda: "ValueError", "ValueError", 0),
    "10,000 frames in a text": (
        lambda: traceback(*((f"app/f{n}.py", f"f{n}", f"g{n}(x)") for n in range(10_000))), "ValueError", MAX_FRAMES,
    ),
    "10,000 frames of an event": (lambda: sentry(stack(10_000)), "Bad", MAX_FRAMES),
    "10,000 frames of one recursion": (
        lambda: traceback(*[("app/f.py", "f", "f(x)")] * 10_000, kind="RecursionError"), "RecursionError", 1,
    ),
    "only framework frames": (
        lambda: traceback((LIBRARY, "get", "return self.run()"), (LIBRARY, "run", "raise x")), "ValueError", 2,
    ),
    "minified": (lambda: minified("a"), "TypeError", 3),
    "a message of a megabyte": (lambda: f"ValueError: {'a' * MEGABYTE}", "ValueError", 0),
    "a message of a megabyte of lines": (lambda: traceback(message="a line\n" * (MEGABYTE // 7)), "ValueError", 0),
    "a value of a megabyte": (lambda: sentry(value="a b " * (MEGABYTE // 4)), "Bad", 0),
    "a type of a megabyte": (lambda: sentry(kind="T" * MEGABYTE), "T" * 200, 0),
    "a function of a megabyte": (lambda: sentry([{"filename": "a.py", "function": "f" * MEGABYTE}]), "Bad", 1),
    "a path of a megabyte": (lambda: sentry([{"filename": "a/" * (MEGABYTE // 2) + "b.py"}]), "Bad", 1),
    "a line of a megabyte": (
        lambda: sentry([{"filename": "a.py", "function": "f", "context_line": "x y " * (MEGABYTE // 4)}]), "Bad", 1,
    ),
    "300 causes of 300 frames": (
        lambda: RawReport(
            payload={
                "exception": {
                    "values": [
                        {"type": f"T{n}", "value": "x" * 10_000, "stacktrace": {"frames": stack(300)}}
                        for n in range(300)
                    ]
                }
            },
            form=Form.SENTRY,
        ),
        "T299",
        MAX_FRAMES,
    ),
    "tags of a megabyte": (lambda: sentry(tags={"k" * MEGABYTE: "v" * MEGABYTE}), "Bad", 0),
    "5,000 packages": (lambda: sentry(modules={f"m{n}": "1" * 1000 for n in range(10_000)}), "Bad", 0),
    "a fingerprint of megabytes": (lambda: sentry(fingerprint=["x" * MEGABYTE] * 10), "Bad", 0),
    "a release of a megabyte": (lambda: sentry(release="r" * MEGABYTE), "Bad", 0),
    "a template that asks for a gigabyte": (
        lambda: RawReport(payload={"logentry": {"message": "%1000000000d", "params": [1]}}, form=Form.SENTRY), "", 0,
    ),
    "a template that repeats a megabyte": (
        lambda: RawReport(
            payload={"logentry": {"message": "%(a)s" * 100_000, "params": {"a": "x" * MEGABYTE}}}, form=Form.SENTRY
        ),
        "",
        0,
    ),
}  # fmt: skip


def minified(word: str) -> str:
    return (
        f"TypeError: Cannot read properties of undefined (reading '{word}')\n"
        "    at t (https://shop.example/app.min.js:1:1000)\n"
        "    at n (https://shop.example/app.min.js:1:5000)\n"
        "    at e (https://shop.example/app.min.js:1:99)"
    )


@pytest.mark.parametrize("name", BAD)
def test_bounded_work_and_a_stated_decision(counted: Counted, name: str) -> None:
    """Twice, so that it is also compared, with thirty others in between."""
    send, kind, frames = BAD[name]
    others = [traceback((f"app/{word}.py", word, f"{word}()"), message=word) for word in WORDS]
    first, *_, again = counted(send(), *others, send())
    assert (first.event.error.short_type, len(first.signature.frames)) == (kind, frames)
    assert first.assignment.decision is Decision.NEW
    assert (again.assignment.decision, again.assignment.pattern) == (Decision.JOINED, first.assignment.pattern)
    assert again.assignment.why["rule"] in ("exact signature", "fingerprint")
    assert max(counted.read) <= READ
    assert max(counted.compared) <= COMPARED
    store = counted.line.store
    with store.database.read() as connection:  # type: ignore[attr-defined]  # the real store
        kept = connection.exec_driver_sql("SELECT length(event), length(assignment), length(search) FROM event").all()
        signed = connection.exec_driver_sql("SELECT length(signature) FROM exemplar").scalars().all()
    assert max(sum(row) for row in kept) <= KEPT
    assert max(signed) <= SIGNED


WORDS = re.findall(
    r"\w+",
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu amber bronze copper dusty ebony fawn",
)


def word(number: int) -> str:
    first = WORDS[number % len(WORDS)]
    return first if number < len(WORDS) else f"{first}_{WORDS[number // len(WORDS) % len(WORDS)]}"


def patterns_of(results: Sequence[Result]) -> list[str]:
    return [result.assignment.pattern for result in results]


def largest(results: Sequence[Result]) -> int:
    return max(Counter(patterns_of(results)).values())


def half_similar(number: int) -> str:
    """Of a chain: it passes five of the six places that the one before passed, and says five of its six words."""
    calls = [(f"app/{word(number + k)}.py", f"{word(number + k)}_do", f"{word(number + k)}_call(x)") for k in range(6)]
    said = " ".join(word(number + k) for k in range(6))
    return traceback(*calls, ("app/util.py", "check", "raise ValueError(text)"), message=said)


def sliding(number: int) -> str:
    """The same without the place where they all end."""
    calls = [(f"app/{word(number + k)}.py", f"{word(number + k)}_do", f"{word(number + k)}_call(x)") for k in range(6)]
    return traceback(*reversed(calls), message=" ".join(word(number + k) for k in range(6)))


@pytest.mark.parametrize("link", [half_similar, sliding])
@pytest.mark.parametrize("among", [0, 150])
def test_a_chain_of_half_similar_errors_does_not_join_up(
    counted: Counted, link: Callable[[int], str], among: int
) -> None:
    counted(
        *(
            traceback((f"lib/{word(3 * n)}.py", word(5 * n), f"go({word(n)})"), message=word(7 * n))
            for n in range(among)
        )
    )
    chain = counted(*(link(number) for number in range(60)))
    assert largest(chain) <= 6
    assert chain[0].assignment.pattern != chain[10].assignment.pattern
    assert len(set(patterns_of(chain))) >= 15


def test_a_bait_that_holds_parts_of_everything_draws_nothing_in(counted: Counted) -> None:
    victims = [
        traceback(
            (f"app/{one}.py", one, f"{one}(order)"), (f"app/{one}s.py", f"{one}s", f"return {one}[key]"), message=one
        )
        for one in WORDS
    ]
    parts = [(f"app/{one}.py", one, f"{one}(order)") for one in WORDS]
    parts += [(f"app/{one}s.py", f"{one}s", f"return {one}[key]") for one in WORDS]
    bait = traceback(*parts, message=" ".join(WORDS))
    results = counted(bait, *victims, bait, *victims)
    assert results[0].assignment.pattern == results[len(victims) + 1].assignment.pattern
    first, second = results[1 : len(victims) + 1], results[len(victims) + 2 :]
    assert results[0].assignment.pattern not in patterns_of([*first, *second])
    assert len(set(patterns_of(first))) == len(victims)
    assert patterns_of(first) == patterns_of(second), "each still finds its own"


@pytest.mark.parametrize(
    ("send", "most"),
    [
        (lambda one, two: f"{one.title()}Error: cannot {two}", 1),
        (lambda one, two: f"could not {one} {two}", 1),
        (lambda one, two: minified(one), 8),
        (
            lambda one, two: traceback(
                ("/x/site-packages/django/core/handlers/base.py", "get_response", "response = call(request)"),
                (LIBRARY, f"{one}_get", f"return self.{one}(obj)"),
                message=f"{one} expected {two}",
            ),
            1,
        ),
    ],
    ids=["without frames", "plain words", "minified", "only framework frames"],
)
def test_errors_that_show_little_are_not_swallowed_by_one_pattern(
    counted: Counted, send: Callable[[str, str], str], most: int
) -> None:
    """`most`: of minified errors of one place the property alone differs; some are taken for one, never all."""
    results = counted(*(send(one, two) for one, two in zip(WORDS, WORDS[5:] + WORDS[:5], strict=True)))
    assert largest(results) <= most


def test_a_pattern_that_was_merged_from_many_costs_no_more(counted: Counted) -> None:
    """A person merges forty patterns; a known error of theirs is still compared with a bounded number of examples."""
    texts = [traceback((f"app/{word(n)}.py", word(n), f"{word(n + 1)}()"), message=word(n)) for n in range(40)]
    first, *others = counted(*texts)
    for other in others:
        counted.line.store.decisions.merge(other.assignment.pattern, first.assignment.pattern)  # type: ignore[attr-defined]
    counted.compared.clear()
    for again in counted(*texts):
        assert (again.assignment.pattern, again.assignment.decision) == (first.assignment.pattern, Decision.JOINED)
    assert max(counted.compared) <= COMPARED


def test_a_broken_name_of_a_project_is_refused(counted: Counted) -> None:
    for name in ("", "a\0b", "p" * 201):
        (answer,) = counted.line.process_many([RawReport(text="ValueError: no", project=name)])
        assert "project's name" in getattr(answer, "problem", "")
