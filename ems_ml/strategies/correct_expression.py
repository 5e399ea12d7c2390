"""correct_expression: changes a computed value, same structure: arithmetic, index, slice, attribute path."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_OTHER = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "//", ast.FloorDiv: "/", ast.Mod: "//"}


class CorrectExpression:
    name = "correct_expression"

    def recognise(self, before: str, after: str) -> float:
        """The last resort: some expression is another one now."""
        return max((_fits(edit.before, edit.after, edit.field) for edit in edits(before, after)), default=0.0)

    def inject(self, source: str) -> Iterator[Injection]:
        """Mutates arithmetic, an index or a slice."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if base.in_condition(module, node):
                continue  # that is correct_condition
            for text in _mutants(module, node):
                yield from base.plant(module, self.name, node, text, "mutates a computed value")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Turns arithmetic, indices and slices at the raise point."""
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        sure = event.error.short_type in ("IndexError", "TypeError", "ZeroDivisionError")
        for place in base.places(event, source):
            for node in place.expressions:
                for text in _mutants(place.module, node):
                    yield from base.offer(place, self.name, text, "Correct the expression", 0.6 if sure else 0.4)


def _mutants(module: Module, node: ast.expr) -> Iterator[str]:
    if (
        isinstance(node, ast.BinOp)
        and type(node.op) in _OTHER
        and not isinstance(node.left, ast.Constant | ast.JoinedStr)
    ):
        between = module.text[module.span(node.left)[1] : module.span(node.right)[0]]
        if "\n" not in between and "(" not in between and ")" not in between:
            new = f"{module.segment(node.left)} {_OTHER[type(node.op)]} {module.segment(node.right)}"
            yield module.replace(node, new)
        if isinstance(node.right, ast.Constant) and isinstance(node.op, ast.Add | ast.Sub):
            yield module.replace(node, base.operand(module, node.left))
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant | ast.Name | ast.UnaryOp | ast.BinOp):
        held, index = base.operand(module, node.value), node.slice
        if isinstance(index, ast.Constant) and isinstance(index.value, int) and not isinstance(index.value, bool):
            yield module.replace(node, f"{held}[{index.value + 1}]")
            if index.value > 0:
                yield module.replace(node, f"{held}[{index.value - 1}]")
        elif isinstance(index, ast.Name):
            yield module.replace(node, f"{held}[{index.id} + 1]")
            yield module.replace(node, f"{held}[{index.id} - 1]")
        elif isinstance(index, ast.UnaryOp) and module.segment(index) == "-1":
            yield module.replace(node, f"{held}[0]")
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield module.replace(node, module.segment(node.value))
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and base.simple(node.value):
        parent = module.parents[node]
        if getattr(parent, "func", None) is not node:
            yield module.replace(node, module.segment(node.value))


def _fits(before: ast.AST | None, after: ast.AST | None, field: str) -> float:
    if isinstance(after, ast.BinOp | ast.Subscript | ast.Slice | ast.operator | ast.Attribute) and before is not None:
        return 0.5
    if isinstance(before, ast.BinOp | ast.Subscript | ast.Slice | ast.Attribute) and isinstance(after, ast.expr):
        return 0.5
    if field in ("lower", "upper", "step", "slice", "op"):
        return 0.5
    if isinstance(before, ast.expr) and isinstance(after, ast.expr):
        return 0.35
    return 0.1 if before is not None or after is not None else 0.0


STRATEGY = CorrectExpression()
