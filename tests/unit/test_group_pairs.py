"""p(same cause): its features, the fitted model as plain arrays, and what a file that is broken says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_models import events
from toy_steps import ToyEncoder, an_event, toy_pair_model

from ems_ml.errors import ModelError, UsageError
from ems_ml.group import PairModel
from ems_ml.group.batch import PatternGrouper
from ems_ml.group.fitting import fit_pair_model, make_pairs
from ems_ml.group.pairs import FEATURE_NAMES, pair_features
from ems_ml.normalize import NormalizerV1
from ems_ml.types import ErrorEvent, Signature

NORMALIZER, ENCODER = NormalizerV1(), ToyEncoder()
Pairs = tuple[NDArray[np.float32], NDArray[np.int64]]


def features(a: ErrorEvent, b: ErrorEvent) -> dict[str, float]:
    one, two = NORMALIZER.normalize(a), NORMALIZER.normalize(b)
    va, vb = ENCODER.encode([one, two])
    return dict(zip(FEATURE_NAMES, pair_features(one, va, two, vb).tolist(), strict=True))


def test_features_of_the_same_error_and_of_another() -> None:
    same = features(an_event("1"), an_event("2", message="'milk'"))
    assert all(value == pytest.approx(1) for value in same.values()), same
    other = features(an_event("1"), an_event("2", kind="OSError", message="x", where="q", caller="r", code="a + b"))
    assert other["same exact signature"] == other["same exception type"] == other["same raise point"] == 0
    assert other["frames alike (FaST)"] < 0
    assert other["embeddings alike"] < 0.8


def test_features_tell_callers_apart_from_raise_points() -> None:
    caller = features(an_event("1"), an_event("2", caller="job"))
    assert caller["same exact signature"] == 0
    assert caller["same raise point"] == caller["same raising line"] == 1
    assert caller["frames in common from the raise point"] == pytest.approx(0.5)


def test_features_are_symmetric_and_finite_for_errors_without_frames() -> None:
    bare = ErrorEvent(id="1", error=an_event("x").error.__class__(type="", message=""))
    for a, b in ((bare, bare), (bare, an_event("2")), (an_event("2"), an_event("3", where="q"))):
        there, back = features(a, b), features(b, a)
        assert there == pytest.approx(back)
        assert all(np.isfinite(value) for value in there.values())


@pytest.fixture(scope="module")
def learned() -> tuple[list[Signature], NDArray[np.float32], list[str], Pairs]:
    made = events()
    signatures = [NORMALIZER.normalize(event) for event, _, _ in made]
    vectors = ENCODER.encode(signatures)
    groups = [group for _, group, _ in made]
    return signatures, vectors, groups, make_pairs(signatures, vectors, groups, [event.project for event, _, _ in made])


def test_pairs_are_within_a_project_and_of_both_kinds(
    learned: tuple[list[Signature], NDArray[np.float32], list[str], Pairs],
) -> None:
    signatures, vectors, groups, (_, labels) = learned
    assert 0.2 < labels.mean() < 0.6
    with pytest.raises(UsageError, match="cannot be learned"):
        make_pairs(signatures, vectors, groups, [str(n) for n in range(len(groups))])


def test_served_arrays_answer_as_scikit_learn_does(
    learned: tuple[list[Signature], NDArray[np.float32], list[str], Pairs],
) -> None:
    rows, labels = learned[3]
    model = fit_pair_model(learned[3], learned[3])
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, class_weight="balanced", max_iter=1000))
    theirs = scaled.fit(rows, labels).decision_function(rows)
    slope, offset = np.polyfit(theirs, model.raw(rows), 1)  # calibration is a straight line on the log-odds
    assert slope > 0
    assert model.raw(rows) == pytest.approx(theirs * slope + offset, abs=1e-4)


def test_a_fitted_model_is_right_and_comes_back_from_its_files(
    learned: tuple[list[Signature], NDArray[np.float32], list[str], Pairs], tmp_path: Path
) -> None:
    rows, labels = learned[3]
    model = fit_pair_model(learned[3], learned[3])
    probabilities = model.predict(rows)
    assert roc_auc_score(labels, probabilities) > 0.95
    assert probabilities.mean() == pytest.approx(labels.mean(), abs=0.02)  # calibrated
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    model.save(tmp_path / "m")
    again = PairModel.load(tmp_path / "m")
    assert again.version == model.version
    assert (again.predict(rows) == probabilities).all()
    assert fit_pair_model(learned[3], learned[3]).version == model.version  # deterministic


@pytest.mark.parametrize("harm", ["missing", "truncated", "other features", "no json"])
def test_a_broken_model_says_what_to_do(tmp_path: Path, harm: str) -> None:
    toy_pair_model().save(tmp_path)
    about = tmp_path / "pairs.json"
    if harm == "missing":
        about.unlink()
    elif harm == "truncated":
        about.write_bytes(about.read_bytes()[:100])
    elif harm == "other features":
        about.write_text(json.dumps({**json.loads(about.read_text()), "weights": {"x": 1.0}}))
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


def test_batch_clusters_find_the_causes(
    learned: tuple[list[Signature], NDArray[np.float32], list[str], Pairs],
) -> None:
    signatures, _, groups, pairs = learned
    one_project = slice(0, len(signatures) // 2)
    model = fit_pair_model(pairs, pairs)
    grouper = PatternGrouper(model=model, encoder=ENCODER)
    labels = grouper.fit_predict(signatures[one_project])
    assert adjusted_rand_score(groups[one_project], labels) > 0.9
    assert grouper.get_params()["threshold"] == 0.5
    assert PatternGrouper(model=model, encoder=ENCODER).fit(signatures[:1]).labels_.tolist() == [0]
