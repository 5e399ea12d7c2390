"""A training is one MLflow run, and the model in it answers what the line answers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ems_ml.build import MEMORY, Trained, build, read_jsonl, result_to_json, train_models
from ems_ml.build.models import load_ranker
from ems_ml.dataset import load_data, write_rows
from ems_ml.events import Happened, ModelTrained
from ems_ml.resources import shipped
from ems_ml.settings import load_settings

pytestmark = [
    pytest.mark.slow,
    # MLflow's own query, said while its database is opened for the first time.
    pytest.mark.filterwarnings("ignore:.*`noload`+ loader strategy is deprecated:DeprecationWarning"),
]

PROJECTS = ["attrs", "boltons", "click", "sqlparse", "toolz", "packaging", "jsonschema", "mistune"]
CAUSES = 40  # of each of these: enough to learn from, and fast

TEXTS = [
    "Traceback (most recent call last):\n  File \"shop/a.py\", line 3, in f\n    return prices[name]\nKeyError: 'tea'",
    "Traceback (most recent call last):\n  File \"shop/a.py\", line 4, in f\n    return prices[name]\nKeyError: 'oil'",
    'Traceback (most recent call last):\n  File "shop/b.py", line 9, in g\n    user.name\n'
    "AttributeError: 'NoneType' object has no attribute 'name'",
    "no traceback at all, but café ☕ and secret=hunter2",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own home")  # with a space in it


@pytest.fixture(scope="module")
def some_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = load_data("fault")
    frame = frame[frame["project"].isin(PROJECTS)]
    causes = frame.drop_duplicates("group").groupby("project").head(CAUSES)["group"]
    path = tmp_path_factory.mktemp("data") / "some.parquet"
    chosen = frame[frame["group"].isin(causes)].to_dict("records")
    write_rows([{str(name): value for name, value in row.items()} for row in chosen], path)
    return path


@pytest.fixture(scope="module")
def published() -> list[Happened]:
    return []


@pytest.fixture(scope="module")
def trained(home: Path, some_data: Path, published: list[Happened]) -> Trained:
    with build(load_settings(home=home, encoder="static")) as system:
        system.bus.subscribe(published.append, ModelTrained)
        return train_models(system, data=some_data)


def test_the_run_holds_parameters_metrics_and_the_evaluation(trained: Trained, home: Path) -> None:
    import mlflow

    assert trained.run is not None
    client = mlflow.MlflowClient(tracking_uri=trained.run.tracking_uri)
    run = client.get_run(trained.run.id)
    assert run.info.status == "FINISHED"
    assert str(home) in trained.run.tracking_uri
    assert float(run.data.params["C"]) > 0
    assert run.data.params["test packages"] == "jsonschema, mistune"
    assert run.data.params["ranker"] == trained.evaluation["versions"]["ranker"]
    top = {one["name"]: one for one in trained.evaluation["top_k"]}
    assert run.data.metrics["top 3 value"] == pytest.approx(top["top 3"]["value"])
    assert run.data.metrics["top 3 baseline"] == pytest.approx(top["top 3"]["baseline"])
    assert 0.5 < run.data.metrics["same cause AUC"] <= 1
    artifact = client.download_artifacts(trained.run.id, "evaluation/evaluation.json")
    assert json.loads(Path(artifact).read_text()) == trained.evaluation
    name, number = trained.run.registered.split("/")
    assert client.get_model_version(name, number).run_id == trained.run.id


def test_it_is_told_on_the_bus_once(trained: Trained, published: list[Happened]) -> None:
    assert trained.run is not None
    assert [(one.version, one.run) for one in published] == [(trained.run.registered, trained.run.id)]


def test_the_loaded_model_answers_what_the_line_answers(trained: Trained, home: Path) -> None:
    import mlflow

    assert trained.run is not None
    mlflow.set_tracking_uri(trained.run.tracking_uri)
    told = mlflow.pyfunc.load_model(trained.run.model_uri).predict(pd.DataFrame({"text": TEXTS}))
    with build(load_settings(home=home, database_url=MEMORY, encoder="static")) as system:
        rows = (json.dumps({"id": str(n), "text": text}) for n, text in enumerate(TEXTS))
        reports = read_jsonl(rows, limit=system.settings.max_report_bytes)
        ours = [result_to_json(one) for one in system.line().process_many(reports)]
    assert [comparable(one, told) for one in told] == [comparable(one, ours) for one in ours]
    assert [one["pattern"]["decision"] for one in ours] == ["new", "joined", "new", "new"]
    assert "hunter2" not in json.dumps(told)


def comparable(answer: dict[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer as JSON, with patterns numbered in the order in which they were opened, and without the time."""
    text = json.dumps({name: value for name, value in answer.items() if name != "ms"}, sort_keys=True)
    for number, pattern in enumerate(dict.fromkeys(one["pattern"]["id"] for one in answers)):
        text = text.replace(pattern, f"pattern {number}")
    found: dict[str, Any] = json.loads(text)
    return found


def test_from_then_on_the_own_models_answer(trained: Trained, home: Path) -> None:
    assert trained.models == home / "models"
    with build(load_settings(home=home, database_url=MEMORY, encoder="static")) as system:
        (told,) = system.line().process_many(read_jsonl([json.dumps({"id": "1", "text": TEXTS[0]})], limit=10_000))
    versions = result_to_json(told)["versions"]
    assert {name: versions[name] for name in ("ranker", "encoder")} == {
        name: trained.evaluation["versions"][name] for name in ("ranker", "encoder")
    }
    shipped_version = json.loads((shipped("models") / "manifest.json").read_text())["ranker"]["version"]
    assert versions["ranker"] != shipped_version
    assert load_ranker(load_settings(home=home)).version == versions["ranker"]
    assert os.listdir(trained.models).count("manifest.json") == 1
