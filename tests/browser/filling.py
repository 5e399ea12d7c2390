"""What the dashboard is shown over: a day of real errors, and an evaluation."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shop_errors import collect

from ems_ml.build import build
from ems_ml.service import app
from ems_ml.settings import load_settings
from ems_ml.types import RawReport

TICKET_NOTE = "<img src=x onerror='window.hurt=1'> **bold**"  # what a person may have written into a ticket


def fill(home: Path, *, days: int = 1) -> list[str]:
    """Classify days of the shop's real errors into the data folder `home`; the texts of one day, in order."""
    folder = Path(tempfile.mkdtemp(prefix="shop-"))
    try:
        texts = [text.replace(str(folder), "/srv/shop") for text in collect(folder)]
    finally:
        shutil.rmtree(folder)
    now = datetime.now(UTC)
    with build(load_settings(home=home)) as system:
        for day in range(days - 1, -1, -1):
            for at, text in enumerate(texts):
                hours = 24 * day + 22 * ((len(texts) - at) / len(texts)) ** 2  # more and more of them
                when = now - timedelta(hours=hours)
                app.classify_report(system, RawReport(text=text, time=when, release="shop@1.4.0", source="file"))
    return texts


def prepare(models: Path) -> None:
    """Make tiny models in a folder ask where they are less than sure, and give them an evaluation."""
    manifest = json.loads((models / "manifest.json").read_text())
    manifest["grouper"]["about"] |= {"join": 0.9985, "suggest": 0.5}
    (models / "manifest.json").write_text(json.dumps(manifest))
    (models / "evaluation.json").write_text(json.dumps(judged()))


def judged() -> dict[str, Any]:
    """An evaluation as `ems evaluate` leaves it, of made-up figures: only its drawing is tested here."""

    def figure(name: str, value: float, baseline: float) -> dict[str, Any]:
        return {
            "name": name, "value": value, "low": value - 0.04, "high": value + 0.04,
            "baseline": baseline, "baseline_low": baseline - 0.05, "baseline_high": baseline + 0.05,
            "baseline_name": "most frequent for the type",
        }  # fmt: skip

    labels = ["default_missing", "guard_none", "guard_empty", "convert_type", "catch_exception", "handle_type"]
    matrix = [[12 if row == column else (row * column) % 4 for column in range(6)] for row in range(6)]
    return {
        "when": "2026-11-24T03:00:00+00:00",
        "command": "ems evaluate --data data",
        "figures": [figure("strategy, top 1", 0.412, 0.301), figure("same cause, ROC-AUC", 0.951, 0.884)],
        "top_k": [figure("top 1", 0.412, 0.301), figure("top 3", 0.705, 0.58), figure("top 5", 0.82, 0.71)],
        "labels": labels,
        "confusion": matrix,
        "calibration": [{"stated": at / 10 + 0.05, "right": at / 10 + 0.02, "count": 40 - at} for at in range(9)],
        "classes": [
            {"name": name, "support": sum(matrix[at]), "precision": 0.5, "recall": 12 / sum(matrix[at]), "trained": 40}
            for at, name in enumerate(labels)
        ],
        "versions": {"ranker": "linear-toy", "grouper": "pairs-toy"},
        "packages": {"train": ["boltons", "toolz"], "tune": ["packaging"], "test": ["jsonschema", "mistune"]},
    }


def tickets(number: int = 160, *, delimiter: str = ";", encoding: str = "latin-1") -> bytes:
    """A ticket system's export with a German head, and rows that cannot be used."""
    from own_errors import SECRET, errors  # of the folder above, which `screenshots.py` has to add first

    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=delimiter)
    rows.writerow(["Nr", "Aufgetreten am", "Fehlermeldung", "Lösung", "Dienst", "Bemerkung"])
    for at, one in enumerate(errors(number)):
        trace = one.trace + (f"\nkey={SECRET}" if at == 2 else "")
        rows.writerow([at, f"{one.time:%d.%m.%Y %H:%M}", trace, one.label, one.project, TICKET_NOTE])
    rows.writerow([900, "01.02.2026 10:00", "", "guard_none", "web", ""])
    rows.writerow([901, "zu wenig"])
    return text.getvalue().encode(encoding)
