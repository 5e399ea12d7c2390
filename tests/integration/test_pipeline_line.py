"""The straight line over real steps at toy sizes: one by one and in a batch, with what goes wrong on the way."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_steps import ToyEncoder, ToyRanker, toy_pair_model

from ems_ml.errors import DuplicateEvent, InputError, StoreError
from ems_ml.events import Bus, EventDropped, EventProcessed, EventReceived, Happened
from ems_ml.group import ExemplarIndex, OnlineGrouper
from ems_ml.normalize import NormalizerV1
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.pipeline import Pipeline, problem_to_json, result_to_json
from ems_ml.redact import SecretRedactor
from ems_ml.repo import DirectoryTree
from ems_ml.store import SqlStore
from ems_ml.types import Decision, Problem, RawReport, Result, Signature

TRACE = """Traceback (most recent call last):
  File "/srv/shop/{caller}.py", line 7, in main
    total = price_of(order)
  File "/srv/shop/prices.py", line 3, in {function}
    return {code}
{kind}: {message}
"""


def a_trace(
    kind: str = "KeyError",
    message: str = "'tea'",
    *,
    caller: str = "app",
    function: str = "price_of",
    code: str = "prices[name]",
) -> str:
    return TRACE.format(kind=kind, message=message, caller=caller, function=function, code=code)


def reports() -> list[RawReport]:
    texts = [
        a_trace(),
        a_trace(message="'milk'"),
        a_trace("IndexError", "list index out of range", function="first_of", code="rows[0]"),
        a_trace(caller="job"),
        "something went wrong",
        a_trace("LookupError", "no price"),
        "",
        a_trace("IndexError", "list index out of range", function="first_of", code="rows[0]", caller="job"),
        a_trace() + "\n" + a_trace("TypeError", "no", function="other"),
    ]
    return [RawReport(id=f"r{number}", text=text) for number, text in enumerate(texts)]


def a_store(url: str = "sqlite://") -> SqlStore:
    return SqlStore(url, new_index=ExemplarIndex, encoder=ToyEncoder.version)


def a_line(store: SqlStore, **steps: Any) -> Pipeline:
    parts: dict[str, Any] = {
        "parser": ParserChain(default_parsers()),
        "redactor": SecretRedactor(),
        "normalizer": NormalizerV1(),
        "encoder": ToyEncoder(),
        "grouper": OnlineGrouper(toy_pair_model(), join=0.9, suggest=0.5),
        "ranker": ToyRanker(),
        "store": store,
        "bus": Bus(),
    }
    return Pipeline(**{**parts, **steps})


@pytest.fixture
def store() -> Iterator[SqlStore]:
    with a_store() as made:
        yield made


def comparable(answers: Iterable[Result | Problem]) -> list[dict[str, Any]]:
    """Answers without time, and with patterns named by the order in which they came up: their ids are random."""
    names: dict[str, str] = {}
    told = []
    for answer in answers:
        made = problem_to_json(answer) if isinstance(answer, Problem) else result_to_json(answer)
        made.pop("ms", None)
        if isinstance(answer, Result):
            names.setdefault(answer.assignment.pattern, f"pattern {len(names)}")
        text = json.dumps(made, sort_keys=True)
        for pattern, name in names.items():
            text = text.replace(pattern, name)
        told.append(json.loads(text))
    return told


def test_a_batch_answers_what_one_by_one_answers(store: SqlStore) -> None:
    single = a_line(store)
    one_by_one = comparable([single.process(report) for report in reports()])
    with a_store() as fresh:
        batch = comparable(a_line(fresh).process_many(reports()))
    assert batch == one_by_one
    decisions = [answer["pattern"]["decision"] for answer in batch]
    assert decisions == ["new", "joined", "new", "joined", "new", "suggested", "new", "joined", "new"]


def test_answers_keep_their_order_over_many_batches(store: SqlStore) -> None:
    many = [RawReport(id=str(number), text=a_trace(message=f"'{number}'")) for number in range(300)]
    answers = list(a_line(store).process_many(many))
    assert [answer.id for answer in answers] == [str(number) for number in range(300)]
    assert len({answer.assignment.pattern for answer in answers if isinstance(answer, Result)}) == 1


def test_the_answer_is_the_contract(store: SqlStore) -> None:
    line = a_line(store)
    line.process(reports()[0])
    answer = result_to_json(line.process(reports()[8]))
    assert json.loads(json.dumps(answer)) == answer
    assert set(answer) == {"id", "versions", "error", "more", "pattern", "strategies", "ms"}
    assert set(answer["versions"]) == {"normalizer", "encoder", "grouper", "ranker"}
    assert answer["error"] == {
        "type": "TypeError",
        "message": "no",
        "language": "python",
        "frames": [
            {"file": "/srv/shop/app.py", "function": "main", "line": 7, "in_app": True},
            {"file": "/srv/shop/prices.py", "function": "other", "line": 3, "in_app": True},
        ],
        "chain": [],
    }
    assert [other["type"] for other in answer["more"]] == ["KeyError"]
    assert set(answer["pattern"]) == {"id", "decision", "probability", "nearest", "why"}
    assert [set(near) for near in answer["pattern"]["nearest"]] == [{"pattern", "probability", "example"}]
    assert answer["pattern"]["probability"] == answer["pattern"]["nearest"][0]["probability"]
    assert {"rule", "model", "matched", "differed", "features", "frames"} <= set(answer["pattern"]["why"])
    assert [set(ranked) for ranked in answer["strategies"]] == [{"name", "probability", "why"}] * 4
    assert sum(ranked["probability"] for ranked in answer["strategies"]) == pytest.approx(1)
    assert problem_to_json(Problem(id="x", problem="why")) == {"id": "x", "problem": "why"}


def test_the_first_error_has_no_neighbour(store: SqlStore) -> None:
    result = a_line(store).process(reports()[0])
    assert (result.assignment.decision, result.assignment.probability, result.assignment.nearest) == (
        Decision.NEW, 0.0, (),
    )  # fmt: skip


def test_secrets_are_gone_before_anything_is_kept(store: SqlStore) -> None:
    line = a_line(store)
    line.process(RawReport(id="1", text=a_trace("ValueError", "password=hunter2-tops3cret rejected")))
    kept = store.events.get("default", "1")
    assert kept is not None
    assert "hunter2" not in repr(kept)
    with store.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT search, event, assignment FROM event").all()
        patterns = connection.exec_driver_sql("SELECT title FROM pattern").all()
        exemplars = connection.exec_driver_sql("SELECT signature FROM exemplar").all()
    assert "hunter2" not in repr((rows, patterns, exemplars))


class Choosy(ToyEncoder):
    """Cannot take one word, as a broken tokenizer might not."""

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        if any("poison" in signature.text for signature in signatures):
            raise ValueError("a broken word: secret-of-the-customer")
        return super().encode(signatures)


def test_one_bad_report_does_not_end_the_batch(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    bad = RawReport(id="bad", text=a_trace("ValueError", "poison"))
    batch = [*reports()[:2], bad, Problem(id="unread", problem="not JSON"), RawReport(id="l" * 201), *reports()[:3]]
    with caplog.at_level(logging.ERROR):
        answers = list(a_line(store, encoder=Choosy()).process_many(batch))
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["Result", "Result", "Problem", "Problem", "Problem", "Problem", "Problem", "Result"]
    problems = {answer.id: answer.problem for answer in answers if isinstance(answer, Problem)}
    assert problems["bad"] == "internal error: ValueError"
    assert problems["unread"] == "not JSON"
    assert "longer than 200" in problems["l" * 201]
    assert "already holds" in problems["r0"]
    assert store.counters() == {
        ("received", ""): 7,
        ("processed", ""): 3,
        ("dropped", "duplicate"): 2,
        ("dropped", "internal"): 1,
        ("dropped", "InputError"): 1,
    }
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True]


def test_a_single_report_that_fails_is_counted_too(store: SqlStore) -> None:
    line = a_line(store)
    line.process(reports()[0])
    with pytest.raises(DuplicateEvent):
        line.process(reports()[0])
    with pytest.raises(InputError):
        line.process(RawReport(id="a\0b"))
    assert store.counters() == {
        ("received", ""): 3,
        ("processed", ""): 1,
        ("dropped", "duplicate"): 1,
        ("dropped", "InputError"): 1,
    }


def test_half_a_character_is_no_obstacle(store: SqlStore) -> None:
    payload = {"exception": {"values": [{"type": "Er\ud83d", "value": "cut \ud83d"}]}}
    result = a_line(store).process(RawReport(id="1", text=a_trace(message="'\ud83d'")))
    assert result.event.error.message == "'?'"
    from ems_ml.types import Form

    result = a_line(store).process(RawReport(id="2", payload=payload, form=Form.SENTRY))
    assert result.event.error.message == "cut ?"


def test_what_happens_is_published(store: SqlStore) -> None:
    bus, seen = Bus(), list[Happened]()
    bus.subscribe(seen.append)
    list(a_line(store, bus=bus).process_many([reports()[0], reports()[0]]))
    bus.close()
    assert [type(one) for one in seen] == [EventReceived, EventReceived, EventProcessed, EventDropped]
    assert isinstance(seen[3], EventDropped)
    assert seen[3].reason == "duplicate"


def test_a_source_tree_fills_in_lines(store: SqlStore, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "prices.py").write_text("prices = {}\ndef price_of(name):\n    return prices[name]\n")
    bare = 'Traceback (most recent call last):\n  File "/elsewhere/shop/prices.py", line 3, in price_of\nKeyError: 1\n'
    with_source = a_line(store, reader=DirectoryTree(tmp_path)).process(RawReport(id="1", text=bare))
    assert with_source.event.error.frames[0].code == "return prices[name]"
    assert "prices" in with_source.signature.frames[0].words
    with a_store() as other:
        without = a_line(other).process(RawReport(id="1", text=bare))
    assert without.signature.frames[0].words == ()


def test_a_store_that_fails_is_told(store: SqlStore, tmp_path: Path) -> None:
    """The table is gone, as in a database that was damaged: a problem each, and the batch ends in order."""
    with a_store(f"sqlite:///{tmp_path / 'x.db'}") as broken:
        with broken.database.write() as connection:
            connection.exec_driver_sql("DROP TABLE exemplar")
        answers = list(a_line(broken).process_many(reports()[:2]))
        assert [type(answer) for answer in answers] == [Problem, Problem]
        with pytest.raises(StoreError):
            a_line(broken).process(reports()[2])
