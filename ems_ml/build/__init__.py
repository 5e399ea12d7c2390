"""Settings -> wired objects: the one place that names concrete classes, and the only one that the service imports.

`build(settings)` answers a `System` whose parts are made when they are first used. The other names here are what the
service needs from below. Each is imported at its first use, so that `ems classify` loads no more than it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ems_ml import versions
    from ems_ml.build.checks import examine
    from ems_ml.build.decided import DecisionsTrained, train_decisions
    from ems_ml.build.grouping import evaluate_grouping
    from ems_ml.build.learning import bring_reports, build_data, harvest, harvest_versions, replay_history, tell_history
    from ems_ml.build.models import model_folders
    from ems_ml.build.own import Looked, OwnTrained, look_at, train_own
    from ems_ml.build.regrouping import Planned, apply_regrouping, plan_regrouping, undo_regrouping
    from ems_ml.build.system import MEMORY, System, build
    from ems_ml.build.training import Trained, answer_rows, evaluate_models, train_models
    from ems_ml.fix import EXIT_CODES, verdict_to_json
    from ems_ml.harvest import Bars, Built, Ledger
    from ems_ml.ingest.envelope import Envelope, parse_envelope, parse_event, public_key, sentry_report
    from ems_ml.ingest.files import Reading, read_file, read_jsonl, read_stream, shorten
    from ems_ml.ingest.reportlog import reports_of_lines, tail_reportlog
    from ems_ml.ingest.tables import is_own_data
    from ems_ml.ingest.tables.gather import Gathered
    from ems_ml.ingest.unpack import decompress
    from ems_ml.monitor.health import bracketed, port_free
    from ems_ml.monitor.recovery import Backoff
    from ems_ml.monitor.resources import measure
    from ems_ml.monitor.types import Check, ProcessUse, Resources, State
    from ems_ml.pipeline import problem_to_json, result_to_json
    from ems_ml.store import SCOPES, StoredEvent, Waiting
    from ems_ml.strategies.names import STRATEGY_NAMES
    from ems_ml.train.tracking import can_track
    from ems_ml.versions import Version

_HOME: dict[str, tuple[str, ...]] = {
    "ems_ml.build.checks": ("examine",),
    "ems_ml.build.decided": ("DecisionsTrained", "train_decisions"),
    "ems_ml.build.grouping": ("evaluate_grouping",),
    "ems_ml.build.learning": (
        *("bring_reports", "build_data", "harvest", "harvest_versions", "replay_history", "tell_history"),
    ),
    "ems_ml.build.models": ("model_folders",),
    "ems_ml.build.own": ("Looked", "OwnTrained", "look_at", "train_own"),
    "ems_ml.build.regrouping": ("Planned", "apply_regrouping", "plan_regrouping", "undo_regrouping"),
    "ems_ml.build.system": ("MEMORY", "System", "build"),
    "ems_ml.build.training": ("Trained", "answer_rows", "evaluate_models", "train_models"),
    "ems_ml.harvest": ("Bars", "Built", "Ledger"),
    "ems_ml.fix": ("EXIT_CODES", "verdict_to_json"),
    "ems_ml.ingest.envelope": ("Envelope", "parse_envelope", "parse_event", "public_key", "sentry_report"),
    "ems_ml.ingest.files": ("Reading", "read_file", "read_jsonl", "read_stream", "shorten"),
    "ems_ml.ingest.reportlog": ("reports_of_lines", "tail_reportlog"),
    "ems_ml.ingest.tables": ("is_own_data",),
    "ems_ml.ingest.tables.gather": ("Gathered",),
    "ems_ml.ingest.unpack": ("decompress",),
    "ems_ml.monitor.health": ("bracketed", "port_free"),
    "ems_ml.monitor.recovery": ("Backoff",),
    "ems_ml.monitor.resources": ("measure",),
    "ems_ml.monitor.types": ("Check", "ProcessUse", "Resources", "State"),
    "ems_ml.pipeline": ("problem_to_json", "result_to_json"),
    "ems_ml.store": ("SCOPES", "StoredEvent", "Waiting"),
    "ems_ml.strategies.names": ("STRATEGY_NAMES",),
    "ems_ml.train.tracking": ("can_track",),
    "ems_ml.versions": ("Version",),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name of this module where it is first asked for."""
    if name == "versions":
        value = globals()[name] = import_module("ems_ml.versions")
        return value
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


__all__ = [
    "EXIT_CODES",
    "MEMORY",
    "SCOPES",
    "STRATEGY_NAMES",
    "Backoff",
    "Bars",
    "Built",
    "Check",
    "DecisionsTrained",
    "Envelope",
    "Gathered",
    "Ledger",
    "Looked",
    "OwnTrained",
    "Planned",
    "ProcessUse",
    "Reading",
    "Resources",
    "State",
    "StoredEvent",
    "System",
    "Trained",
    "Version",
    "Waiting",
    "answer_rows",
    "apply_regrouping",
    "bracketed",
    "bring_reports",
    "build",
    "build_data",
    "can_track",
    "decompress",
    "evaluate_grouping",
    "evaluate_models",
    "examine",
    "harvest",
    "harvest_versions",
    "is_own_data",
    "look_at",
    "measure",
    "model_folders",
    "parse_envelope",
    "parse_event",
    "plan_regrouping",
    "port_free",
    "problem_to_json",
    "public_key",
    "read_file",
    "read_jsonl",
    "read_stream",
    "replay_history",
    "reports_of_lines",
    "result_to_json",
    "sentry_report",
    "shorten",
    "tail_reportlog",
    "tell_history",
    "train_decisions",
    "train_models",
    "train_own",
    "undo_regrouping",
    "verdict_to_json",
    "versions",
]
