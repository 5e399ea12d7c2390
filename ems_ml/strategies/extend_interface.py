"""extend_interface: adds a missing method, property, attribute, class or parameter default."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_PROTOCOL = {
    "has no len()": ("__len__", "len"),
    "is not iterable": ("__iter__", "iter"),
    "is not subscriptable": ("__getitem__", ""),
    "object is not callable": ("__call__", ""),
}


def _helps(node: ast.AST | None) -> bool:
    """Whether a definition has a name that says it is for inner use."""
    name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
    return name.startswith("_") and not name.endswith("__")


class ExtendInterface:
    name = "extend_interface"

    def recognise(self, before: str, after: str) -> float:
        """High where a method, class, class attribute or parameter default was added."""
        best = 0.0
        found = edits(before, after)
        for edit in found:
            if edit.before is None and len(found) > 1 and _helps(edit.after):
                best = max(best, 0.6)  # made for what else was changed
            elif (
                edit.before is None and isinstance(edit.after, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            ) or (edit.before is None and edit.field in ("defaults", "kw_defaults")):
                best = max(best, 0.95)
            elif edit.before is None and isinstance(edit.parent, ast.ClassDef) and isinstance(edit.after, ast.Assign):
                best = max(best, 0.9)
            elif edit.field == "decorator_list" and edit.before is None:
                best = max(best, 0.8)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Removes a method or property of a class, or the default of a parameter."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            parent = module.parents[statement]
            if isinstance(parent, ast.ClassDef) and statement.name != "__init__" and len(parent.body) > 1:
                text = module.deleted(statement)
                yield from base.plant(module, self.name, parent, text, "removes a method")
            if statement.args.defaults:
                argument, default = statement.args.args[-1:], statement.args.defaults[-1]
                if argument:
                    text = module.replaced((module.span(argument[0])[1], module.span(default)[1], ""))
                    yield from base.plant(module, self.name, statement, text, "removes the default of a parameter")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """For an attribute that a class of the project lacks: one like those it has."""
        if event.error.short_type not in ("AttributeError", "TypeError", "NotImplementedError"):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        message, attribute = event.error.message, base.missing_attribute(event)
        wanted = [(attribute[0], attribute[1], "")] if attribute else []
        for told, (method, function) in _PROTOCOL.items():
            if told in message and "'" in message:
                wanted.append((message.split("'")[1], method, function))
        if "missing" in message and "required positional argument" in message:
            yield from self._defaulted(event, source, message)
        for place in base.places(event, source):
            for owner, name, function in wanted:
                for node in ast.walk(place.module.tree):
                    if isinstance(node, ast.ClassDef) and node.name == owner.rsplit(".", 1)[-1]:
                        yield from self._grown(place, node, name, function)

    def _grown(self, place: base.Place, owner: ast.ClassDef, name: str, function: str) -> Iterator[Proposal]:
        module, step = place.module, place.module.step
        first = owner.body[1] if isinstance(owner.body[0], ast.Expr) and len(owner.body) > 1 else owner.body[0]
        held = sorted({n.attr for n in ast.walk(owner) if isinstance(n, ast.Attribute) and base.simple(n)})[:6]
        if function:
            for attribute in held:
                lines = [f"def {name}(self):", f"{step}return {function}(self.{attribute})", ""]
                text = module.inserted_before(first, lines)
                yield from base.offer(place, self.name, text, f"Add {name}", 0.5)
        else:
            text = module.inserted_before(first, [f"{name} = None", ""])
            yield from base.offer(place, self.name, text, f"Add the attribute {name}", 0.4)

    def _defaulted(self, event: ErrorEvent, source: SourceTree, message: str) -> Iterator[Proposal]:
        """A default for a parameter that callers leave out."""
        names = [part for part in message.split("'")[1::2] if part.isidentifier()]
        function = message.split("(")[0].rsplit(".", 1)[-1]
        for place in base.places(event, source):
            for node in ast.walk(place.module.tree):
                if isinstance(node, ast.FunctionDef) and node.name == function and node.args.args and names:
                    last = node.args.args[-1]
                    if last.arg == names[-1] and len(node.args.defaults) == 0:
                        for value, score in (("None", 0.7), ("''", 0.3), ("()", 0.3), ("0", 0.3)):
                            end = place.module.span(last)[1]
                            text = place.module.replaced(
                                (end, end, f"={value}" if last.annotation is None else f" = {value}")
                            )
                            yield from base.offer(place, self.name, text, f"Let {last.arg} be left out", score)


STRATEGY = ExtendInterface()
