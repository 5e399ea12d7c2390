"""correct_condition: changes a condition, comparison or filter that was wrong, where no more specific name fits."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import Edit, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_TESTS = ("test", "ifs")
_FLIPS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">"), ast.LtE: ("<", ">="), ast.Gt: (">=", "<"), ast.GtE: (">", "<="),
    ast.Eq: ("!=",), ast.NotEq: ("==",), ast.Is: ("is not",), ast.IsNot: ("is",),
    ast.In: ("not in",), ast.NotIn: ("in",),
}  # fmt: skip


class CorrectCondition:
    name = "correct_condition"

    def recognise(self, before: str, after: str) -> float:
        """High where a test, comparison or filter that was there before is another one now."""
        return max((self._fits(edit) for edit in edits(before, after)), default=0.0)

    def _fits(self, edit: Edit) -> float:
        if edit.before is None and not isinstance(edit.parent, ast.comprehension):
            if isinstance(edit.after, ast.If) and not edit.after.orelse:
                return 0.45
            return 0.6 if isinstance(edit.parent, ast.BoolOp) else 0.0
        if edit.field in _TESTS:
            return 0.8
        if isinstance(edit.parent, ast.BoolOp) or edit.field == "ops":
            return 0.8
        if isinstance(edit.parent, ast.UnaryOp) and isinstance(edit.parent.op, ast.Not):
            return 0.7
        if isinstance(edit.parent, ast.Compare) and _in_test(edit):
            return 0.6
        return 0.4 if isinstance(edit.after, ast.If) and isinstance(edit.before, ast.stmt) else 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Turns a comparison, `and` into `or`, drops a clause or a `not`."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            for text in _mutants(module, node):
                yield from base.plant(module, self.name, node, text, "mutates a condition")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Turns the conditions that led to the raise point, the nearest first."""
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            statement = place.statement
            if statement is None:
                continue
            tests = [(node, 0.5) for node in place.expressions]
            score = 0.6
            for parent in place.module.ancestors(statement):
                if isinstance(parent, ast.If | ast.While):
                    tests += [(node, score) for node in ast.walk(parent.test) if isinstance(node, ast.expr)]
                    score *= 0.8
                elif isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
                    earlier = [one for one in parent.body if isinstance(one, ast.If) and one.lineno < place.line]
                    for one in reversed(earlier[-3:]):
                        score *= 0.8
                        tests += [(node, score) for node in ast.walk(one.test) if isinstance(node, ast.expr)]
                    break
            for node, fit in tests:
                for text in _mutants(place.module, node):
                    yield from base.offer(place, self.name, text, "Correct the condition", fit)


def _mutants(module: Module, node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = module.segment(node.left), module.segment(node.comparators[0])
        between = module.text[module.span(node.left)[1] : module.span(node.comparators[0])[0]]
        if "\n" not in between and "(" not in between and ")" not in between:
            for operator in _FLIPS.get(type(node.ops[0]), ()):
                yield module.replace(node, f"{left} {operator} {right}")
    elif isinstance(node, ast.BoolOp):
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        first, second = node.values[0], node.values[1]
        start, end = module.span(first)[1], module.span(second)[0]
        if len(node.values) == 2 and module.text[start:end].count(word) == 1:
            yield module.replaced((start, end, module.text[start:end].replace(word, other)))
        if len(node.values) > 1 and isinstance(module.parents[node], ast.If | ast.While | ast.IfExp):
            kept = module.text[module.span(node)[0] : module.span(node.values[-2])[1]]
            yield module.replace(node, kept)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield module.replace(node, base.operand(module, node.operand))
    elif isinstance(module.parents.get(node), ast.If | ast.While) and base.simple(node):
        parent = module.parents[node]
        if isinstance(parent, ast.If | ast.While) and parent.test is node:
            yield module.replace(node, f"not {module.segment(node)}")


def _in_test(edit: Edit) -> bool:
    return any(kind in ("If", "While", "IfExp", "comprehension", "Assert", "BoolOp") for kind in edit.path[-3:])


STRATEGY = CorrectCondition()
