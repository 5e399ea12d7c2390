"""correct_literal: changes a constant, format string, pattern or table entry."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal


class CorrectLiteral:
    name = "correct_literal"

    def recognise(self, before: str, after: str) -> float:
        """High where constants changed and nothing else did; docstrings do not count."""
        found = edits(before, after)
        told = [
            edit
            for edit in found
            if isinstance(edit.before, ast.Constant | None)
            and isinstance(edit.after, ast.Constant | None)
            and (edit.before is not None or isinstance(edit.parent, ast.Tuple | ast.List | ast.Set | ast.Dict))
            and not isinstance(edit.parent, ast.Expr)
            and not (isinstance(edit.before, ast.Constant) and edit.before.value is None)
        ]
        if not told:
            return 0.0
        return 0.82 if len(told) == len(found) else 0.4

    def inject(self, source: str) -> Iterator[Injection]:
        """Changes a number by one, a word in a table or a format, an entry of a pattern."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if not isinstance(node, ast.Constant) or base.in_condition(module, node):
                continue
            if not isinstance(module.parents[node], ast.Expr | ast.JoinedStr | ast.Subscript):
                for text in _mutants(module, node):
                    yield from base.plant(module, self.name, node, text, "changes a constant")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Numbers next to the one that stands at the raise point; strings cannot be guessed."""
        if event.error.short_type not in ("IndexError", "ValueError", "TypeError", "KeyError"):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            for node in place.expressions:
                if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 1000:
                    for other in (node.value - 1, node.value + 1):
                        if other >= 0:
                            text = place.module.replace(node, str(other))
                            yield from base.offer(place, self.name, text, f"Use {other} for {node.value}", 0.35)


def _mutants(module: Module, node: ast.Constant) -> Iterator[str]:
    written = module.segment(node)
    if type(node.value) is int and written.isdigit():
        yield module.replace(node, str(node.value + 1))
    elif isinstance(node.value, str) and len(node.value) > 1 and "\n" not in written and written[-2:-1].isalpha():
        yield module.replace(node, written[:-2] + written[-1])  # the word's last letter is lost
    elif isinstance(node.value, bool):
        yield module.replace(node, str(not node.value))


STRATEGY = CorrectLiteral()
