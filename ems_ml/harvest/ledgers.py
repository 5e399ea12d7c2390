"""What the harvests counted: kept beside the data, so that a data set can grow where the cache is gone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ems_ml.dataset import project_name
from ems_ml.errors import InputError
from ems_ml.harvest.corpus import corpus_folder, histories_folder, releases_folder

Ledger = Mapping[str, Any]
LeftOut = Counter[tuple[str, str, str]]  # kind, project, reason
FILE = "ledgers.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledgers:
    """One for each package whose faults were planted, each history that was replayed or read, and each version."""

    faults: Sequence[Ledger]
    replays: Sequence[Ledger]
    told: Sequence[Ledger]
    releases: Sequence[Ledger] = ()  # of a package the newest version first
    left_out: Sequence[tuple[str, str, str, int]] = ()  # in building: kind, project, reason, rows

    @property
    def projects(self) -> dict[str, set[str]]:
        """The projects of each kind."""
        return {
            "fault": {project_name(one["package"]) for one in self.faults},
            "replay": {project_name(one["project"]) for one in self.replays},
            "told": {project_name(one["project"]) for one in self.told},
            "release": {project_name(one["package"]) for one in self.releases},
        }

    def without(self, others: Ledgers) -> Ledgers:
        """These, but for the projects, kind by kind, that `others` hold."""
        gone = others.projects
        return replace(
            self,
            faults=[one for one in self.faults if project_name(one["package"]) not in gone["fault"]],
            replays=[one for one in self.replays if project_name(one["project"]) not in gone["replay"]],
            told=[one for one in self.told if project_name(one["project"]) not in gone["told"]],
            releases=[one for one in self.releases if project_name(one["package"]) not in gone["release"]],
            left_out=[one for one in self.left_out if one[1] not in gone[one[0]]],
        )

    def joined(self, others: Ledgers) -> Ledgers:
        """These and `others`, by name."""
        return replace(
            self,
            faults=sorted([*self.faults, *others.faults], key=lambda one: str(one["package"])),
            replays=sorted([*self.replays, *others.replays], key=lambda one: str(one["project"])),
            told=sorted([*self.told, *others.told], key=lambda one: str(one["project"])),
            releases=sorted([*self.releases, *others.releases], key=lambda one: str(one["package"])),
            left_out=[*self.left_out, *others.left_out],
        )

    def leaving_out(self, rows: LeftOut) -> Ledgers:
        """These, with what else was left out counted in."""
        total = Counter({(kind, project, why): n for kind, project, why, n in self.left_out})
        total.update(rows)
        return replace(self, left_out=[(*key, n) for key, n in sorted(total.items())])

    def reasons(self) -> list[tuple[str, str, int]]:
        """What was left out over all projects: kind, reason, rows."""
        total: Counter[tuple[str, str]] = Counter()
        for kind, _, why, n in self.left_out:
            total[kind, why] += n
        return [(*key, n) for key, n in sorted(total.items())]


def cached_ledgers(cache: Path) -> Ledgers:
    """The ledgers in the cache (`Settings.cache`)."""

    def read(folder: Path, name: str) -> list[Ledger]:
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"*/{name}"))]

    histories = histories_folder(cache)
    return Ledgers(
        faults=read(corpus_folder(cache), "ledger.json"),
        replays=read(histories, "replay-ledger.json"),
        told=read(histories, "told-ledger.json"),
        releases=[
            ledger
            for path in sorted(releases_folder(cache).glob("*.json"))
            for ledger in json.loads(path.read_text(encoding="utf-8"))
        ],
    )


def read_ledgers(folder: Path) -> Ledgers:
    """The ledgers beside a data set. Raises `InputError` where there are none or the file is broken."""
    path = folder / FILE
    try:
        return Ledgers(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"the ledgers {path} cannot be read: {error}",
            hint="build without --add, from a cache that holds everything",
        ) from error


def write_ledgers(folder: Path, ledgers: Ledgers) -> None:
    """Write them beside the data set, a line for each project."""
    parts = asdict(ledgers)
    body = ",\n".join(f" {json.dumps(name)}: {_lines(value)}" for name, value in parts.items())
    (folder / FILE).write_text(f"{{\n{body}\n}}\n", encoding="utf-8")


def _lines(ledgers: Sequence[Ledger]) -> str:
    return "[\n" + ",\n".join(f"  {json.dumps(one, sort_keys=True)}" for one in ledgers) + "\n ]"
