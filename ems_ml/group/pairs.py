"""p(same cause) of two errors: features of a pair, and the trained model that reads them.

`PairModel` serves from plain arrays; `ems_ml.group.fitting` fits it with scikit-learn.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.align import Alignment, align, in_a_row
from ems_ml.errors import ModelError
from ems_ml.group.common import Commonness, Counts
from ems_ml.group.forest import Forest
from ems_ml.group.views import View, view
from ems_ml.types import FrameKey, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FEATURE_NAMES = (
    "same exact signature",
    "same exception type",
    "chains of types alike",
    "message templates alike",
    "words in one template only",
    "same message",
    "messages alike",
    "words in one message only",
    "same raising line",
    "same file at the raise point",
    "raising lines alike in shape",
    "raising lines alike in words",
    "same application line",
    "application lines alike in words",
    "application lines alike in shape",
    "same application file",
    "frames in a row from the raise point",
    "lines in a row from the raise point",
    "share of lines in a row",
    "share of frames in a row",
    "share of application frames in a row",
    "share of application lines in a row",
    "lines in common, rare ones more",
    "frames in common, rare ones more",
    "frames in common",
    "application lines in common",
    "lengths alike",
    "application lengths alike",
    "share of lines in a row from the entry",
    "frames of the shorter",
    "frames below the application, here",
    "frames below the application, there",
    "embeddings alike",
    "how common the raising line is",
    "how common the application line is",
    "how common the template is",
    "how common the type is",
    "how common the exact signature is",
    "errors known before",
)
ROW = 8  # frames in a row beyond which more say no more
NOTHING_KNOWN = Commonness()


def pair_features(a: Signature, va: Floats, b: Signature, vb: Floats, common: Commonness = NOTHING_KNOWN) -> Floats:
    """What speaks for and against one cause, in the order of `FEATURE_NAMES`; `a` is the arriving one.

    Shares and likenesses are in [0, 1] (embeddings in [-1, 1]), counts of frames and words are counts. `common`
    says how many of the project's exemplars show a part. No line number is read.
    """
    features: Floats = features_beside(a, va, [(b, vb)], common)[0]
    return features


def features_beside(
    a: Signature, va: Floats, others: Sequence[tuple[Signature, Floats]], common: Commonness = NOTHING_KNOWN
) -> Floats:
    """`pair_features` of an arriving error and each of `others`, shape (len(others), len(FEATURE_NAMES))."""
    here, there = view(a), [view(b) for b, _ in others]
    weights = _Weights(here, there, common)
    rows = [_features(here, b, float(np.dot(va, vb)), weights) for b, (_, vb) in zip(there, others, strict=True)]
    return np.asarray(rows, dtype=np.float32).reshape(len(rows), len(FEATURE_NAMES))


class _Weights:
    """How rare each part of some errors is in the project, looked up once for all pairs with the arriving one."""

    def __init__(self, here: View, there: Sequence[View], common: Commonness) -> None:
        self.sites = _rarity([here.site_set, *(b.site_set for b in there)], common.sites, common.total)
        self.places = _rarity([here.place_set, *(b.place_set for b in there)], common.places, common.total)
        seen = max(1, common.total)
        (top,), (own_top,) = common.sites.of(here.sites[:1] or [0]), common.sites.of(here.own_sites[:1] or [0])
        self.arriving = (
            top / seen,
            own_top / seen,
            *(
                counts.of([key])[0] / seen
                for counts, key in (
                    (common.templates, here.template_key),
                    (common.types, here.type_key),
                    (common.exact, here.exact_key),
                )
            ),
            math.log1p(common.total),
        )
        self.of_sites = _summed(here.site_set, self.sites)
        self.of_places = _summed(here.place_set, self.places)


def _features(a: View, b: View, cosine: float, weights: _Weights) -> tuple[float, ...]:
    one, two = a.signature, b.signature
    here, there = len(a.places), len(b.places)
    own_here, own_there = len(a.own_sites), len(b.own_sites)
    shorter, own_shorter = max(1, min(here, there)), max(1, min(own_here, own_there))
    places, sites = in_a_row(a.places, b.places), in_a_row(a.sites, b.sites)
    own_places, own_sites = in_a_row(a.own_places, b.own_places), in_a_row(a.own_sites, b.own_sites)
    return (
        one.exact == two.exact,
        one.type == two.type,
        _alike(a.types, b.types),
        _alike(a.template_words, b.template_words),
        len(a.template_words ^ b.template_words),
        one.message == two.message,
        _alike(a.message_words, b.message_words),
        len(a.message_words ^ b.message_words),
        bool(sites),
        bool(a.top and b.top and a.top.file == b.top.file),
        _alike(a.top_shape, b.top_shape) if a.top and b.top else 0.0,
        _alike(a.top_words, b.top_words) if a.top and b.top else 0.0,
        bool(own_sites),
        _alike(a.own_words, b.own_words) if a.own_top and b.own_top else 0.0,
        _alike(a.own_shape, b.own_shape) if a.own_top and b.own_top else 0.0,
        bool(a.own_top and b.own_top and a.own_top.file == b.own_top.file),
        min(places, ROW),
        min(sites, ROW),
        sites / shorter,
        places / shorter,
        own_places / own_shorter,
        own_sites / own_shorter,
        _rare_alike(a.site_set, b.site_set, weights.sites, weights.of_sites),
        _rare_alike(a.place_set, b.place_set, weights.places, weights.of_places),
        _alike(a.place_set, b.place_set),
        _alike(a.own_site_set, b.own_site_set),
        min(here, there) / max(1, here, there),
        min(own_here, own_there) / max(1, own_here, own_there),
        min(in_a_row(a.own_sites[::-1], b.own_sites[::-1]), ROW) / own_shorter,
        min(here, there),
        a.below,
        b.below,
        cosine,
        *weights.arriving,
    )


@dataclass(frozen=True)
class PairModel:
    """A forest over `FEATURE_NAMES`: p(same cause) of two errors, calibrated. A pattern is as likely as its likeliest
    example.
    """

    forest: Forest
    version: str

    def raw(self, features: Floats) -> NDArray[np.float64]:
        """Log-odds, shape (n,), of pairs of shape (n, len(FEATURE_NAMES))."""
        return self.forest.raw(features)

    def predict(self, features: Floats) -> NDArray[np.float64]:
        """p(same cause), shape (n,)."""
        return self.forest.predict(features)

    def pulls(self, features: Floats) -> dict[str, float]:
        """How far each feature moved one pair's log-odds."""
        return dict(zip(FEATURE_NAMES, self.forest.pulls(features).tolist(), strict=True))

    def save(self, folder: Path) -> None:
        """Writes `pairs.json` and `pairs.npz` into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {"version": self.version, "features": FEATURE_NAMES}
        (folder / "pairs.json").write_text(json.dumps(about, indent=1) + "\n")
        np.savez_compressed(folder / "pairs.npz", **self.forest.arrays())  # type: ignore[arg-type]  # a stub's keyword

    @classmethod
    def load(cls, folder: Path) -> PairModel:
        """Reads what `save` wrote. Raises `ModelError` where it is missing, broken or made for other features."""
        try:
            about = json.loads((folder / "pairs.json").read_text())
            version, told = str(about["version"]), tuple(about["features"])
            if told == FEATURE_NAMES:
                with (folder / "pairs.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    return cls(forest=Forest.from_arrays(arrays, len(FEATURE_NAMES)), version=version)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"the grouping model in {folder} cannot be read: {error}", hint="run `ems train`, or reinstall ems-ml"
            ) from error
        raise ModelError(
            f"the grouping model in {folder} was made for other features", hint="run `ems train` to make a new one"
        )


def content_version(*arrays: NDArray[np.generic]) -> str:
    """Eight hex digits that change with the arrays' content."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:8]


