"""One idea of a fix a file, seen from three sides: recognised in a diff, its absence injected, itself proposed.

`load_strategies` gives those built in and those that other packages add by the entry point group
`ems_ml.strategies`; `recognise` is the one arbiter of what a change did, `recognise_commit` of what a commit did that
no file shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points

from ems_ml.errors import UsageError
from ems_ml.ports import HistoryStrategy, Strategy
from ems_ml.strategies.names import STRATEGIES, STRATEGY_NAMES

__all__ = ["BUILT_IN", "STRATEGIES", "STRATEGY_NAMES", "load_strategies", "recognise", "recognise_commit"]

#: Those with a file of their own, the more specific first.
BUILT_IN = (
    "guard_none",
    "guard_empty",
    "default_missing",
    "catch_exception",
    "copy_before_change",
    "add_import",
    "initialise",
    "extend_interface",
    "validate_input",
    "relax_check",
    "handle_type",
    "convert_type",
    "handle_encoding",
    "release_resource",
    "reorder_statements",
    "replace_call",
    "correct_arguments",
    "correct_name",
    "correct_condition",
    "correct_literal",
    "correct_expression",
    "install_dependency",
    "pin_dependency",
    "fix_configuration",
    "grant_permission",
    "create_path",
    "raise_limit",
    "retry_transient",
    "revert_change",
)


def load_strategies() -> tuple[Strategy, ...]:
    """Every strategy that can act here, the more specific first.

    Raises `UsageError` for an entry point that takes a built-in name or does not have the three faces.
    """
    found: list[Strategy] = [import_module(f"ems_ml.strategies.{name}").STRATEGY for name in BUILT_IN]
    for point in entry_points(group="ems_ml.strategies"):
        strategy = point.load()
        if not isinstance(strategy, Strategy):
            raise UsageError(
                f"the entry point {point.name} of {point.value} is no strategy",
                hint="it needs `name`, `recognise`, `inject` and `propose`; see docs/implementation/strategies.md",
            )
        if strategy.name in STRATEGY_NAMES:
            raise UsageError(f"{point.value} takes the built-in name {strategy.name}", hint="give it a name of its own")
        found.append(strategy)
    return tuple(found)


def recognise(before: str, after: str, strategies: Iterable[Strategy]) -> list[tuple[str, float]]:
    """What the change of one file did: names with scores in (0, 1], best first; of equals the more specific first."""
    order = {name: rank for rank, name in enumerate(STRATEGY_NAMES)}
    scored = [(strategy.name, strategy.recognise(before, after)) for strategy in strategies]
    return sorted([pair for pair in scored if pair[1] > 0], key=lambda pair: (-pair[1], order.get(pair[0], len(order))))


def recognise_commit(message: str, undoes: str | None, strategies: Iterable[Strategy]) -> list[tuple[str, float]]:
    """What a commit did that its files alone do not show: names with scores in (0, 1], best first.

    undoes: the earlier commit that it takes back to the letter, where there is one.
    """
    scored = [
        (strategy.name, strategy.recognise_commit(message, undoes))
        for strategy in strategies
        if isinstance(strategy, HistoryStrategy)
    ]
    return sorted([pair for pair in scored if pair[1] > 0], key=lambda pair: -pair[1])
