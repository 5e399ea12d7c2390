"""The card's section on faults that were planted in several versions of a package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ems_ml.dataset import project_name
from ems_ml.harvest.ledgers import Ledger
from ems_ml.harvest.markdown import table
from ems_ml.harvest.types import KEPT

if TYPE_CHECKING:
    import pandas as pd


def releases_command(ledgers: Sequence[Ledger]) -> str:
    """The commands that make them again, a line a package."""
    versions: dict[tuple[str, str], list[str]] = {}
    most = max((ledger["per_package"] for ledger in ledgers), default=0)
    for ledger in ledgers:
        versions.setdefault((ledger["package"], ledger["newest"]), []).append(ledger["version"])
    lines = [
        f"ems harvest releases --per-package {most} {name} {' '.join(all_)}" for (name, _), all_ in versions.items()
    ]
    return "\n".join(lines) or "ems harvest releases PACKAGE VERSION..."


def causes_in_several(rows: pd.DataFrame) -> int:
    """How many causes have traces in two versions or more."""
    return int((rows.groupby("group")["version"].nunique() > 1).sum()) if len(rows) else 0


def released(rows: pd.DataFrame) -> str:
    """How much there is, in words."""
    if rows.empty:
        return "none in these data"
    return (
        f"{len(rows):,} traces of {rows['group'].nunique():,} causes in {rows['project'].nunique()} packages, "
        f"{causes_in_several(rows):,} causes of them with traces in two versions or more"
    )


def releases_table(ledgers: Sequence[Ledger], rows: pd.DataFrame) -> str:
    """A line a version: what was sought, found and kept."""
    lines = []
    for one in ledgers:
        part = rows[(rows["project"] == project_name(one["package"])) & (rows["version"] == one["version"])]
        drawn = one["version"] == one["newest"]
        lines.append(
            (
                one["package"],
                one["version"],
                part["split"].iloc[0] if len(part) else "-",
                one["tests"],
                "drawn" if drawn else one["sought"],
                "-" if drawn else sum(one["without"].values()),
                "-" if drawn else one["moved"],
                one["planted"],
                one["outcomes"][KEPT],
                part["group"].nunique(),
                len(part),
            )
        )
    head = ("package", "version", "split", "tests", "sought", "no counterpart", "moved or renamed", "planted", "kept")
    return table((*head, "causes here", "traces here"), lines)


def without_table(ledgers: Sequence[Ledger]) -> str:
    """Why faults had no counterpart in an older version, over all."""
    total: Counter[str] = Counter()
    for one in ledgers:
        total.update(one["without"])
    return table(("reason", "faults"), total.most_common())
