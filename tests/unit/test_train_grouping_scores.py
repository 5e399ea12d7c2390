"""What replays are worth, against values worked out by hand, and against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from ems_ml.normalize import NormalizerV1
from ems_ml.train.grouping.curve import reliability
from ems_ml.train.grouping.scores import CLUSTERED, figures, of_labels, sums, values
from ems_ml.train.grouping.stream import Own, Replay, Stream, Taught, Trace
from ems_ml.types import ErrorEvent, ExceptionRecord


def stream(project: str, causes: str, versions: str = "") -> Stream:
    traces = []
    for k, cause in enumerate(causes):
        event = ErrorEvent(id=str(k), error=ExceptionRecord(type="E", message=cause), project=project)
        version = versions[k] if versions else ""
        traces.append(Trace(event=event, signature=NormalizerV1().normalize(event), cause=cause, version=version))
    return Stream(project, tuple(traces))


def replay(best: list[float], rank: list[int], labels: list[int], joined: str, wrong: str, asked: str) -> Replay:
    flags = [np.asarray([mark == "x" for mark in marks]) for marks in (joined, wrong, asked)]
    ranks = np.asarray(rank)
    return Replay(Taught(np.asarray(best), ranks, ranks == 1), Own(np.asarray(labels), *flags))


#: Causes a b a a b c. The fourth a is asked about and opens a pattern; c joins that of the bs.
ONE = stream("one", "abaabc", versions="112212")
TOLD = replay(
    best=[-np.inf, 0.2, 0.9, 0.4, 0.7, 0.6],
    rank=[0, 0, 1, 2, 1, 0],
    labels=[0, 1, 0, 2, 1, 1],
    joined="..x.xx",
    wrong=".....x",
    asked="...x..",
)


def test_figures_are_those_worked_out_by_hand() -> None:
    told = {name: figure.value for name, figure in figures(sums([TOLD], [ONE])).items()}
    expected = {
        "RR@1": 2 / 3,
        "RR@5": 1.0,
        "MAP": (1 + 1 / 2 + 1) / 3,
        "AUC": 5 / 6,  # known .9 .4 .7 beside new .2 .6: only .4 stands below .6
        "precision": 2 / 4,  # of the pairs in {a a}, {b b c}: those of one cause
        "recall": 2 / 4,  # of three pairs of a and one of b
        "patterns per cause": 4 / 3,
        "wrong joins": 1 / 3,
        "joined": 3 / 6,
        "asked": 1 / 6,
        "known joined": 2 / 3,
        "recall over releases": 1 / 2,  # of a's pairs over releases 1-2 twice: the one with the third
    }
    assert told == pytest.approx({"ARI": adjusted_rand_score([0, 1, 0, 0, 1, 2], TOLD.own.labels), **expected})


def test_auc_is_scikit_learns_over_the_arrivals_of_all_projects() -> None:
    other = stream("two", "xxyx")
    further = replay([-np.inf, 0.3, 0.4, 0.6], [0, 1, 0, 1], [0, 0, 1, 0], ".x.x", "....", "....")
    told = sums([TOLD, further], [ONE, other])
    known = np.concatenate([ONE.known[1:], other.known[1:]])
    best = np.concatenate([TOLD.taught.best[1:], further.taught.best[1:]])
    assert values(told, np.ones((1, 2)))["AUC"][0] == pytest.approx(roc_auc_score(known, best))


def test_drawing_a_project_twice_is_having_it_twice() -> None:
    other = stream("two", "xxyx")
    further = replay([-np.inf, 0.3, 0.4, 0.6], [0, 1, 0, 1], [0, 0, 1, 0], ".x.x", "....", "....")
    drawn = values(sums([TOLD, further], [ONE, other]), np.asarray([[2.0, 1.0]]))
    twice = values(sums([TOLD, TOLD, further], [ONE, ONE, other]), np.ones((1, 3)))
    assert {name: value[0] for name, value in drawn.items()} == pytest.approx(
        {name: value[0] for name, value in twice.items()}
    )


def test_the_interval_of_one_project_is_its_figure() -> None:
    one = figures(sums([TOLD], [ONE]))["RR@1"]
    assert (one.low, one.high) == (one.value, one.value)


def test_the_interval_spans_what_projects_differ_by() -> None:
    good = replay([-np.inf, 0.9], [0, 1], [0, 0], ".x", "..", "..")
    bad = replay([-np.inf, 0.1], [0, 2], [0, 1], "..", "..", "..")
    pair = stream("p", "aa")
    figure = figures(sums([good, bad], [pair, pair]))["recall"]
    assert (figure.value, figure.low, figure.high) == (0.5, 0.0, 1.0)


def test_labels_alone_are_judged_as_a_replay_that_gives_them() -> None:
    other = stream("two", "xxyx")
    further = replay([-np.inf, 0.3, 0.4, 0.6], [0, 1, 0, 1], [0, 0, 1, 0], ".x.x", "....", "....")
    whole = figures(sums([TOLD, further], [ONE, other]))
    renamed = [[7, -1, 7, 3, -1, -1], [4, 4, 0, 4]]
    assert of_labels(renamed, [ONE, other]) == {name: whole[name] for name in CLUSTERED}
    with pytest.raises(ValueError, match="argument 2 is longer"):
        of_labels(renamed[:1], [ONE, other])


def test_calibration_leaves_out_each_projects_first() -> None:
    told = reliability([TOLD.taught])
    assert told["arrivals"] == 5
    # .9 and .7 were right, .2 .4 .6 were not: each stands in a bin of its own
    assert told["ece"] == pytest.approx((0.1 + 0.3 + 0.2 + 0.4 + 0.6) / 5)
