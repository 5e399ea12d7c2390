"""catch_exception: catches an exception, or one more kind, where it is expected, and recovers or translates it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal


class CatchException:
    name = "catch_exception"

    def recognise(self, before: str, after: str) -> float:
        """High for a new `try`, a new handler, or a handler that catches more."""
        best = 0.0
        for edit in edits(before, after):
            if isinstance(edit.after, ast.Try) and not isinstance(edit.before, ast.Try):
                best = max(best, 0.97 if edit.after.handlers else 0.2)
            elif isinstance(edit.after, ast.ExceptHandler) and edit.before is None:
                best = max(best, 0.97)
            elif edit.path[-1:] == ("ExceptHandler",) and edit.field == "type":
                best = max(best, 0.97 if _kinds(edit.after) > _kinds(edit.before) else 0.85)
            elif "ExceptHandler" in edit.path[-2:] and edit.field == "elts" and edit.before is None:
                best = max(best, 0.97)
            elif _suppresses(edit.after) and not _suppresses(edit.before):
                best = max(best, 0.975)
            elif edit.before is None and edit.field == "args" and base.call_name(edit.parent) in base.SUPPRESSES:
                best = max(best, 0.97)
            elif edit.before is None and edit.field == "elts" and _named_error(edit.after):
                best = max(best, 0.8)  # one more kind in a tuple that a handler names
            elif isinstance(edit.after, ast.stmt) and not isinstance(edit.before, ast.stmt) and _handles(edit.after):
                best = max(best, 0.8)  # deeper in what is new
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Unwraps a `try`, drops one of several handlers, or narrows what a handler catches."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if not isinstance(statement, ast.Try) or not statement.handlers:
                continue
            if not statement.finalbody and not statement.orelse and len(statement.handlers) == 1:
                text = module.unwrapped(statement, statement.body)
                yield from base.plant(module, self.name, statement, text, "drops the handler of an exception")
            for handler in statement.handlers:
                if isinstance(handler.type, ast.Tuple) and len(handler.type.elts) > 1:
                    for kept in handler.type.elts:
                        text = module.replace(handler.type, module.segment(kept))
                        yield from base.plant(module, self.name, handler, text, "narrows what a handler catches")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """A handler around the raising statement that does what the code around it would do for nothing."""
        kind = event.error.short_type
        if not kind or kind in ("SyntaxError", "IndentationError", "KeyboardInterrupt", "SystemExit", "MemoryError"):
            return
        yield from base.best(self._proposed(event, source, kind))

    def _proposed(self, event: ErrorEvent, source: SourceTree, kind: str) -> Iterator[Proposal]:
        for place in base.places(event, source):
            module, statement = place.module, place.statement
            if statement is None or isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            named = _written(module, kind)
            if named is None or isinstance(statement, ast.Raise):
                continue
            yield from self._widened(place, statement, named)
            ways = [*base.early_exits(place), ("pass", 0.3)]
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = module.segment(statement.targets[0])
                ways += [(f"{target} = {value}", score) for value, score in (("None", 0.5), ("''", 0.3), ("0", 0.3))]
            for way, score in ways:
                if isinstance(statement, ast.Return) and way == "pass":
                    continue
                tail = [f"except {named}:", f"{module.step}{way}"]
                text = module.wrapped([statement], ["try:"], tail)
                fit = score * (0.7 if place.depth == 0 else 0.9)
                yield from base.offer(place, self.name, text, f"Catch {kind} and {way}", fit)

    def _widened(self, place: base.Place, statement: ast.stmt, named: str) -> Iterator[Proposal]:
        """One more kind in a handler that stands around the statement already."""
        module = place.module
        for parent in module.ancestors(statement):
            if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
                return
            if not isinstance(parent, ast.Try) or not _inside(statement, parent.body, module):
                continue
            for handler in parent.handlers:
                if handler.type is None:
                    continue
                written = module.segment(handler.type)
                inner = written[1:-1].rstrip(", ") if isinstance(handler.type, ast.Tuple) else written
                text = module.replace(handler.type, f"({inner}, {named})")
                yield from base.offer(place, self.name, text, f"Also catch {named}", 0.9)


def _suppresses(node: ast.AST | None) -> bool:
    """`with suppress(...)`, or the call of it."""
    items = node.items if isinstance(node, ast.With | ast.AsyncWith) else ()
    return base.call_name(node) in base.SUPPRESSES or any(
        base.call_name(one.context_expr) in base.SUPPRESSES for one in items
    )


def _named_error(node: ast.AST | None) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.endswith(("Error", "Exception"))


def _handles(node: ast.AST) -> bool:
    return any(isinstance(one, ast.ExceptHandler) for one in ast.walk(node))


def _inside(statement: ast.stmt, block: list[ast.stmt], module: Module) -> bool:
    return statement in block or any(parent in block for parent in module.ancestors(statement))


def _kinds(node: ast.AST | None) -> int:
    if node is None:
        return 99  # a bare except catches all
    return len(node.elts) if isinstance(node, ast.Tuple) else 1


def _written(module: Module, kind: str) -> str | None:
    """How the exception is called in this module; None where it cannot be named without an import."""
    import builtins

    if hasattr(builtins, kind):
        return kind
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name == kind:
            return kind
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == kind for alias in node.names):
            return kind
    return None


STRATEGY = CatchException()
