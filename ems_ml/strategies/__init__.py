"""One idea of a fix a file, seen from three sides: recognised in a diff, its absence injected, itself proposed.

`load_strategies` gives those built in and those that other packages add by the entry point group
`ems_ml.strategies`; `recognise` is the one arbiter of what a change did, `recognise_undoing` of what a commit did that
no file shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import entry_points

from ems_ml.errors import UsageError
from ems_ml.ports import HistoryStrategy, Strategy
from ems_ml.source.signs import signs
from ems_ml.source.wording import wording
from ems_ml.strategies.arbiter import plain_order, shipped_arbiter
from ems_ml.strategies.environment import is_script
from ems_ml.strategies.names import STRATEGIES, STRATEGY_NAMES

__all__ = [
    "BUILT_IN",
    "STRATEGIES",
    "STRATEGY_NAMES",
    "load_strategies",
    "read_change",
    "recognise",
    "recognise_commit",
    "recognise_undoing",
]

LEAST = 0.01  # of probability; a less likely name is not told

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
    """What the change of one file did, as `recognise_commit` has it."""
    return recognise_commit([(before, after)], strategies)


def recognise_commit(files: Sequence[tuple[str, str]], strategies: Iterable[Strategy]) -> list[tuple[str, float]]:
    """What a change of one or more files did as a whole: names with scores in (0, 1], best first.

    files: each one's text before and after. Empty where no strategy knows anything in it. For Python code a score is
    how likely that name is the primary one, as the trained arbiter has it; a strategy of another package, which it
    does not know, stands where its own score puts it beside the best of ours. For requirements, scripts and settings,
    and for code that cannot be parsed, it is the strategy's own score, of equals the more specific first.
    """
    known = [*strategies]
    told, scores, differing = read_change(files, known)
    order = plain_order(scores)
    if not order or not told:
        return [(name, scores[name]) for name in order]
    likely = {
        name: probability
        for name, probability in shipped_arbiter().probabilities(told, scores, differing).items()
        if name in scores and probability >= LEAST
    }
    ours = max((score for name, score in scores.items() if name in STRATEGY_NAMES), default=0.0)
    best = max(likely.values(), default=1.0)
    others = {name: scores[name] for name in order if name not in STRATEGY_NAMES}
    likely |= {name: min(1.0, best * score / ours) if ours else score for name, score in others.items()}
    return sorted(likely.items(), key=lambda pair: (-pair[1], order.index(pair[0]) if pair[0] in order else len(order)))


def read_change(
    files: Sequence[tuple[str, str]], strategies: Iterable[Strategy]
) -> tuple[Counter[str], dict[str, float], int]:
    """What the arbiter judges a change by: its signs, each strategy's own score of it, and how many files differ."""
    told: Counter[str] = Counter()
    scores: dict[str, float] = {}
    differing = 0
    known = [*strategies]
    for before, after in files:
        found = Counter[str]() if is_script(before, after) else signs(before, after)
        if found:
            told.update(found)
            told.update(wording(before, after))
            differing += 1
        for strategy in known:
            scores[strategy.name] = max(strategy.recognise(before, after), scores.get(strategy.name, 0.0))
    return told, scores, differing


def recognise_undoing(message: str, undoes: str | None, strategies: Iterable[Strategy]) -> list[tuple[str, float]]:
    """What a commit did that its files alone do not show: names with scores in (0, 1], best first.

    undoes: the earlier commit that it takes back to the letter, where there is one.
    """
    scored = [
        (strategy.name, strategy.recognise_commit(message, undoes))
        for strategy in strategies
        if isinstance(strategy, HistoryStrategy)
    ]
    return sorted([pair for pair in scored if pair[1] > 0], key=lambda pair: -pair[1])
