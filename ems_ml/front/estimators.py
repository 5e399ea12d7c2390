"""The estimators of the front door: scikit-learn's manners over texts, rows of `load_data()` or signatures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ems_ml.build.models import load_encoder, model_folders
from ems_ml.build.system import build
from ems_ml.dataset import event_from_row
from ems_ml.embed.text import trace_text
from ems_ml.errors import UsageError
from ems_ml.group import batch
from ems_ml.group.pairs import PairModel
from ems_ml.manifest import find_model
from ems_ml.ports import Encoder
from ems_ml.rank import model
from ems_ml.settings import load_settings
from ems_ml.types import RawReport, Signature

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Reports = Sequence[str | Mapping[str, Any] | Signature] | pd.DataFrame | pd.Series[Any]


def signatures(reports: Reports) -> list[Signature]:
    """What the models see of each report: a text is parsed, redacted and normalised, a row of `load_data()` normalised.

    A frame's rows, or a list's items, are texts, rows with `frames` or with `text`, or signatures (kept as they are).
    Raises `UsageError` for something else.
    """
    if isinstance(reports, str):
        raise UsageError("one text was given where a list of texts is expected", hint="give [text]")
    table: Any = reports
    items: Iterable[Any] = table.to_dict("records") if hasattr(table, "columns") else table
    system = build(load_settings())

    def read(item: Any) -> Signature:
        match item:
            case Signature():
                return item
            case str() | {"text": str()}:
                text = item if isinstance(item, str) else item["text"]
                return system.normalizer.normalize(system.understand(RawReport(text=text, source="python")))
            case {"frames": _, "chain": _}:
                return system.normalizer.normalize(event_from_row(item))
        raise UsageError(
            f"a {type(item).__name__} is no error report", hint="give texts, or rows of ems_ml.load_data()"
        )

    return [read(item) for item in items]


def trace_texts(reports: Reports) -> list[str]:
    """The texts that the shipped encoder reads, for `SentenceTransformer("models/encoder").encode(texts)`.

    >>> print(trace_texts(["KeyError: 'tea'"])[0])
    @t2f1 !key !error
    @m3bb "<str> @w3f9
    """
    return [trace_text(signature) for signature in signatures(reports)]


class TraceEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Error reports to vectors of shape (n, dimension), float32, of length 1 (0 for an empty report).

    The encoder is trained already, so `fit` learns nothing from the reports. encoder: an `ems_ml.ports.Encoder`;
    None: the one that `ems classify` uses. After `fit`: `encoder_`, `n_features_out_`.

    >>> vectors = TraceEncoder().fit_transform(["KeyError: 'tea'", "KeyError: 'milk'", "ZeroDivisionError: by zero"])
    >>> vectors.shape
    (3, 256)
    >>> bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2])
    True
    """

    def __init__(self, *, encoder: Encoder | None = None) -> None:
        self.encoder = encoder

    def fit(self, X: Reports, y: object = None) -> Self:
        """Loads the encoder; reads neither `X` nor `y`. Raises `ModelError`."""
        self.encoder_ = _encoder(self.encoder)
        self.n_features_out_ = self.encoder_.dimension
        return self

    def transform(self, X: Reports) -> NDArray[np.float32]:
        """One vector a report."""
        check_is_fitted(self)
        vectors: NDArray[np.float32] = self.encoder_.encode(signatures(X))
        return vectors

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """`trace0`, `trace1`, ..."""
        check_is_fitted(self)
        return np.asarray([f"trace{column}" for column in range(self.n_features_out_)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")


class PatternGrouper(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Clusters of reports with the same cause. All pairs are judged up to 2,000 reports, beyond that the near ones.

    threshold: the p(same cause) in (0, 1) that two clusters must reach on average to be one. model: a `PairModel`,
    encoder: an `ems_ml.ports.Encoder`; None: those that `ems classify` uses. After `fit`: `labels_` of shape (n,).

    >>> trace = '''Traceback (most recent call last):
    ...   File "shop/prices.py", line 3, in price_of
    ...     return prices[name]
    ... KeyError: {!r}'''
    >>> PatternGrouper().fit_predict([trace.format("tea"), "OSError: disk full", trace.format("milk")]).tolist()
    [0, 1, 0]
    """

    def __init__(
        self, *, model: PairModel | None = None, encoder: Encoder | None = None, threshold: float = 0.5
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.threshold = threshold

    def fit(self, X: Reports, y: object = None) -> Self:
        """Cluster the reports `X`; `y` is ignored. Raises `ModelError`, `UsageError`."""
        if not 0 < self.threshold < 1:
            raise UsageError(f"threshold {self.threshold} is not in (0, 1)", hint="0.5 is a fair start")
        pairs = self.model or PairModel.load(find_model("grouper", model_folders(load_settings()))[1])
        grouper = batch.PatternGrouper(model=pairs, encoder=_encoder(self.encoder), threshold=self.threshold)
        self.labels_: NDArray[np.int64] = grouper.fit(signatures(X)).labels_
        return self


class StrategyRanker(model.StrategyRanker):
    """A classifier of reports by the strategy that mends them: logistic regression over named features.

    `C` is the inverse strength of regularisation. A feature is used where at least `min_groups` causes in at least
    `min_projects` projects show it. `names` are strategies that `export()` should list beside the learned ones. After
    `fit`: `classes_`, `coef_`, `intercept_`, `columns_` (feature -> column), `temperature_` (1 until `calibrate`).

    >>> texts = [f"KeyError: {word!r}" for word in "abcdef"] + ["ZeroDivisionError: division by zero"] * 6
    >>> ranker = StrategyRanker().fit(texts, ["default_missing"] * 6 + ["guard_empty"] * 6)
    >>> ranker.predict(["KeyError: 'tea'"]).tolist()
    ['default_missing']
    >>> ranker.predict_proba(["KeyError: 'tea'"]).shape
    (1, 2)
    """

    def fit(
        self,
        X: Reports,
        y: Sequence[str],
        *,
        groups: Sequence[str] | None = None,
        projects: Sequence[str] | None = None,
    ) -> Self:
        """Learn from reports `X` and the names `y` of their strategies.

        groups: the cause of each report; each cause weighs 1 in all (None: each report is a cause of its own).
        projects: whose report it is. Raises `UsageError` for fewer than two strategies, or too few reports.
        """
        return super().fit(signatures(X), y, groups=groups, projects=projects)

    def decision_function(self, X: Reports) -> NDArray[np.float64]:
        """Scores of shape (n, classes), before the temperature."""
        return super().decision_function(signatures(X))

    def calibrate(self, X: Reports, y: Sequence[str], *, groups: Sequence[str] | None = None) -> Self:
        """Set the temperature that gives the least log loss on reports that were not trained on."""
        return super().calibrate(signatures(X), y, groups=groups)

    def predict_proba(self, X: Reports) -> NDArray[np.float64]:
        """p(strategy) of shape (n, classes), in the order of `classes_`."""
        return super().predict_proba(signatures(X))


def _encoder(given: Encoder | None) -> Encoder:
    return load_encoder(load_settings()) if given is None else given
