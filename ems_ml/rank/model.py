"""The ranking's classifier, with scikit-learn's manners: fitted here, served by `LinearRanker`."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from ems_ml.errors import UsageError
from ems_ml.rank.features import features_of, matrix_columns
from ems_ml.rank.linear import LinearRanker
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class HeldOut:
    """Scores of errors that a ranker was not trained on: (n, classes), the true class of each, and its weight."""

    scores: NDArray[np.float64]
    truth: NDArray[np.int64]
    weight: NDArray[np.float64]

    def loss(self, temperature: float) -> float:
        """Weighted sum of -log p(true class) at a temperature."""
        scaled = self.scores / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(self.truth)), self.truth] - np.log(np.exp(scaled).sum(axis=1))
        return float(-(self.weight * chosen).sum())


def best_temperature(parts: Sequence[HeldOut]) -> float:
    """The temperature of least log loss over all parts, in [e^-3, e^3].

    Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    found = minimize_scalar(
        lambda log_t: sum(part.loss(float(np.exp(log_t))) for part in parts), bounds=(-3, 3), method="bounded"
    )
    return float(np.exp(found.x))


class StrategyRanker(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Ranks fix strategies for signatures: multinomial logistic regression over named, transferable features.

    `C` is the inverse strength of regularisation. A feature is used where at least `min_groups` causes in at least
    `min_projects` projects show it, so that no project's own words are learned by heart. `names` are all strategies
    that an answer should list; those without data share a small mass. After `fit`: `classes_`, `columns_`, `coef_`,
    `intercept_`, `temperature_` (1 until `calibrate`).
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        min_groups: int = 4,
        min_projects: int = 2,
        names: tuple[str, ...] = (),
        max_iter: int = 300,
    ) -> None:
        self.C = C
        self.min_groups = min_groups
        self.min_projects = min_projects
        self.names = names
        self.max_iter = max_iter

    def fit(
        self,
        X: Sequence[Signature],
        y: Sequence[str],
        *,
        groups: Sequence[str] | None = None,
        projects: Sequence[str] | None = None,
    ) -> Self:
        """Learn from signatures `X` and strategy names `y`.

        groups: the cause of each trace; each cause weighs 1 in all, however many traces it has (None: each trace is
        a cause of its own). projects: whose trace it is (None: features of a single project are used). Raises
        `UsageError` for fewer than two strategies, or where no feature is shown often enough.
        """
        labels = np.asarray(y)
        if len(set(y)) < 2:
            raise UsageError("ranking needs errors of at least two strategies", hint="give more data")
        causes = list(groups) if groups is not None else [str(i) for i in range(len(X))]
        self.columns_ = self._columns(X, causes, list(projects) if projects is not None else None)
        if not self.columns_:
            raise UsageError(
                f"no feature is shown by {self.min_groups} causes", hint="give more data, or lower min_groups"
            )
        counts: dict[str, int] = defaultdict(int)
        for cause in causes:
            counts[cause] += 1
        weight = np.asarray([1 / counts[cause] for cause in causes])
        model = LogisticRegression(C=self.C, max_iter=self.max_iter)
        model.fit(self._matrix(X), labels, sample_weight=weight)
        self.classes_ = model.classes_
        binary = len(self.classes_) == 2  # scikit-learn keeps one row for two classes
        self.coef_ = np.vstack([-model.coef_[0], model.coef_[0]]) / 2 if binary else model.coef_
        self.intercept_ = np.array([-model.intercept_[0], model.intercept_[0]]) / 2 if binary else model.intercept_
        self.temperature_ = 1.0
        self.causes_ = len(counts)
        return self

    def _columns(self, X: Sequence[Signature], causes: list[str], projects: list[str] | None) -> dict[str, int]:
        seen_in: dict[str, set[str]] = defaultdict(set)
        seen_at: dict[str, set[str]] = defaultdict(set)
        for row, signature in enumerate(X):
            for name in features_of(signature):
                seen_in[name].add(causes[row])
                seen_at[name].add(projects[row] if projects is not None else "")
        enough = min(self.min_projects, len(set(projects))) if projects is not None else 1
        kept = sorted(
            name for name, told in seen_in.items() if len(told) >= self.min_groups and len(seen_at[name]) >= enough
        )
        return {name: index for index, name in enumerate(kept)}

    def _matrix(self, X: Sequence[Signature]) -> csr_matrix:
        rows = matrix_columns(X, self.columns_)
        lengths = [max(1.0, len(row) ** 0.5) for row in rows]
        data = np.concatenate([np.full(len(row), 1 / length) for row, length in zip(rows, lengths, strict=True)])
        indices = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        return csr_matrix((data, indices, starts), shape=(len(rows), len(self.columns_)))

    def decision_function(self, X: Sequence[Signature]) -> NDArray[np.float64]:
        """Scores of shape (n, classes), before the temperature."""
        check_is_fitted(self)
        scores: NDArray[np.float64] = self._matrix(X) @ self.coef_.T + self.intercept_
        return scores

    def calibrate(self, X: Sequence[Signature], y: Sequence[str], *, groups: Sequence[str] | None = None) -> Self:
        """Set the temperature that gives the least log loss on errors that were not trained on.

        Errors of strategies that were not trained on are left out. Raises `UsageError` where none is left.
        """
        self.temperature_ = best_temperature([self.held_out(X, y, groups=groups)])
        return self

    def held_out(self, X: Sequence[Signature], y: Sequence[str], *, groups: Sequence[str] | None = None) -> HeldOut:
        """What this ranker says of errors that it was not trained on, for `best_temperature`."""
        known = {name: index for index, name in enumerate(self.classes_)}
        rows = [row for row, name in enumerate(y) if name in known]
        if not rows:
            raise UsageError("no error to calibrate on is of a known strategy", hint="give a tune split with more data")
        causes = [groups[row] if groups is not None else str(row) for row in rows]
        counts = Counter(causes)
        return HeldOut(
            scores=self.decision_function([X[row] for row in rows]),
            truth=np.asarray([known[y[row]] for row in rows]),
            weight=np.asarray([1 / counts[cause] for cause in causes]),
        )

    def predict_proba(self, X: Sequence[Signature]) -> NDArray[np.float64]:
        """p(strategy) of shape (n, classes), in the order of `classes_`."""
        check_is_fitted(self)
        return self.export().probabilities(X)

    def predict(self, X: Sequence[Signature]) -> NDArray[np.str_]:
        """The likeliest strategy of each."""
        shares = self.predict_proba(X)
        best: NDArray[np.str_] = self.classes_[shares.argmax(axis=1)]
        return best

    def export(self) -> LinearRanker:
        """What serves: plain arrays and names."""
        check_is_fitted(self)
        classes = tuple(str(name) for name in self.classes_)
        unseen = tuple(name for name in self.names if name not in classes)
        weights, bias = self.coef_.astype(np.float32), self.intercept_.astype(np.float32)
        content = hashlib.sha256(weights.tobytes() + bias.tobytes() + f"{self.temperature_:.6f}".encode())
        return LinearRanker(
            classes=classes,
            unseen=unseen,
            columns=self.columns_,
            weights=weights,
            bias=bias,
            temperature=self.temperature_,
            rest=len(unseen) / (self.causes_ + len(unseen)),  # Laplace: one imagined error of each
            version=f"linear-{content.hexdigest()[:8]}",
        )
