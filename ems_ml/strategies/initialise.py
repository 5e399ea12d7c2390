"""initialise: gives a variable or attribute its value, or its right state, before its first use."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits, hunks
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_VALUES = (("None", 0.7), ("0", 0.45), ("[]", 0.5), ("''", 0.4), ("{}", 0.4), ("False", 0.35))


class Initialise:
    name = "initialise"

    def recognise(self, before: str, after: str) -> float:
        """High where an assignment of a plain first value was added; low where nothing used that name before."""
        best = 0.0
        used = _names_before(before, after)
        for edit in edits(before, after):
            if edit.before is None and isinstance(edit.after, ast.Assign | ast.AnnAssign):
                target = edit.after.targets[0] if isinstance(edit.after, ast.Assign) else edit.after.target
                if isinstance(target, ast.Name | ast.Attribute | ast.Tuple) and edit.after.value is not None:
                    known = any(_name(one) in used for one in ast.walk(target))
                    sure = 0.88 if _is_first_value(edit.after.value) else 0.72
                    best = max(best, sure if known else sure / 3)
            elif edit.before is None and isinstance(edit.after, ast.Global | ast.Nonlocal):
                best = max(best, 0.85)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Removes the first assignment of a variable or attribute that is used later."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
                continue
            target, function = statement.targets[0], module.function_of(statement)
            if function is None or not isinstance(target, ast.Name | ast.Attribute):
                continue
            if isinstance(target, ast.Attribute) and (function.name != "__init__" or not base.simple(target)):
                continue
            if isinstance(target, ast.Name) and not _is_first(function, statement, target.id):
                continue
            if len(module.block_of(statement)) == 1:
                continue
            yield from base.plant(
                module, self.name, statement, module.deleted(statement), "removes the first assignment of a name"
            )

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """A first value at the top of the function, or in `__init__`."""
        if event.error.short_type in ("UnboundLocalError", "NameError", "AttributeError"):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        name, attribute = base.missing_name(event), base.missing_attribute(event)
        for place in base.places(event, source):
            function = place.module.function_of(place.statement) if place.statement else None
            if name is not None and function is not None:
                first = _after_docstring(function.body)
                for value, score in _VALUES:
                    text = place.module.inserted_before(first, [f"{name} = {value}"])
                    sure = event.error.short_type == "UnboundLocalError"
                    yield from base.offer(
                        place, self.name, text, f"Begin {name} with {value}", score * (1.2 if sure else 0.6)
                    )
            if attribute is not None:
                for node in ast.walk(place.module.tree):
                    if isinstance(node, ast.ClassDef) and node.name == attribute[0].rsplit(".", 1)[-1]:
                        for one in node.body:
                            if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                                for value, score in _VALUES:
                                    line = f"self.{attribute[1]} = {value}"
                                    text = place.module.inserted_before(_after_docstring(one.body), [line])
                                    yield from base.offer(
                                        place, self.name, text, f"Begin {attribute[1]} with {value}", score
                                    )


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _names_before(before: str, after: str) -> set[str]:
    """Names and attributes that the code that was changed had in it before."""
    return {_name(node) for old, _ in hunks(before, after) for node in ast.walk(old)} - {"", "self", "cls"}


def _after_docstring(body: list[ast.stmt]) -> ast.stmt:
    first = body[0]
    docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1] if docstring and len(body) > 1 else first


def _is_first(function: ast.AST, statement: ast.stmt, name: str) -> bool:
    """Whether a statement is the first that stores a name which is read or stored again after it."""
    later = False
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg == name:
            return False
        if isinstance(node, ast.Name) and node.id == name:
            if isinstance(node.ctx, ast.Store) and node.lineno < statement.lineno:
                return False
            later = later or node.lineno > statement.lineno
    return later


def _is_first_value(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        return not value.elts
    return (isinstance(value, ast.Dict) and not value.keys) or base.call_name(value) in (
        "list",
        "dict",
        "set",
        "object",
    )


STRATEGY = Initialise()
