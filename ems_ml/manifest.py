"""The manifest of a models folder: nothing is loaded from a path whose SHA-256 it does not name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ems_ml.errors import ModelError

NAME = "manifest.json"
HISTORY = "_used"  # beside the entries: the names of the sets of models that were in use, the latest last
REMEDY = "install ems-ml again, or run `ems train` to make own models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model: its folder below the manifest's, and what must lie in it."""

    name: str  # "encoder", "grouper", "ranker"
    kind: str  # what reads it: "static", "pairs", "linear"
    version: str
    folder: str
    files: Mapping[str, str]  # file name -> SHA-256, hexadecimal
    about: Mapping[str, Any] = field(default_factory=dict)  # thresholds, what it was trained on, when


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry_for(folder: Path, *, name: str, kind: str, version: str, about: Mapping[str, Any]) -> Entry:
    """The entry of a model whose files all lie in `folder`."""
    files = {
        path.relative_to(folder).as_posix(): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "README.md"
    }
    return Entry(name=name, kind=kind, version=version, folder=folder.name, files=files, about=dict(about))


def write_manifest(models: Path, entries: Iterable[Entry]) -> None:
    """Writes the manifest in one step; entries of other names that stand there already are kept."""
    kept = read_manifest(models) if (models / NAME).is_file() else {}
    history = {HISTORY: told} if (told := read_history(models)) else {}
    kept |= {entry.name: entry for entry in entries}
    models.mkdir(parents=True, exist_ok=True)
    partial = models / f"{NAME}.partial"
    partial.write_text(json.dumps({name: asdict(kept[name]) for name in sorted(kept)} | history, indent=1) + "\n")
    partial.replace(models / NAME)


def read_manifest(models: Path) -> dict[str, Entry]:
    """Name -> entry. Raises `ModelError` where the manifest is missing or broken."""
    path = models / NAME
    try:
        told = json.loads(path.read_text())
        return {name: Entry(**entry) for name, entry in told.items() if name != HISTORY}
    except OSError as error:
        raise ModelError(f"there is no model manifest at {path}", hint=REMEDY) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"the model manifest {path} is broken: {error}", hint=REMEDY) from error


def read_history(models: Path) -> list[str]:
    """The names of the sets of models that were in use, the latest last; [] where none was ever switched to."""
    path = models / NAME
    if not path.is_file():
        return []
    read_manifest(models)  # tells what is wrong with a broken one
    return [str(name) for name in json.loads(path.read_text()).get(HISTORY, [])]


def verified(models: Path, entry: Entry) -> Path:
    """The model's folder, once every file of it is there and has the content that the manifest names."""
    folder = models / entry.folder
    for name, expected in entry.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(models.resolve()):
            raise ModelError(f"the manifest of {models} names {path}, which lies outside of it", hint=REMEDY)
        try:
            found = digest(path)
        except OSError as error:
            raise ModelError(f"the model file {path} is missing", hint=REMEDY) from error
        if found != expected:
            raise ModelError(f"the model file {path} is truncated or was altered: its checksum is wrong", hint=REMEDY)
    return folder


def find_model(name: str, folders: Iterable[Path]) -> tuple[Entry, Path]:
    """The model of that name from the first folder whose manifest names it, verified.

    A folder that is not there is passed over; one with a broken manifest or model is an error, not passed over.
    """
    looked = []
    for models in folders:
        looked.append(str(models))
        if (models / NAME).is_file():
            entry = read_manifest(models).get(name)
            if entry is not None:
                return entry, verified(models, entry)
    raise ModelError(f"there is no model {name!r} in {' or '.join(looked)}", hint=REMEDY)
