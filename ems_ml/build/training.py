"""`ems train` and `ems evaluate`: data, steps and settings brought together. Loads scikit-learn, maybe MLflow."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ems_ml.build.models import copy_set, model_folders, thresholds
from ems_ml.build.system import MEMORY, System, build
from ems_ml.dataset import load_data, read_data
from ems_ml.embed.static import StaticEncoder
from ems_ml.embed.text import NEWEST, TEXTS, units
from ems_ml.errors import InputError
from ems_ml.events import ModelTrained
from ems_ml.group.fitting import arrivals, choose_thresholds, cold_starts, fit_pair_model, simulate
from ems_ml.group.pairs import PairModel
from ems_ml.ingest.files import read_jsonl
from ems_ml.manifest import Entry, entry_for, find_model, write_manifest
from ems_ml.pipeline import problem_to_json, result_to_json
from ems_ml.ports import Encoder
from ems_ml.rank.linear import LinearRanker
from ems_ml.rank.model import StrategyRanker, best_temperature
from ems_ml.resources import shipped
from ems_ml.settings import load_settings
from ems_ml.strategies.names import STRATEGY_NAMES
from ems_ml.train import evaluate, fit
from ems_ml.train.examples import Examples, split_examples
from ems_ml.types import Problem
from ems_ml.versions import EVALUATION, Version, keep, note_run, use, version_in_use

if TYPE_CHECKING:
    import pandas as pd

    from ems_ml.train.tracking import Run

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training made, how it was judged, and where it is tracked (None: tracking was not asked for)."""

    models: Path
    evaluation: dict[str, Any]
    run: Run | None
    traces: int
    causes: int
    packages: tuple[str, ...]


def _nobody(_: str) -> None:
    """The progress display that shows nothing."""


def train_models(
    system: System,
    *,
    data: Path | None = None,
    out: Path | None = None,
    encoder: bool = False,
    track: bool = True,
    seed: int = 0,
    told: Told = _nobody,
) -> Trained:
    """Fit grouper and ranker (and with `encoder` the encoder), judge them on the test split, write and track them.

    data: a Parquet file of our schema (None: the shipped data). out: the models folder (None: this installation's
    own, which `classify` uses from then on). `told` gets one line for each step. Raises `EmsError`.
    """
    target = out or system.settings.models
    told("reading the historical errors")
    splits = split_examples(_frame(data), system.normalizer)
    everything = (splits["train"], splits["tune"], splits["test"])
    with TemporaryDirectory(prefix="ems-train-") as scratch:
        made = Path(scratch)
        entries = [_encoder(splits, made, told, seed) if encoder else _copied_encoder(system, made)]
        static = StaticEncoder.load(made / "encoder", version=entries[0].version)
        told(f"learning which errors have one cause, from {splits['train'].causes} causes")
        model, limits = fit.train_grouper(
            splits,
            static,
            arrivals=arrivals,
            cold_starts=cold_starts,
            fit_pair_model=fit_pair_model,
            choose_thresholds=choose_thresholds,
            seed=seed,
        )
        model.save(made / "grouper")
        told("learning which strategy mends them")
        ranker, strength = fit.train_ranker(
            splits, new_ranker=partial(StrategyRanker, names=STRATEGY_NAMES), best_temperature=best_temperature
        )
        ranker.export().save(made / "ranker")
        about = {"trained_on": list(splits["train"].packages), "tuned_on": list(splits["tune"].packages)}
        entries += [
            entry_for(
                made / "grouper",
                name="grouper",
                kind="pairs",
                version=model.version,
                about=about | {"join": limits.join, "suggest": limits.suggest},
            ),
            entry_for(
                made / "ranker",
                name="ranker",
                kind="linear",
                version=ranker.export().version,
                about=about | {"C": strength},
            ),
        ]
        told("judging them on packages that they never saw")
        judged = _judged(static, model, limits, ranker.export(), splits, seed, command="ems train")
        (made / EVALUATION).write_text(json.dumps(judged, indent=1) + "\n")
        _install(made, target, entries, "the shipped errors" if data is None else data.name)
    run = _tracked(system, target, judged, splits, {"seed": seed, "C": strength}) if track else None
    if run is not None and (kept := version_in_use(target)) is not None:
        note_run(target, kept, run.id)
    if run is not None:
        told(f"tracked as MLflow run {run.id}")
        system.bus.publish(ModelTrained(name="ems", version=run.registered, run=run.id))
    return Trained(
        models=target,
        evaluation=judged,
        run=run,
        traces=sum(len(part) for part in everything),
        causes=sum(part.causes for part in everything),
        packages=tuple(name for part in everything for name in part.packages),
    )


def evaluate_models(
    system: System, *, data: Path | None = None, out: Path | None = None, seed: int = 0
) -> dict[str, Any]:
    """Judge the models in use on the test split, beside their baselines; written to `out`/evaluation.json if given."""
    splits = split_examples(_frame(data), system.normalizer)
    folders = model_folders(system.settings)
    encoder, place = find_model("encoder", folders)
    grouper, pairs = find_model("grouper", folders)
    _, rank = find_model("ranker", folders)
    limits = fit.Thresholds(**thresholds(grouper))
    judged = _judged(
        StaticEncoder.load(place, version=encoder.version),
        PairModel.load(pairs),
        limits,
        LinearRanker.load(rank),
        splits,
        seed,
        command="ems evaluate",
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / EVALUATION).write_text(json.dumps(judged, indent=1) + "\n")
    return judged


