"""The use case behind the page Model health: the last evaluation of the models in use.

`ems evaluate` leaves `evaluation.json` beside the models' manifest: the fields of `views.Evaluation`, without `raw`,
figures, bins and classes as objects with the fields of `Figure`, `CalibrationBin` and `ClassRow`. Further fields are
kept in `raw`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from ems_ml.build import System, model_folders, versions
from ems_ml.errors import ModelError
from ems_ml.service.views import CalibrationBin, ClassRow, Evaluation, Figure

NAME = "evaluation.json"
Row = TypeVar("Row", Figure, CalibrationBin, ClassRow)


def model_health(system: System) -> Evaluation:
    """The last evaluation of the models in use; an empty one where they were never evaluated. Raises `ModelError`."""
    own, shipped = model_folders(system.settings)
    if versions.in_use(own) == versions.SHIPPED:
        return read_evaluation(shipped / NAME) if (shipped / NAME).is_file() else evaluation({})
    path = versions.evaluation_of(own)
    return read_evaluation(path) if path else evaluation({})  # own models, which nobody has judged


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation in a file. Raises `ModelError` where it cannot be read."""
    try:
        return evaluation(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} is not an evaluation: {type(error).__name__}: {error}", hint="make it again: ems evaluate"
        ) from error


def evaluation(told: Mapping[str, Any]) -> Evaluation:
    """The view of what `evaluation.json` tells. Raises KeyError or TypeError for rows that lack something."""
    return Evaluation(
        when=str(told.get("when", "")),
        command=str(told.get("command", "ems evaluate")),
        figures=tuple(_row(Figure, one) for one in told.get("figures", ())),
        top_k=tuple(_row(Figure, one) for one in told.get("top_k", ())),
        labels=tuple(map(str, told.get("labels", ()))),
        confusion=tuple(tuple(map(int, row)) for row in told.get("confusion", ())),
        calibration=tuple(_row(CalibrationBin, one) for one in told.get("calibration", ())),
        classes=tuple(_row(ClassRow, one) for one in told.get("classes", ())),
        versions={str(name): str(version) for name, version in told.get("versions", {}).items()},
        packages={str(name): tuple(map(str, of)) for name, of in told.get("packages", {}).items()},
        raw=told,
    )


def _row(kind: type[Row], told: Mapping[str, Any]) -> Row:
    """One row; fields that the view does not know are left out."""
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in told.items() if name in known})
