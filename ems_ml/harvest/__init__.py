"""Training data: faults planted in healthy, tested code, and the traces of the tests that they break."""

from ems_ml.harvest.compose import Built, build_dataset
from ems_ml.harvest.corpus import corpus_events, corpus_folder
from ems_ml.harvest.faults import Progress, harvest_faults
from ems_ml.harvest.progress import Bars
from ems_ml.harvest.releases import harvest_releases
from ems_ml.harvest.types import HARVEST_VERSION, Bounds, Ledger, PackageLedger, ReleaseLedger

__all__ = [
    "HARVEST_VERSION",
    "Bars",
    "Bounds",
    "Built",
    "Ledger",
    "PackageLedger",
    "Progress",
    "ReleaseLedger",
    "build_dataset",
    "corpus_events",
    "corpus_folder",
    "harvest_faults",
    "harvest_releases",
]
