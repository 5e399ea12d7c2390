"""What every store promises of regrouping, and which ids patterns keep: toy models, decisions told in tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from test_store_contract import ENCODER, NORMALIZER, arrive
from toy_steps import an_event, toy_pair_model

from ems_ml.errors import LostRace
from ems_ml.group import ExemplarIndex, HeldExemplars, OnlineGrouper, arrive_again, plan_of
from ems_ml.regrouping import Arriving, Binding, Kind, Plan, Unit
from ems_ml.store import SqlStore
from ems_ml.store.events import identity
from ems_ml.store.schema import metadata
from ems_ml.types import ErrorEvent, Outcome, PatternStatus, Signature, Verdict

EAGER = OnlineGrouper(toy_pair_model(), join=0.55, suggest=0.5)  # one raise point is one cause, whatever the type
STRICT = OnlineGrouper(toy_pair_model(), join=0.96, suggest=0.9)  # only one exact signature is
RESTORED = ("pattern", "event", "exact", "exemplar", "decision", "fix_attempt")


@pytest.fixture(params=["sqlite file", "sqlite memory", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    urls: dict[str, Callable[[], str]] = {
        "sqlite file": lambda: f"sqlite:///{tmp_path / 'ems.db'}",
        "sqlite memory": lambda: "sqlite://",
        "postgresql": lambda: str(request.getfixturevalue("postgres")),
    }
    with SqlStore(urls[request.param](), new_index=ExemplarIndex, encoder=ENCODER.version) as made:
        yield made


def planned(store: SqlStore, grouper: OnlineGrouper) -> tuple[Plan, int]:
    units, binding, epoch = store.regroupings.state("default")
    arriving = (one for some in store.regroupings.firsts(units) for one in map(_as_it_arrives, some))
    arrived = arrive_again(arriving, grouper=grouper, index=HeldExemplars(), binding=binding)
    return plan_of("default", arrived, binding), epoch


def _as_it_arrives(told: tuple[Unit, ErrorEvent]) -> Arriving:
    unit, event = told
    signature: Signature = NORMALIZER.normalize(event)
    (vector,) = ENCODER.encode([signature])
    return Arriving(unit=unit, event=event, signature=signature, vector=vector, key=identity(event, signature))


def regroup(store: SqlStore, grouper: OnlineGrouper) -> int:
    plan, epoch = planned(store, grouper)
    rows = store.regroupings.rows(plan, encoder=ENCODER.version)
    made = store.regroupings.apply(
        plan, epoch=epoch, encoder=ENCODER.version, run="1", actor="ana", models="v2", models_before="v1", seconds=1.5
    )
    assert made is not None
    assert (made.rows, made.seconds) == (rows, 1.5)
    return made.number


def dump(store: SqlStore) -> dict[str, list[Any]]:
    with store.database.read() as connection:
        return {
            name: connection.execute(
                select(metadata.tables[name]).order_by(*metadata.tables[name].primary_key.columns)
            ).all()
            for name in RESTORED
        }


def where(store: SqlStore) -> dict[str, str]:
    return {row.id: row.pattern for row in dump(store)["event"]}


def test_a_merge_and_its_undoing(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    arrive(store, an_event("2"))
    two = arrive(store, an_event("3", kind="LookupError")).pattern
    assert store.pattern(two).suggestion is not None
    before = dump(store)
    number = regroup(store, EAGER)
    assert where(store) == {"1": one, "2": one, "3": one}
    kept = store.pattern(two)
    assert (kept.id, kept.count) == (one, 3)
    assert store.pattern(two, follow=False).status is PatternStatus.MERGED
    assert store.patterns("default") == [kept]
    store.regroupings.undo(number, actor="bob")
    assert dump(store) == before


def test_a_split_and_its_undoing(store: SqlStore) -> None:
    one = arrive(store, an_event("1", kind="KeyError")).pattern
    arrive(store, an_event("2", caller="other"))
    arrive(store, an_event("3", caller="other"))
    before = dump(store)
    number = regroup(store, STRICT)
    now = where(store)
    assert now["2"] == now["3"] == one, "the larger part keeps the id"
    fresh = store.pattern(now["1"])
    assert fresh.id != one
    assert (fresh.count, fresh.example, fresh.status) == (1, "1", PatternStatus.OPEN)
    assert store.pattern(one).example == "2"
    assert fresh.suggestion is None
    assert store.pattern(one).suggestion is not None, "a person is asked about the parts"
    assert arrive(store, an_event("4")).pattern == fresh.id, "later ones like them go there"
    store.regroupings.undo(number, actor="bob")
    assert set(where(store).values()) == {one}
    assert store.pattern(fresh.id).id == one
    assert [row for row in dump(store)["event"] if row.id != "4"] == before["event"]
    assert (store.pattern(one).count, store.pattern(one).example) == (4, "1")


def test_a_repair_that_was_tried_on_a_part_stays_with_its_errors(store: SqlStore) -> None:
    arrive(store, an_event("1"))
    arrive(store, an_event("2", caller="other"))
    number = regroup(store, STRICT)
    fresh = next(pattern for pattern in where(store).values() if pattern != where(store)["1"])
    store.record_fix("default", "2", fresh, Verdict(verdict=Outcome.REPAIRED, reason="green"))
    store.regroupings.undo(number, actor="bob")
    assert [verdict.reason for _, verdict in store.fixes(where(store)["2"])] == ["green"]


def test_a_question_about_a_pattern_that_goes_is_asked_about_the_one_it_came_from(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    arrive(store, an_event("2", caller="other"))
    number = regroup(store, STRICT)
    late = arrive(store, an_event("9", kind="LookupError", caller="other"))
    assert late.nearest[0].pattern in where(store).values()
    store.regroupings.undo(number, actor="bob")
    asked = store.pattern(late.pattern).suggestion
    assert asked is not None
    assert asked.pattern == one


def unit(number: int, pattern: str, count: int = 1) -> Unit:
    return Unit(number=number, event=str(number), pattern=pattern, key=f"k{number}", count=count)


def plan(*given: tuple[Unit, ErrorEvent], grouper: OnlineGrouper = EAGER, binding: Binding | None = None) -> Plan:
    bound = binding or Binding()
    arriving = map(_as_it_arrives, given)
    fresh = iter(f"new {number}" for number in range(1, 9))
    return plan_of(
        "p",
        arrive_again(arriving, grouper=grouper, index=HeldExemplars(), binding=bound),
        bound,
        new_id=lambda: next(fresh),
    )


def told(made: Plan) -> list[tuple[str, str, str, int]]:
    return [(change.kind.value, change.pattern, change.into, change.events) for change in made.changes]


A, B, C = (an_event(where, where=where) for where in ("here", "there", "elsewhere"))


def also(event: ErrorEvent, caller: str) -> ErrorEvent:
    """The same raise point, called from elsewhere: the eager model joins them, the strict one does not."""
    first, last = event.error.frames
    return event.with_(error=replace(event.error, frames=(replace(first, function=caller), last)))


def test_who_keeps_the_id() -> None:
    small, large = unit(1, "P-old", 2), unit(2, "P-large", 3)
    assert told(plan((small, A), (large, also(A, "x")))) == [("merged", "P-old", "P-large", 2)]
    same = unit(2, "P-young", 2)
    assert told(plan((small, A), (same, also(A, "x")))) == [("merged", "P-young", "P-old", 2)]


def test_events_move_between_patterns_that_both_go_on() -> None:
    made = plan((unit(1, "P-1", 5), A), (unit(2, "P-2", 9), B), (unit(3, "P-1", 2), also(B, "x")))
    assert told(made) == [("moved", "P-1", "P-2", 2)]
    assert made.merged == {}
    assert made.wrong_merges == pytest.approx(1 - made.changes[0].probability) == pytest.approx(0.05, abs=0.01)


def test_a_pattern_that_is_dealt_out_leads_to_where_most_of_it_is() -> None:
    made = plan(
        (unit(1, "P-1", 9), A),
        (unit(2, "P-2", 9), B),
        (unit(3, "P-3", 3), also(A, "x")),
        (unit(4, "P-3", 1), also(B, "x")),
    )
    assert told(made) == [("merged", "P-3", "P-1", 3), ("moved", "P-3", "P-2", 1)]
    assert made.merged == {"P-3": "P-1"}


def test_two_patterns_parts_that_are_one_cause_become_one_new_pattern() -> None:
    made = plan(
        (unit(1, "P-1", 9), A), (unit(2, "P-2", 8), B), (unit(3, "P-1", 3), C), (unit(4, "P-2", 1), also(C, "x"))
    )  # fmt: skip
    assert told(made) == [("split", "P-1", "new 1", 3), ("split", "P-2", "new 1", 1)]
    assert made.count(Kind.SPLIT) == 2
    assert made.wrong_splits < 0.2


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        (Binding(), [("merged", "P-2", "P-1", 1)]),
        (Binding(apart=frozenset({("P-1", "P-2"), ("P-2", "P-1")}), whole=frozenset({"P-1", "P-2"})), []),
        (Binding(status={"P-2": PatternStatus.IGNORED}), []),
        (Binding(status={"P-1": PatternStatus.RESOLVED}), []),
        (Binding(status=dict.fromkeys(("P-1", "P-2"), PatternStatus.IGNORED)), [("merged", "P-2", "P-1", 1)]),
    ],
    ids=["nothing decided", "told apart", "one is ignored", "one is resolved", "both are ignored"],
)
def test_decisions_hide_what_must_not_come_together(binding: Binding, expected: list[Any]) -> None:
    assert told(plan((unit(1, "P-1", 2), A), (unit(2, "P-2"), also(A, "x")), binding=binding)) == expected


def test_what_is_told_apart_stays_so_through_a_third() -> None:
    """P-3 is like both; it joins one, and then the other one may not follow."""
    binding = Binding(apart=frozenset({("P-1", "P-2"), ("P-2", "P-1")}), whole=frozenset({"P-1", "P-2"}))
    made = plan(
        (unit(1, "P-1", 5), A), (unit(2, "P-3", 9), also(A, "x")), (unit(3, "P-2", 2), also(A, "y")), binding=binding
    )
    assert told(made) == [("merged", "P-1", "P-3", 5)]


def test_what_a_person_put_together_is_not_taken_apart() -> None:
    given = ((unit(1, "P-1"), A), (unit(2, "P-1"), B), (unit(3, "P-1"), C))
    assert [change[0] for change in told(plan(*given, grouper=STRICT))] == ["split", "split"]
    assert told(plan(*given, grouper=STRICT, binding=Binding(whole=frozenset({"P-1"})))) == []


def test_a_resolved_pattern_that_came_back_meanwhile_is_planned_again(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    arrive(store, an_event("2", kind="LookupError"))
    for pattern in set(where(store).values()):
        store.decisions.set_status(pattern, PatternStatus.RESOLVED)
    made, epoch = planned(store, EAGER)
    assert made.count(Kind.MERGED) == 1
    arrive(store, an_event("3"))
    assert store.pattern(one).status is PatternStatus.OPEN
    with pytest.raises(LostRace, match="came back"):
        store.regroupings.apply(
            made, epoch=epoch, encoder=ENCODER.version, run="1", actor="a", models="b", models_before="c", seconds=0
        )
