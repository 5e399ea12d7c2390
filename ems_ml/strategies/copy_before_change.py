"""copy_before_change: copies, or iterates over a copy, before a shared thing changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import dump, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_COPIES = ("list", "dict", "set", "tuple", "sorted")
_CHANGED = ("changed size during iteration", "changed during iteration", "mutated during iteration", "keys changed")


class CopyBeforeChange:
    name = "copy_before_change"

    def recognise(self, before: str, after: str) -> float:
        """High where a loop now runs over a copy, or where `.copy()` was added."""
        best = 0.0
        for edit in edits(before, after):
            inner = _copied(edit.after)
            if inner is None or edit.before is None or dump(inner) != dump(edit.before):
                continue
            looped = edit.field == "iter" and isinstance(edit.parent, ast.For | ast.AsyncFor)
            explicit = base.call_name(edit.after) in ("copy", "deepcopy") or isinstance(edit.after, ast.Subscript)
            best = max(best, 0.99 if looped else 0.98 if explicit else 0.0)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Drops `.copy()`, `copy(x)`, `x[:]`, and `list(x)` around what a loop runs over."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            inner = _copied(node)
            if inner is None:
                continue
            parent = module.parents[node]
            looped = isinstance(parent, ast.For | ast.AsyncFor) and parent.iter is node
            if base.call_name(node) in _COPIES and not looped:
                continue
            text = module.replace(node, base.operand(module, inner))
            yield from base.plant(module, self.name, node, text, "drops a copy")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where a collection changed while a loop ran over it: the loop runs over a copy."""
        if any(told in event.error.message for told in _CHANGED):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            for node in place.expressions:
                loops = [node] if isinstance(place.statement, ast.For) and place.statement.iter is node else []
                loops += [one.iter for one in getattr(node, "generators", ())]
                for looped in loops:
                    text = place.module.replace(looped, f"list({place.module.segment(looped)})")
                    yield from base.offer(place, self.name, text, "Run over a copy", 0.95)


def _copied(node: ast.AST | None) -> ast.expr | None:
    """What an expression copies; None where it copies nothing."""
    if isinstance(node, ast.Call) and not node.keywords:
        name = base.call_name(node)
        if name in ("copy", "deepcopy"):
            if isinstance(node.func, ast.Attribute) and not node.args:
                return node.func.value
            return node.args[0] if len(node.args) == 1 else None
        if name in _COPIES and isinstance(node.func, ast.Name) and len(node.args) == 1:
            return node.args[0]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
        whole = node.slice
        return node.value if whole.lower is None and whole.upper is None and whole.step is None else None
    return None


STRATEGY = CopyBeforeChange()
