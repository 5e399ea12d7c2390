"""Which faults to plant, in which order, and which tests to run for each."""

from __future__ import annotations

import ast
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ems_ml.harvest.types import Fault, fault_id
from ems_ml.ports import Strategy
from ems_ml.types import Condition, Injection

BATCH = 8  # injections that are asked for and shuffled together


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


def as_fault(package: str, file: str, healthy: str, injection: Injection) -> Fault | None:
    """An injection into a file of `NAME==VERSION` as a fault; None where it changes nothing or cannot be made real."""
    start, end, lines = edit(healthy, injection.source)
    condition = injection.condition
    if condition is not None:
        if f"/{condition.target.partition('.')[0]}/" in f"/{file.removesuffix('.py')}/":
            return None  # a package cannot lack itself
        start, end = injection.line - 1, injection.line - 1 + condition.lines
        lines = tuple(healthy.splitlines(keepends=True)[start:end])
    if not lines and end == start:
        return None
    told = () if condition is None else (condition.kind, condition.target, condition.value)
    return Fault(
        id=fault_id(package, file, injection.strategy, start, end, lines, *told),
        strategy=injection.strategy,
        file=file,
        start=start,
        end=end,
        lines=lines,
        line=injection.line,
        function=injection.function,
        note=injection.note,
        condition=condition,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A seeded, endless-as-needed draw of faults in which no strategy, file or function swamps.

    The strategies take turns, and within each the files do; at most `per_place` faults of one strategy are taken from
    one function. Injections are asked for in small batches, because each costs a parse of the whole file. Iterating
    again gives the same faults in the same order. `tell` hears of a strategy that fails.
    """

    package: str
    sources: Mapping[str, str]
    reach: Reach
    strategies: Sequence[Strategy]
    seed: int
    per_place: int
    tell: Callable[[str], None]

    def __iter__(self) -> Iterator[Fault]:
        turns = {strategy.name: self._of(strategy) for strategy in self.strategies}
        taken: set[tuple[str, int, int, tuple[str, ...], Condition | None]] = set()
        while turns:
            for name in list(turns):
                fault = next(turns[name], None)
                if fault is None:
                    del turns[name]
                elif (change := (fault.file, fault.start, fault.end, fault.lines, fault.condition)) not in taken:
                    taken.add(change)
                    yield fault

    def _of(self, strategy: Strategy) -> Iterator[Fault]:
        """What one strategy offers, one file after another in turns."""
        chance = random.Random(f"{self.seed}-{self.package}-{strategy.name}")
        files = sorted(self.sources)
        chance.shuffle(files)
        turns = {file: self._in(strategy, file, random.Random(chance.random())) for file in files}
        while turns:
            for file in list(turns):
                fault = next(turns[file], None)
                if fault is None:
                    del turns[file]
                else:
                    yield fault

    def _in(self, strategy: Strategy, file: str, chance: random.Random) -> Iterator[Fault]:
        """What one strategy offers in one file, on lines that tests reach."""
        healthy = self.sources[file]
        places: dict[str, int] = defaultdict(int)
        try:
            offered = (self._fault(file, healthy, injection) for injection in strategy.inject(healthy))
            reached = (fault for fault in offered if fault is not None)
            while batch := list(itertools.islice(reached, BATCH)):
                chance.shuffle(batch)
                for fault in batch:
                    if places[fault.function] < self.per_place:
                        places[fault.function] += 1
                        yield fault
        except Exception as error:  # strategies may come from anybody: one that fails costs its own faults only
            self.tell(f"{strategy.name} cannot inject into {file}: {type(error).__name__}: {error}")

    def _fault(self, file: str, healthy: str, injection: Injection) -> Fault | None:
        fault = as_fault(self.package, file, healthy, injection)
        return fault if fault is not None and self.reach.choose(fault, healthy, 1) else None
