"""The use cases: plain functions over a `System`, called alike by command line, API and dashboard.

They stand in a few files: `overviewing` and `reading` look, `acting` changes something, `tending` looks after the
installation, `judging` tells how good its models are. Each answers a frozen view (`ems_ml.service.views`) or a word of
the domain, and raises `EmsError`.
"""

from __future__ import annotations

from ems_ml.service.acting import ACTIONS, classify_batch, classify_report, classify_text, decide, fix, json_line
from ems_ml.service.judging import model_health
from ems_ml.service.overviewing import overview
from ems_ml.service.reading import Sort, list_patterns, pattern_detail
from ems_ml.service.tending import doctor, health

__all__ = [
    "ACTIONS",
    "Sort",
    "classify_batch",
    "classify_report",
    "classify_text",
    "decide",
    "doctor",
    "fix",
    "health",
    "json_line",
    "list_patterns",
    "model_health",
    "overview",
    "pattern_detail",
]
