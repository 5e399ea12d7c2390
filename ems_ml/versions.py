"""Every trained set of models is kept as a version; which one is in use, the manifest alone says.

A version is a folder `versions/NAME` below the models folder with its models, `version.json` (what it is) and
`evaluation.json` (how it was judged). The manifest holds the entries of the set in use, and under `_used` the names of
the sets that were, the latest last; it is replaced in one step, so that a reader sees one set or the other.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ems_ml.errors import ModelError, NotFound, UsageError
from ems_ml.manifest import HISTORY, NAME, Entry, read_history, read_manifest, verified

SHIPPED = "shipped"
FOLDER = "versions"
ABOUT = "version.json"
EVALUATION = "evaluation.json"
TRANSITION = "transition.json"
LONGEST = 50  # names of the history that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A trained set. A model that is not among its entries is the shipped one."""

    name: str  # "v1", "v2" ...
    when: str  # ISO 8601, UTC
    data: str  # what it was trained on, for a person
    score: Mapping[str, Any] = field(default_factory=dict)  # "top 1": {"value", "low", "high", "shipped", ...}
    said: str = ""  # the comparison in a sentence
    better: bool | None = None  # than the shipped models, surely; None: it was not compared with them
    run: str | None = None  # its MLflow run
    entries: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A time in which the models that were in use before go on being asked beside those that are now."""

    before: str
    after: str
    begun: datetime
    until: datetime


def keep(
    models: Path, made: Path, entries: Sequence[Entry], version: Version, *, with_those_in_use: bool = False
) -> Version:
    """Put trained models, whose folders lie in `made`, into a new version; the set in use stays what it is.

    with_those_in_use: what is not made anew is taken over from the own models in use, where they are; else it is the
    shipped one. Answers the version with its name and its entries as the manifest will name them.
    """
    _name_older(models)
    name = _claimed(models)
    folder = models / FOLDER / name
    placed = dict(read_manifest(models)) if with_those_in_use and in_use(models) != SHIPPED else {}
    for entry in entries:
        shutil.copytree(made / entry.folder, folder / entry.folder)
        placed[entry.name] = replace(entry, folder=f"{FOLDER}/{name}/{entry.folder}")
    placed = {key: replace(one, about=dict(one.about) | {"version": name}) for key, one in placed.items()}
    if (made / EVALUATION).is_file():
        shutil.copyfile(made / EVALUATION, folder / EVALUATION)
    kept = replace(version, name=name, entries=placed)
    _write(folder, kept)
    return kept


def note_run(models: Path, version: Version, run: str) -> Version:
    """The version with the MLflow run that it is tracked as."""
    noted = replace(version, run=run)
    _write(models / FOLDER / version.name, noted)
    return noted


def versions(models: Path) -> list[Version]:
    """Every version that is kept, the oldest first. Raises `ModelError` for one that cannot be read."""
    folder = models / FOLDER
    names = [one.parent.name for one in folder.glob(f"v*/{ABOUT}")] if folder.is_dir() else []
    return [_read(models, name) for name in sorted(names, key=_number)]


def in_use(models: Path) -> str:
    """The name of the set in use: a version's, `SHIPPED`, or "" for own models from before versions were kept."""
    if not (models / NAME).is_file():
        return SHIPPED
    entries = read_manifest(models)
    if not entries:
        return SHIPPED
    return next((str(one.about["version"]) for one in entries.values() if "version" in one.about), "")


def version_in_use(models: Path) -> Version | None:
    """What is known of the set in use; None where that is the shipped one, or older than versions."""
    name = in_use(models)
    return None if name in ("", SHIPPED) else _read(models, name)


def entries_of(models: Path, name: str) -> Mapping[str, Entry]:
    """The models of a version; what it does not name is the shipped one, as all of `SHIPPED` is. Raises `NotFound`."""
    return {} if name == SHIPPED else _read(models, name).entries


def use(models: Path, name: str) -> str:
    """Switch to a version or to `SHIPPED`; answers what was in use before. Its files are checked first.

    Raises `NotFound` for a version that is not there, `ModelError` for one that is damaged.
    """
    wanted = None if name == SHIPPED else _read(models, name)
    name, entries = (SHIPPED, {}) if wanted is None else (wanted.name, wanted.entries)
    for entry in entries.values():
        verified(models, entry)
    _name_older(models)
    before, history = in_use(models), read_history(models)
    if before != name:
        _switch(models, entries, [*(history or [before]), name][-LONGEST:])
    return before


