"""What people's decisions teach beside the pair model: how far its log-odds move for errors that share a part.

A part is a raising line, the application's line, or a message template. People who say that errors of one raising line
are not the same are mostly right about the next ones there too, which no model of other projects can know. Each
project has its own shifts: random effects on top of the model's log-odds, drawn towards none (Breslow and Clayton,
"Approximate Inference in Generalized Linear Mixed Models", JASA 1993), so that few decisions change little.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.errors import ModelError
from ems_ml.group.views import VIEWS, key_of, view
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

FILE = "lessons.json"
SPREAD = 0.7  # standard deviation of a part's shift, in log-odds, before anything is decided
STEPS = 50


@dataclass(frozen=True, slots=True)
class DecidedPair:
    """Two errors of which a person said whether they have one cause, and the log-odds that the model gave."""

    arriving: Signature
    earlier: Signature
    odds: float
    same: bool


@dataclass(frozen=True)
class Lessons:
    """Project -> part -> how far the log-odds of pairs that share it move. `base`: the pair model they stand on."""

    shifts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    base: str = ""

    @property
    def version(self) -> str:
        """Eight hex digits that change with the content; "" where nothing was learned."""
        if not self.shifts:
            return ""
        told = json.dumps([self.base, {name: dict(of) for name, of in self.shifts.items()}], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def shift(self, project: str, arriving: Signature, earlier: Signature) -> float:
        """What is added to the log-odds that the two have one cause; 0 where nobody has taught anything of it."""
        learned = self.shifts.get(project)
        return sum(learned.get(part, 0.0) for part in shared(arriving, earlier)) if learned else 0.0

    def save(self, folder: Path) -> None:
        """Writes `lessons.json` into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {"base": self.base, "shifts": {name: dict(of) for name, of in self.shifts.items()}}
        (folder / FILE).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Lessons:
        """Reads what `save` wrote. Raises `ModelError` where it is missing or broken."""
        try:
            told = json.loads((folder / FILE).read_text(encoding="utf-8"))
            shifts = {
                str(name): {str(part): float(by) for part, by in of.items()} for name, of in told["shifts"].items()
            }
            return cls(shifts=shifts, base=str(told["base"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"what decisions taught, in {folder}, cannot be read: {error}", hint="run `ems train --decisions`"
            ) from error


NOTHING_LEARNED = Lessons()


@lru_cache(maxsize=VIEWS)
def parts(signature: Signature) -> frozenset[str]:
    """The parts of an error that a lesson may be about, as hashes that are the same in every process."""
    seen = view(signature)
    found = [f"template {key_of(signature.type, signature.template):x}"]
    found += [f"line {site:x}" for site in seen.sites[:1]]
    found += [f"own line {site:x}" for site in seen.own_sites[:1]]
    return frozenset(found)


def shared(a: Signature, b: Signature) -> frozenset[str]:
    """The parts that both have."""
    return parts(a) & parts(b)


def learn(pairs: Sequence[DecidedPair]) -> dict[str, float]:
    """Part -> shift: the likeliest ones given the decisions, by Newton's method.

    Minimises the log loss of the pairs at log-odds + the shifts of what they share, plus sum(shift^2) / (2 SPREAD^2).
    Only parts that some pair shares are learned about.
    """
    design, names = _design(pairs)
    if not names:
        return {}
    found = _fitted(design, *_told(pairs))
    return {name: round(float(by), 6) for name, by in zip(names, found, strict=True)}


def left_out(pairs: Sequence[DecidedPair]) -> tuple[Numbers, Numbers]:
    """The log loss of each decision, shape (n,): by the model alone, and with what the other decisions teach."""
    design, _ = _design(pairs)
    odds, same = _told(pairs)
    with_others = np.empty(len(pairs))
    for row in range(len(pairs)):
        others = np.arange(len(pairs)) != row
        with_others[row] = odds[row] + design[row] @ _fitted(design[others], odds[others], same[others])
    return _losses(odds, same), _losses(with_others, same)


def _design(pairs: Sequence[DecidedPair]) -> tuple[Numbers, list[str]]:
    common = [shared(pair.arriving, pair.earlier) for pair in pairs]
    names = sorted(set().union(*common))
    place = {name: number for number, name in enumerate(names)}
    design = np.zeros((len(pairs), len(names)))
    for row, held in enumerate(common):
        design[row, [place[name] for name in held]] = 1
    return design, names


def _told(pairs: Sequence[DecidedPair]) -> tuple[Numbers, Numbers]:
    return np.asarray([pair.odds for pair in pairs]), np.asarray([float(pair.same) for pair in pairs])


def _fitted(design: Numbers, odds: Numbers, same: Numbers) -> Numbers:
    shifts = np.zeros(design.shape[1])
    prior = np.eye(design.shape[1]) / SPREAD**2
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(odds + design @ shifts, -30, 30)))
        slope = design.T @ (p - same) + shifts / SPREAD**2
        step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]) + prior, slope)
        shifts -= np.clip(step, -1, 1)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return shifts


def _losses(odds: Numbers, same: Numbers) -> Numbers:
    return np.logaddexp(0, np.where(same > 0, -odds, odds))
