"""EMS: an error management system that learns. `ems_ml.__all__` is the front door; all other names are private.

Each name is imported when it is first used, so that `import ems_ml` loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ems_ml.dataset import load_data
    from ems_ml.errors import EmsError
    from ems_ml.front.calls import classify, open_store, patterns
    from ems_ml.front.estimators import PatternGrouper, StrategyRanker, TraceEncoder, trace_texts
    from ems_ml.settings import Settings

    __version__: str

_WHERE = {
    "EmsError": "ems_ml.errors",
    "PatternGrouper": "ems_ml.front.estimators",
    "Settings": "ems_ml.settings",
    "StrategyRanker": "ems_ml.front.estimators",
    "TraceEncoder": "ems_ml.front.estimators",
    "classify": "ems_ml.front.calls",
    "load_data": "ems_ml.dataset",
    "open_store": "ems_ml.front.calls",
    "patterns": "ems_ml.front.calls",
    "trace_texts": "ems_ml.front.estimators",
}

__all__ = [
    "EmsError",
    "PatternGrouper",
    "Settings",
    "StrategyRanker",
    "TraceEncoder",
    "__version__",
    "classify",
    "load_data",
    "open_store",
    "patterns",
    "trace_texts",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("ems-ml")
    elif name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; see ems_ml.__all__")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
