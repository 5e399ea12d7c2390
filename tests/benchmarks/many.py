"""As many different errors of one project as are asked for, made from the shapes of real ones by a seed.

A real error of the training packages is told in the names of another *component*: each component renames a share of
all words by a rule of its own, the same in each of its errors. So errors have the lengths, the recursion and the common
frames of real ones, are near to others of their component and to the same shape in other components, and all differ.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from common import splits

from ems_ml.embed import StaticEncoder
from ems_ml.types import FrameKey, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

RENAMED = 0.3  # share of the words that a component names otherwise
_WORD = re.compile(r"[A-Za-z_]{3,}")


def shapes() -> list[Signature]:
    """The real errors of the training packages, one of each exact signature."""
    return list({one.exact: one for one in splits()["train"].signatures}.values())


class Component:
    """One component's names. Frames and lines of text are told and encoded once, since errors share them."""

    def __init__(self, number: int, real: list[Signature], encoder: StaticEncoder, vocabulary: list[str]) -> None:
        self.number, self._real, self._encoder, self._vocabulary = number, real, encoder, vocabulary
        self._words: dict[str, str] = {}
        self._frames: dict[FrameKey, FrameKey] = {}
        self._lines: dict[str, NDArray[np.float32]] = {}

    def error(self, shape: int, *, other: random.Random | None = None) -> tuple[Signature, NDArray[np.float32]]:
        """A shape in this component's names with its vector. `other`: with one more word that is named otherwise."""
        real = self._real[shape]
        frames = tuple(self._frame(frame) for frame in real.frames)
        template = self.renamed(real.template)
        text = self.renamed(real.text)
        if other is not None and frames:
            fresh = f"{other.choice(self._vocabulary)}_{other.choice(self._vocabulary)}"
            at = other.randrange(len(frames))
            text = text.replace(f" {frames[at].function} ", f" {fresh} ", 1)
            frames = (*frames[:at], replace(frames[at], function=fresh), *frames[at + 1 :])
        exact = f"{zlib.crc32(text.encode()):08x}{self.number:08x}{real.exact[:16]}"
        made = replace(
            real, frames=frames, template=template, message=self.renamed(real.message), text=text, exact=exact
        )
        return made, self._vector(text)

    def renamed(self, text: str) -> str:
        return _WORD.sub(self._renamed_word, text)

    def _renamed_word(self, match: re.Match[str]) -> str:
        word = match.group()
        if word not in self._words:
            draw = random.Random(f"{self.number} {word}")
            self._words[word] = draw.choice(self._vocabulary) if draw.random() < RENAMED else word
        return self._words[word]

    def _frame(self, frame: FrameKey) -> FrameKey:
        if frame not in self._frames:
            self._frames[frame] = replace(
                frame,
                file=self.renamed(frame.file),
                function=self.renamed(frame.function),
                words=tuple(self.renamed(word) for word in frame.words),
            )
        return self._frames[frame]

    def _vector(self, text: str) -> NDArray[np.float32]:
        """Near what the encoder says of the text, and much faster: the mean of its lines' vectors by their lengths."""
        lines = text.split("\n")
        fresh = [line for line in dict.fromkeys(lines) if line not in self._lines]
        vectors = self._encoder.encode_texts(fresh) if fresh else []
        self._lines.update((line, len(line) * vector) for line, vector in zip(fresh, vectors, strict=True))
        whole = np.sum([self._lines[line] for line in lines], axis=0, dtype=np.float32)
        length = float(np.linalg.norm(whole))
        return whole / length if length else whole


def components(count: int, real: list[Signature], encoder: StaticEncoder) -> Iterator[Component]:
    """The components that hold `count` errors of different shape and name."""
    vocabulary = sorted({word for one in real[::7] for word in _WORD.findall(one.text)})
    for number in range(-(-count // len(real))):
        yield Component(number, real, encoder, vocabulary)
