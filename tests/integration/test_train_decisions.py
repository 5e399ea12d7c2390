"""`ems train --decisions` over a real store with tiny models: which pairs are learnt from, and when they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from said import Ems
from toy_models import events

from ems_ml.build import System, build, train_decisions
from ems_ml.build.checks import examine
from ems_ml.build.decided import LEAST, decided_pairs
from ems_ml.build.models import copy_set, load_grouper, model_folders
from ems_ml.errors import InputError, UsageError
from ems_ml.group import OnlineGrouper, PairModel
from ems_ml.group.lessons import Lessons
from ems_ml.manifest import find_model, read_manifest, write_manifest
from ems_ml.monitor.types import State
from ems_ml.settings import load_settings
from ems_ml.store import SqlStore


@pytest.fixture
def system(toy_home: Path) -> Iterator[System]:
    with build(load_settings()) as made:
        yield made


def arrived(system: System) -> dict[str, str]:
    """The made-up errors of one project in the store: event -> the pattern that it is in."""
    line = system.line()
    made = [event for event, _, _ in events() if event.project == "alpha"]
    return {event.id: line.process_event(event).assignment.pattern for event in made}


def pairs(system: System) -> list[tuple[str, str, bool]]:
    """The raise points of the pairs that are learnt from, and what was decided."""
    model = PairModel.load(find_model("grouper", model_folders(system.settings))[1])
    return [
        (one.arriving.frames[-1].function, one.earlier.frames[-1].function, one.same)
        for one in decided_pairs(system, "alpha", model)
    ]


def separate(store: SqlStore, count: int) -> list[str]:
    """Patterns of the project, in the order in which they came up."""
    return [one.id for one in sorted(store.patterns("alpha"), key=lambda one: one.first_seen)][:count]


def test_a_decision_is_a_pair_and_one_that_was_taken_back_is_none(system: System) -> None:
    arrived(system)
    store = system.store
    one, two, three = separate(store, 3)
    assert pairs(system) == []
    store.decisions.apart(one, two)
    store.decisions.merge(three, one)
    store.decisions.set_status(one, store.pattern(one).status)
    told = pairs(system)
    assert [same for _, _, same in told] == [False, True]
    store.decisions.merge(two, one)
    assert [same for _, _, same in pairs(system)] == [True, True], "what was told apart is merged now"
    moved = [stored.event.id for stored in store.events.of_pattern(one) if stored.assignment.pattern == three]
    store.decisions.split(one, moved)
    assert sorted(same for _, _, same in pairs(system)) == [False, True], "what was merged is split now"


def test_a_pair_is_what_the_person_was_shown(system: System) -> None:
    """The earlier error is the one that the arriving one was compared with, not merely the pattern's first."""
    arrived(system)
    store = system.store
    stored = next(
        one
        for pattern in store.patterns("alpha")
        for one in store.events.of_pattern(pattern.id)
        if one.assignment.nearest
        and one.assignment.nearest[0].pattern == one.pattern
        and one.assignment.nearest[0].example != pattern.example
    )
    shown = store.events.get("alpha", stored.assignment.nearest[0].example)
    assert shown is not None
    store.decisions.split(stored.pattern, [stored.event.id])
    model = PairModel.load(find_model("grouper", model_folders(system.settings))[1])
    (pair,) = decided_pairs(system, "alpha", model)
    assert pair.arriving == system.normalizer.normalize(stored.event)
    assert pair.earlier == system.normalizer.normalize(shown.event)
    assert not pair.same


def test_where_nobody_decided_there_is_nothing_to_learn(system: System) -> None:
    arrived(system)
    with pytest.raises(InputError, match="nobody has decided"):
        train_decisions(system, track=False)


def test_few_decisions_are_not_used_unless_that_is_asked_for(system: System) -> None:
    arrived(system)
    one, two = separate(system.store, 2)
    system.store.decisions.merge(two, one)
    made = train_decisions(system, track=False)
    assert (made.version, made.adopted, [one.used for one in made.projects]) == (None, False, [False])
    assert "nothing yet" in made.said
    assert LEAST > 1


