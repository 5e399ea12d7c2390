"""What the dashboard says about a decision, the text it hands to `ems fix`, and the evaluation it reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ems_ml.build import build
from ems_ml.errors import ModelError, NotFound
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.service import app
from ems_ml.service.dashboard.markup import join
from ems_ml.service.dashboard.stack import as_text
from ems_ml.service.dashboard.why import sentence
from ems_ml.service.judging import NAME, read_evaluation
from ems_ml.settings import load_settings
from ems_ml.types import Decision, Neighbour, RawReport

NEAR = (Neighbour(pattern="P-near", probability=0.7, example="e1"),)

CHAINED = """Traceback (most recent call last):
  File "/srv/shop/shop/catalogue.py", line 22, in discount_for
    return DISCOUNTS[level]
KeyError: 'platinum'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/day.py", line 90, in main
    step()
  File "/srv/shop/day.py", line 59, in quote
    raise RuntimeError(f"no price list for {level}") from error
RuntimeError: no price list for platinum
"""


@pytest.mark.parametrize(
    ("decision", "probability", "nearest", "rule", "said"),
    [
        (Decision.JOINED, 0.999, NEAR, "exact signature", "Joined P-near: an error with exactly this signature"),
        (Decision.JOINED, 0.97, NEAR, "learned", "Joined P-near: with 97% the same cause."),
        (Decision.SUGGESTED, 0.7, NEAR, "learned", "A new pattern, for now. It has with 70% the same cause as P-near"),
        (Decision.NEW, 0.1, NEAR, "learned", "The nearest, P-near, has the same cause with only 10%."),
        (Decision.NEW, 0.0, (), "first of its project", "There was nothing before"),
    ],
)
def test_a_decision_is_a_sentence(
    decision: Decision, probability: float, nearest: tuple[Neighbour, ...], rule: str, said: str
) -> None:
    assert said in join(*sentence(decision, probability, nearest, rule)).striptags()


def test_the_saved_trace_reads_back_as_the_same_error() -> None:
    chain = ParserChain(default_parsers())
    event = chain.parse(RawReport(text=CHAINED))
    assert as_text(event) == CHAINED
    again = chain.parse(RawReport(text=as_text(event)))
    assert (again.error, again.chain) == (event.error, event.chain)


def test_models_that_nobody_judged_have_an_empty_evaluation(toy_home: Path) -> None:
    with build(load_settings(home=toy_home)) as system:
        assert not app.model_health(system).found
        told = {"figures": [{"name": "top 1", "value": 0.4, "low": 0.3, "high": 0.5, "seed": 1}], "when": "today"}
        (toy_home / "models" / NAME).write_text(json.dumps(told))
        seen = app.model_health(system)
    assert seen.found
    assert seen.figures[0].value == 0.4
    assert seen.raw == told


@pytest.mark.parametrize("text", ["{", '{"figures": [{"name": "top 1"}]}', "[1]", '{"confusion": [["many"]]}'])
def test_a_broken_evaluation_names_its_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ModelError, match="is not an evaluation") as caught:
        read_evaluation(tmp_path / NAME)
    assert "ems evaluate" in caught.value.hint


def test_an_event_is_looked_at_in_its_own_pattern_only(toy_home: Path) -> None:
    with build(load_settings(home=toy_home)) as system:
        one = app.classify_text(system, CHAINED).result
        same = app.classify_text(system, CHAINED).result
        other = app.classify_text(system, "ValueError: a letter without an address").result
        assert one.assignment.pattern == same.assignment.pattern != other.assignment.pattern
        detail = app.pattern_detail(system, one.assignment.pattern, event=same.id)
        assert detail.event.id == same.id
        assert detail.decision is Decision.JOINED
        assert app.pattern_detail(system, one.assignment.pattern).event.id == one.id
        with pytest.raises(NotFound, match=other.id):
            app.pattern_detail(system, one.assignment.pattern, event=other.id)
