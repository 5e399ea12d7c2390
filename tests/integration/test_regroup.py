"""Regrouping by other models, on real traces in SQLite: ids, decisions, what comes later, and the way back."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from regroup_worlds import arrive, check, dump, grown, other_models, rows, traces, where

from ems_ml import versions
from ems_ml.build import System, apply_regrouping, build, plan_regrouping, undo_regrouping
from ems_ml.errors import LostRace, NotFound, UsageError
from ems_ml.regrouping import Kind
from ems_ml.settings import Settings
from ems_ml.types import PatternStatus

EAGER, STRICT = {"join": 0.5, "suggest": 0.2}, {"join": 0.98, "suggest": 0.5}
FIRST = 90  # traces that are there before


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grouped by the shipped models. To be copied, not changed."""
    return grown(tmp_path_factory.mktemp("world"), traces()[:FIRST])


@pytest.fixture
def home(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world, tmp_path / "home"))


@pytest.fixture
def system(home: Path) -> Iterator[System]:
    with build(Settings(home=home)) as made:
        yield made


def test_the_models_that_grouped_a_project_change_nothing(system: System, home: Path) -> None:
    before = dump(home)
    (planned,) = plan_regrouping(system)
    assert (planned.rows, list(planned.plan.changes), planned.plan.units) == (0, [], len(units(home)))
    assert apply_regrouping(system) == []
    assert dump(home) == before


def units(home: Path) -> set[tuple[str, str]]:
    return set(rows(home, "SELECT pattern, exact FROM event"))


@pytest.mark.parametrize("encoder", [False, True], ids=["grouper", "grouper and encoder"])
@pytest.mark.parametrize(("thresholds", "kind"), [(EAGER, Kind.MERGED), (STRICT, Kind.SPLIT)], ids=["eager", "strict"])
def test_what_is_shown_is_written_and_undone_byte_by_byte(
    system: System, home: Path, thresholds: dict[str, float], kind: Kind, encoder: bool
) -> None:
    name = other_models(home, **thresholds, encoder=encoder)
    before, was = dump(home), where(home)
    (planned,) = plan_regrouping(system, version=name)
    assert dump(home) == before, "a dry run writes nothing"
    assert planned.plan.count(kind) >= 3
    (made,) = apply_regrouping(system, version=name, actor="ana")
    check(home)
    assert versions.in_use(system.settings.models) == name
    assert (made.merged, made.split, made.moved) == tuple(planned.plan.count(one) for one in Kind)
    assert (made.events, made.rows, made.actor) == (planned.plan.events, planned.rows, "ana")
    assert sum(was[event] != pattern for event, pattern in where(home).items()) == made.events
    assert apply_regrouping(system) == [], "twice changes nothing more"
    (back,) = undo_regrouping(system, actor="bob")
    assert dump(home) == before
    assert (back.id, back.undone_by) == (made.id, "bob")
    assert versions.in_use(system.settings.models) == "shipped"
    with pytest.raises(NotFound):
        undo_regrouping(system)
    with pytest.raises(UsageError, match="undone already"):
        undo_regrouping(system, number=made.number)


def test_ids_stay_with_most_of_their_events_and_ended_ones_lead_on(system: System, home: Path) -> None:
    was = where(home)
    (made,) = apply_regrouping(system, version=other_models(home, **EAGER))
    now = where(home)
    _, changes = system.store.regroupings.get(made.number)
    assert {change.kind for change in changes} == {Kind.MERGED}
    for change in changes:
        assert change.events <= sum(was[event] == change.into for event in was)
        assert system.store.pattern(change.pattern).id == change.into
        assert system.store.pattern(change.pattern, follow=False).status is PatternStatus.MERGED
        assert was[change.example] == change.pattern
        assert now[change.example] == now[change.beside] == change.into
        assert 0.5 <= change.probability < 1
    assert set(now.values()) <= set(was.values()), "no id is new"
    assert made.wrong_merges == pytest.approx(sum(1 - change.probability for change in changes), rel=0.2)


