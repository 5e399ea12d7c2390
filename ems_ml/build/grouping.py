"""`ems evaluate grouping`: our grouping beside rules and methods of others, on the same streams of errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ems_ml.build.models import model_folders, thresholds
from ems_ml.build.system import System
from ems_ml.dataset import RELEASE, event_from_row, load_data
from ems_ml.errors import InputError
from ems_ml.group import HeldExemplars, OnlineGrouper
from ems_ml.group.pairs import PairModel
from ems_ml.manifest import find_model
from ems_ml.ports import NEAR
from ems_ml.train.grouping.ours import Ours
from ems_ml.train.grouping.report import judge, methods
from ems_ml.train.grouping.stream import Stream, streams
from ems_ml.types import ErrorEvent, RawReport

if TYPE_CHECKING:
    import pandas as pd

SETS = ("fault", "replay", "release", "both", "all")  # "both": the first two
Told = Callable[[str], None]


def _nobody(_: str) -> None:
    """The progress display that shows nothing."""


def evaluate_grouping(
    system: System,
    *,
    data: str = "both",
    languages: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    told: Told = _nobody,
) -> dict[str, Any]:
    """Every method tuned on the tune split of the planted faults, then judged on what `data` names (one of `SETS`).

    languages: JSON lines of `text`, `cause` and `project` (`version` where releases are compared), a table of its own.
    out: a file for the answer. Raises `EmsError`.
    """
    faults = load_data("fault")
    told("tuning every method on the tune split")
    tune = _streams(system, faults[faults["split"] == "tune"], seed)
    train = _streams(system, faults[faults["split"] == "train"], seed)
    grouper, folder = find_model("grouper", model_folders(system.settings))
    model, limits = PairModel.load(folder), thresholds(grouper)
    ours = Ours(
        grouper=OnlineGrouper(model, join=limits["join"], suggest=limits["suggest"]),
        encoder=system.encoder,
        new_index=HeldExemplars,
        near=NEAR,
        parameters=limits,
    )
    corpus = [signature for stream in train for signature in stream.signatures]
    tuned = [method.fit(tune) for method in methods(corpus=corpus, encoder=system.encoder, ours=ours)]
    at = partial(_at, model, limits["suggest"])
    tables = []
    for name, part in _parts(system, faults, data, languages, seed):
        told(f"judging every method on {name}")
        tables.append(judge(name, part, tuned, ours, at, seed))
    judged = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "ems evaluate grouping",
        "versions": {"encoder": system.encoder.version, "grouper": ours.grouper.version},
        "parameters": {method.name: dict(method.parameters) for method in tuned},
        "tables": tables,
    }
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(judged, indent=1) + "\n")
    return judged


def _at(model: PairModel, suggest: float, join: float) -> OnlineGrouper:
    return OnlineGrouper(model, join=join, suggest=min(suggest, join))


def _parts(
    system: System, faults: pd.DataFrame, data: str, languages: Path | None, seed: int
) -> Iterator[tuple[str, list[Stream]]]:
    if data in ("fault", "both", "all"):
        yield "injected", _streams(system, faults[faults["split"] == "test"], seed)
    if data in ("replay", "both", "all"):
        replayed = load_data("replay")
        yield "replayed", _streams(system, replayed, seed)
        seen = set(faults.loc[faults["split"].isin(("train", "tune")), "project"])
        yield "replayed, unseen projects", _streams(system, replayed[~replayed["project"].isin(seen)], seed)
    if data in ("release", "all"):
        yield "releases", _streams(system, load_data(RELEASE, "test"), seed, releases=True)
    if languages is not None:
        read = list(_of_languages(system, languages))
        yield "other languages", streams(read, system.normalizer, seed=seed, releases=True)


def _streams(system: System, frame: pd.DataFrame, seed: int, *, releases: bool = False) -> list[Stream]:
    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    events = ((event_from_row(row), str(row["group"])) for row in rows)
    return streams(events, system.normalizer, seed=seed, releases=releases)


def _of_languages(system: System, path: Path) -> Iterator[tuple[ErrorEvent, str]]:
    """Each trace as it is read when it arrives: parsed and redacted."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="name a UTF-8 file of JSON lines") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            text, cause, project = str(row["text"]), str(row["cause"]), str(row["project"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: no trace with its cause ({type(error).__name__}: {error})",
                hint='each line is an object with "text", "cause" and "project"',
            ) from error
        event = system.understand(RawReport(text=text))
        yield replace(event, project=project, release=str(row.get("version", ""))), cause
