"""p(same cause) of two errors: features of a pair, and the trained model that reads them.

`PairModel` serves from plain arrays; `ems_ml.group.fitting` fits it with scikit-learn.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.align import Alignment, align, common_prefix, fast_similarity
from ems_ml.align.frames import places
from ems_ml.errors import ModelError
from ems_ml.types import FrameKey, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FEATURE_NAMES = (
    "same exact signature",
    "same exception type",
    "chains of types alike",
    "same message template",
    "message words alike",
    "same raise point",
    "same function at the raise point",
    "same file at the raise point",
    "raising lines alike in shape",
    "raising lines alike in words",
    "same raising line",
    "same raise point in the application",
    "raising lines in the application alike",
    "frames in common from the raise point",
    "application frames in common from the raise point",
    "frames aligned",
    "frames alike (FaST)",
    "any frame in common",
    "lengths alike",
    "embeddings alike",
)
_WORD = re.compile(r"\w+")


def pair_features(a: Signature, va: Floats, b: Signature, vb: Floats) -> Floats:
    """What speaks for one cause, in the order of `FEATURE_NAMES`; each in [0, 1] but the last ones in [-1, 1]."""
    left, right = places(a.frames), places(b.frames)
    top_a, top_b = _last(a.frames), _last(b.frames)
    app_a, app_b = _app(a.frames), _app(b.frames)
    own_a, own_b = places(app_a), places(app_b)
    last_a, last_b = _last(app_a), _last(app_b)
    shorter = max(1, min(len(left), len(right)))
    shorter_app = max(1, min(len(own_a), len(own_b)))
    values = (
        a.exact == b.exact,
        a.type == b.type,
        _jaccard(a.types, b.types),
        a.template == b.template,
        _jaccard(_WORD.findall(a.template), _WORD.findall(b.template)),
        _same_place(top_a, top_b),
        bool(top_a and top_b and top_a.function == top_b.function),
        bool(top_a and top_b and top_a.file == top_b.file),
        _shapes_alike(top_a, top_b),
        _words_alike(top_a, top_b),
        _same_line(top_a, top_b),
        _same_place(last_a, last_b),
        (_shapes_alike(last_a, last_b) + _words_alike(last_a, last_b)) / 2,
        common_prefix(left, right) / shorter,
        common_prefix(own_a, own_b) / shorter_app,
        align(a.frames, b.frames).share,
        fast_similarity(left, right),
        not set(left).isdisjoint(right),
        shorter / max(1, len(left), len(right)),
        float(np.dot(va, vb)),
    )
    return np.asarray(values, dtype=np.float32)


@dataclass(frozen=True)
class PairModel:
    """A logistic model over pair features: p(same cause) = 1 / (1 + exp(-(weights @ x + bias))), calibrated."""

    weights: NDArray[np.float64]  # (len(FEATURE_NAMES),)
    bias: float
    version: str

    def raw(self, features: Floats) -> NDArray[np.float64]:
        """Log-odds, shape (n,), of pairs of shape (n, len(FEATURE_NAMES))."""
        odds: NDArray[np.float64] = features @ self.weights + self.bias
        return odds

    def predict(self, features: Floats) -> NDArray[np.float64]:
        """p(same cause), shape (n,)."""
        shares: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(self.raw(features), -30, 30)))
        return shares

    def save(self, folder: Path) -> None:
        """Writes `pairs.json` into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "version": self.version,
            "bias": self.bias,
            "weights": dict(zip(FEATURE_NAMES, self.weights.tolist(), strict=True)),
        }
        (folder / "pairs.json").write_text(json.dumps(about, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> PairModel:
        """Reads what `save` wrote. Raises `ModelError` where it is missing, broken or made for other features."""
        try:
            about = json.loads((folder / "pairs.json").read_text())
            weights, bias, version = dict(about["weights"]), float(about["bias"]), str(about["version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the grouping model in {folder} cannot be read: {error}", hint="run `ems train`, or reinstall ems-ml"
            ) from error
        if tuple(weights) != FEATURE_NAMES:
            raise ModelError(
                f"the grouping model in {folder} was made for other features", hint="run `ems train` to make a new one"
            )
        return cls(weights=np.asarray(list(weights.values()), dtype=np.float64), bias=bias, version=version)


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


def _app(frames: Sequence[FrameKey]) -> tuple[FrameKey, ...]:
    return tuple(frame for frame in frames if frame.in_app)


def _same_place(a: FrameKey | None, b: FrameKey | None) -> bool:
    return bool(a and b and (a.file, a.function) == (b.file, b.function))


def _same_line(a: FrameKey | None, b: FrameKey | None) -> bool:
    return bool(a and b and a.shape and a.shape == b.shape and a.words == b.words)


def _shapes_alike(a: FrameKey | None, b: FrameKey | None) -> float:
    return _jaccard(a.shape, b.shape) if a and b else 0.0


def _words_alike(a: FrameKey | None, b: FrameKey | None) -> float:
    return _jaccard(a.words, b.words) if a and b else 0.0


def _jaccard(a: Sequence[str], b: Sequence[str]) -> float:
    left, right = set(a), set(b)
    return len(left & right) / len(left | right) if left or right else 0.0
