"""Labels that people gave to replayed fixes, read twice: what the recogniser is judged by.

`labels.csv` has the head of `HEAD`. `pass1` and `pass2` are two independent readings, one name each; `agreed` is what
was settled on: the primary strategy, and after a `|` each that is also true of the fix.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ems_ml.dataset.splits import project_name
from ems_ml.errors import InputError, StoreError

HEAD = ("commit", "project", "pass1", "pass2", "agreed")


@dataclass(frozen=True, slots=True)
class HandLabel:
    """One replayed fix as two readings and their settlement name it."""

    commit: str
    project: str
    pass1: str
    pass2: str
    agreed: tuple[str, ...]  # the primary first

    @property
    def primary(self) -> str:
        return self.agreed[0]


def read_labels(path: Path, *, strategies: Iterable[str]) -> list[HandLabel]:
    """The hand labels of a file, in order.

    strategies: the names that may stand there. Raises `StoreError` where the file cannot be read, and `InputError`
    with the line for another head, an unknown name, a missing cell or a commit that comes twice.
    """
    known = set(strategies)
    found: dict[tuple[str, str], HandLabel] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != HEAD:
                raise InputError(f"{path} has the head {reader.fieldnames}", hint=f"it must be {','.join(HEAD)}")
            for cells in reader:
                label = _label(cells, known, f"{path}, line {reader.line_num}")
                if (label.project, label.commit) in found:
                    raise InputError(f"{path}, line {reader.line_num}: that commit comes twice", hint="keep one line")
                found[label.project, label.commit] = label
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(
            f"the labels {path} cannot be read: {error}", hint="see data/README.md for the form"
        ) from error
    return list(found.values())


def _label(cells: dict[str, str], known: set[str], where: str) -> HandLabel:
    values = [(cells.get(name) or "").strip() for name in HEAD]
    if None in cells or not all(values):
        raise InputError(f"{where}: a cell is missing or one too many", hint=f"fill {','.join(HEAD)}")
    commit, project, pass1, pass2, agreed = values
    names = tuple(name.strip() for name in agreed.split("|"))
    wrong = [name for name in (pass1, pass2, *names) if name not in known]
    if wrong:
        raise InputError(f"{where}: no strategy {wrong[0]!r}", hint="a name of ems_ml.strategies.STRATEGY_NAMES")
    return HandLabel(commit=commit, project=project_name(project), pass1=pass1, pass2=pass2, agreed=names)
