"""The trained line as an MLflow model: `mlflow.pyfunc.load_model(URI).predict(frame with a text column)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlflow.pyfunc import PythonModel


class LineModel(PythonModel):  # type: ignore[misc]  # mlflow is untyped
    """Answers what `ems classify --jsonl` answers: a list of JSON values, one a row, against a fresh store.

    `answer(models, rows)` runs the line with the models of a folder over rows of {"id", "text", ...}.
    """

    def __init__(self, answer: Callable[[Path, Iterable[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        self.answer = answer

    # Without type hints: MLflow takes them for a schema of the rows, which need more than a list of one type.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """`model_input`: a pandas frame with the column `text`, and maybe `id`, `project`, `time`, `release`."""
        frame = model_input.reset_index(drop=True)
        rows = [
            {"id": str(number), **{str(name): value for name, value in row.items() if value is not None}}
            for number, row in enumerate(frame.to_dict("records"))
        ]
        return self.answer(Path(context.artifacts["models"]), rows)
