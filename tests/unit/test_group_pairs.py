"""p(same cause): its features, the fitted model as plain arrays, and what a file that is broken says."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from toy_models import events
from toy_steps import ToyEncoder, an_event, toy_pair_model

from ems_ml.errors import ModelError, UsageError
from ems_ml.group import PairModel
from ems_ml.group.batch import PatternGrouper
from ems_ml.group.common import Commonness
from ems_ml.group.fitting import (
    JOINS,
    START_ERRORS,
    STARTS,
    Arrivals,
    arrivals,
    choose_thresholds,
    cold_starts,
    fit_pair_model,
    forest_of,
    simulate,
)
from ems_ml.group.forest import stump
from ems_ml.group.pairs import FEATURE_NAMES, pair_features
from ems_ml.normalize import NormalizerV1
from ems_ml.types import ErrorEvent, Signature

NORMALIZER, ENCODER = NormalizerV1(), ToyEncoder()


def features(a: ErrorEvent, b: ErrorEvent) -> dict[str, float]:
    one, two = NORMALIZER.normalize(a), NORMALIZER.normalize(b)
    va, vb = ENCODER.encode([one, two])
    return dict(zip(FEATURE_NAMES, pair_features(one, va, two, vb).tolist(), strict=True))


def test_features_of_the_same_error_and_of_another() -> None:
    same = features(an_event("1"), an_event("2", message="'milk'"))
    sure = [
        name for name in FEATURE_NAMES if name.startswith(("same", "share", "application lines in", "frames in common"))
    ]
    assert all(same[name] == pytest.approx(1) for name in sure if name != "same message"), same
    assert (same["same message"], same["words in one message only"]) == (0, 2)
    other = features(an_event("1"), an_event("2", kind="OSError", message="x", where="q", caller="r", code="a + b"))
    assert not any(other[name] for name in sure)
    assert other["embeddings alike"] < 0.8


def test_features_tell_callers_apart_from_raise_points() -> None:
    caller = features(an_event("1"), an_event("2", caller="job"))
    assert caller["same exact signature"] == 0
    assert caller["same raising line"] == caller["frames in a row from the raise point"] == 1
    assert caller["share of frames in a row"] == pytest.approx(0.5)


def test_a_line_is_told_by_what_it_says_and_never_by_its_number() -> None:
    moved = an_event("2")
    frames = tuple(replace(frame, line=frame.line + 100) for frame in moved.error.frames if frame.line)
    moved = moved.with_(error=replace(moved.error, frames=frames))
    assert features(an_event("1"), moved) == features(an_event("1"), an_event("2"))
    assert features(an_event("1"), an_event("2", code="return prices[code]"))["same raising line"] == 0


def test_rare_parts_say_more_than_common_ones() -> None:
    here, there = NORMALIZER.normalize(an_event("1")), NORMALIZER.normalize(an_event("2", caller="job"))
    va, vb = ENCODER.encode([here, there])
    name = FEATURE_NAMES.index("frames in common, rare ones more")
    plain = pair_features(here, va, there, vb)[name]
    common = Commonness()
    for number in range(20):
        common.add(NORMALIZER.normalize(an_event("x", caller=f"c{'x' * number}")))
    assert pair_features(here, va, there, vb, common)[name] < plain == pytest.approx(1 / 3)


def test_features_are_finite_for_errors_without_frames() -> None:
    bare = ErrorEvent(id="1", error=an_event("x").error.__class__(type="", message=""))
    for a, b in ((bare, bare), (bare, an_event("2")), (an_event("2"), an_event("3", where="q"))):
        assert all(np.isfinite(value) for value in features(a, b).values())


@pytest.fixture(scope="module")
def learned() -> tuple[list[Signature], Arrivals]:
    made = events()
    signatures = [NORMALIZER.normalize(event) for event, _, _ in made]
    groups, projects = [group for _, group, _ in made], [event.project for event, _, _ in made]
    return signatures, arrivals(signatures, ENCODER.encode(signatures), groups, projects)


def test_arrivals_are_compared_within_a_project_and_with_what_came_before(
    learned: tuple[list[Signature], Arrivals],
) -> None:
    signatures, seen = learned
    place = {number: at for at, number in enumerate(seen.order)}
    assert sorted(seen.order) == list(range(len(signatures)))
    for a, b, same in zip(seen.arriving.tolist(), seen.earlier.tolist(), seen.same.tolist(), strict=True):
        assert seen.projects[a] == seen.projects[b]
        assert place[b] < place[a]
        assert same == (seen.groups[a] == seen.groups[b])
    vectors = ENCODER.encode(signatures)
    with pytest.raises(UsageError, match="cannot be learned"):
        arrivals(signatures, vectors, seen.groups, [str(n) for n in range(len(signatures))])


def test_cold_starts_are_small_streams_of_one_project_each() -> None:
    groups = [f"{project}{cause}" for project in "ab" for cause in range(40) for _ in range(5)]
    numbers, streams = cold_starts(groups, [group[0] for group in groups], random_state=0)
    assert len(set(streams)) == 2 * STARTS
    for stream in set(streams):
        mine = [groups[number] for number, name in zip(numbers, streams, strict=True) if name == stream]
        assert {group[0] for group in mine} == {stream[0]}
        assert max(Counter(mine).values()) <= len(START_ERRORS)
    assert len(set(Counter(streams).values())) > 5, "of many sizes"
    assert cold_starts(groups, [group[0] for group in groups]) == (numbers, streams)


def test_served_arrays_answer_as_scikit_learn_does(learned: tuple[list[Signature], Arrivals]) -> None:
    _, seen = learned
    rows = np.concatenate([seen.features, seen.features + np.random.default_rng(0).normal(size=seen.features.shape)])
    rows = rows.astype(np.float32)
    theirs = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(seen.features, seen.same)
    ours = forest_of(theirs)
    assert ours.raw(rows) == pytest.approx(theirs.decision_function(rows), abs=1e-4)
    line = ours.calibrated(0.5, -1.0)
    assert line.raw(rows) == pytest.approx(theirs.decision_function(rows) * 0.5 - 1, abs=1e-4)


def test_pulls_add_up_to_the_log_odds(learned: tuple[list[Signature], Arrivals]) -> None:
    _, seen = learned
    forest = forest_of(HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(seen.features, seen.same))
    roots = float(forest.value[forest.roots].sum()) + forest.bias
    for row in seen.features[:20]:
        assert roots + forest.pulls(row).sum() == pytest.approx(forest.raw(row[None])[0], abs=1e-3)
    tree = stump(0, 0.5, -1.0, stump(1, 0.5, 0.0, 2.0))
    assert tree.pulls(np.asarray([1, 1], dtype=np.float32)).tolist() == [0, 2]


def test_a_fitted_model_is_right_and_comes_back_from_its_files(
    learned: tuple[list[Signature], Arrivals], tmp_path: Path
) -> None:
    _, seen = learned
    model = fit_pair_model(seen, seen)
    assert roc_auc_score(seen.same, model.predict(seen.features)) > 0.95
    told = simulate(seen, model.raw(seen.features), join=0.5)
    joined = [one for one in told if one.joined]
    assert len(joined) > 60
    assert sum(one.right for one in joined) / len(joined) > 0.9
    join, ask = choose_thresholds(model, seen)
    assert 0 < ask <= join < 1
    assert choose_thresholds(model, seen, wrong_merge=0.0)[0] == min(JOINS)
    model.save(tmp_path / "m")
    again = PairModel.load(tmp_path / "m")
    assert again.version == model.version == fit_pair_model(seen, seen).version  # deterministic
    assert (again.predict(seen.features) == model.predict(seen.features)).all()


def two_by_two(shares: list[tuple[float, bool]]) -> Arrivals:
    """A project for each share: of its two errors the later is said to be the same as the earlier with that share."""
    odds = np.asarray([[math.log(share / (1 - share))] for share, _ in shares], dtype=np.float32)
    first = np.arange(len(shares)) * 2
    return Arrivals(
        features=odds,
        arriving=first + 1,
        earlier=first,
        same=np.asarray([same for _, same in shares]),
        order=tuple(range(2 * len(shares))),
        groups=tuple(name for n, (_, same) in enumerate(shares) for name in (f"g{n}", f"g{n}" if same else f"h{n}")),
        projects=tuple(f"p{n}" for n in range(len(shares)) for _ in "ab"),
    )


def test_a_wrong_merge_costs_ten_wrong_splits() -> None:
    plain = replace(toy_pair_model(), forest=Odds())  # type: ignore[arg-type]
    few = two_by_two([(0.9, True)] * 5 + [(0.6, True)] * 11 + [(0.6, False)])  # eleven right, one wrong: worth it
    assert choose_thresholds(plain, few)[0] <= 0.6
    many = two_by_two([(0.9, True)] * 5 + [(0.6, True)] * 9 + [(0.6, False)] * 3)  # three wrong: not worth it
    join, ask = choose_thresholds(plain, many)
    assert 0.6 < join <= 0.9
    assert ask <= 0.6, "but a person is asked"


class Odds:
    """A forest whose only feature is the log-odds."""

    def raw(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0].astype(np.float64)


@pytest.mark.parametrize("harm", ["missing", "truncated", "other features", "a circle", "no json"])
def test_a_broken_model_says_what_to_do(tmp_path: Path, harm: str) -> None:
    toy_pair_model().save(tmp_path)
    about, arrays = tmp_path / "pairs.json", tmp_path / "pairs.npz"
    if harm == "missing":
        about.unlink()
    elif harm == "truncated":
        arrays.write_bytes(arrays.read_bytes()[:100])
    elif harm == "other features":
        about.write_text(json.dumps({**json.loads(about.read_text()), "features": ["x"]}))
    elif harm == "a circle":
        with np.load(arrays) as found:
            np.savez(arrays, **{**found, "left": np.zeros_like(found["left"])})
    else:
        about.write_text("{")
    with pytest.raises(ModelError) as caught:
        PairModel.load(tmp_path)
    assert "ems train" in caught.value.hint


def test_serving_needs_no_scikit_learn() -> None:
    code = "import sys, ems_ml.group, ems_ml.store, ems_ml.pipeline, ems_ml.normalize\n" + (
        "heavy = {'sklearn', 'scipy', 'pandas', 'torch', 'alembic', 'mlflow', 'pyarrow', 'libcst'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_batch_clusters_find_the_causes(learned: tuple[list[Signature], Arrivals]) -> None:
    signatures, seen = learned
    half = len(signatures) // 2
    grouper = PatternGrouper(model=fit_pair_model(seen, seen), encoder=ENCODER)
    labels = grouper.fit_predict(signatures[:half])
    assert adjusted_rand_score(seen.groups[:half], labels) > 0.9
    assert grouper.get_params()["threshold"] == 0.5
    assert PatternGrouper(model=toy_pair_model(), encoder=ENCODER).fit(signatures[:1]).labels_.tolist() == [0]


def test_many_errors_are_clustered_by_heaps_as_they_are_by_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        an_event(f"{place}-{caller}", where=f"at_{chr(97 + place)}", caller=f"by_{chr(97 + caller)}", message=message)
        for place in range(12)
        for caller in range(6)
        for message in ("'tea'", "'milk'")
    ]
    signatures = [NORMALIZER.normalize(event) for event in made]
    causes = [event.id.split("-")[0] for event in made]
    grouper = PatternGrouper(model=toy_pair_model(), encoder=ENCODER)
    exact = grouper.fit(signatures).labels_
    assert adjusted_rand_score(causes, exact) == 1
    monkeypatch.setattr("ems_ml.group.batch.ALL_PAIRS", 1)
    monkeypatch.setattr("ems_ml.group.batch.AT_ONCE", 5)
    assert adjusted_rand_score(exact, grouper.fit(signatures).labels_) == 1
    monkeypatch.setattr("ems_ml.group.batch.TOGETHER", 4)
    assert Counter(Counter(grouper.fit(signatures).labels_.tolist()).values()) == {8: 12, 4: 12}, "a heap is cut"
