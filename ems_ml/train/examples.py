"""Historical errors as what the models learn from: signatures with their labels, split by project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ems_ml.dataset import SPLIT_NAMES, event_from_row
from ems_ml.errors import InputError
from ems_ml.ports import Normalizer
from ems_ml.types import Signature

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Examples:
    """Traces side by side with their labels; all of one length."""

    signatures: tuple[Signature, ...]
    strategies: tuple[str, ...]
    groups: tuple[str, ...]  # same cause
    projects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.signatures)

    @property
    def causes(self) -> int:
        return len(set(self.groups))

    @property
    def packages(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.projects)))

    def chosen(self, rows: Sequence[int]) -> Examples:
        """Some of the rows."""
        return Examples(
            signatures=tuple(self.signatures[i] for i in rows),
            strategies=tuple(self.strategies[i] for i in rows),
            groups=tuple(self.groups[i] for i in rows),
            projects=tuple(self.projects[i] for i in rows),
        )


def split_examples(frame: pd.DataFrame, normalizer: Normalizer) -> dict[str, Examples]:
    """ "train", "tune" and "test" of a data frame (`ems_ml.load_data`).

    Raises `InputError` where a split is empty, or where a project or cause stands in two of them.
    """
    for unit in ("project", "group"):
        crossing = frame.groupby(unit)["split"].nunique()
        if (crossing > 1).any():
            raise InputError(f"{unit} {crossing.idxmax()} is in more than one split", hint="split by project")
    splits = {}
    for name in SPLIT_NAMES:
        rows = frame[frame["split"] == name].to_dict("records")
        if not rows:
            raise InputError(f"the data have no {name} split", hint="give rows of all of: " + ", ".join(SPLIT_NAMES))
        splits[name] = Examples(
            signatures=tuple(normalizer.normalize(event_from_row({str(k): v for k, v in row.items()})) for row in rows),
            strategies=tuple(str(row["strategy"]) for row in rows),
            groups=tuple(str(row["group"]) for row in rows),
            projects=tuple(str(row["project"]) for row in rows),
        )
    return splits
