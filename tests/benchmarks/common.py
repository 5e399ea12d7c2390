"""What the benchmarks share: the shipped models and data, a table, and the JSON beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ems_ml.build import System, build
from ems_ml.dataset import load_data
from ems_ml.manifest import Entry, find_model
from ems_ml.resources import shipped
from ems_ml.settings import load_settings
from ems_ml.train.examples import Examples, split_examples


def system(home: Path) -> System:
    """A system over a fresh data folder, with the shipped models."""
    return build(load_settings(home=home))


def splits() -> dict[str, Examples]:
    """The shipped data, by split."""
    from ems_ml.normalize import NormalizerV1

    return split_examples(load_data("fault"), NormalizerV1())


def model(name: str) -> tuple[Entry, Path]:
    """A shipped model."""
    return find_model(name, [shipped("models")])


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows under a head, columns aligned."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def keep(name: str, found: dict[str, Any]) -> None:
    """Writes what was found as JSON, where `make bench` says."""
    folder = Path(os.environ.get("EMS_BENCH_OUT", "build/bench"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
