"""The ranking's classifier: what is fitted is what is served, and calibration helps."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_models import STRATEGIES, events

from ems_ml.errors import ModelError, UsageError
from ems_ml.normalize import NormalizerV1
from ems_ml.rank import LinearRanker
from ems_ml.rank.features import features_of
from ems_ml.rank.model import HeldOut, StrategyRanker, best_temperature
from ems_ml.strategies.names import STRATEGY_NAMES

MADE = events()
SIGNATURES = [NormalizerV1().normalize(event) for event, _, _ in MADE]
GROUPS = [group for _, group, _ in MADE]
LABELS = [strategy for _, _, strategy in MADE]
PROJECTS = [event.project for event, _, _ in MADE]


@pytest.fixture(scope="module")
def ranker() -> StrategyRanker:
    return StrategyRanker(names=STRATEGY_NAMES).fit(SIGNATURES, LABELS, groups=GROUPS, projects=PROJECTS)


def test_it_learns_what_mends_the_errors(ranker: StrategyRanker) -> None:
    assert ranker.predict(SIGNATURES).tolist() == LABELS
    assert set(ranker.classes_) == set(STRATEGIES)


def test_saved_and_loaded_it_serves_the_estimators_own_probabilities(ranker: StrategyRanker, tmp_path: Path) -> None:
    scores = ranker.decision_function(SIGNATURES) / ranker.temperature_
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ranker.predict_proba(SIGNATURES), softmax, atol=1e-6)
    served = ranker.export()
    served.save(tmp_path)
    loaded = LinearRanker.load(tmp_path)
    assert loaded.version == served.version
    np.testing.assert_array_equal(loaded.probabilities(SIGNATURES), served.probabilities(SIGNATURES))
    assert loaded.rank(SIGNATURES) == served.rank(SIGNATURES)


def test_every_strategy_is_listed_once_best_first_and_the_shares_sum_to_one(ranker: StrategyRanker) -> None:
    for answer in ranker.export().rank(SIGNATURES):
        assert sorted(one.name for one in answer) == sorted(STRATEGY_NAMES)
        shares = [one.probability for one in answer]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert all(share > 0 for share in shares)


def test_the_reasons_are_features_of_the_error(ranker: StrategyRanker) -> None:
    for signature, answer in zip(SIGNATURES[:12], ranker.export().rank(SIGNATURES[:12]), strict=True):
        assert answer[0].why
        assert set(answer[0].why) <= set(features_of(signature))


def test_two_strategies_are_as_good_as_many() -> None:
    rows = [row for row, label in enumerate(LABELS) if label in STRATEGIES[:2]]
    chosen, labels = [SIGNATURES[row] for row in rows], [LABELS[row] for row in rows]
    two = StrategyRanker().fit(chosen, labels)
    assert two.predict_proba(chosen).shape == (len(rows), 2)
    assert two.predict(chosen).tolist() == labels


def test_a_cause_with_many_traces_weighs_as_one_with_few() -> None:
    """One cause seen forty times and taught wrongly must not outvote three causes seen once."""
    wrong = [SIGNATURES[0]] * 40
    right = [SIGNATURES[row] for row, label in enumerate(LABELS) if label == LABELS[0] and row % 12 < 3][:3]
    other = [SIGNATURES[row] for row, label in enumerate(LABELS) if label == STRATEGIES[1]][:3]
    texts = [*wrong, *right, *other]
    labels = ["guard_empty"] * 40 + [LABELS[0]] * 3 + [STRATEGIES[1]] * 3
    groups = ["loud"] * 40 + ["r1", "r2", "r3"] + ["o1", "o2", "o3"]
    by_cause = StrategyRanker(min_groups=1).fit(texts, labels, groups=groups)
    assert by_cause.predict([SIGNATURES[0]])[0] == LABELS[0]
    assert StrategyRanker(min_groups=1).fit(texts, labels).predict([SIGNATURES[0]])[0] == "guard_empty"


def test_features_of_a_single_project_are_not_learned_by_heart(ranker: StrategyRanker) -> None:
    lonely = [row for row, project in enumerate(PROJECTS) if project == "alpha" or LABELS[row] != STRATEGIES[0]]
    taught = StrategyRanker().fit(
        [SIGNATURES[row] for row in lonely],
        [LABELS[row] for row in lonely],
        groups=[GROUPS[row] for row in lonely],
        projects=[PROJECTS[row] for row in lonely],
    )
    assert "exception type KeyError" in ranker.columns_
    assert "exception type KeyError" not in taught.columns_


def test_calibration_lowers_the_loss_on_the_tune_split() -> None:
    """A ranker that is too sure of itself: a third of what it is tuned on is labelled otherwise."""
    sure = StrategyRanker(C=1000.0).fit(SIGNATURES, LABELS)
    noisy = [
        STRATEGIES[(STRATEGIES.index(label) + 1) % 5] if row % 3 == 0 else label for row, label in enumerate(LABELS)
    ]
    held = sure.held_out(SIGNATURES, noisy)
    before = held.loss(sure.temperature_)
    sure.calibrate(SIGNATURES, noisy)
    assert sure.temperature_ > 1
    assert held.loss(sure.temperature_) < before
    assert sure.predict_proba(SIGNATURES).max() < 0.9


def test_the_best_temperature_of_a_known_case() -> None:
    """Scores (s, 0), right in three of four: p = 3/4 is best, so s / T = log 3."""
    part = HeldOut(
        scores=np.asarray([[4.0, 0.0]] * 4), truth=np.asarray([0, 0, 0, 1]), weight=np.asarray([1.0, 1.0, 1.0, 1.0])
    )
    assert best_temperature([part]) == pytest.approx(4 / math.log(3), rel=1e-3)
    assert best_temperature([part, part]) == pytest.approx(best_temperature([part]))
    assert part.loss(4 / math.log(3)) == pytest.approx(-(3 * math.log(0.75) + math.log(0.25)))


def test_bad_input_is_an_error_with_a_remedy(ranker: StrategyRanker) -> None:
    with pytest.raises(UsageError, match="two strategies"):
        StrategyRanker().fit(SIGNATURES[:2], ["a", "a"])
    with pytest.raises(UsageError, match="no feature") as few:
        StrategyRanker(min_groups=1000).fit(SIGNATURES, LABELS)
    assert "min_groups" in few.value.hint
    with pytest.raises(UsageError, match="calibrate"):
        ranker.held_out(SIGNATURES[:3], ["no_such_strategy"] * 3)
    with pytest.raises(ValueError, match="not fitted"):  # scikit-learn's NotFittedError
        StrategyRanker().predict(SIGNATURES)


@pytest.mark.parametrize("harm", ["missing", "truncated", "words", "shapes"])
def test_a_broken_model_folder_is_an_error_with_a_remedy(ranker: StrategyRanker, tmp_path: Path, harm: str) -> None:
    ranker.export().save(tmp_path)
    match harm:
        case "missing":
            (tmp_path / "ranker.npz").unlink()
        case "truncated":
            (tmp_path / "ranker.json").write_text((tmp_path / "ranker.json").read_text()[:50])
        case "words":
            (tmp_path / "ranker.json").write_text("{}")
        case "shapes":
            other = StrategyRanker().fit(SIGNATURES[:24], LABELS[:24]).export()
            other.save(tmp_path / "other")
            shutil.copy(tmp_path / "other" / "ranker.npz", tmp_path / "ranker.npz")
    with pytest.raises(ModelError) as told:
        LinearRanker.load(tmp_path)
    assert "ems train" in told.value.hint
