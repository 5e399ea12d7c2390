"""guard_empty: tests for empty, length or range before access."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from ems_ml.ports import SourceTree
from ems_ml.source.change import Edit, edits
from ems_ml.source.guards import guards
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_TYPES = ("IndexError", "ZeroDivisionError", "ValueError", "StopIteration", "StatisticsError")


class GuardEmpty:
    name = "guard_empty"

    def recognise(self, before: str, after: str) -> float:
        """High for an added test of a length, an index or plain truth of what is then indexed or divided by."""
        found = edits(before, after)
        return max(*(self._fits(edit.before, edit.after) for edit in found), _guards(found), 0.0, 0.0)

    def _fits(self, before: ast.AST | None, after: ast.AST | None) -> float:
        if isinstance(after, ast.If | ast.IfExp) and not isinstance(before, ast.If | ast.IfExp):
            return _how_empty(after.test)
        if isinstance(after, ast.BoolOp) and before is not None:
            added = after.values if not isinstance(before, ast.BoolOp) else after.values[len(before.values) :]
            return max((_how_empty(value) - 0.05 for value in added if _how_empty(value) > 0.7), default=0.0)
        if base.call_name(after) in ("max", "min", "next") and isinstance(after, ast.Call):
            extra = len(after.args) + len(after.keywords)
            old = len(before.args) + len(before.keywords) if isinstance(before, ast.Call) else 0
            return 0.75 if extra > old >= 1 else 0.0
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Takes away tests of length or emptiness, and defaults of `max`, `min`, `next`."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if not isinstance(statement, ast.If) or base.raises(statement.body):
                continue  # a check that raises is validate_input
            if _how_empty(statement.test) > 0.7 and not statement.orelse:
                negative = isinstance(statement.test, ast.UnaryOp) or base.leaves(statement.body)
                text = module.deleted(statement) if negative else module.unwrapped(statement, statement.body)
                yield from base.plant(module, self.name, statement, text, "drops a test for emptiness or length")
        for node in base.expressions(module):
            if isinstance(node, ast.IfExp) and _how_empty(node.test) > 0.7:
                kept = node.orelse if isinstance(node.test, ast.UnaryOp) else node.body
                text = module.replace(node, base.operand(module, kept))
                yield from base.plant(module, self.name, node, text, "drops an expression's test for emptiness")
            elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) and _how_empty(node.values[0]) > 0.7:
                rest = module.text[module.span(node.values[1])[0] : module.span(node.values[-1])[1]]
                text = module.replace(node, rest)
                yield from base.plant(module, self.name, node, text, "drops a clause that tests for emptiness")
            elif base.call_name(node) == "next" and isinstance(node, ast.Call) and len(node.args) == 2:
                text = module.replace(node, f"next({module.segment(node.args[0])})")
                yield from base.plant(module, self.name, node, text, "drops the default of `next`")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where an index is out of range, something is empty or a divisor is 0: an early exit or a condition."""
        kind, message = event.error.short_type, event.error.message
        if kind not in _TYPES or (
            kind == "ValueError" and not any(w in message for w in ("empty", "unpack", "min()", "max()"))
        ):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            statement = place.statement
            if statement is None:
                continue
            for node, test, fallback in _needs(place, event.error.short_type):
                step = place.module.step
                for way, score in base.early_exits(place):
                    lines = [f"if not {test}:", f"{step}{way}"]
                    text = place.module.inserted_before(statement, lines)
                    yield from base.offer(place, self.name, text, f"Stop where {test} is empty", score)
                for default, score in fallback:
                    text = place.module.replace(node, f"({place.module.segment(node)} if {test} else {default})")
                    yield from base.offer(place, self.name, text, f"Answer {default} where {test} is empty", score)
                text = place.module.wrapped([statement], [f"if {test}:"])
                yield from base.offer(place, self.name, text, f"Do this only where {test} holds something", 0.4)


def _needs(place: base.Place, kind: str) -> Iterator[tuple[ast.expr, str, tuple[tuple[str, float], ...]]]:
    """Expressions that need something to be there: what to test, and what may stand in for them."""
    module = place.module
    for node in place.expressions:
        if kind == "ZeroDivisionError":
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod):
                yield node, base.operand(module, node.right), (("0", 0.7), ("0.0", 0.4), ("None", 0.3))
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and base.simple(node.value):
            held = module.segment(node.value)
            index = node.slice
            if isinstance(index, ast.Constant) and isinstance(index.value, int) and index.value > 0:
                yield node, f"len({held}) > {index.value}", (("None", 0.6), ("''", 0.4), ("0", 0.3))
            elif isinstance(index, ast.Name):
                yield node, f"{index.id} < len({held})", (("None", 0.5), ("''", 0.35))
            else:
                yield node, held, (("None", 0.6), ("''", 0.4), ("0", 0.3))
        elif base.call_name(node) in ("max", "min", "next", "pop", "mean", "median") and isinstance(node, ast.Call):
            argument = node.args[0] if node.args else getattr(node.func, "value", None)
            if isinstance(argument, ast.expr) and base.simple(argument):
                yield node, module.segment(argument), (("None", 0.6), ("0", 0.5))


def _guards(found: Sequence[Edit]) -> float:
    """How far new plain truth tests, `if x:`, stand before an item, a loop or a length of `x`, or what wraps `len`."""
    uses = {use for edit in found for _, use in guards(edit)}
    if any(base.call_name(edit.after) == "len" and edit.field in ("test", "values") for edit in found):
        return 0.9
    return 0.82 if "container" in uses else 0.0


def _how_empty(test: ast.AST) -> float:
    """How surely a test asks whether something is empty or long enough."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _how_empty(test.operand)
        return max(inner, 0.75 if base.simple(test.operand) else 0.0)
    if isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        if any(base.call_name(side) == "len" for side in sides):
            return 0.95
        zero = any(isinstance(s, ast.Constant) and s.value == 0 and s.value is not False for s in sides)
        empty = any(
            (isinstance(s, ast.List | ast.Tuple) and not s.elts)
            or (isinstance(s, ast.Constant) and s.value in ("", b""))
            or (isinstance(s, ast.Dict) and not s.keys)
            for s in sides
        )
        return 0.85 if empty or zero else 0.0
    if base.call_name(test) == "len":
        return 0.9
    if isinstance(test, ast.BoolOp):
        return max(_how_empty(value) for value in test.values) - 0.1
    return 0.6 if base.simple(test) else 0.0


STRATEGY = GuardEmpty()
