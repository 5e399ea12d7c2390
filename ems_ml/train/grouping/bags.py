"""Similarities of two traces as bags: TF-IDF, and the cosine of an encoder's vectors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from ems_ml.align.frames import places
from ems_ml.ports import Encoder
from ems_ml.train.grouping.methods import PairMethod
from ems_ml.train.grouping.stream import Stream, lower
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_WORD = re.compile(r"[^\W\d_]{2,}|<\w+>")


def terms_of(signature: Signature, kind: str) -> Counter[str]:
    """The terms of a trace: its `frames` (after Lerch and Mezini, CSMR 2013), its `words`, or `both`."""
    told: Counter[str] = Counter()
    if kind in ("frames", "both"):
        told.update(f"{file}:{function}" for file, function in places(signature.frames))
    if kind in ("words", "both"):
        told.update(_WORD.findall(signature.text))
    return told


class Tfidf(PairMethod):
    """Cosine of the TF-IDF vectors; `idf = 1 + ln((1 + N) / (1 + df))` over the traces so far.

    corpus: traces of other projects, without any label. `background`: they are counted in `N` and `df` too.
    `root`: the square root of a term's count counts, else the count.
    """

    name = "TF-IDF"
    grid: ClassVar = {"terms": ("frames", "words", "both"), "background": (False, True), "root": (False, True)}
    start: ClassVar = {"terms": "both", "background": True, "root": True}

    def __init__(self, *, corpus: Sequence[Signature] = (), threshold: float = 1.0, **setting: Any) -> None:
        super().__init__(threshold=threshold, **setting)
        self.corpus = corpus
        self._counted: dict[str, Counter[str]] = {}

    def with_(self, setting: Mapping[str, Any]) -> Self:
        other = type(self)(corpus=self.corpus, threshold=self.threshold, **setting)
        other._counted = self._counted  # read once, by whichever needs it first
        return other

    def matrix(self, stream: Stream) -> Numbers:
        bags = [terms_of(signature, self.setting["terms"]) for signature in stream.signatures]
        column: dict[str, int] = {}
        for bag in bags:
            for term in bag:
                column.setdefault(term, len(column))
        counts = _counts(bags, column)
        if self.setting["root"]:
            counts = counts.sqrt()
        before, known = self._background(column)
        occurs = np.zeros(max(1, len(column)))
        squares, rows = counts.multiply(counts).tocsr(), []
        for i in range(len(bags)):
            mine = slice(counts.indptr[i], counts.indptr[i + 1])
            columns, values = counts.indices[mine], counts.data[mine]
            occurs[columns] += 1
            weight = (1 + np.log((1 + known + i + 1) / (1 + before + occurs))) ** 2
            query = np.zeros(len(occurs))
            query[columns] = values * weight[columns]
            lengths = np.sqrt(squares[: i + 1] @ weight)
            likeness = counts[:i] @ query
            length = lengths[:i] * lengths[i]
            rows.append(np.divide(likeness, length, out=np.zeros(i), where=length > 0))
        return lower(rows)

    def _background(self, column: Mapping[str, int]) -> tuple[Numbers, int]:
        """In how many traces of the corpus each column's term occurs, and how many traces it has."""
        occurs = np.zeros(max(1, len(column)))
        if not self.setting["background"]:
            return occurs, 0
        kind = self.setting["terms"]
        if kind not in self._counted:
            self._counted[kind] = Counter(term for signature in self.corpus for term in terms_of(signature, kind))
        counted = self._counted[kind]
        for term, place in column.items():
            occurs[place] = counted.get(term, 0)
        return occurs, len(self.corpus)


class Embedding(PairMethod):
    """The cosine of the encoder's vectors, and nothing else."""

    name = "embedding alone"

    def __init__(self, *, encoder: Encoder, threshold: float = 1.0) -> None:
        super().__init__(threshold=threshold)
        self.encoder = encoder

    def matrix(self, stream: Stream) -> Numbers:
        vectors = self.encoder.encode(stream.signatures).astype(np.float64)
        likeness = vectors @ vectors.T
        return lower([likeness[i, :i] for i in range(len(stream))])


def _counts(bags: Iterable[Counter[str]], column: Mapping[str, int]) -> csr_matrix:
    indices: list[int] = []
    data: list[int] = []
    ends = [0]
    for bag in bags:
        indices += [column[term] for term in bag]
        data += bag.values()
        ends.append(len(indices))
    return csr_matrix((np.asarray(data, dtype=np.float64), indices, ends), shape=(len(ends) - 1, max(1, len(column))))
