"""What pairs of errors are compared by: a signature read once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from ems_ml.align.frames import LIMIT
from ems_ml.types import FrameKey, Signature

VIEWS = 16_384  # signatures whose views are kept
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A signature for comparison. Lists have the raise point first.

    A *place* is a file and a function; a *site* is a place with the line that calls or raises there, told by its shape
    and words and never by its number, so that it stays through releases. Both are told by their `key_of`.
    """

    signature: Signature
    types: frozenset[str]
    template_words: frozenset[str]
    message_words: frozenset[str]
    places: tuple[int, ...]
    sites: tuple[int, ...]
    own_places: tuple[int, ...]  # of the application
    own_sites: tuple[int, ...]
    place_set: frozenset[int]
    site_set: frozenset[int]
    own_site_set: frozenset[int]
    top: FrameKey | None
    own_top: FrameKey | None
    top_shape: frozenset[str]
    top_words: frozenset[str]
    own_shape: frozenset[str]  # of `own_top`
    own_words: frozenset[str]
    below: int  # frames below the application's innermost
    template_key: int
    type_key: int
    exact_key: int


@lru_cache(maxsize=VIEWS)
def view(signature: Signature) -> View:
    """The view of a signature; the same one for the same signature while it is remembered."""
    frames = signature.frames[-LIMIT:][::-1]
    own = [frame for frame in frames if frame.in_app]
    places, sites = _places(frames), _sites(frames)
    own_places, own_sites = _places(own), _sites(own)
    top, own_top = next(iter(frames), None), next(iter(own), None)
    return View(
        signature=signature,
        types=frozenset(signature.types),
        template_words=frozenset(_WORD.findall(signature.template)),
        message_words=frozenset(_WORD.findall(signature.message)),
        places=places,
        sites=sites,
        own_places=own_places,
        own_sites=own_sites,
        place_set=frozenset(places),
        site_set=frozenset(sites),
        own_site_set=frozenset(own_sites),
        top=top,
        own_top=own_top,
        top_shape=frozenset(top.shape if top else ()),
        top_words=frozenset(top.words if top else ()),
        own_shape=frozenset(own_top.shape if own_top else ()),
        own_words=frozenset(own_top.words if own_top else ()),
        below=next((depth for depth, frame in enumerate(frames) if frame.in_app), len(frames)),
        template_key=key_of(signature.template),
        type_key=key_of(signature.type),
        exact_key=key_of(signature.exact),
    )


def own_site(signature: Signature) -> int | None:
    """The site of the application's innermost frame; one of its own for each own fingerprint of a client."""
    seen = view(signature)
    site = seen.own_sites[0] if seen.own_sites else None
    return key_of(signature.scope, str(site)) if signature.scope else site


def key_of(*parts: str) -> int:
    """A number of 63 bits that stands for these parts in every process, so that counts can be kept."""
    told = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "little") >> 1


def _places(frames: Sequence[FrameKey]) -> tuple[int, ...]:
    return tuple(key_of(frame.file, frame.function) for frame in frames)


def _sites(frames: Sequence[FrameKey]) -> tuple[int, ...]:
    return tuple(key_of(frame.file, frame.function, *frame.shape, "", *frame.words) for frame in frames)
