"""The transition window: the models before are asked about each event that arrives, and decide nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from regroup_worlds import arrive, check, grown, other_models, rows, traces, where

from ems_ml import versions
from ems_ml.build import System, apply_regrouping, build, undo_regrouping
from ems_ml.errors import ModelError
from ems_ml.settings import Settings

FIRST = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown(tmp_path_factory.mktemp("world"), traces()[:FIRST])


@pytest.fixture
def home(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world, tmp_path / "home"))


@pytest.fixture
def system(home: Path) -> Iterator[System]:
    with build(Settings(home=home)) as made:
        yield made


def opinions(home: Path) -> dict[str, tuple[str | None, bool]]:
    query = "SELECT e.id, o.pattern, o.differs FROM second_opinion o JOIN event e ON e.number = o.event"
    return {event: (pattern, bool(differs)) for event, pattern, differs in rows(home, query)}


@pytest.mark.parametrize("encoder", [False, True], ids=["grouper", "grouper and encoder"])
def test_both_models_judge_and_the_new_ones_decide(home: Path, system: System, encoder: bool) -> None:
    name = other_models(home, join=0.995, suggest=0.5, encoder=encoder)
    apply_regrouping(system, version=name)
    told = versions.transition(system.settings.models)
    assert told is not None
    assert (told.before, told.after, (told.until - told.begun).days) == ("shipped", name, 14)
    arrive(system, traces()[FIRST:])
    check(home)
    said, now = opinions(home), where(home)
    assert set(said) == {event.id for event in traces()[FIRST:]}
    joined = {e for e, d in rows(home, "SELECT id, json_extract(assignment, '$.decision') FROM event") if d == "joined"}
    for event, (pattern, differs) in said.items():
        assert differs == (pattern != (now[event] if event in joined else None))
    apart = [event for event, (_, differs) in said.items() if differs]
    assert 3 < len(apart) < len(said) / 2
    if not encoder:
        assert all(said[event][0] is not None and event not in joined for event in apart), "the stricter one joins less"
    compared = system.store.opinions.compared("shipped", name, limit=2)
    assert (compared.asked, compared.differed, len(compared.last)) == (len(said), len(apart), 2)
    assert {one.event for one in compared.last} <= set(apart)


def test_the_models_before_know_what_has_come_since(home: Path, system: System) -> None:
    """Under another encoder too: what arrives is kept for both, so that going back finds everything."""
    apply_regrouping(system, version=other_models(home, join=0.9, suggest=0.5, encoder=True))
    fresh = traces()[FIRST:]
    arrive(system, fresh)
    kept = rows(home, "SELECT x.encoder, x.event FROM exemplar x")
    shipped = {event for encoder, event in kept if encoder != "turned-1"}
    turned = {event for encoder, event in kept if encoder == "turned-1"}
    later = {event.id for event in fresh}
    assert later & shipped == later & turned != set()
    undo_regrouping(system)
    assert versions.transition(system.settings.models) is None
    arrive(system, [fresh[0].with_(id="again")])
    nearest = rows(home, "SELECT json_extract(assignment, '$.nearest[0].example') FROM event WHERE id = 'again'")
    assert nearest[0][0] is not None
    assert "again" not in opinions(home)


def test_a_window_ends_by_a_person_by_time_and_with_other_models(home: Path, system: System) -> None:
    models = system.settings.models
    name = other_models(home, join=0.9, suggest=0.5)
    apply_regrouping(system, version=name, days=0)
    assert versions.transition(models) is None
    versions.begin_transition(models, "shipped", 1)
    assert versions.transition(models) is not None
    versions.use(models, "shipped")
    assert versions.transition(models) is None, "what was put to use by hand is asked alone"
    versions.use(models, name)
    assert versions.transition(models) is not None
    versions.end_transition(models)
    assert versions.transition(models) is None
    versions.begin_transition(models, "shipped", 1e-9)
    assert versions.transition(models) is None
    (models / versions.TRANSITION).write_text("{")
    with pytest.raises(ModelError):
        versions.transition(models)


def test_models_that_are_gone_are_told_and_events_go_on(
    home: Path, system: System, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (other_models(home, join=0.9, suggest=share) for share in (0.5, 0.6))
    versions.use(system.settings.models, first)
    apply_regrouping(system, version=second)
    shutil.rmtree(system.settings.models / "versions" / first)
    arrive(system, traces()[FIRST : FIRST + 2])
    assert "the models before cannot be asked" in caplog.text
    assert opinions(home) == {}
    assert len(where(home)) == FIRST + 2


def test_a_dry_classification_asks_nobody(home: Path, system: System) -> None:
    apply_regrouping(system, version=other_models(home, join=0.9, suggest=0.5))
    system.line(record=False).process_event(traces()[FIRST])
    assert opinions(home) == {}
