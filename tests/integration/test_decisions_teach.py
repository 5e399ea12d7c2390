"""Twenty decisions on a project that no model was trained on make the suggestions on its later errors better.

The same over all projects of the split, with intervals, is `python -m tests.benchmarks decisions`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deciding import Later, gains, judged, shortened, watched

from ems_ml.build import System, build, train_decisions
from ems_ml.dataset import event_from_row, load_data
from ems_ml.group import OnlineGrouper
from ems_ml.normalize import NormalizerV1
from ems_ml.settings import load_settings
from ems_ml.train.grouping.stream import Stream, streams
from ems_ml.versions import rollback

PROJECTS = ("h11", "httpx", "jmespath", "jsonschema")  # the first four of the test split
LATER = 120  # errors that are judged in each
DECISIONS = 20


def of_project(name: str) -> Stream:
    frame = load_data("fault", "test")
    rows = frame[frame["project"] == name].to_dict("records")
    (stream,) = streams(((event_from_row(row), str(row["group"])) for row in rows), NormalizerV1())
    return stream


@pytest.fixture
def system() -> Iterator[System]:
    """The shipped models and a fresh store."""
    with build(load_settings()) as made:
        yield made


def serving(system: System) -> OnlineGrouper:
    grouper = system.line().grouper
    assert isinstance(grouper, OnlineGrouper)
    return grouper


def test_after_twenty_decisions_later_suggestions_are_better(tmp_path_factory: pytest.TempPathFactory) -> None:
    before: list[Later] = []
    after: list[Later] = []
    for name in PROJECTS:
        whole = of_project(name)
        with build(load_settings(home=tmp_path_factory.mktemp(name))) as system:
            shipped = serving(system)
            arrived = watched(system, whole, DECISIONS)
            made = train_decisions(system, track=False)
            assert [one.decisions for one in made.projects] == [DECISIONS]
            stream = shortened(whole, arrived + LATER)
            before.append(judged(system, shipped, stream, arrived))
            learned = serving(system)
            assert made.adopted == (learned.version != shipped.version)
            after.append(judged(system, learned, stream, arrived))
    assert all(later.errors >= 60 for later in before)
    for figure in ("cost", "loss"):
        found = gains(before, after, figure)
        assert sum(found) / len(found) > 0.02, (figure, before, after)
        assert sum(gain > 0 for gain in found) >= 3, (figure, before, after)


def test_what_was_learned_is_a_version_that_can_be_taken_back(system: System) -> None:
    first = serving(system).version
    watched(system, of_project("jsonschema"), DECISIONS)
    made = train_decisions(system, track=False)
    assert made.adopted
    assert made.version is not None
    learned = serving(system)
    assert learned.version == f"{first}+{made.lessons.version}"
    assert rollback(system.settings.models) == ("shipped", made.version.name)
    assert serving(system).version == first
