"""`ems train --data FILE`: what a team really has, read, learnt from and judged beside the shipped models."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ems_ml.build.models import copy_set, model_folders
from ems_ml.build.reading import reads_of, understanding
from ems_ml.build.system import System
from ems_ml.errors import InputError, MissingExtra
from ems_ml.events import ModelTrained
from ems_ml.ingest.tables import Columns, Guess, Remark, Table, guess, open_table
from ems_ml.ingest.tables.columns import KINDS
from ems_ml.ingest.tables.gather import SAMPLE, Gathered, census, gather, sample_rows
from ems_ml.manifest import entry_for, find_model, write_manifest
from ems_ml.rank.adapt import Recipe, adapted, held_out
from ems_ml.rank.linear import LinearRanker
from ems_ml.rank.model import best_temperature
from ems_ml.resources import shipped
from ems_ml.strategies.names import STRATEGY_NAMES
from ems_ml.train.own import OwnErrors, OwnSplit, split_own
from ems_ml.train.own_fit import OwnJudged, choose, judge_own
from ems_ml.train.tracking import can_track
from ems_ml.versions import EVALUATION, Version, keep, note_run, use

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
#: What is tried, and chosen by its loss on the tune part: how far to move away from the shipped weights or from none,
#: with the team's files and functions as features or without.
RECIPES = tuple(
    Recipe(strength=strength, start=start, places=places)
    for start in (1.0, 0.0)
    for places in (False, True)
    for strength in STRENGTHS
)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A table that was opened, and what its columns are taken for."""

    table: Table
    guess: Guess
    counted: Gathered | None = None  # what it holds, where it was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrained:
    """A ranker fitted to a team's own errors: what was read, how it was judged, whether it is in use now."""

    version: Version
    adopted: bool
    looked: Looked
    gathered: Gathered
    split: OwnSplit
    recipe: Recipe
    judged: OwnJudged
    seconds: float


def _silent(what: str, done: int, total: int) -> None:
    """The progress display that shows nothing."""


def look_at(
    system: System,
    data: Path,
    *,
    told: Mapping[str, str | None] | None = None,
    encoding: str | None = None,
    count: bool = False,
) -> Looked:
    """Open what a team has and guess its columns; nothing is learnt or kept. count: read all of it, and count.

    told: kind ("trace", "label", "time", "project") -> column, "" for none; None, or left out, is guessed. Raises
    `InputError` where nothing can be read, `UsageError` for a column or encoding that does not exist.
    """
    table = open_table(data, encoding=encoding)
    rows = sample_rows(table)
    if not rows:
        first = next((one.reason for one in table.rows() if isinstance(one, Remark)), "it is empty")
        raise InputError(f"{data} holds no row that can be read: {first}", hint="give a table with a column of traces")
    found = guess(rows, reads=reads_of(system), strategies=STRATEGY_NAMES, told=told or dict.fromkeys(KINDS))
    counted = (
        census(table, found.columns, redact_text=system.redactor.redact_text, strategies=STRATEGY_NAMES)
        if count
        else None
    )
    return Looked(table=table, guess=found, counted=counted)


def train_own(
    system: System,
    data: Path,
    *,
    told: Mapping[str, str | None] | None = None,
    encoding: str | None = None,
    adopt: bool | None = None,
    track: bool = True,
    sample: int = SAMPLE,
    seed: int = 0,
    progress: Progress = _silent,
) -> OwnTrained:
    """Fit the ranker to a team's own labelled errors, judge it beside the shipped one, keep it as a version.

    It is put to use where it is surely better than the shipped one (`OwnJudged.better`); adopt: True or False decides
    instead. The encoder and the grouper stay those in use. track: as a run in MLflow. Raises `InputError` where nothing
    can be learnt, `UsageError`, `MissingExtra`.
    """
    if track and not can_track():  # told now, not after the training
        raise MissingExtra("tracking a training run (leave it out with --no-track)", "train")
    started = datetime.now(UTC)
    looked = look_at(system, data, told=told, encoding=encoding)
    gathered = _gathered(system, looked, sample, seed, progress)
    errors = OwnErrors(
        signatures=[one.signature for one in gathered.examples],
        labels=[one.label for one in gathered.examples],
        times=[one.time for one in gathered.examples],
        projects=[one.project for one in gathered.examples],
    )
    split = split_own(errors, strategies=STRATEGY_NAMES, seed=seed)
    base = LinearRanker.load(find_model("ranker", [shipped("models")])[1])
    ranker, recipe = choose(
        split,
        base,
        recipes=RECIPES,
        adapt=adapted,
        held_out=held_out,
        best_temperature=best_temperature,
        progress=lambda done, total: progress("learning", done, total),
    )
    progress("judging", 0, 1)
    judged = judge_own(ranker, base, system.encoder, split, strategies=STRATEGY_NAMES)
    adopted = judged.better if adopt is None else adopt
    version = Version(
        name="",
        when=started.isoformat(timespec="seconds"),
        data=f"{data.name}, {len(gathered.examples):,} errors",
        score={one.name: asdict(one) for one in judged.scores},
        said=judged.said,
        better=judged.better,
    )
    with TemporaryDirectory(prefix="ems-own-") as scratch:
        command = _command(data, looked.guess.columns, encoding, sample, seed)
        version = _kept(system, Path(scratch), ranker, recipe, split, judged, version, command)
        if adopted:
            use(system.settings.models, version.name)
        if track:
            progress("tracking", 0, 1)
            version = _tracked(system, Path(scratch), version, split, gathered, recipe, judged)
    progress("done", 1, 1)
    return OwnTrained(
        version=version,
        adopted=adopted,
        looked=looked,
        gathered=gathered,
        split=split,
        recipe=recipe,
        judged=judged,
        seconds=(datetime.now(UTC) - started).total_seconds(),
    )


