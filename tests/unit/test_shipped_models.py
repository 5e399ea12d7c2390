"""The shipped models on the shipped data: better than their baselines, small, and judged by the figures that ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ems_ml.build import build, evaluate_models
from ems_ml.manifest import read_manifest, verified
from ems_ml.resources import shipped
from ems_ml.settings import load_settings

MOST_BYTES = 30_000_000
PASSING = {"when", "command"}  # of the report: what a second run may say otherwise


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `evaluate_models` says now of the shipped models: the data folder is empty, so no own ones are in use."""
    with build(load_settings(home=tmp_path_factory.mktemp("home"), encoder="static")) as system:
        return evaluate_models(system)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((shipped("models") / "evaluation.json").read_text())
    return answer


def _figure(report: dict[str, Any], name: str, baseline: str) -> dict[str, Any]:
    (figure,) = [one for one in report["figures"] if one["name"] == name and one["baseline_name"] == baseline]
    return figure


@pytest.mark.parametrize("name", ["top 1", "top 3"])
def test_the_ranking_is_no_worse_than_the_most_frequent_by_type(judged: dict[str, Any], name: str) -> None:
    figure = _figure(judged, name, "most frequent for this exception type")
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert figure["value"] >= figure["baseline"]


@pytest.mark.parametrize("baseline", ["exact signature", "TF-IDF"])
def test_same_cause_is_told_no_worse_than_by_the_baselines(judged: dict[str, Any], baseline: str) -> None:
    figure = _figure(judged, "same cause (ROC-AUC)", baseline)
    assert figure["value"] >= figure["baseline"]


def test_the_packages_judged_on_were_never_trained_on(judged: dict[str, Any]) -> None:
    parts = [set(judged["packages"][name]) for name in ("train", "tune", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))
    for name, entry in read_manifest(shipped("models")).items():
        learned = set(entry.about["trained_on"])
        assert learned <= parts[0] if name == "encoder" else learned == parts[0], "the encoder may be an older one"
        assert set(entry.about.get("tuned_on", [])) <= parts[1]


def test_the_shipped_figures_are_those_of_the_shipped_models(judged: dict[str, Any], told: dict[str, Any]) -> None:
    """Retrain or change a feature, and `make models` must be run again: figures cannot go stale."""
    assert judged.keys() == told.keys()
    different = [name for name in judged if name not in PASSING and not _same(judged[name], told[name])]
    assert not different, f"models/evaluation.json is stale in {different}: run `make models`, or evaluate again"


def _same(one: Any, other: Any) -> bool:
    """Equal but for what another processor's rounding may change."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, abs=1e-3)
    return bool(one == other)


def test_a_changed_figure_is_noticed(told: dict[str, Any]) -> None:
    assert _same(told, json.loads(json.dumps(told)))
    assert not _same(told["figures"], [{**told["figures"][0], "value": 0.99}, *told["figures"][1:]])
    assert not _same(told["figures"], told["figures"][1:])
    assert not _same(told["versions"], {**told["versions"], "ranker": "linear-00000000"})


def test_the_versions_told_are_those_of_the_manifest(told: dict[str, Any]) -> None:
    assert told["versions"] == {name: entry.version for name, entry in read_manifest(shipped("models")).items()}


def test_the_models_are_whole_and_small() -> None:
    models = shipped("models")
    listed = {models / "manifest.json", models / "evaluation.json", models / "README.md", models / "encoder/README.md"}
    for entry in read_manifest(models).values():
        listed |= {verified(models, entry) / name for name in entry.files}
    there: list[Path] = [path for path in models.rglob("*") if path.is_file()]
    assert set(there) == listed, "a file in models/ that no manifest names, or the other way round"
    assert sum(path.stat().st_size for path in there) <= MOST_BYTES
