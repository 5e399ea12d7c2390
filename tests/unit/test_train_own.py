"""Learning from a team's own errors: honest parts, labels that occur once, and a model that starts from the shipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from own_errors import errors

from ems_ml.build import build
from ems_ml.build.reading import understanding
from ems_ml.errors import InputError, UsageError
from ems_ml.rank import LinearRanker
from ems_ml.rank.adapt import Recipe, adapted, held_out
from ems_ml.rank.model import best_temperature
from ems_ml.settings import load_settings
from ems_ml.strategies.names import STRATEGY_NAMES
from ems_ml.train.examples import Examples
from ems_ml.train.own import OwnErrors, OwnSplit, cause_of, split_own
from ems_ml.train.own_fit import OwnJudged, Score, choose, one_doubt
from ems_ml.types import FrameKey, Role, Signature


@pytest.fixture(scope="module")
def own() -> OwnErrors:
    made = errors(240)
    with build(load_settings()) as system:
        understand = understanding(system)
        signatures = [found[0] for one in made if isinstance(found := understand(one.trace, ""), tuple)]
    assert len(signatures) == len(made)
    return OwnErrors(
        signatures=signatures,
        labels=[one.label for one in made],
        times=[one.time for one in made],
        projects=[one.project for one in made],
    )


def without(own: OwnErrors, *, times: bool = False, projects: bool = False) -> OwnErrors:
    number = len(own.labels)
    return replace(
        own,
        times=[None] * number if times else own.times,
        projects=[""] * number if projects else own.projects,
    )


def causes(split: OwnSplit) -> list[set[str]]:
    return [set(split.parts[name].groups) for name in ("train", "tune", "test")]


def honest(split: OwnSplit) -> None:
    train, tune, test = causes(split)
    assert train
    assert tune
    assert test
    assert not train & tune
    assert not train & test
    assert not tune & test


def test_by_time_the_latest_causes_judge(own: OwnErrors) -> None:
    split = split_own(own, strategies=STRATEGY_NAMES)
    assert split.by == "time"
    honest(split)
    found = {id(signature): time for signature, time in zip(own.signatures, own.times, strict=True)}
    times = {name: [found[id(one)] for one in part.signatures] for name, part in split.parts.items()}
    assert max(times["train"]) < min(times["tune"])  # type: ignore[type-var]
    assert max(times["tune"]) < min(times["test"])  # type: ignore[type-var]
    kept = sum(map(len, times.values()))
    assert kept + split.later + split.repeats + len(split.once) == len(own.labels)
    assert split.later > 0


def test_without_times_whole_projects_judge(own: OwnErrors) -> None:
    split = split_own(without(own, times=True), strategies=STRATEGY_NAMES)
    assert split.by == "project"
    honest(split)
    projects = [set(part.projects) for part in split.parts.values()]
    assert not projects[0] & projects[2]
    assert not projects[0] & projects[1]
    assert all(name in split.said for name in split.parts["test"].projects)


def test_without_times_and_projects_whole_causes_judge(own: OwnErrors) -> None:
    bare = without(own, times=True, projects=True)
    split = split_own(bare, strategies=STRATEGY_NAMES)
    assert split.by == "cause"
    honest(split)
    sizes = [len(part) for part in causes(split)]
    assert sizes[0] > sizes[2] > sizes[1]
    again = split_own(bare, strategies=STRATEGY_NAMES)
    assert again.parts["test"].groups == split.parts["test"].groups
    assert split_own(bare, strategies=STRATEGY_NAMES, seed=1).parts["test"].groups != split.parts["test"].groups


def test_few_times_or_few_projects_do_not_split(own: OwnErrors) -> None:
    times = [time if at % 2 else None for at, time in enumerate(own.times)]
    projects = ["a" if at % 2 else "b" for at in range(len(times))]
    assert split_own(replace(own, times=times, projects=projects), strategies=STRATEGY_NAMES).by == "cause"


def test_own_words_that_occur_once_are_left_out_and_strategies_stay(own: OwnErrors) -> None:
    labels = list(own.labels)
    labels[3], labels[8], labels[11] = "einmal", "auch einmal", "retry_transient"
    assert Counter(labels)["retry_transient"] == 1
    split = split_own(replace(own, labels=labels), strategies=STRATEGY_NAMES)
    assert split.once == ("auch einmal", "einmal")
    kept = {label for part in split.parts.values() for label in part.strategies}
    assert kept == set(labels) - {"einmal", "auch einmal"}


def test_a_cause_seen_a_thousand_times_keeps_ten_traces(own: OwnErrors) -> None:
    flood = [own.signatures[0]] * 1000
    many = OwnErrors(
        signatures=[*own.signatures, *flood],
        labels=[*own.labels, *[own.labels[0]] * 1000],
        times=[None] * (1000 + len(own.labels)),
        projects=[""] * (1000 + len(own.labels)),
    )
    split = split_own(many, strategies=STRATEGY_NAMES)
    counts = Counter(group for part in split.parts.values() for group in part.groups)
    assert max(counts.values()) == 10
    assert split.repeats >= 990


@pytest.mark.parametrize(
    ("number", "labels", "says"),
    [(12, None, "only"), (60, ["same"] * 60, "one label"), (60, [f"w{n}" for n in range(60)], "only 0")],
)
def test_too_little_to_learn_from_is_told(own: OwnErrors, number: int, labels: list[str] | None, says: str) -> None:
    few = OwnErrors(
        signatures=own.signatures[:number],
        labels=labels or own.labels[:number],
        times=own.times[:number],
        projects=own.projects[:number],
    )
    with pytest.raises(InputError, match=says) as caught:
        split_own(few, strategies=STRATEGY_NAMES)
    assert caught.value.hint


def test_the_cause_is_where_the_own_code_broke(own: OwnErrors) -> None:
    one = own.signatures[0]
    other_caller = replace(one, frames=(replace(one.frames[0], function="cron"), *one.frames[1:]), exact="0" * 32)
    assert cause_of(one) == cause_of(other_caller)
    assert cause_of(one) != cause_of(replace(one, type="Other"))
    bare = replace(one, frames=())
    assert cause_of(bare) == bare.exact


BASE = LinearRanker(
    classes=("guard_none", "default_missing"),
    unseen=("retry_transient", "revert_change"),
    columns={"exception type KeyError": 0, "exception type AttributeError": 1},
    weights=np.asarray([[-2.0, 2.0], [2.0, -2.0]], dtype=np.float32),
    bias=np.zeros(2, dtype=np.float32),
    temperature=0.5,
    rest=0.02,
    version="base",
)


def signature(kind: str, *, file: str = "app/a.py", exact: str = "") -> Signature:
    frame = FrameKey(file=file, function="f", role=Role.APP, in_app=True)
    return Signature(
        version="v1", language="python", type=kind, types=(kind,), message="", template="", frames=(frame,),
        exact=exact or kind + file, text="",
    )  # fmt: skip


def test_with_hardly_any_freedom_it_answers_what_the_shipped_one_does() -> None:
    rows = [signature("KeyError"), signature("AttributeError")] * 5
    labels = ["own word", "guard_none"] * 5
    groups = [str(n) for n in range(10)]
    stiff = adapted(BASE, rows, labels, groups=groups, recipe=Recipe(strength=1e-9))
    names = [one.name for one in stiff.rank([signature("KeyError")])[0]]
    assert names[0] == "default_missing"
    assert set(names) == {"guard_none", "default_missing", "own word", "retry_transient", "revert_change"}


def test_with_freedom_it_learns_the_teams_words_and_keeps_the_rest() -> None:
    rows = [signature("KeyError"), signature("AttributeError")] * 5
    labels = ["own word", "guard_none"] * 5
    free = adapted(BASE, rows, labels, groups=[str(n) for n in range(10)], recipe=Recipe(strength=10))
    first = [answer[0].name for answer in free.rank([signature("KeyError"), signature("AttributeError")])]
    assert first == ["own word", "guard_none"]
    for answer in free.rank([signature("KeyError"), signature("OSError")]):
        assert sum(one.probability for one in answer) == pytest.approx(1, abs=1e-4)


def test_places_tell_apart_what_the_type_does_not(tmp_path: Path) -> None:
    rows = [signature("KeyError", file=f"{module}/x.py") for module in ("rates", "basket")] * 6
    labels = ["data", "code"] * 6
    groups = [str(n) for n in range(12)]
    blind = adapted(BASE, rows, labels, groups=groups, recipe=Recipe(strength=10))
    seeing = adapted(BASE, rows, labels, groups=groups, recipe=Recipe(strength=10, places=True))
    one, two = blind.probabilities(rows[:2])
    assert np.allclose(one, two)
    seeing.save(tmp_path / "ranker")
    loaded = LinearRanker.load(tmp_path / "ranker")
    answers = loaded.rank(rows[:2])
    assert [answer[0].name for answer in answers] == ["data", "code"]
    assert any(reason.startswith("at ") for reason in answers[0][0].why)


def test_a_cause_weighs_the_same_however_often_it_was_seen() -> None:
    rows = [signature("KeyError", exact=str(n)) for n in range(6)]
    labels = ["own word"] * 3 + ["default_missing"] * 3
    recipe = Recipe(strength=1.0)
    once = adapted(BASE, rows, labels, groups=list("abcdef"), recipe=recipe)
    often = adapted(
        BASE, rows + rows[:1] * 50, labels + labels[:1] * 50, groups=list("abcdef") + ["a"] * 50, recipe=recipe
    )
    assert np.allclose(once.probabilities(rows), often.probabilities(rows), atol=1e-3)


def test_nothing_to_learn_from_and_labels_that_are_not_known() -> None:
    with pytest.raises(UsageError, match="no error"):
        adapted(BASE, [], [], groups=[], recipe=Recipe(strength=1.0))
    assert held_out(BASE, [signature("KeyError")], ["who knows"], groups=["a"]) is None


def test_a_small_part_that_is_all_right_makes_nothing_certain() -> None:
    rows = [signature("KeyError"), signature("AttributeError")] * 3
    part = held_out(BASE, rows, ["default_missing", "guard_none"] * 3, groups=list("abcdef"))
    assert part is not None
    sure = replace(BASE, temperature=best_temperature([part]))
    careful = replace(BASE, temperature=best_temperature([part, one_doubt(part)]))
    assert sure.probabilities(rows[:1]).max() > 0.999
    assert 0.8 < careful.probabilities(rows[:1]).max() < 0.95  # six of six right: 7/8 by the rule of succession


def test_what_the_tune_part_cannot_tell_apart_stays_near_the_shipped_ranker() -> None:
    def examples(labels: list[str]) -> Examples:
        rows = [signature("KeyError", exact=str(at)) for at in range(len(labels))]
        groups = tuple(str(at) for at in range(len(labels)))
        return Examples(signatures=tuple(rows), strategies=tuple(labels), groups=groups, projects=("",) * len(labels))

    def ranked(toward_own: float) -> LinearRanker:
        weights = np.asarray([[-9.0, 0.0], [0.0, 0.0], [toward_own, 0.0]], dtype=np.float32)
        classes = ("guard_none", "default_missing", "own word")
        return replace(BASE, classes=classes, weights=weights, bias=np.zeros(3, dtype=np.float32), temperature=1.0)

    def chosen(labels: list[str]) -> float:
        split = OwnSplit(
            parts={name: examples(labels) for name in ("train", "tune", "test")},
            by="cause", said="", once=(), repeats=0, later=0, disagree=0,
        )  # fmt: skip
        _, recipe = choose(
            split,
            BASE,
            recipes=[0.0, 1.0],
            adapt=lambda shipped, rows, labels, groups, recipe: ranked(recipe),
            held_out=held_out,
            best_temperature=lambda parts: 1.0,
        )
        return float(recipe)

    undecided = ["own word", "default_missing"] * 3 + ["own word"]
    assert chosen(undecided) == 0.0
    assert chosen(undecided * 20 + ["own word"] * 60) == 1.0


def scored(gain: tuple[float, float, float], *, value: float = 0.6, baseline: float = 0.3) -> OwnJudged:
    one = Score(
        name="top 1", value=value, low=0.5, high=0.7, shipped=0.5, shipped_low=0.4, shipped_high=0.6, baseline=baseline,
        baseline_low=0.2, baseline_high=0.4, gain=gain[0], gain_low=gain[1], gain_high=gain[2], causes=50,
    )  # fmt: skip
    return OwnJudged(scores=(one,), known=(), baseline_name="most frequent", comparable=True, evaluation={})


@pytest.mark.parametrize(
    ("judged", "better", "says"),
    [
        (scored((0.1, 0.02, 0.2)), True, "better than the shipped model"),
        (scored((0.1, -0.02, 0.2)), False, "not surely better"),
        (scored((-0.1, -0.2, -0.02)), False, "worse than the shipped model"),
        (scored((0.1, 0.02, 0.2), baseline=0.7), False, "most frequent label"),
    ],
)
def test_what_counts_as_better_is_said_plainly(judged: OwnJudged, better: bool, says: str) -> None:
    assert judged.better is better
    assert judged.said.startswith(says) or says in judged.said
    assert "50 causes" in judged.said


@pytest.mark.parametrize(
    ("baseline", "better", "says"), [(0.3, True, "better than naming"), (0.6, False, "no better than naming")]
)
def test_where_all_labels_are_own_words_the_shipped_model_is_no_yardstick(
    baseline: float, better: bool, says: str
) -> None:
    judged = replace(scored((0.6, 0.5, 0.7), baseline=baseline), comparable=False)
    assert judged.better is better
    assert judged.said.startswith(says)
    assert "better than the shipped" not in judged.said
    assert "the shipped model knows none of these labels" in judged.said


def test_time_order_is_not_moved_by_a_time_zone(own: OwnErrors) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(minutes=at) for at in range(len(own.labels))]
    split = split_own(replace(own, times=times), strategies=STRATEGY_NAMES)
    assert split.by == "time"
    assert "2026-01-01" in split.said
