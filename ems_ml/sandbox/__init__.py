"""Bounded, isolated processes: limits on time, memory, processes and files; no network; nothing of ours to write to."""

from ems_ml.sandbox.process import Running, isolation, run, start
from ems_ml.sandbox.tree import copy_tree, hand_over
from ems_ml.sandbox.types import SANDBOX_UID, Completed, Isolation, Limits

__all__ = [
    "SANDBOX_UID",
    "Completed",
    "Isolation",
    "Limits",
    "Running",
    "copy_tree",
    "hand_over",
    "isolation",
    "run",
    "start",
]
