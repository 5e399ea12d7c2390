"""handle_type: supports another type, shape or special value with handling of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.source.signs import test_kinds
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_TYPE_TESTS = frozenset({"isinstance", "issubclass", "callable", "isnan", "isinf", "isclass", "is_dataclass", "type"})
_WRONG = re.compile(r"'(?P<kind>str|int|float|list|tuple|dict|set|bytes|bool|function|type|generator)' object")


class HandleType:
    name = "handle_type"

    def recognise(self, before: str, after: str) -> float:
        """High where a branch on a type was added, or `isinstance` tests for more."""
        best = 0.0
        for edit in edits(before, after):
            added_if = isinstance(edit.after, ast.If | ast.IfExp) and not isinstance(edit.before, ast.If | ast.IfExp)
            if added_if and isinstance(edit.after, ast.If | ast.IfExp) and _tests_type(edit.after.test):
                raising = isinstance(edit.after, ast.If) and isinstance(edit.after.body[-1], ast.Raise)
                best = max(best, 0.6 if raising else 0.96)
            elif added_if and isinstance(edit.after, ast.If | ast.IfExp) and _asks_for_kind(edit.after.test):
                best = max(best, 0.8)
            elif isinstance(edit.after, ast.BoolOp) and edit.before is not None and not _tests_type(edit.before):
                best = max(best, 0.86 if _tests_type(edit.after) else 0.0)
            elif edit.before is None and isinstance(edit.after, ast.expr) and _tests_type(edit.after):
                best = max(best, 0.86)
            elif base.call_name(edit.parent) == "isinstance" or "isinstance" in _around(edit.parent):
                best = max(best, 0.9)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Removes a branch on a type, or a type from what `isinstance` tests for."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if isinstance(statement, ast.If) and _tests_type(statement.test):
                if isinstance(statement.body[-1], ast.Raise):
                    continue  # that is validate_input
                if not statement.orelse:
                    text = module.deleted(statement)
                elif len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
                    continue
                else:
                    text = module.unwrapped(statement, statement.orelse)
                yield from base.plant(module, self.name, statement, text, "removes a branch on a type")
        for node in base.expressions(module):
            if isinstance(node, ast.IfExp) and _tests_type(node.test):
                text = module.replace(node, base.operand(module, node.orelse))
                yield from base.plant(module, self.name, node, text, "removes an expression's branch on a type")
            elif base.call_name(node) == "isinstance" and isinstance(node, ast.Call) and len(node.args) == 2:
                kinds = node.args[1]
                if isinstance(kinds, ast.Tuple) and len(kinds.elts) > 1:
                    text = module.replace(kinds, module.segment(kinds.elts[0]))
                    yield from base.plant(module, self.name, node, text, "narrows what isinstance tests for")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where the message names a type that does not fit: a branch for it that leaves early."""
        if event.error.short_type in ("TypeError", "AttributeError"):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        found = _WRONG.search(event.error.message)
        if found is None or found["kind"] in ("function", "type", "generator"):
            return
        kind = found["kind"]
        for place in base.places(event, source):
            statement = place.statement
            if statement is None:
                continue
            for node in place.expressions:
                if not isinstance(node, ast.Name | ast.Attribute) or not base.simple(node):
                    continue
                written = place.module.segment(node)
                ways = [*base.early_exits(place), (f"return {written}", 0.65)]
                for way, score in ways[:4]:
                    lines = [f"if isinstance({written}, {kind}):", f"{place.module.step}{way}"]
                    text = place.module.inserted_before(statement, lines)
                    yield from base.offer(place, self.name, text, f"Handle a {kind} on its own", score * 0.7)


def _tests_type(test: ast.AST) -> bool:
    if isinstance(test, ast.UnaryOp):
        return _tests_type(test.operand)
    if isinstance(test, ast.BoolOp):
        return any(_tests_type(value) for value in test.values)
    if isinstance(test, ast.Compare):
        return any(base.call_name(side) in ("type", "__class__") for side in (test.left, *test.comparators))
    return base.call_name(test) in _TYPE_TESTS


def _asks_for_kind(test: ast.expr) -> bool:
    """Whether a test asks for what something is, by an attribute or name such as `kind`, `type` or `dtype`."""
    return bool({"type", "special"} & {*test_kinds(test)})


def _around(parent: ast.AST) -> str:
    """The kinds named by a tuple of types inside `isinstance`."""
    names = [one.id for one in getattr(parent, "elts", []) if isinstance(one, ast.Name)]
    known = {"str", "int", "float", "list", "tuple", "dict", "set", "bytes", "bool", "frozenset"}
    return "isinstance" if names and isinstance(parent, ast.Tuple) and set(names) & known else ""


STRATEGY = HandleType()
