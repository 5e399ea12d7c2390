"""MLflow: one run for each training, never one for each event. The only importer of mlflow besides `pyfunc`."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ems_ml.errors import MissingExtra

EXPERIMENT = "ems"
MODEL = "ems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A tracked training: where to find it, and the model that came of it."""

    id: str
    tracking_uri: str
    model_uri: str
    registered: str  # name and version in the registry


def can_track() -> bool:
    """Whether MLflow is installed; it is not loaded to tell."""
    return find_spec("mlflow") is not None


def track(
    tracking_uri: str,
    folder: Path,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    files: Mapping[str, Path],
    models: Path,
    python_model: Any,
) -> Run:
    """Logs one training run with its files, and registers the trained line as an MLflow model.

    folder: where artifacts go. models: the folder of trained models, which the registered one carries.
    """
    try:
        import mlflow
    except ImportError as error:
        raise MissingExtra("tracking a training run", "train") from error
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # MLflow reads it at each use; there is no argument
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(tracking_uri)
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    number = (
        mlflow.create_experiment(EXPERIMENT, artifact_location=folder.resolve().as_uri())
        if experiment is None
        else experiment.experiment_id
    )
    with mlflow.start_run(experiment_id=number) as run:
        mlflow.log_params(dict(params))
        mlflow.log_metrics({_allowed(name): value for name, value in metrics.items()})
        for name, path in files.items():
            mlflow.log_artifact(str(path), artifact_path=name)
        with warnings.catch_warnings():
            # MLflow asks for type hints that it could check rows by; ours take rows with optional columns.
            warnings.simplefilter("ignore", UserWarning)
            logged = mlflow.pyfunc.log_model(
                name="line",
                python_model=python_model,
                artifacts={"models": str(models)},
                pip_requirements=["ems-ml"],
                registered_model_name=MODEL,
            )
    return Run(
        id=run.info.run_id,
        tracking_uri=tracking_uri,
        model_uri=logged.model_uri,
        registered=f"{MODEL}/{logged.registered_model_version}",
    )


def _allowed(name: str) -> str:
    """A metric's name in the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "", name)
