"""correct_name: uses another existing variable, attribute, function or class name where the wrong one stood."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module, names_in
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal


class CorrectName:
    name = "correct_name"

    def recognise(self, before: str, after: str) -> float:
        """High where single identifiers changed and nothing else did."""
        found = edits(before, after)
        if not found:
            return 0.0
        swaps = 0
        for edit in found:
            one, other = edit.before, edit.after
            if (isinstance(one, ast.Name) and isinstance(other, ast.Name)) or (
                isinstance(one, ast.Attribute) and isinstance(other, ast.Attribute) and edit.field == "attr"
            ):
                called = edit.field == "func" or _is_called(edit.parent, edit.field)
                swaps += not called or _spelled_alike(one, other)
            elif isinstance(one, ast.Attribute) and isinstance(other, ast.Name):
                swaps += one.attr == other.id  # module.name -> name
            elif isinstance(one, ast.Name) and isinstance(other, ast.Attribute):
                swaps += one.id == other.attr
        if not swaps:
            return 0.0
        return 0.85 if swaps == len(found) else 0.5

    def inject(self, source: str) -> Iterator[Injection]:
        """Swaps a name that is read for another one in scope."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                if _is_called(module.parents[node], "func") and getattr(module.parents[node], "func", None) is node:
                    continue
                others = _locals(module, node)
                if node.id in others and len(others) > 1:
                    ordered = sorted(others)
                    other = ordered[(ordered.index(node.id) + 1) % len(ordered)]
                    text = module.replace(node, other)
                    yield from base.plant(module, self.name, node, text, "swaps a name for another one in scope")
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and base.simple(node.value):
                if getattr(module.parents[node], "func", None) is node:
                    continue
                near = get_close_matches(node.attr, sorted(_attributes(module) - {node.attr}), n=1, cutoff=0.55)
                if near:
                    text = module.replace(node, f"{module.segment(node.value)}.{near[0]}")
                    yield from base.plant(module, self.name, node, text, "swaps an attribute's name for a similar one")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """The closest name that exists, for one that does not."""
        if event.error.short_type in ("NameError", "UnboundLocalError", "AttributeError", "KeyError", "TypeError"):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        wrong, attribute = base.missing_name(event), base.missing_attribute(event)
        for place in base.places(event, source):
            module = place.module
            for node in place.expressions:
                if (
                    isinstance(node, ast.Name)
                    and isinstance(node.ctx, ast.Load)
                    and (wrong is None or node.id == wrong)
                ):
                    known = (_locals(module, node) | _globals(module)) - {node.id}
                    certain = wrong is not None
                    for rank, other in enumerate(get_close_matches(node.id, sorted(known), n=3, cutoff=0.5)):
                        text = module.replace(node, other)
                        fit = (0.85 if certain else 0.35) - 0.15 * rank
                        yield from base.offer(place, self.name, text, f"Use {other} for {node.id}", fit)
                    for other in sorted(_locals(module, node) - {node.id})[:6]:
                        yield from base.offer(
                            place, self.name, module.replace(node, other), f"Use {other} for {node.id}", 0.25
                        )
                elif isinstance(node, ast.Attribute) and attribute is not None and node.attr == attribute[1]:
                    known = _attributes(module) - {node.attr}
                    for rank, other in enumerate(get_close_matches(node.attr, sorted(known), n=3, cutoff=0.5)):
                        text = module.replace(node, f"{module.segment(node.value)}.{other}")
                        yield from base.offer(place, self.name, text, f"Use {other} for {node.attr}", 0.8 - 0.15 * rank)


def _spelled_alike(one: ast.Name | ast.Attribute, other: ast.Name | ast.Attribute) -> bool:
    """Whether two names differ only in underscores and case: `_load` and `load`."""
    names = [node.id if isinstance(node, ast.Name) else node.attr for node in (one, other)]
    return names[0] != names[1] and len({name.replace("_", "").lower() for name in names}) == 1


def _is_called(parent: ast.AST, field: str) -> bool:
    return isinstance(parent, ast.Call) and field == "func"


def _locals(module: Module, node: ast.AST) -> set[str]:
    """Parameters and variables of the function around a node."""
    function = module.function_of(node)
    if function is None:
        return set()
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found = {argument.arg for argument in every}
    for one in ast.walk(function):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            found.add(one.id)
    return found - {"self", "cls"}


def _globals(module: Module) -> set[str]:
    found: set[str] = set()
    for statement in module.tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            found |= set().union(*(names_in(target) for target in statement.targets))
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    return found


def _attributes(module: Module) -> set[str]:
    """Attributes and methods that this module sets, defines or uses."""
    found = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    return found | {n.name for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


STRATEGY = CorrectName()
