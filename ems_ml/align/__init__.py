"""Matching the frames of two traces: what stands in both, in order, and how alike the whole is."""

from ems_ml.align.frames import Alignment, align, fast_similarity, in_a_row

__all__ = ["Alignment", "align", "fast_similarity", "in_a_row"]
