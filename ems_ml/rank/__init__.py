"""Ordering the fix strategies for an error: `LinearRanker` serves what `ems_ml.rank.model.StrategyRanker` fitted."""

from ems_ml.rank.linear import LinearRanker

__all__ = ["LinearRanker"]
