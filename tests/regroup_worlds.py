"""Real traces in a data folder of a test's own, other models to regroup them by, and what must always hold."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from ems_ml import versions
from ems_ml.build import System, build
from ems_ml.dataset import event_from_row, load_data
from ems_ml.manifest import Entry, entry_for, find_model
from ems_ml.resources import shipped
from ems_ml.settings import Settings
from ems_ml.types import ErrorEvent, PatternStatus
from ems_ml.versions import Version

#: What undoing restores, row by row and byte by byte.
TABLES = ("pattern", "event", "exact", "exemplar", "decision", "fix_attempt")


@cache
def traces(project: str = "packaging", count: int = 140) -> tuple[ErrorEvent, ...]:
    """Planted faults of a tune project, in a drawn order; causes come again."""
    data = load_data("fault", "tune")
    rows = data[data["project"] == project].sample(count, random_state=0)
    return tuple(event_from_row({str(name): value for name, value in row.items()}) for row in rows.to_dict("records"))


def arrive(system: System, events: Sequence[ErrorEvent]) -> None:
    for event in events:
        system.line().process_event(event)


def grown(home: Path, events: Sequence[ErrorEvent]) -> Path:
    """A data folder in which these events have arrived at the shipped models."""
    with build(Settings(home=home)) as system:
        arrive(system, events)
    return home


def other_models(home: Path, *, join: float, suggest: float, encoder: bool = False) -> str:
    """A version whose grouper joins from another share on, with another encoder where asked; answers its name."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        _, grouper = find_model("grouper", [shipped("models")])
        shutil.copytree(grouper, made / "grouper")
        about = {"join": join, "suggest": suggest}
        entries = [entry_for(made / "grouper", name="grouper", kind="pairs", version=f"at-{join}", about=about)]
        if encoder:
            entries.append(_turned(made))
        kept = versions.keep(Settings(home=home).models, made, entries, Version(name="", when="", data="a test"))
        return kept.name


def _turned(made: Path) -> Entry:
    """The shipped encoder with a part of its dimensions blinded: other vectors under another version."""
    _, folder = find_model("encoder", [shipped("models")])
    shutil.copytree(folder, made / "encoder")
    path = next((made / "encoder").glob("*.safetensors"))
    tensors = load_file(path)
    save_file(
        {name: np.where(np.arange(one.shape[-1]) % 3, one, 0).astype(one.dtype) for name, one in tensors.items()}, path
    )
    return entry_for(made / "encoder", name="encoder", kind="static", version="turned-1", about={})


def dump(home: Path) -> list[str]:
    """The tables as SQL, in the order of their rows."""
    with sqlite3.connect(home / "ems.db") as connection:
        return [line for line in connection.iterdump() if line.startswith(tuple(f'INSERT INTO "{t}"' for t in TABLES))]


def rows(home: Path, query: str) -> list[Any]:
    with sqlite3.connect(home / "ems.db") as connection:
        return connection.execute(query).fetchall()


def where(home: Path) -> dict[str, str]:
    """Event -> pattern."""
    return dict(rows(home, "SELECT id, pattern FROM event"))


def check(home: Path) -> None:
    """What must hold after anything: no event, key or example stands in a pattern that ended; counts are true."""
    status = dict(rows(home, "SELECT id, status FROM pattern"))
    for table in ("event", "exact", "exemplar"):
        for (pattern,) in rows(home, f"SELECT DISTINCT pattern FROM {table}"):
            assert status[pattern] != PatternStatus.MERGED, (table, pattern)
    counts = Counter(pattern for (pattern,) in rows(home, "SELECT pattern FROM event"))
    for pattern, count, example, first, last in rows(
        home, "SELECT id, count, example, first_seen, last_seen FROM pattern WHERE status != 'merged'"
    ):
        assert count == counts[pattern] > 0, pattern
        held = rows(home, f"SELECT id, time FROM event WHERE pattern = '{pattern}'")
        assert example in {id for id, _ in held}
        assert (first, last) == (min(t for _, t in held), max(t for _, t in held))
    known = set(rows(home, "SELECT project, key FROM exact"))
    assert known >= set(rows(home, "SELECT project, exact FROM event"))
    stands = (  # after a split within one exact signature, the example stays where the signature does
        "SELECT x.pattern, e.pattern, k.pattern FROM exemplar x "
        "JOIN event e ON e.id = x.event AND e.project = x.project "
        "JOIN exact k ON k.key = e.exact AND k.project = e.project"
    )
    for example_of, event_in, key_in in rows(home, stands):
        assert example_of in (event_in, key_in)
    for (into,) in rows(home, "SELECT merged_into FROM pattern WHERE status = 'merged'"):
        assert into in status
