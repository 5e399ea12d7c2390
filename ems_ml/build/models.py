"""Loading the models that serve, each only as a manifest names it: this installation's own before the shipped ones."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ems_ml.errors import UsageError
from ems_ml.group import OnlineGrouper, PairModel
from ems_ml.group.lessons import NOTHING_LEARNED, Lessons
from ems_ml.manifest import NAME, Entry, entry_for, find_model, read_manifest, verified, write_manifest
from ems_ml.ports import Encoder, Grouper, Ranker
from ems_ml.resources import shipped
from ems_ml.settings import Settings
from ems_ml.versions import entries_of

ENCODERS = ("static", "transformer")
MODELS = ("encoder", "grouper", "ranker")
LESSONS = "lessons"  # what people's decisions taught, beside the grouper; only an installation's own models have it

log = logging.getLogger(__name__)


def model_folders(settings: Settings) -> tuple[Path, ...]:
    """Where models are looked for, in order."""
    return settings.models, shipped("models")


def load_encoder(settings: Settings, version: str | None = None) -> Encoder:
    """The encoder that the settings name; version: of this set of models, else of those in use.

    Raises `ModelError`, `MissingExtra`, `UsageError`, `NotFound`.
    """
    if settings.encoder == "transformer":
        from ems_ml.embed.transformer import TransformerEncoder

        return TransformerEncoder.load(settings.transformer_model)
    if settings.encoder != "static":
        raise UsageError(f"there is no encoder {settings.encoder!r}", hint=f"EMS_ENCODER: {' or '.join(ENCODERS)}")
    from ems_ml.embed.static import StaticEncoder

    entry, folder = _found("encoder", settings, version)
    return StaticEncoder.load(folder, version=entry.version)


def load_grouper(settings: Settings, version: str | None = None) -> Grouper:
    """The pair model with its thresholds, and what people's decisions taught beside it; version: of this set of models.

    Raises `ModelError`, `NotFound`.
    """
    entry, folder = _found("grouper", settings, version)
    lessons = load_lessons(settings, entry.version, version)
    return OnlineGrouper(PairModel.load(folder), **thresholds(entry), lessons=lessons)


def load_lessons(settings: Settings, base: str, version: str | None = None) -> Lessons:
    """What people's decisions taught beside the grouper `base`; version: of this set of models, else of those in use.

    Nothing where nothing was learned, or beside another grouper, as after an installation of new shipped models: that
    is logged, and `ems doctor` tells it. Raises `ModelError`, `NotFound`.
    """
    found = lessons_in_use(settings) if version is None else entries_of(settings.models, version).get(LESSONS)
    if found is None:
        return NOTHING_LEARNED
    lessons = Lessons.load(verified(settings.models, found))
    if lessons.base == base:
        return lessons
    log.warning("what decisions taught stands beside another grouper and is not used: run ems train --decisions")
    return NOTHING_LEARNED


def lessons_in_use(settings: Settings) -> Entry | None:
    """What the own manifest names as learned from decisions."""
    return read_manifest(settings.models).get(LESSONS) if (settings.models / NAME).is_file() else None


def load_ranker(settings: Settings) -> Ranker:
    """The strategy ranker. Raises `ModelError`."""
    from ems_ml.rank import LinearRanker

    _, folder = find_model("ranker", model_folders(settings))
    return LinearRanker.load(folder)


def _found(name: str, settings: Settings, version: str | None) -> tuple[Entry, Path]:
    """A model of a set, or of the set in use, verified."""
    if version is None:
        return find_model(name, model_folders(settings))
    entries: Mapping[str, Entry] = entries_of(settings.models, version)
    if name in entries:
        return entries[name], verified(settings.models, entries[name])
    return find_model(name, [shipped("models")])


def thresholds(entry: Entry) -> dict[str, float]:
    """The probabilities from which on the grouper joins, and suggests."""
    return {name: float(entry.about[name]) for name in ("join", "suggest")}


def told_version(name: str, settings: Settings) -> str:
    """The version that the manifest tells of a model, without loading it; "" where no manifest names it."""
    for folder in model_folders(settings):
        if (folder / NAME).is_file() and (entry := read_manifest(folder).get(name)) is not None:
            return entry.version
    return ""


def set_in_use(settings: Settings) -> tuple[int, int, int] | None:
    """Something that changes when another set of models is put to use; None while there are no own ones."""
    try:
        told = (settings.models / NAME).stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino


def copy_set(folders: Sequence[Path], target: Path, *, lessons: Path | None = None) -> Path:
    """The models that these folders would serve, whole and with a manifest of their own, in `target`; answers it.

    lessons: a folder with what decisions taught, instead of that which is in use.
    """
    entries = []
    own = read_manifest(folders[0]).get(LESSONS) if (folders[0] / NAME).is_file() else None
    if lessons is not None or own is not None:
        shutil.copytree(lessons or verified(folders[0], own), target / LESSONS)  # type: ignore[arg-type]  # one is there
        version = Lessons.load(target / LESSONS).version
        entries.append(entry_for(target / LESSONS, name=LESSONS, kind="lessons", version=version, about={}))
    for name in MODELS:
        entry, place = find_model(name, folders)
        shutil.copytree(place, target / name)
        entries.append(replace(entry, folder=name))
    write_manifest(target, entries)
    return target