def _gathered(system: System, looked: Looked, sample: int, seed: int, progress: Progress) -> Gathered:
    columns: Columns = looked.guess.columns
    if columns.label is None:
        raise InputError(
            "no column holds labels, and without them there is nothing to learn which fix an error needs"
            + (f" ({why})" if (why := looked.guess.why.get("label", "")) and not why.startswith("told") else ""),
            hint="name it with --label-column (of a folder: --label-column folder takes the folders' names); "
            f"to group errors no training is needed: ems classify. The columns: {', '.join(looked.guess.names[:20])}",
        )
    found = gather(
        looked.table,
        columns,
        understand=understanding(system),
        redact_text=system.redactor.redact_text,
        strategies=STRATEGY_NAMES,
        sample=sample,
        seed=seed,
        progress=progress,
    )
    if not found.examples:
        most = found.reasons[0].reason if found.reasons else "every row is without a label"
        raise InputError(
            f"of {found.rows:,} rows none is a labelled error ({most}); "
            f"the trace was looked for in {columns.trace!r}, the label in {columns.label!r}",
            hint="name the columns with --trace-column and --label-column",
        )
    return found


def _kept(
    system: System,
    scratch: Path,
    ranker: LinearRanker,
    recipe: Recipe,
    split: OwnSplit,
    judged: OwnJudged,
    version: Version,
    command: str,
) -> Version:
    """The version on disk: the ranker with its evaluation; encoder and grouper stay those in use."""
    ranker.save(scratch / "ranker")
    counts = Counter(split.parts["train"].strategies)
    about = {
        "trained_on": version.data,
        "split": split.said,
        "recipe": asdict(recipe),
        "labels": dict(counts.most_common()),
        "base": shipped_version(),
    }
    entry = entry_for(scratch / "ranker", name="ranker", kind="linear", version=ranker.version, about=about)
    evaluation = {
        "when": version.when,
        "command": command,
        "figures": judged.evaluation["top_k"][:2],
        "versions": {"ranker": ranker.version},
        "packages": {name: named for name, part in split.parts.items() if (named := list(filter(None, part.packages)))},
        "causes": {name: part.causes for name, part in split.parts.items()},
        "traces": {name: len(part) for name, part in split.parts.items()},
        "own": {"said": judged.said, "split": split.said, "scores": [asdict(one) for one in judged.scores]},
        **judged.evaluation,
    }
    (scratch / EVALUATION).write_text(json.dumps(evaluation, indent=1) + "\n", encoding="utf-8")
    return keep(system.settings.models, scratch, [entry], version, with_those_in_use=True)


def _command(data: Path, columns: Columns, encoding: str | None, sample: int, seed: int) -> str:
    """What gives the same version again, where the data lie."""
    told = [(f"--{kind}-column", str(getattr(columns, kind) or "-")) for kind in KINDS]
    told += [("--encoding", encoding)] if encoding else []
    told += [("--sample", str(sample))] if sample != SAMPLE else []
    told += [("--seed", str(seed))] if seed else []
    return shlex.join(["ems", "train", "--data", data.name, *(part for one in told for part in one)])


def shipped_version() -> str:
    """The version of the shipped ranker, from which an own one starts."""
    return find_model("ranker", [shipped("models")])[0].version


def _tracked(
    system: System,
    scratch: Path,
    version: Version,
    split: OwnSplit,
    gathered: Gathered,
    recipe: Recipe,
    judged: OwnJudged,
) -> Version:
    from ems_ml.build.training import tracked

    models = copy_set(model_folders(system.settings), scratch / "models")
    shutil.rmtree(models / "ranker")
    shutil.copytree(scratch / "ranker", models / "ranker")
    # The copy's manifest names the new ranker, whether it is in use or not.
    write_manifest(models, [replace(version.entries["ranker"], folder="ranker")])
    metrics = {
        f"{one.name} {part}": getattr(one, part) for one in judged.scores for part in ("value", "shipped", "baseline")
    }
    metrics |= {"gain top 1": judged.scores[0].gain, "ranking ECE": judged.evaluation["ece"]}
    params: dict[str, Any] = {
        "data": version.data,
        "split": split.said,
        "rows": gathered.rows,
        "labelled": gathered.labelled,
        "version": version.name,
        **{f"{name} causes": part.causes for name, part in split.parts.items()},
        **{f"recipe {name}": value for name, value in asdict(recipe).items()},
    }
    run = tracked(system, models, scratch / EVALUATION, params=params, metrics=metrics)
    system.bus.publish(ModelTrained(name="ems", version=run.registered, run=run.id))
    return note_run(system.settings.models, version, run.id)
