"""The rules of today's trackers, as their makers describe them (`docs/implementation/grouping-evaluation.md`)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from ems_ml.align.frames import places
from ems_ml.train.grouping.methods import Rule
from ems_ml.train.grouping.stream import Stream
from ems_ml.types import FrameKey, Signature


class ExactSignature(Rule):
    """Our own first look: the same exact signature."""

    name = "exact signature"

    def keys(self, stream: Stream) -> list[tuple[Hashable, ...]]:
        return [(signature.exact,) for signature in stream.signatures]


class Bugsink(Rule):
    """Exception type and normalised message; the stack is not used."""

    name = "Bugsink's rule"

    def keys(self, stream: Stream) -> list[tuple[Hashable, ...]]:
        return [((signature.type, signature.template),) for signature in stream.signatures]


class Sentry(Rule):
    """Two hashes, of the in-app frames and of all frames; either may match. Types along the chain count with both.

    The message, its variable parts replaced, stands in for the stack where there are no frames. `line`: whether the
    source line of a frame counts (its shape and words, which is all that the data keep of it).
    """

    name = "Sentry-like rule"
    grid: ClassVar = {"line": (False, True)}
    start: ClassVar = {"line": False}

    def keys(self, stream: Stream) -> list[tuple[Hashable, ...]]:
        return [self._both(signature) for signature in stream.signatures]

    def _both(self, signature: Signature) -> tuple[Hashable, Hashable]:
        if not signature.frames:
            told = ("message", signature.types, signature.template)
            return told, told
        everything = tuple(self._frame(frame) for frame in signature.frames)
        in_app = tuple(self._frame(frame) for frame in signature.frames if frame.in_app)
        return ("app", signature.types, in_app or everything), ("all", signature.types, everything)

    def _frame(self, frame: FrameKey) -> Hashable:
        if self.setting["line"]:
            return frame.file, frame.function, frame.shape, frame.words
        return frame.file, frame.function


class Rollbar(Rule):
    """File and method of all frames, and the exception's class."""

    name = "Rollbar's rule"

    def keys(self, stream: Stream) -> list[tuple[Hashable, ...]]:
        return [((signature.type, tuple(places(signature.frames))),) for signature in stream.signatures]
