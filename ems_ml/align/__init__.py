"""Matching the frames of two traces: what stands in both, in order, and how alike the whole is."""

from ems_ml.align.frames import Alignment, align, common_prefix, fast_similarity

__all__ = ["Alignment", "align", "common_prefix", "fast_similarity"]
