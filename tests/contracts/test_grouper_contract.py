"""What every grouper promises: an answer with its reason, the nearest always told, thresholds obeyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from toy_models import events
from toy_steps import ToyEncoder, an_event, toy_pair_model

from ems_ml.group import HeldExemplars, OnlineGrouper, PairModel
from ems_ml.group.fitting import arrivals, fit_pair_model
from ems_ml.group.forest import stump
from ems_ml.group.index import SAME_LINE
from ems_ml.group.online import MOVED
from ems_ml.group.views import view
from ems_ml.normalize import NormalizerV1
from ems_ml.ports import PER_PATTERN, Candidates, Exemplar, Grouper
from ems_ml.types import Assignment, Decision, ErrorEvent

NORMALIZER, ENCODER = NormalizerV1(), ToyEncoder()


def fitted() -> PairModel:
    made = events()
    signatures = [NORMALIZER.normalize(event) for event, _, _ in made]
    vectors = ENCODER.encode(signatures)
    seen = arrivals(signatures, vectors, [group for _, group, _ in made], [event.project for event, _, _ in made])
    return fit_pair_model(seen, seen)


@pytest.fixture(scope="module", params=["by hand", "fitted"])
def grouper(request: pytest.FixtureRequest) -> OnlineGrouper:
    return OnlineGrouper(toy_pair_model() if request.param == "by hand" else fitted(), join=0.9, suggest=0.5)


def exemplar(event: ErrorEvent, pattern: str) -> Exemplar:
    signature = NORMALIZER.normalize(event)
    return Exemplar(event=event.id, pattern=pattern, signature=signature, vector=ENCODER.encode([signature])[0])


def assign(grouper: Grouper, event: ErrorEvent, near: Sequence[Exemplar] = (), **candidates: object) -> Assignment:
    signature = NORMALIZER.normalize(event)
    vector = ENCODER.encode([signature])[0]
    return grouper.assign(event, signature, vector, replace(Candidates(near=near), **candidates))


def test_is_a_grouper(grouper: OnlineGrouper) -> None:
    assert isinstance(grouper, Grouper)


def test_where_nothing_was_before_it_is_new(grouper: OnlineGrouper) -> None:
    made = assign(grouper, an_event("1"))
    assert (made.decision, made.probability, made.nearest) == (Decision.NEW, 0.0, ())
    assert made.pattern.startswith("P-")
    assert len(made.pattern) == 12
    assert made.pattern != assign(grouper, an_event("1")).pattern


def test_the_nearest_are_told_whatever_is_decided(grouper: OnlineGrouper) -> None:
    near = [exemplar(an_event(f"e{n}", where=f"place{chr(97 + n)}", kind="OSError"), f"P-{n}") for n in range(14)]
    near += [exemplar(an_event("e0b", where="placea", caller="job", kind="OSError"), "P-0")]
    made = assign(grouper, an_event("1"), near)
    assert len(made.nearest) == 10
    assert len({neighbour.pattern for neighbour in made.nearest}) == 10
    probabilities = [neighbour.probability for neighbour in made.nearest]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= p <= 1 for p in probabilities)
    assert made.probability == probabilities[0]
    assert made.why["rival"]["pattern"] == made.nearest[1].pattern


def test_the_exact_pattern_comes_first(grouper: OnlineGrouper) -> None:
    """Another pattern holds an equal exemplar, as after a split; the model says the same of both."""
    near = [exemplar(an_event("rival"), "P-rival"), exemplar(an_event("known"), "P-known")]
    made = assign(grouper, an_event("1"), near, exact="P-known")
    assert (made.decision, made.pattern, made.nearest[0].pattern) == (Decision.JOINED, "P-known", "P-known")
    assert made.probability > 0.9
    assert made.probability > made.nearest[1].probability
    assert made.why["rule"] == "exact signature"


def test_the_reason_tells_what_matched_and_what_did_not(grouper: OnlineGrouper) -> None:
    made = assign(grouper, an_event("1", caller="job"), [exemplar(an_event("0"), "P-0")])
    assert "exception type KeyError" in made.why["matched"]
    assert any("frame" in said for said in made.why["differed"])
    assert made.why["model"] == grouper.version
    assert {"here": "shop/price_of.py:price_of", "there": "shop/price_of.py:price_of"} in made.why["frames"]
    assert {"here": "shop/app.py:job", "there": None} in made.why["frames"]


def test_between_the_thresholds_it_asks() -> None:
    near = [exemplar(an_event("0", kind="LookupError"), "P-0")]  # 0.6 by the model made by hand
    for join, suggest, decision in ((0.9, 0.5, "suggested"), (0.6, 0.5, "joined"), (0.9, 0.7, "new")):
        made = assign(OnlineGrouper(toy_pair_model(), join=join, suggest=suggest), an_event("1"), near)
        assert (made.decision, made.probability) == (decision, pytest.approx(0.6, abs=1e-5))
        assert (made.pattern == "P-0") is (decision == "joined")


def test_an_exact_signature_that_the_model_doubts_does_not_decide_by_itself() -> None:
    """As where two causes raise one error on lines of one shape."""
    doubts = replace(toy_pair_model(), forest=stump(0, 2.0, -2.0, -2.0))
    near = [exemplar(an_event("0"), "P-0")]
    grouper = OnlineGrouper(doubts, join=0.9, suggest=0.1)
    event = an_event("1", message="'milk'")
    made = assign(grouper, event, near, exact="P-0")
    assert (made.decision, made.nearest[0].pattern) == (Decision.SUGGESTED, "P-0")
    assert made.probability == pytest.approx(1 / (1 + np.exp(2)), abs=1e-4)
    bound = assign(grouper, event, near, exact="P-0", decided=True)
    assert (bound.decision, bound.pattern) == (Decision.JOINED, "P-0"), "a person has decided about that pattern"
    own = assign(grouper, an_event("1", fingerprint=("a",)), near, exact="P-0")
    assert (own.decision, own.pattern) == (Decision.JOINED, "P-0"), "the client has decided"
    again = assign(grouper, an_event("1"), near, exact="P-0")
    assert (again.decision, again.pattern) == (Decision.JOINED, "P-0"), "it differs in nothing"
    bare = [an_event(name, message=message) for name, message in (("0", "order 1"), ("1", "order 2"))]
    bare = [one.with_(error=replace(one.error, frames=())) for one in bare]
    repeated = assign(grouper, bare[1], [exemplar(bare[0], "P-0")], exact="P-0")
    assert (repeated.decision, repeated.pattern) == (Decision.JOINED, "P-0"), "the model knows nothing without frames"


def test_a_pattern_with_an_unlike_example_is_asked_about_instead_of_joined() -> None:
    """So that no chain of errors, each like the one before, becomes one pattern; what a person joined stays joined."""
    alike, unlike = exemplar(an_event("0", caller="job"), "P-0"), exemplar(an_event("9", where="q"), "P-0")
    grouper = OnlineGrouper(toy_pair_model(), join=0.9, suggest=0.5)
    assert assign(grouper, an_event("1"), [alike]).decision is Decision.JOINED
    made = assign(grouper, an_event("1"), [alike, unlike])
    assert (made.decision, made.nearest[0].pattern) == (Decision.SUGGESTED, "P-0")
    assert made.probability == pytest.approx(0.95, abs=1e-4)
    assert made.why["but"] == "the pattern also holds 9, which is unlike this"
    assert assign(grouper, an_event("1"), [alike, unlike], bound=frozenset({"P-0"})).decision is Decision.JOINED


def test_a_pattern_takes_in_as_many_different_errors_as_it_keeps_examples_until_a_person_decides() -> None:
    examples = [exemplar(an_event(f"e{n}", caller=f"c{chr(97 + n)}"), "P-0") for n in range(PER_PATTERN)]
    grouper = OnlineGrouper(toy_pair_model(), join=0.9, suggest=0.5)
    assert assign(grouper, an_event("1"), examples[:-1]).decision is Decision.JOINED
    made = assign(grouper, an_event("1"), examples)
    assert (made.decision, made.why["but"]) == (
        Decision.SUGGESTED,
        f"the pattern holds {PER_PATTERN} different errors already",
    )
    assert assign(grouper, an_event("1"), examples, bound=frozenset({"P-0"})).decision is Decision.JOINED
    assert assign(grouper, an_event("1"), examples, exact="P-0").decision is Decision.JOINED


def test_what_moved_the_probability_is_told(grouper: OnlineGrouper) -> None:
    made = assign(grouper, an_event("1"), [exemplar(an_event("0"), "P-0"), exemplar(an_event("2", where="q"), "P-2")])
    moved = made.why["moved"]
    assert 0 < len(moved) <= MOVED
    assert [abs(by) for by in moved.values()] == sorted((abs(by) for by in moved.values()), reverse=True)


@pytest.mark.parametrize(("join", "suggest"), [(0.5, 0.6), (0.5, 0.0), (1.1, 0.5)])
def test_thresholds_must_make_sense(join: float, suggest: float) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        OnlineGrouper(toy_pair_model(), join=join, suggest=suggest)


def test_the_version_changes_with_model_and_thresholds() -> None:
    model = toy_pair_model()
    made = {
        OnlineGrouper(m, join=join, suggest=0.5).version
        for m, join in ((model, 0.9), (model, 0.8), (replace(model, version="2"), 0.9))
    }
    assert len(made) == 3


def test_the_index_finds_what_a_whole_scan_finds() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(300, 16)).astype(np.float32)
    kept = NORMALIZER.normalize(an_event("1"))
    index = HeldExemplars()
    assert index.near(kept, vectors[0], 5) == []
    index.add(
        Exemplar(event=str(n), pattern=f"P-{n}", signature=kept, vector=vector) for n, vector in enumerate(vectors)
    )
    query = random.normal(size=16).astype(np.float32)
    expected = [str(n) for n in np.argsort(-(vectors @ query))[:7]]
    elsewhere = NORMALIZER.normalize(an_event("2", where="q"))
    assert [found.event for found in index.near(elsewhere, query, 7)] == expected
    assert len(index.near(elsewhere, query, 1000)) == 300
    same_line = [str(n) for n in range(300 - SAME_LINE, 300) if str(n) not in expected]
    assert [found.event for found in index.near(kept, query, 7)] == [*expected, *same_line]
    assert [index.common.total] == index.common.exact.of([view(kept).exact_key]) == [300]


def test_the_index_keeps_different_exemplars_of_a_pattern_and_not_too_many() -> None:
    index = HeldExemplars()
    for number in range(PER_PATTERN + 5):
        event = an_event(str(number), caller=f"c{chr(97 + number)}")
        if index.wants("P-1", NORMALIZER.normalize(event)):
            index.add([exemplar(event, "P-1")])
        assert not index.wants("P-1", NORMALIZER.normalize(event))
    assert len(index) == PER_PATTERN