def asked_for(system: System) -> Lessons:
    """Lessons of one decision, put to use because that was asked for."""
    arrived(system)
    stored = next(
        one
        for pattern in system.store.patterns("alpha")
        if pattern.count > 1
        for one in system.store.events.of_pattern(pattern.id)
        if one.event.id != pattern.example
    )
    system.store.decisions.split(stored.pattern, [stored.event.id])
    made = train_decisions(system, adopt=True, track=False)
    assert made.adopted
    return made.lessons


def serving(system: System) -> OnlineGrouper:
    grouper = load_grouper(system.settings)
    assert isinstance(grouper, OnlineGrouper)
    return grouper


def test_lessons_serve_beside_the_grouper_that_they_were_learned_on_alone(system: System, tmp_path: Path) -> None:
    lessons = asked_for(system)
    assert list(lessons.shifts) == ["alpha"]
    assert serving(system).lessons == lessons
    copied = copy_set(model_folders(system.settings), tmp_path / "copy")
    assert Lessons.load(find_model("lessons", [copied])[1]) == lessons
    models = system.settings.models
    (about,) = [one.detail for one in examine(system.settings) if one.name == "decisions learned"]
    assert about.startswith(lessons.version)
    entries = read_manifest(models)
    write_manifest(models, [type(entries["grouper"])(**{**vars_of(entries["grouper"]), "version": "another"})])
    assert not serving(system).lessons.version
    (check,) = [one for one in examine(system.settings) if one.name == "decisions learned"]
    assert (check.state, check.remedy) == (State.WARN, "run `ems train --decisions`")


def test_another_set_of_models_groups_without_them(system: System) -> None:
    """As when a project is regrouped by it, or both sets are asked in a time of transition."""
    before = serving(system).version
    lessons = asked_for(system)
    first, second = (load_grouper(system.settings, name) for name in ("v1", "v2"))
    assert (first.version, second.version) == (before, f"{before}+{lessons.version}")


def vars_of(entry: object) -> dict[str, object]:
    return {name: getattr(entry, name) for name in ("name", "kind", "version", "folder", "files", "about")}


def test_the_command_tells_what_was_learned(ems: Ems, toy_home: Path) -> None:
    said = ems("train", "--decisions", "--no-track")
    assert said.code == InputError.exit_code
    with build(load_settings()) as system:
        arrived(system)
        one, two, three = separate(system.store, 3)
        system.store.decisions.apart(one, two)
        system.store.decisions.merge(three, one)
    said = ems("train", "--decisions", "--no-track", "--json")
    answer = json.loads(said.out)
    assert set(answer) == {"version", "adopted", "said", "projects", "run"}
    assert answer["version"] is None
    (row,) = answer["projects"]
    assert (row["project"], row["decisions"], row["same"], row["used"]) == ("alpha", 2, 1, False)
    text = ems("train", "--decisions", "--no-track", "--adopt")
    assert "alpha" in text.out
    assert "in use now" in text.out
    assert "2 decisions about patterns" in ems("models", "list").out
    assert ems("models", "rollback").out.startswith("v1 is in use now, v2 was before")  # v1: the models that were there


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*`noload`+ loader strategy is deprecated:DeprecationWarning")
def test_a_training_is_a_run_and_its_registered_model_groups_with_the_lessons(system: System) -> None:
    import mlflow

    arrived(system)
    one, two = separate(system.store, 2)
    system.store.decisions.merge(two, one)
    made = train_decisions(system, adopt=True)
    assert made.version is not None
    run = mlflow.MlflowClient(tracking_uri=system.settings.tracking).get_run(made.version.run)
    assert run.data.params["lessons"] == made.lessons.version
    assert run.data.metrics["loss alpha"] == pytest.approx(made.projects[0].loss)
    mlflow.set_tracking_uri(system.settings.tracking)
    (answer,) = mlflow.pyfunc.load_model("models:/ems/1").predict(pd.DataFrame({"text": ["KeyError: 'x'"]}))
    assert answer["versions"]["grouper"].endswith(f"+{made.lessons.version}")


@pytest.mark.parametrize(
    "arguments", [("--data", "x.csv"), ("--encoder",), ("--check",), ("--sample", "100"), ("--out", "x")]
)
def test_options_of_other_trainings_are_refused(ems: Ems, arguments: tuple[str, ...]) -> None:
    said = ems("train", "--decisions", *arguments)
    assert said.code == UsageError.exit_code
    assert "--decisions learns from the store" in said.err
