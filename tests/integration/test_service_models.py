"""Worker and API as real processes take up the models that are put to use, without being started again."""

from __future__ import annotations

import csv
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from own_errors import errors

from ems_ml import versions
from ems_ml.build import build, train_own
from ems_ml.service import keys
from ems_ml.service.serve import Plan, running
from ems_ml.settings import Settings
from ems_ml.types import RawReport

pytestmark = pytest.mark.slow

WORDS = {"Stammdaten pflegen", "Netz: später erneut", "Eingabe prüfen"}


def ask(address: str, key: str, text: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address}/api/v1/classify",
        data=json.dumps({"text": text, "record": False}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def names(answer: dict[str, Any]) -> set[str]:
    return {one["name"] for one in answer["strategies"]}


def test_what_runs_takes_up_other_models_and_goes_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=0, dashboard_port=0)
    table = tmp_path / "tickets.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["trace", "fix"])
        rows.writerows([[one.trace, one.label] for one in errors(120)])
    text = errors(1, seed=3)[0].trace
    with running(Plan(settings=settings, dashboard=False)) as addresses, build(settings) as system:
        key = keys.add(system, "haus", host=addresses.api.removeprefix("http://"), scope="write")

        def worked(id: str) -> dict[str, str]:
            """The versions of the models with which the worker answered an event."""
            system.store.inbox.put([system.understand(RawReport(text=text, id=id, project="haus"))])
            end = time.monotonic() + 60
            while (found := system.store.events.get("haus", id)) is None:
                assert time.monotonic() < end, "the worker does not answer"
                time.sleep(0.05)
            return dict(found.versions)

        before = ask(addresses.api, key.key, text)
        assert not names(before) & WORDS
        assert worked("e1") == before["versions"]
        made = train_own(system, table, adopt=True, track=False)
        after = ask(addresses.api, key.key, text)
        assert names(after) >= WORDS
        assert after["versions"]["ranker"] == made.version.entries["ranker"].version
        assert worked("e2") == after["versions"]
        versions.rollback(settings.models)
        assert ask(addresses.api, key.key, text)["versions"] == before["versions"]
        assert worked("e3") == before["versions"]
