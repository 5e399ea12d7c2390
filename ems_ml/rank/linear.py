"""Serves the ranking from plain arrays: numpy alone, no scikit-learn, no pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.errors import ModelError
from ems_ml.rank.features import features_of, matrix_columns, places_of
from ems_ml.types import RankedStrategy, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

REASONS = 3
EXPLAINED = 5  # strategies that get reasons


@dataclass(frozen=True)
class LinearRanker:
    """Multinomial logistic regression over named features, calibrated by a temperature.

    p = (1 - rest) * softmax((weights @ x + bias) / temperature), x of length 1; the mass `rest` is shared evenly by
    the strategies in `unseen`, of which there were no data.
    """

    classes: tuple[str, ...]
    unseen: tuple[str, ...]
    columns: dict[str, int]
    weights: NDArray[np.float32]  # (classes, columns)
    bias: NDArray[np.float32]  # (classes,)
    temperature: float
    rest: float
    version: str

    def probabilities(self, signatures: Sequence[Signature]) -> NDArray[np.float64]:
        """Over `classes` alone, shape (n, classes), rows sum to 1."""
        scores = np.empty((len(signatures), len(self.classes)), dtype=np.float64)
        for row, known in enumerate(matrix_columns(signatures, self.columns)):
            length = max(1.0, float(np.sqrt(len(known))))
            scores[row] = self.weights[:, known].sum(axis=1, dtype=np.float64) / length + self.bias
        scores /= self.temperature
        scores -= scores.max(axis=1, keepdims=True)
        exponential = np.exp(scores)
        shares: NDArray[np.float64] = exponential / exponential.sum(axis=1, keepdims=True)
        return shares

    def rank(
        self, signatures: Sequence[Signature], vectors: NDArray[np.float32] | None = None
    ) -> list[tuple[RankedStrategy, ...]]:
        """See `ems_ml.ports.Ranker`."""
        rest = self.rest if self.unseen else 0.0
        answers = []
        for signature, shares in zip(signatures, self.probabilities(signatures), strict=True):
            order = np.argsort(-shares, kind="stable")
            ranked = [
                RankedStrategy(
                    name=self.classes[i],
                    probability=round(float(shares[i]) * (1 - rest), 6),
                    why=self._why(signature, int(i)) if place < EXPLAINED else (),
                )
                for place, i in enumerate(order)
            ]
            ranked += [
                RankedStrategy(name=name, probability=round(rest / len(self.unseen), 6), why=("no data of it yet",))
                for name in self.unseen
            ]
            answers.append(tuple(sorted(ranked, key=lambda one: -one.probability)))
        return answers

    def _why(self, signature: Signature, index: int) -> tuple[str, ...]:
        """The features that speak for this strategy more than for the average one, strongest first."""
        names = (*features_of(signature), *places_of(signature))
        known = [(name, self.columns[name]) for name in names if name in self.columns]
        pull = [(float(self.weights[index, at] - self.weights[:, at].mean()), name) for name, at in known]
        return tuple(name for weight, name in sorted(pull, key=lambda pair: -pair[0])[:REASONS] if weight > 0)

    def save(self, folder: Path) -> None:
        """Writes `ranker.npz` and `ranker.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "ranker.npz", weights=self.weights, bias=self.bias)
        about = {
            "classes": self.classes,
            "unseen": self.unseen,
            "columns": sorted(self.columns, key=self.columns.__getitem__),
            "temperature": self.temperature,
            "rest": self.rest,
            "version": self.version,
        }
        (folder / "ranker.json").write_text(json.dumps(about, indent=0, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> LinearRanker:
        """Reads what `save` wrote. Raises `ModelError` where it is missing or broken."""
        try:
            about = json.loads((folder / "ranker.json").read_text())
            with np.load(folder / "ranker.npz", allow_pickle=False) as arrays:
                weights, bias = arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32)
            loaded = cls(
                classes=tuple(about["classes"]),
                unseen=tuple(about["unseen"]),
                columns={name: index for index, name in enumerate(about["columns"])},
                weights=weights,
                bias=bias,
                temperature=float(about["temperature"]),
                rest=float(about["rest"]),
                version=str(about["version"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the ranking model in {folder} cannot be read: {error}",
                hint="run `ems train`, or install ems-ml again",
            ) from error
        if loaded.weights.shape != (len(loaded.classes), len(loaded.columns)):
            raise ModelError(f"the ranking model in {folder} does not fit its own names", hint="run `ems train`")
        return loaded
