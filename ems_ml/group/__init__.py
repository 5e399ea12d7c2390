"""Which errors have the same cause: at arrival (`OnlineGrouper`), in a batch (`ems_ml.group.batch`), in pairs."""

from ems_ml.group.index import ExemplarIndex, HeldExemplars
from ems_ml.group.online import OnlineGrouper, new_pattern_id
from ems_ml.group.pairs import FEATURE_NAMES, PairModel, pair_features

__all__ = [
    "FEATURE_NAMES",
    "ExemplarIndex",
    "HeldExemplars",
    "OnlineGrouper",
    "PairModel",
    "new_pattern_id",
    "pair_features",
]
