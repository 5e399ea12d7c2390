"""release_resource: closes, releases or scopes a resource."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

RELEASES = frozenset(
    {"close", "aclose", "release", "shutdown", "cancel", "terminate", "unlink", "cleanup", "disconnect", "stop"}
    | {"flush", "join", "detach", "clear", "reset", "__exit__", "__aexit__", "pop_context", "restore", "unregister"}
)
_OTHERS = ("suppress", "catch_warnings", "raises", "warns", "subTest", "patch", "nullcontext")
_MESSAGES = (
    "too many open files",
    "unclosed",
    "closed file",
    "used by another process",
    "has no attribute '__enter__'",
)


class ReleaseResource:
    name = "release_resource"

    def recognise(self, before: str, after: str) -> float:
        """High where a `with` scopes what none did, or where something is now closed or released."""
        best = 0.0
        for edit in edits(before, after):
            if isinstance(edit.after, ast.With | ast.AsyncWith) and not isinstance(
                edit.before, ast.With | ast.AsyncWith
            ):
                best = max(best, 0.99 if _scopes(edit.after) and not _suppresses(edit.after) else 0.3)
            elif isinstance(edit.after, ast.withitem) and edit.before is None:
                best = max(best, 0.8)
            elif (_releases(edit.after) and not _releases(edit.before)) or (
                _cleans(edit.after) and not isinstance(edit.before, ast.Try)
            ):
                best = max(best, 0.985)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Takes away a `with`, a `finally` that releases, or a call that closes."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.statements(module):
            if isinstance(node, ast.With) and _scopes(node):
                text = _unscoped(module, node)
                yield from base.plant(module, self.name, node, text, "takes away the scope of a resource")
            elif _releases(node):
                yield from base.plant(module, self.name, node, module.deleted(node), "does not release a resource")
            elif isinstance(node, ast.Try) and not node.handlers and _cleans(node):
                text = module.unwrapped(node, node.body)
                yield from base.plant(module, self.name, node, text, "takes away what releases in the end")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where files stay open, or a context manager is used without its scope: a `with` over what follows."""
        message = event.error.message.lower()
        manager = "ContextManager' object has no attribute" in event.error.message
        if manager or event.error.short_type == "ResourceWarning" or any(one in message for one in _MESSAGES):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            statement = place.statement
            if statement is None:
                continue
            block = place.module.block_of(statement)
            for at in range(block.index(statement), -1, -1):
                text = _scoped(place.module, block, at)
                yield from base.offer(place, self.name, text, "Close it where its use ends", 0.7)


def _releases(node: ast.AST | None) -> bool:
    """Whether a node is a statement, or an awaited one, that only calls what releases."""
    if not isinstance(node, ast.Expr):
        return False
    call = node.value.value if isinstance(node.value, ast.Await) else node.value
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in RELEASES


def _cleans(node: ast.AST | None) -> bool:
    """Whether a `try` releases something in the end."""
    return isinstance(node, ast.Try) and any(_releases(one) for one in node.finalbody)


def _suppresses(node: ast.With | ast.AsyncWith) -> bool:
    return any(base.call_name(item.context_expr) in base.SUPPRESSES for item in node.items)


def _scopes(node: ast.With | ast.AsyncWith) -> bool:
    return not any(base.call_name(item.context_expr) in _OTHERS for item in node.items)


def _unscoped(module: Module, node: ast.With) -> str | None:
    """The text with the body of a `with` moved out, below the assignments that it made."""
    body = module.unwrapped(node, node.body)
    if body is None or any(
        item.optional_vars is not None and not isinstance(item.optional_vars, ast.Name) for item in node.items
    ):
        return None
    start = module.line_span([node])[0]
    names = [
        f"{module.indent_of(node)}{item.optional_vars.id} = {module.segment(item.context_expr)}{module.newline}"
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
    ]
    return body[:start] + "".join(names) + body[start:]


def _scoped(module: Module, block: list[ast.stmt], at: int) -> str | None:
    """The text with `x = open(...)` made a `with` over the rest of its block."""
    statement, rest = block[at], block[at + 1 :]
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call) or not rest:
        return None
    if len(statement.targets) != 1 or not isinstance(statement.targets[0], ast.Name):
        return None
    name = statement.targets[0].id
    text = module.wrapped(rest, [f"with {module.segment(statement.value)} as {name}:"])
    if text is None or not module.owns_lines([statement]):
        return None
    start, end = module.line_span([statement])
    return text[:start] + text[end:]


STRATEGY = ReleaseResource()
