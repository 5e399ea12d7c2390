"""What every store promises, over SQLite in a file, SQLite in memory and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from toy_steps import ToyEncoder, ToyRanker, an_event, toy_pair_model

from ems_ml.errors import DuplicateEvent, LostRace, NotFound, UsageError
from ems_ml.group import ExemplarIndex, OnlineGrouper
from ems_ml.normalize import NormalizerV1
from ems_ml.store import SqlStore
from ems_ml.types import Assignment, Decision, ErrorEvent, Outcome, PatternStatus, Verdict

GROUPER = OnlineGrouper(toy_pair_model(), join=0.9, suggest=0.5)
ENCODER, RANKER, NORMALIZER = ToyEncoder(), ToyRanker(), NormalizerV1()


def opened(url: str) -> SqlStore:
    return SqlStore(url, new_index=ExemplarIndex, encoder=ENCODER.version)


@pytest.fixture(params=["sqlite file", "sqlite memory", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    urls: dict[str, Callable[[], str]] = {
        "sqlite file": lambda: f"sqlite:///{tmp_path / 'a b' / 'ems.db'}",
        "sqlite memory": lambda: "sqlite://",
        "postgresql": lambda: str(request.getfixturevalue("postgres")),
    }
    with opened(urls[request.param]()) as made:
        yield made


def arrive(store: SqlStore, event: ErrorEvent) -> Assignment:
    """Group and commit, again where a race is lost."""
    signature = NORMALIZER.normalize(event)
    vectors = ENCODER.encode([signature])
    (strategies,) = RANKER.rank([signature], vectors)
    while True:
        candidates = store.candidates(event.project, event, signature, vectors[0])
        proposed = GROUPER.assign(event, signature, vectors[0], candidates)
        try:
            return store.commit(
                event, signature, vectors[0], proposed, strategies, {"normalizer": "v1"}, candidates=candidates
            )
        except LostRace:
            continue


def test_the_same_error_joins_and_another_one_does_not(store: SqlStore) -> None:
    first = arrive(store, an_event("1"))
    again = arrive(store, an_event("2"))
    other = arrive(store, an_event("3", kind="IndexError", where="first_of", message="list index out of range"))
    assert (first.decision, again.decision, other.decision) == (Decision.NEW, Decision.JOINED, Decision.NEW)
    assert again.pattern == first.pattern != other.pattern
    assert again.why["rule"] == "exact signature"
    assert again.probability == again.nearest[0].probability > 0.9
    assert {p.id: p.count for p in store.patterns("default")} == {first.pattern: 2, other.pattern: 1}


def test_what_is_stored_comes_back(store: SqlStore) -> None:
    time = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    event = an_event("1", time=time, release="1.2", message="caf\u00e9 \u2713", attributes={"env": "prod"})
    event = event.with_(chain=(replace(event.error, relation="cause"),), more=(an_event("1-0"),))
    assignment = arrive(store, event)
    kept = store.events.get("default", "1")
    assert kept is not None
    assert kept.event == event
    assert kept.time == time
    assert kept.assignment == assignment
    assert kept.strategies[0].name == "default_missing"
    assert store.pattern(assignment.pattern).first_seen == time
    assert store.events.get("default", "2") is None


def test_one_id_is_stored_once(store: SqlStore) -> None:
    pattern = arrive(store, an_event("1")).pattern
    with pytest.raises(DuplicateEvent):
        arrive(store, an_event("1"))
    with pytest.raises(DuplicateEvent):
        arrive(store, an_event("1", where="elsewhere", kind="OSError"))
    assert store.pattern(pattern).count == 1
    assert len(store.patterns()) == 1
    assert arrive(store, an_event("1", project="other")).decision is Decision.NEW  # ids count within a project
    assert store.counters()["processed", ""] == 2


def test_a_pattern_made_meanwhile_is_a_lost_race(store: SqlStore) -> None:
    event = an_event("late", where="elsewhere")
    signature = NORMALIZER.normalize(event)
    vector = ENCODER.encode([signature])[0]
    arrive(store, an_event("0"))
    seen = store.candidates("default", event, signature, vector)
    proposed = GROUPER.assign(event, signature, vector, seen)
    arrive(store, an_event("1", where="third"))
    with pytest.raises(LostRace):
        store.commit(event, signature, vector, proposed, (), {}, candidates=seen)
    assert store.events.get("default", "late") is None


def test_two_that_learn_to_join_at_once_are_no_failure(store: SqlStore) -> None:
    """Both see an unknown exact signature; the second one finds it known and groups again."""
    arrive(store, an_event("0"))
    one, two = an_event("1", caller="other"), an_event("2", caller="other")
    signature = NORMALIZER.normalize(one)
    vector = ENCODER.encode([signature])[0]
    seen = store.candidates("default", one, signature, vector)
    proposed = GROUPER.assign(one, signature, vector, seen)
    assert (proposed.decision, proposed.why["rule"]) == (Decision.JOINED, "learned")
    store.commit(one, signature, vector, proposed, (), {}, candidates=seen)
    with pytest.raises(LostRace):
        store.commit(two, signature, vector, proposed, (), {}, candidates=seen)
    assert arrive(store, two).why["rule"] == "exact signature"


def test_threads_that_bring_one_new_error_make_one_pattern(store: SqlStore) -> None:
    barrier = threading.Barrier(6)

    def bring(number: int) -> str:
        barrier.wait()
        return arrive(store, an_event(str(number))).pattern

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(bring, range(6)))) == 1
    assert [p.count for p in store.patterns()] == [6]
    assert store.counters() == {("received", ""): 6, ("processed", ""): 6}


def test_a_merge_binds_at_once_and_the_old_id_still_leads_there(store: SqlStore) -> None:
    one = arrive(store, an_event("1", time=datetime(2026, 1, 1, tzinfo=UTC))).pattern
    two = arrive(store, an_event("2", where="elsewhere")).pattern
    kept = store.decisions.merge(one, two, actor="ana")
    assert (kept.id, kept.count, kept.first_seen.year) == (two, 2, 2026)
    assert kept.first_seen == datetime(2026, 1, 1, tzinfo=UTC)
    assert store.pattern(one).id == two
    assert store.pattern(one, follow=False).status is PatternStatus.MERGED
    assert arrive(store, an_event("3")).pattern == two
    assert arrive(store, an_event("4", caller="new caller")).pattern == two
    assert [p.id for p in store.patterns()] == [two]
    assert [(d.action, d.actor) for d in store.decisions.log(project_name="default")] == [("merge", "ana")]
    with pytest.raises(UsageError):
        store.decisions.merge(one, two)


def test_a_split_binds_at_once(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    assert arrive(store, an_event("2", caller="other")).pattern == one
    fresh = store.decisions.split(one, ["2"])
    assert fresh.id != one
    assert (fresh.count, store.pattern(one).count, fresh.example) == (1, 1, "2")
    assert arrive(store, an_event("3", caller="other")).pattern == fresh.id
    assert arrive(store, an_event("4")).pattern == one
    kept = store.events.get("default", "2")
    assert kept is not None
    assert kept.pattern == fresh.id
    with pytest.raises(UsageError, match="empty"):
        store.decisions.split(fresh.id, ["2", "3"])
    with pytest.raises(UsageError, match="holds no event"):
        store.decisions.split(one, ["nobody"])


def test_after_a_split_each_event_is_nearest_to_its_own_pattern(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    arrive(store, an_event("2", caller="other"))
    fresh = store.decisions.split(one, ["1"])
    joined = arrive(store, an_event("3"))
    assert (joined.nearest[0].pattern, joined.nearest[0].example) == (fresh.id, "1")
    assert joined.nearest[0].probability > joined.nearest[1].probability


def test_patterns_told_apart_are_not_joined_by_what_was_learned(store: SqlStore) -> None:
    """The toy model is sure that one raise point is one cause; a person says that two callers are not."""
    one = arrive(store, an_event("1")).pattern
    arrive(store, an_event("2", caller="other", code="return prices[other]"))
    two = store.decisions.split(one, ["2"]).id
    store.decisions.apart(one, two)
    event = an_event("3", caller="other again", code="return prices[other]")
    signature = NORMALIZER.normalize(event)
    vector = ENCODER.encode([signature])[0]
    seen = store.candidates("default", event, signature, vector)
    assert seen.apart == {(one, two), (two, one)}
    assert GROUPER.assign(event, signature, vector, seen).pattern == two
    store.decisions.merge(one, two)  # a later decision holds
    assert store.candidates("default", event, signature, vector).apart == frozenset()


def test_apart_takes_the_question_back(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    asked = arrive(store, an_event("2", kind="LookupError"))
    assert asked.decision is Decision.SUGGESTED
    suggestion = store.pattern(asked.pattern).suggestion
    assert suggestion is not None
    assert suggestion.pattern == one
    store.decisions.apart(one, asked.pattern)
    assert store.pattern(asked.pattern).suggestion is None
    with pytest.raises(UsageError):
        store.decisions.apart(one, one)


@pytest.mark.parametrize(
    ("status", "after"), [(PatternStatus.RESOLVED, PatternStatus.OPEN), (PatternStatus.IGNORED, PatternStatus.IGNORED)]
)
def test_a_resolved_pattern_that_comes_back_is_open(
    store: SqlStore, status: PatternStatus, after: PatternStatus
) -> None:
    pattern = arrive(store, an_event("1")).pattern
    assert store.decisions.set_status(pattern, status).status is status
    arrive(store, an_event("2"))
    assert store.pattern(pattern).status is after
    with pytest.raises(NotFound):
        store.decisions.set_status("P-nothing", status)


def test_the_inbox_holds_until_the_commit(store: SqlStore) -> None:
    store.inbox.put([an_event("1"), an_event("2"), an_event("3"), an_event("1")])
    assert store.inbox.waiting() == 4
    assert [one.event.id for one in store.inbox.take(2)] == ["1", "2"]
    taken = store.inbox.take(4)
    arrive(store, taken[0].event)  # takes both that bear this id out
    store.inbox.discard(taken[3].number, reason="duplicate")  # as a worker does that had taken both: counted once
    bad = store.inbox.take(1)[0]
    store.inbox.set_aside(bad.number, "cannot be read", reason="failed")
    assert store.inbox.waiting() == 1
    arrive(store, store.inbox.take(1)[0].event)
    assert store.inbox.waiting() == 0
    assert store.counters() == {
        ("received", ""): 4,
        ("processed", ""): 2,
        ("dropped", "duplicate"): 1,
        ("dropped", "failed"): 1,
    }


def test_a_search_looks_into_type_message_and_stack(store: SqlStore) -> None:
    one = arrive(store, an_event("1")).pattern
    two = arrive(store, an_event("2", kind="ValueError", message="100% wrong_name", where="elsewhere")).pattern
    assert store.events.search("keyerror") == {one}
    assert store.events.search("price_of TEA") == {one}
    assert store.events.search("100%") == {two}
    assert store.events.search("100_ wrong") == set()  # no wildcards
    assert store.events.search("app.py") == {one, two}
    assert store.events.search("app.py", project_name="nobody") == set()


def test_times_and_newest_events(store: SqlStore) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(3):
        pattern = arrive(store, an_event(str(number), time=start + timedelta(hours=number))).pattern
    assert store.events.times(since=start + timedelta(hours=1)) == [start + timedelta(hours=n) for n in (1, 2)]
    assert [kept.event.id for kept in store.events.of_pattern(pattern, limit=2)] == ["2", "1"]
    assert store.events.count() == 3


def test_keys_are_known_once_and_can_be_revoked(store: SqlStore) -> None:
    key = store.keys.add("shop", "ingest")
    grant = store.keys.grant(key)
    assert grant is not None
    assert (grant.project, grant.allows("ingest"), grant.allows("read")) == ("shop", True, False)
    assert store.projects() == ["shop"]
    assert store.keys.grant(key + "0") is None
    assert store.keys.revoke(key)
    assert store.keys.grant(key) is None
    with pytest.raises(UsageError):
        store.keys.add("shop", "everything")
    with pytest.raises(UsageError):
        store.keys.add("a/b", "read")


def test_a_repair_is_remembered(store: SqlStore) -> None:
    pattern = arrive(store, an_event("1")).pattern
    verdict = Verdict(verdict=Outcome.REPAIRED, reason="red, then green", strategy="default_missing")
    store.record_fix("default", "1", pattern, verdict)
    ((_, kept),) = store.fixes(pattern)
    assert kept == verdict


def test_a_clients_fingerprint_decides(store: SqlStore) -> None:
    one = arrive(store, an_event("1", fingerprint=("checkout",)))
    two = arrive(store, an_event("2", fingerprint=("checkout",), kind="OSError", where="elsewhere"))
    three = arrive(store, an_event("3", fingerprint=("billing",)))
    assert two.pattern == one.pattern != three.pattern
    assert two.why["rule"] == "fingerprint"
    default = arrive(store, an_event("4", fingerprint=("{{ default }}",), where="new"))
    again = arrive(store, an_event("5", where="new", caller="third"))
    assert again.pattern == default.pattern
    assert again.why["rule"] == "learned"


def test_after_a_change_of_encoder_the_known_stays_known(store: SqlStore) -> None:
    pattern = arrive(store, an_event("1")).pattern
    store.events.compare_with("another")
    joined = arrive(store, an_event("2"))
    assert (joined.pattern, joined.nearest[0].pattern, joined.nearest[0].example) == (pattern, pattern, "1")
    assert joined.probability > 0.99
    assert arrive(store, an_event("3", caller="fresh")).pattern == pattern  # by the exemplar that 2 left


def test_odd_texts_are_kept_or_told(store: SqlStore) -> None:
    event = an_event("1", message="nul \x00 and \u2028 and \U0001f600", kind="T" * 400)
    assert arrive(store, event).decision is Decision.NEW
    kept = store.events.get("default", "1")
    assert kept is not None
    assert kept.event == event


def test_half_a_character_does_not_stop_an_event(store: SqlStore) -> None:
    event = an_event("1", message="cut here \ud83d", where="half\ud83d")
    store.inbox.put([event])
    pattern = arrive(store, event).pattern
    kept = store.events.get("default", "1")
    assert kept is not None
    assert kept.event.error.message == "cut here ?"
    assert "cut here ?" in store.pattern(pattern).title


WITHIN = "{{ default }}"


def test_a_fingerprint_with_our_default_groups_by_both(store: SqlStore) -> None:
    """Alike by default and of other parts: two patterns. Of the same parts: what was learned decides as ever."""
    plain = arrive(store, an_event("1"))
    ana = arrive(store, an_event("2", fingerprint=(WITHIN, "ana")))
    ben = arrive(store, an_event("3", fingerprint=(WITHIN, "ben")))
    assert len({plain.pattern, ana.pattern, ben.pattern}) == 3
    assert {one.decision for one in (plain, ana, ben)} == {Decision.NEW}
    again = arrive(store, an_event("4", fingerprint=("ben", WITHIN)))
    assert (again.pattern, again.why["rule"]) == (ben.pattern, "exact signature")
    alike = arrive(store, an_event("5", fingerprint=(WITHIN, "ana"), caller="job"))
    assert (alike.pattern, alike.why["rule"], alike.why["fingerprint"]) == (ana.pattern, "learned", [WITHIN, "ana"])
    other = arrive(store, an_event("6", fingerprint=(WITHIN, "ana"), kind="OSError", where="elsewhere", message="no"))
    assert other.pattern not in (plain.pattern, ana.pattern, ben.pattern)
    assert arrive(store, an_event("7", caller="third")).pattern == plain.pattern


def test_what_a_fingerprint_gathers_is_no_example_for_others(store: SqlStore) -> None:
    gathered = arrive(store, an_event("1", fingerprint=("checkout",)))
    assert arrive(store, an_event("2", caller="job")).pattern != gathered.pattern
    assert arrive(store, an_event("3", fingerprint=(WITHIN, "checkout"))).pattern != gathered.pattern
    last = arrive(store, an_event("4", fingerprint=("checkout",), kind="OSError", where="elsewhere"))
    assert last.pattern == gathered.pattern


def test_among_many_tenants_each_still_finds_its_own(store: SqlStore) -> None:
    """More than an error is compared with: the nearest ones are all of other parts."""
    patterns = {n: arrive(store, an_event(f"a{n}", fingerprint=(WITHIN, f"tenant {n}"))).pattern for n in range(40)}
    assert len(set(patterns.values())) == 40
    for n in (0, 20, 39):
        joined = arrive(store, an_event(f"b{n}", fingerprint=(WITHIN, f"tenant {n}"), caller="job"))
        assert (joined.pattern, joined.why["rule"]) == (patterns[n], "learned")


def test_what_a_person_merges_stays_together_whatever_the_parts(store: SqlStore) -> None:
    one = arrive(store, an_event("1", fingerprint=(WITHIN, "ana"))).pattern
    two = arrive(store, an_event("2", fingerprint=(WITHIN, "ben"))).pattern
    store.decisions.merge(two, one)
    assert arrive(store, an_event("3", fingerprint=(WITHIN, "ben"))).pattern == one
    assert arrive(store, an_event("4", fingerprint=(WITHIN, "ben"), caller="job")).pattern == one
