"""guard_none: tests a value that is present but None (or unset) before it is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from ems_ml.ports import SourceTree
from ems_ml.source.change import Edit, dump, edits
from ems_ml.source.guards import guards
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal


class GuardNone:
    name = "guard_none"

    def recognise(self, before: str, after: str) -> float:
        """1 for an added test against None, less for `x or default` and for a truth test of what is no container."""
        found = edits(before, after)
        return max(*(self._fits(edit.before, edit.after) for edit in found), _guards(found), 0.0, 0.0)

    def _fits(self, before: ast.AST | None, after: ast.AST | None) -> float:
        if after is None:
            return 0.0
        if isinstance(after, ast.If) and not isinstance(before, ast.If) and _tests_none(after.test):
            return 0.95
        if isinstance(after, ast.IfExp) and not isinstance(before, ast.IfExp):
            return 0.95 if _tests_none(after.test) else 0.8 if base.simple(after.test) else 0.0
        if isinstance(after, ast.BoolOp) and not (before is not None and _tests_none(before)):
            added = after.values if not isinstance(before, ast.BoolOp) else after.values[len(before.values) :]
            if any(_tests_none(value) for value in added):
                return 0.9
            if isinstance(after.op, ast.Or) and before is not None and dump(after.values[0]) == dump(before):
                return 0.85
        if isinstance(after, ast.Compare) and before is not None and not isinstance(before, ast.Compare):
            return 0.9 if _tests_none(after) else 0.0
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Takes away tests against None: early exits, conditional expressions, `x or d`, clauses."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if (
                isinstance(statement, ast.If)
                and _tests_none(statement.test)
                and not isinstance(statement.test, ast.BoolOp)
            ):
                yield from self._without(module, statement)
        for node in base.expressions(module):
            if isinstance(node, ast.IfExp) and _tests_none(node.test):
                kept = node.orelse if _is_positive(node.test) else node.body
                text = module.replace(node, base.operand(module, kept))
                yield from base.plant(module, self.name, node, text, "drops a conditional expression's test for None")
            elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and len(node.values) == 2:
                if isinstance(node.values[1], ast.Constant | ast.List | ast.Dict | ast.Call | ast.Tuple):
                    parent = module.parents[node]
                    if not isinstance(parent, ast.If | ast.While | ast.BoolOp | ast.UnaryOp | ast.IfExp | ast.Assert):
                        text = module.replace(node, base.operand(module, node.values[0]))
                        yield from base.plant(module, self.name, node, text, "drops the default after `or`")
            elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) and _tests_none(node.values[0]):
                rest = module.text[module.span(node.values[1])[0] : module.span(node.values[-1])[1]]
                text = module.replace(node, rest)
                yield from base.plant(module, self.name, node, text, "drops a clause that tests for None")

    def _without(self, module: Module, statement: ast.If) -> Iterator[Injection]:
        if base.raises(statement.body) or base.raises(statement.orelse):
            return  # that is validate_input
        if statement.orelse:
            kept = statement.orelse if _is_positive(statement.test) else statement.body
            if len(kept) == 1 and isinstance(kept[0], ast.If) and kept is statement.orelse:
                return  # an elif chain
            text = module.unwrapped(statement, kept)
        elif _is_positive(statement.test):
            text = module.deleted(statement)
        else:
            text = module.unwrapped(statement, statement.body)
        yield from base.plant(module, self.name, statement, text, "drops a test for None")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where something was None: an early exit, a conditional expression, or a default."""
        if event.error.short_type not in ("AttributeError", "TypeError") or not base.about_none(event):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        attribute = base.missing_attribute(event)
        for place in base.places(event, source):
            for value, user in _used(place, attribute[1] if attribute else None):
                written = place.module.segment(value)
                statement = place.statement
                if statement is None:
                    continue
                for way, score in base.early_exits(place):
                    lines = [f"if {written} is None:", f"{place.module.step}{way}"]
                    text = place.module.inserted_before(statement, lines)
                    fit = score if place.depth == 0 else score * 0.7
                    yield from base.offer(place, self.name, text, f"Stop where {written} is None", fit)
                if not isinstance(statement, ast.If | ast.For | ast.While | ast.With):
                    for default, score in (("None", 0.5), ("''", 0.3), ("0", 0.2)):
                        text = place.module.replace(
                            user, f"({place.module.segment(user)} if {written} is not None else {default})"
                        )
                        yield from base.offer(
                            place, self.name, text, f"Answer {default} where {written} is None", score
                        )
                    text = place.module.wrapped([statement], [f"if {written} is not None:"])
                    yield from base.offer(place, self.name, text, f"Do this only where {written} is there", 0.55)
                for default, score in (("[]", 0.35), ("{}", 0.3), ("''", 0.3), ("0", 0.25)):
                    text = place.module.replace(value, f"({written} or {default})")
                    yield from base.offer(place, self.name, text, f"Take {default} where {written} is None", score)


def _guards(found: Sequence[Edit]) -> float:
    """How far new plain truth tests, `if x:`, stand before the use of an attribute of `x` or a call of it."""
    uses = {use for edit in found for _, use in guards(edit)}
    return 0.7 if uses == {"object"} else 0.5 if "object" in uses else 0.0


def _used(place: base.Place, attribute: str | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What may have been None, with the expression that used it."""
    for node in place.expressions:
        if attribute is not None:
            if isinstance(node, ast.Attribute) and node.attr == attribute and base.simple(node.value):
                yield node.value, _whole(place.module, node)
        elif isinstance(node, ast.Subscript) and base.simple(node.value):
            yield node.value, _whole(place.module, node)
        elif isinstance(node, ast.BinOp | ast.Compare):
            sides = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.left, *node.comparators]
            yield from ((side, node) for side in sides if base.simple(side))
        elif isinstance(node, ast.Call):
            yield from ((argument, node) for argument in node.args if base.simple(argument))
    statement = place.statement
    if attribute is None and isinstance(statement, ast.For) and base.simple(statement.iter):
        yield statement.iter, statement.iter


def _whole(module: Module, node: ast.expr) -> ast.expr:
    """The chain of attributes, items and calls that goes on from a node: `a.b` in `a.b.c()` -> all of it."""
    parent = module.parents.get(node)
    while (isinstance(parent, ast.Attribute | ast.Subscript) and parent.value is node) or (
        isinstance(parent, ast.Call) and parent.func is node
    ):
        node = parent
        parent = module.parents.get(node)
    return node


def _tests_none(test: ast.AST) -> bool:
    """`x is None`, `x is not None`, `x == None`, also below `not` and `and`/`or`."""
    if isinstance(test, ast.Compare):
        return any(base.is_none(side) for side in (test.left, *test.comparators))
    if isinstance(test, ast.UnaryOp):
        return _tests_none(test.operand)
    return isinstance(test, ast.BoolOp) and any(_tests_none(value) for value in test.values)


def _is_positive(test: ast.AST) -> bool:
    """Whether the test is true for None."""
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.Eq)


STRATEGY = GuardNone()