def rollback(models: Path) -> tuple[str, str]:
    """Switch back to the set that was in use before; answers (now, before). Raises `UsageError` where there is none."""
    history = read_history(models)
    if len(history) < 2:
        raise UsageError("no other models were in use before these", hint="ems models list, then ems models use NAME")
    to = history[-2]
    entries = {} if to == SHIPPED else _read(models, to).entries
    for entry in entries.values():
        verified(models, entry)
    _switch(models, entries, history[:-1])
    return to, history[-1]


def begin_transition(models: Path, before: str, days: float) -> Transition:
    """From now on ask the set `before` beside the one in use, for so many days, or until another is put to use."""
    now = datetime.now(UTC)
    begun = Transition(before=before, after=in_use(models), begun=now, until=now + timedelta(days=days))
    models.mkdir(parents=True, exist_ok=True)
    told = asdict(begun) | {name: getattr(begun, name).isoformat() for name in ("begun", "until")}
    partial = models / f"{TRANSITION}.partial"
    partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    partial.replace(models / TRANSITION)
    return begun


def transition(models: Path) -> Transition | None:
    """The transition that runs at this moment; None where none does. Raises `ModelError` where it cannot be read."""
    path = models / TRANSITION
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        found = Transition(
            before=told["before"],
            after=told["after"],
            begun=datetime.fromisoformat(told["begun"]),
            until=datetime.fromisoformat(told["until"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is broken: {error}", hint="end the transition: ems regroup --end") from error
    runs = datetime.now(UTC) < found.until and in_use(models) == found.after
    return found if runs else None


def end_transition(models: Path) -> None:
    """Ask the models before no more."""
    (models / TRANSITION).unlink(missing_ok=True)


def evaluation_of(models: Path) -> Path | None:
    """The evaluation of the own models in use; None where the shipped ones are in use or it was never made."""
    name = in_use(models)
    if name == SHIPPED:
        return None
    path = models / FOLDER / name / EVALUATION if name else models / EVALUATION
    return path if path.is_file() else None


def _switch(models: Path, entries: Mapping[str, Entry], history: Sequence[str]) -> None:
    """The one step that changes what is in use."""
    told: dict[str, Any] = {name: asdict(entries[name]) for name in sorted(entries)}
    models.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f"{NAME}.", suffix=".partial", dir=models)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(told | {HISTORY: list(history)}, indent=1) + "\n")
    os.chmod(partial, 0o644)
    os.replace(partial, models / NAME)


def _name_older(models: Path) -> None:
    """Own models from before versions were kept become a version, so that one can go back to them."""
    if in_use(models):
        return
    name = _claimed(models)
    entries = {
        one.name: replace(one, about=dict(one.about) | {"version": name}) for one in read_manifest(models).values()
    }
    folder = models / FOLDER / name
    if (models / EVALUATION).is_file():
        shutil.copyfile(models / EVALUATION, folder / EVALUATION)
    when = datetime.fromtimestamp((models / NAME).stat().st_mtime, UTC).isoformat(timespec="seconds")
    _write(folder, Version(name=name, when=when, data="own models from before versions were kept", entries=entries))
    _switch(models, entries, [name])


def _claimed(models: Path) -> str:
    """The next name, its folder made; two processes never get the same one."""
    folder = models / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number = max([0, *(_number(one.name) for one in folder.glob("v*"))]) + 1
    while True:
        try:
            (folder / f"v{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return f"v{number}"


def _number(name: str) -> int:
    return int(name[1:]) if name[1:].isdigit() else 0


def _write(folder: Path, version: Version) -> None:
    partial = folder / f"{ABOUT}.partial"
    partial.write_text(json.dumps(asdict(version), indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / ABOUT)


def _read(models: Path, name: str) -> Version:
    plain = f"v{name}" if name.isdigit() else name
    path = models / FOLDER / plain / ABOUT
    if not plain[:1] == "v" or not plain[1:].isdigit() or not path.is_file():
        raise NotFound(f"there is no version {name!r}", hint="see those there are: ems models list")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        entries = {key: Entry(**entry) for key, entry in told.pop("entries").items()}
        return Version(**told, entries=entries)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{path} is broken: {error}", hint="use another version, and remove this one's folder"
        ) from error
