"""The same fault in another version of a package: the same strategy and text, in the function that it has become."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from ems_ml.harvest.plan import Reach, as_fault
from ems_ml.harvest.types import Fault
from ems_ml.ports import Strategy
from ems_ml.source.module import Module

NEAREST = 0.6  # difflib's ratio of two functions' lines, from which one may be the other, moved or renamed
NO_FUNCTION = "no function like it"
MANY_FUNCTIONS = "several functions as like it"
NO_LINE = "its lines are not there"
NOT_PLANTED = "its strategy does not plant it there"
NOT_REACHED = "no test reaches it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A function, a class, or a whole file (name ""); `lines` without layout, the first at 0-based `start`."""

    file: str
    name: str
    kind: type[ast.AST]
    start: int
    lines: tuple[str, ...]

    def holds(self, line: int) -> bool:
        return self.start <= line <= self.start + len(self.lines)  # what is added at its end is in it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """What was found; without a fault, `why` says what is missing. `moved`: its function has another name or file."""

    fault: Fault | None = None
    why: str = ""
    moved: bool = False


def scopes(file: str, source: str) -> Iterator[Scope]:
    """The file itself, then each class and function in it."""
    lines = tuple(line.strip() for line in source.splitlines())
    yield Scope(file=file, name="", kind=ast.Module, start=0, lines=lines)

    def walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[Scope]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(child, names)
                continue
            own = (*names, child.name)
            start = min((child.lineno, *(one.lineno for one in child.decorator_list))) - 1
            kind = ast.ClassDef if isinstance(child, ast.ClassDef) else ast.FunctionDef
            yield Scope(file=file, name=".".join(own), kind=kind, start=start, lines=lines[start : child.end_lineno])
            yield from walk(child, own)

    module = Module.of(source)
    if module is not None:  # a package may hold files that are no Python of today
        yield from walk(module.tree, ())


@dataclass(slots=True, kw_only=True)
class Counterparts:
    """Finds in one version of a package the faults of another.

    package: this version, `NAME==VERSION`. sources, reach: its healthy files and which tests run their lines. `tell`
    hears of a strategy that fails. Files are compared by their path below `root`, the folder that is imported from.
    """

    package: str
    sources: Mapping[str, str]
    reach: Reach
    root: str
    strategies: Sequence[Strategy]
    tell: Callable[[str], None]
    _scopes: list[Scope] = field(default_factory=list)
    _offered: dict[tuple[str, str], list[Fault]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scopes = [scope for file, source in self.sources.items() for scope in scopes(file, source)]

    def of(self, fault: Fault, healthy: str, root: str) -> Counterpart:
        """The counterpart of another version's fault; `healthy` is its file there, and `root` what is imported from.

        It has the same strategy, and the same lines are replaced by the same, layout aside, in the function of the
        same file and name, or where there is none, in the one whose text is nearest. Of several in one function it is
        the one that stands where the function's lines, put side by side, say.
        """
        there = _scope_of(fault, healthy)
        found = self._scope(there, _below(fault.file, root))
        if len(found) != 1:
            return Counterpart(why=MANY_FUNCTIONS if found else NO_FUNCTION)
        (here,) = found
        before, _ = changed = _change(fault, healthy)
        if not _contains(here.lines, before):
            return Counterpart(why=NO_LINE)
        text = self.sources[here.file]
        same = [
            one
            for one in self._offers(fault.strategy, here.file)
            if one.function == here.name and here.holds(one.start) and _change(one, text) == changed
            if _condition(one) == _condition(fault)
        ]
        if not same:
            return Counterpart(why=NOT_PLANTED)
        reached = [one for one in same if self.reach.choose(one, text, 1)]
        if not reached:
            return Counterpart(why=NOT_REACHED)
        place = here.start + _across(there.lines, here.lines, fault.start - there.start)
        best = min(reached, key=lambda one: abs(one.start - place))
        moved = (_below(here.file, self.root), here.name) != (_below(fault.file, root), there.name)
        return Counterpart(fault=best, moved=moved)

    def _scope(self, there: Scope, file: str) -> list[Scope]:
        """What a function of another version has become: none, one, or several as near."""
        alike = [scope for scope in self._scopes if scope.kind is there.kind]
        named = [scope for scope in alike if (_below(scope.file, self.root), scope.name) == (file, there.name)]
        if len(named) == 1:
            return named
        matcher: SequenceMatcher[str] = SequenceMatcher(autojunk=False)
        matcher.set_seq2(there.lines)
        best, found = 0.0 if named else NEAREST, list[Scope]()
        for scope in named or alike:
            matcher.set_seq1(scope.lines)
            if matcher.real_quick_ratio() < best or matcher.quick_ratio() < best:
                continue
            ratio = matcher.ratio()
            if ratio >= best:
                found = [*found, scope] if ratio == best else [scope]
                best = ratio
        return found

    def _offers(self, name: str, file: str) -> list[Fault]:
        """All that a strategy offers in a file, asked once."""
        if (name, file) not in self._offered:
            faults: list[Fault] = []
            try:
                for strategy in self.strategies:
                    if strategy.name == name:
                        made = (
                            as_fault(self.package, file, self.sources[file], one)
                            for one in strategy.inject(self.sources[file])
                        )
                        faults += [fault for fault in made if fault is not None]
            except Exception as error:  # strategies may come from anybody: one that fails costs its own faults only
                self.tell(f"{name} cannot inject into {file}: {type(error).__name__}: {error}")
            self._offered[name, file] = faults
        return self._offered[name, file]


def _below(file: str, root: str) -> str:
    return file.removeprefix(f"{root}/")


def _scope_of(fault: Fault, healthy: str) -> Scope:
    """The function, class or file that a fault stands in; of those of one name the one with its lines."""
    named = [scope for scope in scopes(fault.file, healthy) if scope.name == fault.function]
    holding = [scope for scope in named if scope.holds(fault.start)]
    return (holding or named or list(scopes(fault.file, healthy)))[0]


def _change(fault: Fault, healthy: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The replaced and the new lines, layout aside."""
    replaced = healthy.splitlines()[fault.start : fault.end]
    before, after = (tuple(line.strip() for line in lines if line.strip()) for lines in (replaced, fault.lines))
    return before, after


def _condition(fault: Fault) -> tuple[str, str, str] | None:
    one = fault.condition
    return None if one is None else (one.kind, one.target, one.value)


def _contains(lines: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the lines of a part stand in a row, blank ones aside."""
    full = [line for line in lines if line]
    return any(tuple(full[at : at + len(part)]) == tuple(part) for at in range(len(full) - len(part) + 1))


def _across(there: Sequence[str], here: Sequence[str], line: int) -> int:
    """Where a line has gone when both texts are put side by side; where it has no partner, after the last that has."""
    place = 0
    for a, b, size in SequenceMatcher(None, there, here, autojunk=False).get_matching_blocks():
        if a > line:
            break
        place = b + min(line - a, size)
    return place
