"""Which faults to plant, in which order, and which tests to run for each."""

from __future__ import annotations

import ast
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ems_ml.harvest.types import Fault, fault_id
from ems_ml.ports import Strategy

MOST_PER_FILE = 3_000  # injections of one strategy in one file; more would only cost time


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which tests run which line: `lines[file][line]` are positions in `tests`."""

    tests: tuple[str, ...]
    lines: Mapping[str, Mapping[int, frozenset[int]]]

    def choose(self, fault: Fault, healthy: str, most: int) -> list[str]:
        """Up to `most` tests that can notice the fault, spread over test functions; [] where none reaches it.

        Those that run the changed lines or the statement that they belong to. What runs at import only is noticed
        by those that run the function whose head it is, the class that it stands in, or the file.
        """
        lines = self.lines.get(fault.file, {})
        inserted = fault.end == fault.start  # noticed by what runs the line before it or after it
        changed = range(fault.start, fault.start + 2) if inserted else range(fault.start + 1, fault.end + 1)
        for span in (changed, *_around(healthy, fault.start + 1)):
            found = sorted(set().union(*(lines.get(line, frozenset()) for line in span)))
            if found:
                return _spread([self.tests[index] for index in found], most, fault.id)
        return []


def _around(source: str, line: int) -> tuple[range, ...]:
    """The innermost statement at a line, and the class or module around it where that runs at import."""
    statements, scopes = _outline(source)
    inner = [span for span in statements if line in span]
    scope = min((span for span in scopes if line in span), key=len)
    spans = [min(inner, key=len)] if inner else []
    return (*spans, scope) if scopes[scope] else tuple(spans)


@lru_cache(maxsize=256)
def _outline(source: str) -> tuple[list[range], dict[range, bool]]:
    """The lines of each statement, and of each scope with whether its body runs at import."""
    statements: list[range] = []
    scopes = {range(1, source.count("\n") + 2): True}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt):
            continue
        statements.append(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            body = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            scopes[body] = isinstance(node, ast.ClassDef)
    return statements, scopes


def _spread(tests: Sequence[str], most: int, seed: str) -> list[str]:
    """A seeded choice that takes one of each test function before a second parameter set of any."""
    functions: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        functions[test.partition("[")[0]].append(test)
    chance = random.Random(seed)
    queues = [chance.sample(group, len(group)) for group in functions.values()]
    chance.shuffle(queues)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return sorted(itertools.islice((test for test in rounds if test is not None), most))


def edit(before: str, after: str) -> tuple[int, int, tuple[str, ...]]:
    """The one span of lines that differs: (start, end) in `before`, 0-based and end exclusive, and the new lines."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    start, most = 0, min(len(old), len(new))
    while start < most and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < most - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return start, len(old) - tail, tuple(new[start : len(new) - tail])


def candidates(
    package: str,
    sources: Mapping[str, str],
    reach: Reach,
    strategies: Iterable[Strategy],
    tell: Callable[[str], None],
) -> Iterator[Fault]:
    """Every fault that a strategy offers on code that tests reach. `tell` hears of a strategy that fails."""
    for strategy in strategies:
        for file, healthy in sources.items():
            try:
                for injection in itertools.islice(strategy.inject(healthy), MOST_PER_FILE):
                    start, end, lines = edit(healthy, injection.source)
                    fault = Fault(
                        id=fault_id(package, file, injection.strategy, start, end, lines),
                        strategy=injection.strategy,
                        file=file,
                        start=start,
                        end=end,
                        lines=lines,
                        line=injection.line,
                        function=injection.function,
                        note=injection.note,
                    )
                    if (lines or end > start) and reach.choose(fault, healthy, 1):
                        yield fault
            except Exception as error:  # strategies may come from anybody: one that fails costs its own faults only
                tell(f"{strategy.name} cannot inject into {file}: {type(error).__name__}: {error}")


def order(faults: Iterable[Fault], seed: int, per_place: int) -> list[Fault]:
    """A seeded order in which no strategy, file or function swamps: rarest strategy first, in turns.

    Within a strategy the files take turns, and at most `per_place` faults of one function are taken. Two strategies
    that offer the very same change leave it to the rarer one.
    """
    by_strategy: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        by_strategy[fault.strategy].append(fault)
    queues, taken = [], set()
    for strategy in sorted(by_strategy, key=lambda name: (len(by_strategy[name]), name)):
        fresh = [f for f in by_strategy[strategy] if (f.file, f.start, f.end, f.lines) not in taken]
        taken |= {(f.file, f.start, f.end, f.lines) for f in fresh}
        queues.append(_turns(fresh, random.Random(f"{seed}-{strategy}"), per_place))
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return [fault for fault in rounds if fault is not None]


def _turns(faults: list[Fault], chance: random.Random, per_place: int) -> list[Fault]:
    files: dict[str, list[Fault]] = defaultdict(list)
    places: dict[tuple[str, str], int] = defaultdict(int)
    for fault in chance.sample(faults, len(faults)):
        if places[fault.file, fault.function] < per_place:
            places[fault.file, fault.function] += 1
            files[fault.file].append(fault)
    queues = list(files.values())
    chance.shuffle(queues)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return [fault for fault in rounds if fault is not None]
