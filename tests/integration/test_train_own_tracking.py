"""A training on a team's own errors is one MLflow run, and its registered model ranks the team's words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from own_errors import errors

from ems_ml.build import OwnTrained, build, train_own
from ems_ml.events import Happened, ModelTrained
from ems_ml.settings import load_settings
from ems_ml.versions import versions

pytestmark = [
    pytest.mark.slow,
    # MLflow's own query, said while its database is opened for the first time.
    pytest.mark.filterwarnings("ignore:.*`noload`+ loader strategy is deprecated:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own home")


@pytest.fixture(scope="module")
def published() -> list[Happened]:
    return []


@pytest.fixture(scope="module")
def trained(home: Path, published: list[Happened]) -> OwnTrained:
    path = home / "tickets.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["trace", "fix", "when"])
        rows.writerows([[one.trace, one.label, one.time.isoformat()] for one in errors(160)])
    with build(load_settings(home=home)) as system:
        system.bus.subscribe(published.append, ModelTrained)
        return train_own(system, path, adopt=False)


def test_the_run_holds_the_scores_and_what_they_stand_on(trained: OwnTrained, home: Path) -> None:
    import mlflow

    run_id = trained.version.run
    assert run_id is not None
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    run = client.get_run(run_id)
    first = trained.judged.scores[0]
    assert run.data.metrics["top 1 value"] == pytest.approx(first.value)
    assert run.data.metrics["top 1 shipped"] == pytest.approx(first.shipped)
    assert run.data.metrics["top 1 baseline"] == pytest.approx(first.baseline)
    assert run.data.params["version"] == trained.version.name == "v1"
    assert run.data.params["rows"] == "160"
    assert run.data.params["split"].startswith("by time")
    artifact = Path(client.download_artifacts(run_id, "evaluation/evaluation.json"))
    assert json.loads(artifact.read_text())["own"]["said"] == trained.judged.said
    assert [one.run for one in versions(home / "models")] == [run_id]


def test_it_is_told_on_the_bus_with_the_registered_version(trained: OwnTrained, published: list[Happened]) -> None:
    assert [one.run for one in published if isinstance(one, ModelTrained)] == [trained.version.run]
    assert [one.version for one in published if isinstance(one, ModelTrained)] == ["ems/1"]


def test_the_registered_model_ranks_the_teams_words_though_it_was_not_adopted(trained: OwnTrained, home: Path) -> None:
    import mlflow

    assert not trained.adopted
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    texts = [one.trace for one in errors(5, seed=7)]
    answers = mlflow.pyfunc.load_model("models:/ems/1").predict(pd.DataFrame({"text": texts}))
    words = {"Stammdaten pflegen", "Netz: später erneut", "Eingabe prüfen"}
    for answer in answers:
        assert words <= {one["name"] for one in answer["strategies"]}
        assert answer["versions"]["ranker"] == trained.version.entries["ranker"].version
