"""What is kept, and where: events, patterns, people's decisions, keys. SQLite by default, or PostgreSQL."""

from ems_ml.store.decisions import HumanDecision
from ems_ml.store.events import StoredEvent
from ems_ml.store.inbox import Waiting
from ems_ml.store.keys import SCOPES, Grant
from ems_ml.store.sql import SqlStore

__all__ = ["SCOPES", "Grant", "HumanDecision", "SqlStore", "StoredEvent", "Waiting"]
