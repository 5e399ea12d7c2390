"""reorder_statements: does a thing earlier, later or deferred, under a lock, in another scope."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ems_ml.ports import SourceTree
from ems_ml.source.change import Edit, dump, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Delete)
_LONGEST = 12  # lines of a statement that is moved


def _moved_within(found: Sequence[Edit]) -> float:
    """The share of the changed statements, at whatever depth, that went from one place to another."""
    gone = Counter(text for edit in found for text in _statements_in(edit.before))
    come = Counter(text for edit in found for text in _statements_in(edit.after))
    moved = (gone & come).total()
    return moved / (gone.total() + come.total() - moved) if moved else 0.0


def _statements_in(node: ast.AST | None) -> Iterator[str]:
    for one in ast.walk(node) if node is not None else ():
        if isinstance(one, ast.stmt) and not isinstance(one, ast.Pass | ast.Return | ast.Continue | ast.Break):
            yield dump(one)


class ReorderStatements:
    name = "reorder_statements"

    def recognise(self, before: str, after: str) -> float:
        """Highest where the same statements stand in another order; less the more was changed besides."""
        removed: Counter[str] = Counter()
        added: Counter[str] = Counter()
        others = 0
        found = edits(before, after)
        for edit in found:
            gone, come = isinstance(edit.before, ast.stmt), isinstance(edit.after, ast.stmt)
            removed.update([dump(edit.before)] if gone else [])
            added.update([dump(edit.after)] if come else [])
            others += not gone and not come
        moved = (removed & added).total()
        if not moved:
            return 0.0 if len(found) < 2 else 0.5 * _moved_within(found)
        rest = (removed - added).total() + (added - removed).total() + others
        return 0.995 if not rest else 0.9 * moved / (moved + rest)

    def inject(self, source: str) -> Iterator[Injection]:
        """Swaps two statements of which the second needs what the first sets."""
        module = Module.of(source)
        if module is None:
            return
        for node in ast.walk(module.tree):
            for block in _blocks(node):
                for first, second in pairwise(block):
                    if _needs(second, first):
                        text = _moved(module, second, first)
                        yield from base.plant(module, self.name, first, text, "does a thing before what it needs")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where a name or attribute is not there yet: what sets it further down comes first."""
        missing = base.missing_attribute(event)
        name = base.missing_name(event) or (missing[1] if missing else None)
        if name is not None:
            yield from base.best(self._proposed(event, source, name))

    def _proposed(self, event: ErrorEvent, source: SourceTree, name: str) -> Iterator[Proposal]:
        for place in base.places(event, source):
            statement = place.statement
            if statement is None:
                continue
            block = place.module.block_of(statement)
            for later in block[block.index(statement) + 1 :]:
                if name in _sets(later):
                    text = _moved(place.module, later, statement)
                    yield from base.offer(place, self.name, text, f"Set {name} before it is used", 0.9)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block


def _sets(statement: ast.stmt) -> set[str]:
    """Names and attributes that a simple statement gives a value."""
    if not isinstance(statement, _SIMPLE):
        return set()
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    if isinstance(statement, ast.Expr) and base.call_name(statement.value) == "__init__":
        found.add("self")
    return found


def _needs(second: ast.stmt, first: ast.stmt) -> bool:
    """Whether `second` reads what `first` sets; never where it could not be moved before it."""
    movable = isinstance(second, (*_SIMPLE, ast.If, ast.For, ast.With))
    if not movable or (second.end_lineno or second.lineno) - second.lineno >= _LONGEST or _is_text(second):
        return False
    set_here = _sets(first)
    read = [node for node in ast.walk(second) if isinstance(node, ast.Name | ast.Attribute)]
    return any(
        isinstance(node.ctx, ast.Load) and (node.id if isinstance(node, ast.Name) else node.attr) in set_here
        for node in read
    )


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _moved(module: Module, later: ast.stmt, earlier: ast.stmt) -> str | None:
    """The text with a statement moved, whole lines and all, before an earlier one of its block."""
    if not module.owns_lines([later]) or not module.owns_lines([earlier]):
        return None
    start, end = module.line_span([later])
    target = module.line_span([earlier])[0]
    lines = module.text[start:end]
    if not lines.endswith("\n"):
        lines += module.newline
    return module.replaced((start, end, ""), (target, target, lines))


STRATEGY = ReorderStatements()
