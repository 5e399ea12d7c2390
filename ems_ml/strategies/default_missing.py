"""default_missing: supplies a default, or a membership test, for a key or attribute that is absent."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_DEFAULTS = (("None", 0.55), ("0", 0.5), ("''", 0.4), ("[]", 0.3), ("{}", 0.25), ("False", 0.2))


class DefaultMissing:
    name = "default_missing"

    def recognise(self, before: str, after: str) -> float:
        """High for an access that became `.get`, `getattr` with default, `.pop` with default, or a test with `in`."""
        found = edits(before, after)
        given = any(
            edit.before is None
            and edit.field == "args"
            and base.call_name(edit.parent) in ("get", "pop", "getattr")
            and isinstance(edit.parent, ast.Call)
            and len(edit.parent.args) == (2 if base.call_name(edit.parent) == "getattr" else 1)
            for edit in found
        )
        return max(*(self._fits(edit.before, edit.after) for edit in found), 0.96 if given else 0.0, 0.0)

    def _fits(self, before: ast.AST | None, after: ast.AST | None) -> float:
        name = base.call_name(after)
        if isinstance(after, ast.Call):
            if name in ("get", "setdefault") and isinstance(before, ast.Subscript):
                return 0.97
            if (
                name == "getattr"
                and len(after.args) == 3
                and not (isinstance(before, ast.Call) and len(before.args) == 3)
            ):
                return 0.97
            if name == "pop" and len(after.args) == 2 and isinstance(before, ast.Call) and len(before.args) == 1:
                return 0.95
            if name in ("defaultdict", "hasattr") and base.call_name(before) != name:
                return 0.85
        if isinstance(after, ast.If | ast.IfExp) and not isinstance(before, ast.If | ast.IfExp):
            return 0.93 if _tests_membership(after.test) else 0.0
        if isinstance(after, ast.BoolOp) and before is not None and not _tests_membership(before):
            return 0.85 if any(_tests_membership(value) for value in after.values) else 0.0
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """`d.get(k)` -> `d[k]`, `getattr(o, "a", d)` -> `o.a`, `d.pop(k, x)` -> `d.pop(k)`; drops tests with `in`."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if isinstance(node, ast.Call) and not node.keywords:
                yield from self._access(module, node)
            elif isinstance(node, ast.IfExp) and _tests_membership(node.test):
                kept = node.orelse if _is_negative(node.test) else node.body
                text = module.replace(node, base.operand(module, kept))
                yield from base.plant(
                    module, self.name, node, text, "drops a conditional expression's test for membership"
                )
            elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) and _tests_membership(node.values[0]):
                rest = module.text[module.span(node.values[1])[0] : module.span(node.values[-1])[1]]
                text = module.replace(node, rest)
                yield from base.plant(module, self.name, node, text, "drops a clause that tests for membership")
        for statement in base.statements(module):
            if not isinstance(statement, ast.If) or base.raises(statement.body):
                continue  # a check that raises is validate_input
            if _tests_membership(statement.test) and not statement.orelse:
                early = _is_negative(statement.test) or base.leaves(statement.body)
                without = module.deleted(statement) if early else module.unwrapped(statement, statement.body)
                yield from base.plant(module, self.name, statement, without, "drops a test for membership")

    def _access(self, module: Module, node: ast.Call) -> Iterator[Injection]:
        name = base.call_name(node)
        if isinstance(node.func, ast.Attribute) and name in ("get", "pop") and node.args:
            owner, key = module.segment(node.func.value), module.segment(node.args[0])
            if name == "get" and len(node.args) <= 2:
                text = module.replace(node, f"{owner}[{key}]")
                yield from base.plant(module, self.name, node, text, "turns `.get` into an item access")
            elif name == "pop" and len(node.args) == 2:
                text = module.replace(node, f"{owner}.pop({key})")
                yield from base.plant(module, self.name, node, text, "drops the default of `.pop`")
        elif name == "getattr" and len(node.args) == 3:
            attribute = node.args[1]
            if (
                isinstance(attribute, ast.Constant)
                and isinstance(attribute.value, str)
                and attribute.value.isidentifier()
            ):
                text = module.replace(node, f"{base.operand(module, node.args[0])}.{attribute.value}")
            else:
                text = module.replace(node, f"getattr({module.segment(node.args[0])}, {module.segment(attribute)})")
            yield from base.plant(module, self.name, node, text, "drops the default of `getattr`")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where a key or attribute is absent: `.get` with a default, `getattr`, or a test before."""
        if event.error.short_type not in ("KeyError", "AttributeError"):
            return
        if event.error.short_type == "AttributeError" and base.about_none(event):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        attribute = base.missing_attribute(event)
        for place in base.places(event, source):
            for node in place.expressions:
                if event.error.short_type == "KeyError" and isinstance(node, ast.Subscript):
                    yield from self._for_key(place, node)
                elif (
                    attribute is not None
                    and isinstance(node, ast.Attribute)
                    and node.attr == attribute[1]
                    and isinstance(node.ctx, ast.Load)
                ):
                    for default, score in _DEFAULTS:
                        owner = place.module.segment(node.value)
                        text = place.module.replace(node, f'getattr({owner}, "{node.attr}", {default})')
                        yield from base.offer(
                            place, self.name, text, f"Take {default} where {node.attr} is absent", score * 0.9
                        )
                elif base.call_name(node) in ("pop", "remove") and isinstance(node, ast.Call) and len(node.args) == 1:
                    method, key = node.func, place.module.segment(node.args[0])
                    if isinstance(method, ast.Attribute):
                        held = place.module.segment(method.value)
                        new = f"{held}.pop({key}, None)" if method.attr == "pop" else f"{held}.discard({key})"
                        text = place.module.replace(node, new)
                        yield from base.offer(place, self.name, text, f"Let {key} be absent", 0.6)

    def _for_key(self, place: base.Place, node: ast.Subscript) -> Iterator[Proposal]:
        module, statement = place.module, place.statement
        text: str | None
        held, key = module.segment(node.value), module.segment(node.slice)
        if isinstance(node.slice, ast.Slice | ast.Tuple) or statement is None:
            return
        if isinstance(node.ctx, ast.Load):
            likely = _expected(module, node)
            for default, score in _DEFAULTS:
                new = f"{held}.get({key})" if default == "None" else f"{held}.get({key}, {default})"
                fit = score + 0.25 if default == likely else score
                yield from base.offer(
                    place, self.name, module.replace(node, new), f"Take {default} where {key} is absent", fit
                )
        if base.simple(node.value):
            for way, score in base.early_exits(place):
                lines = [f"if {key} not in {held}:", f"{module.step}{way}"]
                text = module.inserted_before(statement, lines)
                yield from base.offer(place, self.name, text, f"Stop where {key} is absent", score * 0.85)
            if isinstance(statement, ast.AugAssign) and statement.target is node:
                text = module.inserted_before(statement, [f"{held}.setdefault({key}, 0)"])
                yield from base.offer(place, self.name, text, f"Begin {key} at 0", 0.8)
            if isinstance(statement, ast.Delete | ast.Expr):
                text = module.wrapped([statement], [f"if {key} in {held}:"])
                yield from base.offer(place, self.name, text, f"Do this only where {key} is there", 0.6)


def _expected(module: Module, node: ast.Subscript) -> str:
    """The default that the surroundings of an access suggest."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.BinOp | ast.AugAssign):
        return "0"
    if isinstance(parent, ast.For | ast.comprehension | ast.Starred) or base.call_name(parent) in (
        "len",
        "sorted",
        "list",
    ):
        return "[]"
    if isinstance(parent, ast.Attribute):
        return "{}" if parent.attr in ("get", "items", "keys", "values") else "''"
    if isinstance(node.value, ast.Name):
        for other in ast.walk(module.tree):
            if isinstance(other, ast.Assign) and isinstance(other.value, ast.Dict) and other.value.values:
                first = other.value.values[0]
                named = any(isinstance(t, ast.Name) and t.id == node.value.id for t in other.targets)
                if named and isinstance(first, ast.Constant):
                    return {int: "0", float: "0", str: "''"}.get(type(first.value), "None")
    return "None"


def _tests_membership(test: ast.AST) -> bool:
    if isinstance(test, ast.UnaryOp):
        return _tests_membership(test.operand)
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.In | ast.NotIn) and not isinstance(
            test.comparators[0], ast.Constant | ast.Tuple | ast.List | ast.Set
        )
    return base.call_name(test) == "hasattr"


def _is_negative(test: ast.AST) -> bool:
    return isinstance(test, ast.UnaryOp) or (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.NotIn))


STRATEGY = DefaultMissing()