def differences(a: Signature, b: Signature) -> tuple[list[str], list[str], Alignment]:
    """What matched and what differed between two errors, in words, and their frames side by side."""
    top_a, top_b = _last(a.frames), _last(b.frames)
    matched: list[str] = []
    differed: list[str] = []

    def say(same: bool, yes: str, no: str) -> None:
        (matched if same else differed).append(yes if same else no)

    say(a.type == b.type, f"exception type {a.type}", f"exception type: {a.type} / {b.type}")
    say(a.template == b.template, "message", f"message: {a.template!r} / {b.template!r}")
    if top_a and top_b:
        here, there = f"{top_a.file}:{top_a.function}", f"{top_b.file}:{top_b.function}"
        say(here == there, f"raise point {here}", f"raise point: {here} / {there}")
        say(_same_line(top_a, top_b), "the raising line", "the raising line")
    aligned = align(a.frames, b.frames)
    together = sum(1 for i, j in aligned.pairs if i is not None and j is not None)
    apart = len(aligned.pairs) - together
    if together:
        matched.append(f"{together} frame{'s' if together > 1 else ''}")
    if apart:
        differed.append(f"{apart} frame{'s' if apart > 1 else ''}")
    return matched, differed, aligned


def _last(frames: Sequence[FrameKey]) -> FrameKey | None:
    return frames[-1] if frames else None


def _same_line(a: FrameKey | None, b: FrameKey | None) -> bool:
    return bool(a and b and a.shape and a.shape == b.shape and a.words == b.words)


def _alike(a: frozenset[Any], b: frozenset[Any]) -> float:
    """Jaccard's likeness; two empty sets are alike."""
    both = len(a & b)
    whole = len(a) + len(b) - both
    return both / whole if whole else 1.0


def _rarity(sets: Sequence[frozenset[int]], seen: Counts, total: int) -> dict[int, float]:
    """The log of how rare each part is: what it weighs."""
    parts = list(frozenset[int]().union(*sets))
    return {part: math.log((total + 2) / (count + 1)) for part, count in zip(parts, seen.of(parts), strict=True)}


def _summed(parts: frozenset[int], weights: Mapping[int, float]) -> float:
    return sum(map(weights.__getitem__, parts))


def _rare_alike(a: frozenset[int], b: frozenset[int], weights: Mapping[int, float], of_a: float) -> float:
    """Jaccard's likeness in which a part weighs the log of how rare it is; `of_a` is what all of `a` weighs."""
    both = _summed(a & b, weights)
    whole = of_a + _summed(b, weights) - both
    return both / whole if whole else 0.0