def test_a_part_that_is_split_off_gets_a_new_id_and_the_larger_part_keeps_the_old_one(
    system: System, home: Path
) -> None:
    was = where(home)
    (made,) = apply_regrouping(system, version=other_models(home, **STRICT))
    now = where(home)
    _, changes = system.store.regroupings.get(made.number)
    for change in changes:
        assert change.kind is Kind.SPLIT
        assert change.into not in was.values()
        left = sum(now[event] == change.pattern for event in was)
        assert 0 < change.events <= left
        assert now[change.example] == change.into
    assert made.wrong_splits == pytest.approx(sum(change.probability for change in changes), abs=0.01)


def test_regroupings_are_undone_in_turn(system: System, home: Path) -> None:
    states = [dump(home)]
    first, second = other_models(home, **EAGER), other_models(home, **STRICT)
    (one,) = apply_regrouping(system, version=first)
    states.append(dump(home))
    (two,) = apply_regrouping(system, version=second)
    with pytest.raises(UsageError, match=f"{two.id} of project"):
        undo_regrouping(system, number=one.number)
    undo_regrouping(system)
    assert (dump(home), versions.in_use(system.settings.models)) == (states[1], first)
    undo_regrouping(system, number=one.number)
    assert (dump(home), versions.in_use(system.settings.models)) == (states[0], "shipped")


@pytest.mark.parametrize("thresholds", [EAGER, STRICT], ids=["eager", "strict"])
@pytest.mark.parametrize("encoder", [False, True], ids=["grouper", "grouper and encoder"])
def test_events_that_come_later_are_kept_at_undo(
    system: System, home: Path, thresholds: dict[str, float], encoder: bool
) -> None:
    was = where(home)
    keys = dict(rows(home, "SELECT key, pattern FROM exact"))
    apply_regrouping(system, version=other_models(home, **thresholds, encoder=encoder))
    given = where(home)
    arrive(system, traces()[FIRST:])
    check(home)
    during = where(home)
    undo_regrouping(system)
    check(home)
    after = where(home)
    assert {event: after[event] for event in was} == was
    assert len(after) == len(traces())
    fresh = set(given.values()) - set(was.values())
    assert not fresh & set(after.values()), "patterns that the regrouping made are gone"
    for pattern in fresh:
        assert system.store.pattern(pattern).id in was.values(), "and their ids still lead somewhere"
    known = 0
    for event, key, told in rows(home, "SELECT id, exact, json_extract(assignment, '$.why.rule') FROM event"):
        if event not in was and key in keys and told == "exact signature":
            assert after[event] == keys[key]
            known += 1
    assert known > 5
    alone = [event for event in after if event not in was and during[event] not in given.values()]
    assert alone
    assert all(after[event] == during[event] for event in alone), "a pattern that came later stays as it is"
    moved = [event for event in after if event not in was and after[event] != during[event]]
    assert moved
    arrive(system, [event.with_(id=f"again-{event.id}") for event in traces()[:20]])
    check(home)


def patterns_of(home: Path) -> list[str]:
    return [one for (one,) in rows(home, "SELECT id FROM pattern WHERE status != 'merged' ORDER BY id")]


