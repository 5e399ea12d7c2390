"""Encoders behind one port: `static` (the default), `transformer`, `tfidf` (the baseline), `cached` (around one)."""

from ems_ml.embed.cached import CachedEncoder
from ems_ml.embed.static import StaticEncoder

__all__ = ["CachedEncoder", "StaticEncoder"]
