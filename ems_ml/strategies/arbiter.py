"""Which strategy a change is first of all: a small linear model weighs what the strategies say and what changed.

Each strategy judges a change alone; a change that people make is several things at once. The model, trained on fixes
that were read by hand and on planted faults (`tests/benchmarks/train_recogniser.py`), gives each strategy

    bias + shared . (what it says itself, its place among the others) + weights . (the signs of the change)

and a softmax over them. It is a JSON file beside this one and is read without numpy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ems_ml.strategies.names import STRATEGY_NAMES

WEIGHTS = Path(__file__).with_name("arbiter.json")
FORMAT = 1
MOST_OF_A_SIGN = 6  # more of a kind say no more
SHARED = ("score", "says something", "says most", "among the first three")
_ORDER = {name: rank for rank, name in enumerate(STRATEGY_NAMES)}


def plain_order(scores: Mapping[str, float]) -> list[str]:
    """The names with a score, best first; of equals the more specific first."""
    told = [name for name, score in scores.items() if score > 0]
    return sorted(told, key=lambda name: (-scores[name], _ORDER.get(name, len(_ORDER))))


def features(signs: Mapping[str, int], scores: Mapping[str, float], files: int) -> dict[str, float]:
    """What the model reads of a change, by name. files: how many source files of the commit differ."""
    found = {f"sign {sign}": math.log1p(min(count, MOST_OF_A_SIGN)) for sign, count in signs.items() if count > 0}
    found |= {f"score {name}": score for name, score in scores.items() if score > 0 and name in _ORDER}
    edits = signs.get("edit", 0)
    found |= {"size": math.log1p(edits) / 3, "more files": float(files - 1)}
    if edits <= 3:
        found["few edits"] = 1.0
    if edits <= 1:
        found["one edit"] = 1.0
    return found


def shared_features(name: str, scores: Mapping[str, float], order: Sequence[str]) -> tuple[float, ...]:
    """What the model reads of one strategy, as `SHARED` names it. order: `plain_order(scores)`."""
    score = scores.get(name, 0.0)
    return score, float(score > 0), float(order[:1] == [name]), float(name in order[:3])


@dataclass(frozen=True, slots=True)
class Arbiter:
    """The model: `rows` has for each feature that counts one weight a name, in the order of `names`."""

    names: tuple[str, ...]
    bias: tuple[float, ...]
    shared: tuple[float, ...]
    rows: Mapping[str, Sequence[float]]

    @staticmethod
    def of(said: Mapping[str, Any]) -> Arbiter:
        """The model that a JSON file says."""
        return Arbiter(
            names=tuple(said["names"]),
            bias=tuple(said["bias"]),
            shared=tuple(said["shared"]),
            rows={name: tuple(row) for name, row in said["rows"].items()},
        )

    def probabilities(self, signs: Mapping[str, int], scores: Mapping[str, float], files: int) -> dict[str, float]:
        """How likely each name is the primary one, in (0, 1), all together 1."""
        order = plain_order({name: score for name, score in scores.items() if name in _ORDER})
        logits = list(self.bias)
        for feature, value in sorted(features(signs, scores, files).items()):
            for k, weight in enumerate(self.rows.get(feature, ())):
                logits[k] += weight * value
        for k, name in enumerate(self.names):
            told = shared_features(name, scores, order)
            logits[k] += sum(weight * value for weight, value in zip(self.shared, told, strict=True))
        most = max(logits)
        powers = [math.exp(logit - most) for logit in logits]
        return {name: power / sum(powers) for name, power in zip(self.names, powers, strict=True)}


@lru_cache(maxsize=1)
def shipped_arbiter() -> Arbiter:
    """The model beside this file."""
    return Arbiter.of(json.loads(WEIGHTS.read_text(encoding="utf-8")))