@pytest.mark.parametrize("thresholds", [{"join": 0.2, "suggest": 0.1}, STRICT], ids=["eager", "strict"])
def test_what_people_decided_is_never_crossed(system: System, home: Path, thresholds: dict[str, float]) -> None:
    decisions, draw = system.store.decisions, random.Random(0)
    (eager,) = plan_regrouping(system, version=other_models(home, join=0.2, suggest=0.1))
    would_merge = [(one.pattern, one.into) for one in eager.plan.changes if one.kind is Kind.MERGED]
    apart = would_merge[0]
    decisions.apart(*apart)
    ignored, open_one = would_merge[1]
    decisions.set_status(ignored, PatternStatus.IGNORED)
    used = {*apart, ignored, open_one}
    big = [p for p, n in Counter(where(home).values()).most_common() if n > 2 and p not in used]
    parent = big[0]
    leaving = [event for event, pattern in where(home).items() if pattern == parent][:1]
    fresh = decisions.split(parent, leaving).id
    one, two = draw.sample([p for p in patterns_of(home) if p not in used | {parent, fresh}], 2)
    decisions.merge(one, two)
    kept = {p: {event for event, pattern in where(home).items() if pattern == p} for p in (two, parent, fresh, ignored)}
    apply_regrouping(system, version=other_models(home, **thresholds))
    check(home)
    now = where(home)

    def lives(pattern: str) -> str:
        return system.store.pattern(pattern).id

    assert lives(one) == lives(two)
    for pattern, events in kept.items():
        if pattern != ignored:
            assert {now[event] for event in events} == {lives(pattern)}, "what a person put together stays together"
    assert lives(apart[0]) != lives(apart[1])
    assert lives(parent) != lives(fresh)
    assert {system.store.pattern(now[event]).status for event in kept[ignored]} == {PatternStatus.IGNORED}
    assert all(system.store.pattern(now[e]).status is PatternStatus.OPEN for e in now if e not in kept[ignored])
    arrive(system, traces()[FIRST:])
    assert lives(apart[0]) != lives(apart[1])
    assert apply_regrouping(system) == [] or system.store.regroupings.listed()[0].events < 10


def test_decisions_that_come_after_survive_undo(system: System, home: Path) -> None:
    decisions = system.store.decisions
    was = where(home)
    apply_regrouping(system, version=other_models(home, **STRICT))
    (strict,) = system.store.regroupings.listed()
    _, changes = system.store.regroupings.get(strict.number)
    splits = [change for change in changes if change.kind is Kind.SPLIT]
    kept, merged, resolved = splits[0], splits[1], splits[2]
    old = [p for p in patterns_of(home) if p in was.values() and p not in {c.pattern for c in splits}]
    decisions.apart(kept.into, kept.pattern)
    decisions.merge(merged.into, old[0])
    decisions.set_status(resolved.into, PatternStatus.RESOLVED)
    decisions.merge(old[1], old[2])
    given = where(home)
    undo_regrouping(system)
    check(home)
    now = where(home)
    for event in was:
        if given[event] in (kept.into, resolved.into, old[0], old[2]):
            assert now[event] == given[event]
        else:
            assert now[event] == was[event]
    assert system.store.pattern(merged.into).id == old[0]
    assert system.store.pattern(resolved.into).status is PatternStatus.RESOLVED
    assert system.store.pattern(old[1]).id == old[2]
    (planned,) = plan_regrouping(system)
    assert not [c for c in planned.plan.changes if {c.pattern, c.into} <= {kept.into, kept.pattern}]


def test_a_status_that_was_given_to_a_merged_pattern_holds_for_what_comes_out_of_it(system: System, home: Path) -> None:
    (made,) = apply_regrouping(system, version=other_models(home, **EAGER))
    _, changes = system.store.regroupings.get(made.number)
    system.store.decisions.set_status(changes[0].into, PatternStatus.IGNORED)
    undo_regrouping(system)
    assert system.store.pattern(changes[0].into).status is PatternStatus.IGNORED
    assert system.store.pattern(changes[0].pattern, follow=False).status is PatternStatus.IGNORED


