"""What an encoder of ours reads of a signature: words marked by what they tell, and places as hashed units.

A bag of words cannot see which words stood together. So each line that was passed, each place, and the message as a
whole is one unit too, hashed into a fixed number of buckets: feature hashing (Weinberger et al., ICML 2009). A unit of
a project that was never seen has a bucket as any other, and an encoder learns how much such a unit weighs, not which.

`"trace-1"` is frozen once released, for a trained encoder holds weights for its words: the next way is another function
and another name in `TEXTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from zlib import crc32

from ems_ml.types import FrameKey, Signature

BUCKETS = 1024  # of each kind of unit
MAX_FRAMES = 12  # nearest the raise point
MAX_WORDS = 64  # of one kind
KINDS = "tmwaepr"  # of units: type, message, word of it, the raising line, lines before it, its place, places before it

#: Marks before a word: of the exception type, of the message, of the application's line nearest the raise point.
#: Words of other lines have none.
TYPE, MESSAGE, RAISED = "!", '"', ">"
UNIT = "@"

_WORDS = re.compile(r"<\w+>|[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d|[-+*/%&|^<>=!~]+")
_WHOLE = re.compile(r"\w+")


def trace_text(signature: Signature) -> str:
    """The document of `"trace-1"`; "" for a signature of which nothing is known.

    >>> from ems_ml.types import FrameKey, Role
    >>> where = dict(file="shop/prices.py", function="priceOf", role=Role.APP, in_app=True)
    >>> frame = FrameKey(**where, words=("name", "prices"))
    >>> known = dict(version="v1", language="python", types=("KeyError",), message="'tea'", exact="", text="")
    >>> print(trace_text(Signature(type="KeyError", template="<str>", frames=(frame,), **known)))
    @t2f1 !key !error
    @m3bb "<str> @w3f9
    @a0f6 @p1ca >name >prices >price >of
    """
    frames = signature.frames
    own = [frame for frame in frames if frame.in_app] or frames
    own = own[: -MAX_FRAMES - 1 : -1]
    lines = []
    if signature.type:
        lines.append([unit("t", signature.type), *_marked(TYPE, words_of(signature.type))])
    if signature.template:
        whole = _once(unit("w", word) for word in _WHOLE.findall(signature.template))
        lines.append([unit("m", signature.template), *_marked(MESSAGE, _once(words_of(signature.template))), *whole])
    if own:
        (line, place), before = _units(own[0]), [_units(frame) for frame in own[1:]]
        lines.append([f"@a{line}", f"@p{place}", *_marked(RAISED, _once((*own[0].words, *words_of(own[0].function))))])
        lines.append(_once(f"@e{line}" for line, _ in before) + _once(f"@r{place}" for _, place in before))
    others = frames[: -MAX_FRAMES - 1 : -1][1:]
    lines.append(_once(word for frame in others for word in (*frame.words, *words_of(frame.function))))
    return "\n".join(" ".join(line) for line in lines if line)


def signature_text(signature: Signature) -> str:
    """The document that the normalizer wrote, which encoders for prose read."""
    return signature.text


#: What an encoder that is trained now reads.
NEWEST = "trace-1"
#: How a signature becomes a text, by the name that an encoder's folder tells.
TEXTS: Mapping[str, Callable[[Signature], str]] = {NEWEST: trace_text, "signature": signature_text}


@lru_cache(maxsize=16_384)
def words_of(name: str) -> tuple[str, ...]:
    """Lower-cased words of an identifier, a path or a message, cut at case and underscore; digits and operators alone.

    >>> words_of("parseHTTPHeader_2 != <int>")
    ('parse', 'http', 'header', '2', '!=', '<int>')
    """
    return tuple(word.lower() for word in _WORDS.findall(name))


def unit(kind: str, *parts: str) -> str:
    """The token of a unit: `@`, its kind (one of `KINDS`), its bucket below `BUCKETS` as three hexadecimal digits."""
    return f"{UNIT}{kind}{bucket(*parts)}"


def bucket(*parts: str) -> str:
    """Three hexadecimal digits below `BUCKETS`, the same on every machine."""
    return f"{crc32(chr(31).join(parts).encode('utf-8', 'replace')) % BUCKETS:03x}"


def units() -> list[str]:
    """Every token that `unit` can give."""
    return [f"{UNIT}{kind}{number:03x}" for kind in KINDS for number in range(BUCKETS)]


@lru_cache(maxsize=65_536)
def _units(frame: FrameKey) -> tuple[str, str]:
    """The buckets of a frame's line and of its place."""
    return (
        bucket(frame.file, frame.function, " ".join(frame.shape), " ".join(frame.words)),
        bucket(frame.file, frame.function),
    )


def _marked(mark: str, words: Iterable[str]) -> list[str]:
    return [mark + word for word in words]


def _once(words: Iterable[str]) -> list[str]:
    """Each word once, in order of appearance, up to `MAX_WORDS`: how often one stands in a trace says little."""
    return list(dict.fromkeys(words))[:MAX_WORDS]
