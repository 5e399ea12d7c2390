"""Which errors have the same cause: at arrival (`OnlineGrouper`), in a batch (`ems_ml.group.batch`), in pairs."""

from ems_ml.group.index import ExemplarIndex, HeldExemplars
from ems_ml.group.online import OnlineGrouper, new_pattern_id
from ems_ml.group.pairs import FEATURE_NAMES, PairModel, pair_features
from ems_ml.group.plan import plan_of
from ems_ml.group.regroup import arrive_again

__all__ = [
    "FEATURE_NAMES",
    "ExemplarIndex",
    "HeldExemplars",
    "OnlineGrouper",
    "PairModel",
    "arrive_again",
    "new_pattern_id",
    "pair_features",
    "plan_of",
]