def test_a_decision_made_while_it_is_planned_binds(system: System, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = other_models(home, **EAGER)
    (planned,) = plan_regrouping(system, version=name)
    one = planned.plan.changes[0]
    regroupings = system.store.regroupings
    real, raced = type(regroupings).apply, []

    def late(self, plan, **told):  # type: ignore[no-untyped-def]  # whatever `apply` takes
        if not raced:
            raced.append(one)
            system.store.decisions.apart(one.pattern, one.into)
        return real(self, plan, **told)

    monkeypatch.setattr(type(regroupings), "apply", late)
    apply_regrouping(system, version=name)
    assert raced
    assert system.store.pattern(one.pattern).id != system.store.pattern(one.into).id
    monkeypatch.setattr(type(regroupings), "apply", real)
    with pytest.raises(LostRace):
        regroupings.apply(
            planned.plan, epoch=planned.epoch, encoder=planned.encoder, run="x", actor="x", models="x",
            models_before="x", seconds=0,
        )  # fmt: skip


def test_one_that_breaks_in_the_middle_leaves_nothing_and_is_made_up_for(
    system: System, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ems_ml.store import regrouped

    name, before = other_models(home, **STRICT), dump(home)
    with monkeypatch.context() as broken:
        broken.setattr(regrouped, "_take_strategies", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            apply_regrouping(system, version=name)
    assert dump(home) == before
    assert system.store.regroupings.listed() == []
    assert versions.in_use(system.settings.models) == "shipped"
    assert len(apply_regrouping(system, version=name)) == 1
    undo_regrouping(system)
    assert dump(home) == before


def test_events_that_arrive_while_it_is_planned_follow_their_pattern(system: System, home: Path) -> None:
    name = other_models(home, **EAGER)
    (planned,) = plan_regrouping(system, version=name)
    arrive(system, traces()[FIRST:])
    made = system.store.regroupings.apply(
        planned.plan, epoch=planned.epoch, encoder=planned.encoder, run="x", actor="x", models=name,
        models_before="shipped", seconds=0,
    )  # fmt: skip
    assert made is not None
    check(home)
    before = where(home)
    undo_regrouping(system)
    check(home)
    assert len(before) == len(where(home)) == len(traces())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_between_the_store_stays_sound(system: System, home: Path, seed: int) -> None:
    draw = random.Random(seed)
    names = [other_models(home, **EAGER), other_models(home, **STRICT, encoder=True), "shipped"]
    waiting = list(traces()[FIRST:])
    links = set(patterns_of(home))
    for _ in range(14):
        step = draw.choice(["arrive", "arrive", "merge", "split", "apart", "status", "regroup", "regroup", "undo"])
        live = patterns_of(home)
        one, two = draw.sample(live, 2)
        try:
            match step:
                case "arrive":
                    arrive(system, [waiting.pop() for _ in range(min(5, len(waiting)))])
                case "merge":
                    system.store.decisions.merge(one, two)
                case "apart":
                    system.store.decisions.apart(one, two)
                case "split":
                    events = [event for event, pattern in where(home).items() if pattern == one]
                    system.store.decisions.split(one, draw.sample(events, max(1, len(events) // 2)))
                case "status":
                    system.store.decisions.set_status(one, draw.choice([PatternStatus.RESOLVED, PatternStatus.IGNORED]))
                case "regroup":
                    apply_regrouping(system, version=draw.choice(names))
                case "undo":
                    undo_regrouping(system)
        except (UsageError, NotFound):
            continue  # a pattern with one event cannot be split; nothing is left to undo
        check(home)
        links |= set(patterns_of(home))
        assert all(system.store.pattern(link).id in patterns_of(home) for link in links), step


def test_numbers_of_exemplars_that_were_removed_never_come_again(system: System, home: Path) -> None:
    """Another process holds an index by number; what undoing removed must not be taken for what comes after."""
    name = other_models(home, **STRICT, encoder=True)
    with build(Settings(home=home)) as other:
        apply_regrouping(system, version=name)
        arrive(other, traces()[FIRST : FIRST + 3])
        (top,) = rows(home, "SELECT max(number) FROM exemplar")[0]
        undo_regrouping(system)
        apply_regrouping(system, version=name)
        assert rows(home, f"SELECT count(*) FROM exemplar WHERE number > {top}")[0][0] > 0
        again = traces()[0].with_(id="again", fingerprint=())
        arrive(other, [again])
        held = other.store.events._exemplars._held["packaging"].index
        query = "SELECT count(*) FROM exemplar WHERE encoder = 'turned-1'"
        assert len(held) == rows(home, query)[0][0]
    assert where(home)["again"] == where(home)[traces()[0].id]