def answer_rows(models: Path, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `ems classify --jsonl` answers for rows, with the models of a folder called `models`."""
    settings = load_settings(home=models.parent, database_url=MEMORY)
    with build(settings) as system:
        lines = (json.dumps(row, default=str) for row in rows)
        answers = system.line().process_many(read_jsonl(lines, limit=settings.max_report_bytes))
        return [problem_to_json(one) if isinstance(one, Problem) else result_to_json(one) for one in answers]


def _frame(data: Path | None) -> pd.DataFrame:
    if data is None:
        return load_data("fault")
    if not data.is_file():
        raise InputError(
            f"there is no data file {data}", hint="name a Parquet file of the shape of data/faults.parquet"
        )
    return read_data(data)


def _encoder(splits: dict[str, Examples], made: Path, told: Told, seed: int) -> Entry:
    from ems_ml.embed.tfidf import TfidfEncoder
    from ems_ml.train.card import encoder_card
    from ems_ml.train.encoder import STEPS, save_encoder, train_encoder
    from ems_ml.train.likeness import judge_vectors

    told("training the encoder")
    train, tune, test = splits["train"], splits["tune"], splits["test"]
    trained = train_encoder(train, tune, text_of=TEXTS[NEWEST], units=units(), seed=seed)
    version = save_encoder(made / "encoder", trained, text=NEWEST)
    told(f"judging the encoder, the one of step {trained.steps}")
    encoders: dict[str, Encoder] = {
        version: StaticEncoder.load(made / "encoder", version=version),
        "TF-IDF": TfidfEncoder(random_state=seed).fit(train.signatures),
    }
    judged = {name: judge_vectors(encoder.encode(test.signatures), test) for name, encoder in encoders.items()}
    card = encoder_card(trained, splits, judged, version=version, text=NEWEST, most=STEPS)
    (made / "encoder" / "README.md").write_text(card)
    about = {"trained_on": list(train.packages), "tuned_on": list(tune.packages), "steps": trained.steps}
    return entry_for(made / "encoder", name="encoder", kind="static", version=version, about=about)


def _copied_encoder(system: System, made: Path) -> Entry:
    entry, folder = find_model("encoder", model_folders(system.settings))
    shutil.copytree(folder, made / "encoder")
    return entry_for(made / "encoder", name="encoder", kind=entry.kind, version=entry.version, about=entry.about)


def _judged(
    encoder: StaticEncoder,
    model: PairModel,
    limits: fit.Thresholds,
    ranker: LinearRanker,
    splits: dict[str, Examples],
    seed: int,
    *,
    command: str,
) -> dict[str, Any]:
    from ems_ml.embed.tfidf import TfidfEncoder

    train, test = splits["train"], splits["test"]
    tfidf = TfidfEncoder(random_state=seed).fit(train.signatures)
    ranking = evaluate.judge_ranking(ranker, encoder, train, test)
    grouping = evaluate.judge_grouping(
        model, limits, encoder, tfidf, test, arrivals=arrivals, simulate=simulate, seed=seed
    )
    versions = {"encoder": encoder.version, "grouper": model.version, "ranker": ranker.version}
    return evaluate.report(ranking, grouping, splits, versions, command=command)


def _install(made: Path, target: Path, entries: list[Entry], data: str) -> None:
    """Puts the new models in place; the manifest, written last, switches to them in one step.

    An installation's own models become a version beside the older ones; a checkout's shipped folder keeps plain names.
    """
    if not (target / "README.md").is_file():
        when = datetime.now(UTC).isoformat(timespec="seconds")
        kept = keep(target, made, entries, Version(name="", when=when, data=data))
        use(target, kept.name)
        return
    for entry in entries:
        shutil.rmtree(target / entry.folder, ignore_errors=True)
        shutil.copytree(made / entry.folder, target / entry.folder)
    shutil.copyfile(made / EVALUATION, target / EVALUATION)
    write_manifest(target, entries)


def _tracked(
    system: System, models: Path, judged: dict[str, Any], splits: dict[str, Examples], params: dict[str, Any]
) -> Run:
    metrics = {f"{one['name']} {part}".strip(): one[part] for one in judged["top_k"] for part in ("value", "baseline")}
    metrics |= {f"same cause AUC {one['baseline_name']}": one["baseline"] for one in judged["figures"][2:]}
    metrics |= {"same cause AUC": judged["figures"][2]["value"], "ranking ECE": judged["ece"]}
    told = {f"{name} packages": ", ".join(part.packages) for name, part in splits.items()}
    told |= {f"{name} causes": str(part.causes) for name, part in splits.items()}
    with TemporaryDirectory(prefix="ems-track-") as scratch:
        evaluation = Path(scratch) / EVALUATION
        evaluation.write_text(json.dumps(judged, indent=1) + "\n")
        whole = copy_set([models, shipped("models")], Path(scratch) / "models")
        return tracked(system, whole, evaluation, params=params | told | judged["versions"], metrics=metrics)


def tracked(
    system: System, models: Path, evaluation: Path, *, params: dict[str, Any], metrics: dict[str, float]
) -> Run:
    """One training as a run in MLflow. `models`: a whole set in a folder of that name, which is registered."""
    with warnings.catch_warnings(record=True):
        # MLflow advises on type hints where a model is defined, past every filter; a row's optional columns fit none.
        warnings.simplefilter("ignore", UserWarning)
        from ems_ml.train.pyfunc import LineModel
    from ems_ml.train.tracking import track

    return track(
        system.settings.tracking,
        system.settings.home / "mlartifacts",
        params=params,
        metrics=metrics,
        files={"evaluation": evaluation},
        models=models,
        python_model=LineModel(answer_rows),
    )
