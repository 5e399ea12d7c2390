"""convert_type: converts a value to the type that is needed, and goes on as before."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import dump, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

CONVERSIONS = frozenset(
    {
        "str",
        "int",
        "float",
        "bool",
        "list",
        "tuple",
        "dict",
        "set",
        "frozenset",
        "bytes",
        "bytearray",
        "repr",
        "complex",
    }
    | {"Decimal", "Path", "fspath", "asarray", "array", "text_type", "ensure_str", "ensure_text", "iter"}
)
_OPERANDS = re.compile(r"unsupported operand type\(s\) for [^:]+: '(\w+)' and '(\w+)'")
_CONCATENATE = re.compile(r"can only concatenate (\w+) \(not \"(\w+)\"\) to (\w+)")
_MUST_BE = re.compile(
    r"(?:must be|expected|requires|should be) (?:a |an )?'?(str|int|float|bytes|list|tuple|dict|set)\w*'?"
)
_INDICES = re.compile(r"(?:list|tuple|string|str) indices must be integers")
_COMPARED = re.compile(r"not supported between instances of '(\w+)' and '(\w+)'")
_JOINED = re.compile(r"sequence item \d+: expected (?:str|a bytes-like object)")


def _converts_each(before: ast.AST | None, after: ast.AST | None) -> bool:
    """`x` -> `(x,)` or `[x]`, `x` -> `map(str, x)`, `x` -> `[Kind(one) for one in x]`."""
    if before is None:
        return False
    if isinstance(after, ast.Tuple | ast.List):
        return len(after.elts) == 1 and dump(after.elts[0]) == dump(before)
    if isinstance(after, ast.ListComp | ast.GeneratorExp):
        return isinstance(after.elt, ast.Call) and dump(after.generators[0].iter) == dump(before)
    if base.call_name(after) == "map" and isinstance(after, ast.Call) and len(after.args) == 2:
        return dump(after.args[1]) == dump(before)
    return False


class ConvertType:
    name = "convert_type"

    def recognise(self, before: str, after: str) -> float:
        """High for an expression that is now wrapped in a conversion."""
        best = 0.0
        for edit in edits(before, after):
            if (
                isinstance(edit.after, ast.Call)
                and base.call_name(edit.after) in CONVERSIONS
                and edit.before is not None
            ):
                inner = edit.after.args[0] if edit.after.args else None
                if inner is not None and dump(inner) == dump(edit.before):
                    best = max(best, 0.97)
                elif inner is not None and base.call_name(edit.before) != base.call_name(edit.after):
                    best = max(best, 0.6)
            elif _converts_each(edit.before, edit.after):
                best = max(best, 0.9)
            elif (
                isinstance(edit.after, ast.Assign)
                and edit.before is None
                and isinstance(edit.after.value, ast.Call)
                and base.call_name(edit.after.value) in CONVERSIONS
                and edit.after.value.args
                and dump(edit.after.targets[0]).replace("Store", "Load") == dump(edit.after.value.args[0])
            ):
                best = max(best, 0.95)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Drops a conversion and keeps its argument."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if not isinstance(node, ast.Call) or base.call_name(node) not in CONVERSIONS - {"bool", "repr", "iter"}:
                continue
            if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Constant | ast.Starred):
                continue
            if isinstance(node.args[0], ast.GeneratorExp):
                continue
            text = module.replace(node, base.operand(module, node.args[0]))
            yield from base.plant(module, self.name, node, text, f"drops a conversion with {base.call_name(node)}")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where a type does not fit: the conversion that the message asks for, around the operands."""
        if event.error.short_type not in ("TypeError", "ValueError", "AttributeError"):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        message = event.error.message
        wanted = _wanted(message)
        for place in base.places(event, source):
            module = place.module
            for node in place.expressions:
                for target, kinds, score in _targets(node, message, wanted):
                    for kind in kinds:
                        text = module.replace(target, f"{kind}({module.segment(target)})")
                        yield from base.offer(
                            place, self.name, text, f"Convert {module.segment(target)[:40]} with {kind}()", score
                        )


def _wanted(message: str) -> list[str]:
    """The conversions that a message asks for, likeliest first."""
    if found := _CONCATENATE.search(message):
        return [found[1]]
    if found := _OPERANDS.search(message):
        kinds = [kind for kind in found.groups() if kind in CONVERSIONS]
        return kinds[::-1] if "str" in kinds and len(kinds) == 2 else kinds
    if _INDICES.search(message):
        return ["int"]
    if _JOINED.search(message):
        return ["str"]
    if found := _COMPARED.search(message):
        return [kind for kind in found.groups() if kind in CONVERSIONS]
    if found := _MUST_BE.search(message):
        return [found[1]]
    if "unhashable" in message:
        return ["tuple", "str", "frozenset"]
    if "not subscriptable" in message or "has no len()" in message or "not reversible" in message:
        return ["list", "str"]
    if "not iterable" in message:
        return ["str", "list"]
    return ["str", "int", "list"]


def _targets(node: ast.expr, message: str, wanted: list[str]) -> Iterator[tuple[ast.expr, list[str], float]]:
    """Parts of an expression that may be of the wrong type, with conversions and how likely that is."""
    if isinstance(node, ast.BinOp):
        sure = bool(_CONCATENATE.search(message) or _OPERANDS.search(message))
        for side, better in ((node.right, 0.1), (node.left, 0.0)):
            if not isinstance(side, ast.Constant | ast.JoinedStr | ast.BinOp):
                yield side, wanted, (0.85 if sure else 0.4) + better
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.expr):
        if _INDICES.search(message):
            yield node.slice, ["int"], 0.8
        if "unhashable" in message:
            yield node.slice, wanted, 0.7
        if "not subscriptable" in message:
            yield node.value, wanted, 0.6
    elif isinstance(node, ast.Call):
        for argument in node.args[:4]:
            if not isinstance(argument, ast.Starred | ast.Constant):
                yield argument, wanted[:2], 0.45
        if isinstance(node.func, ast.Attribute) and "has no attribute" in message:
            yield node.func.value, wanted[:2], 0.4
    elif isinstance(node, ast.Compare):
        for side in (node.left, *node.comparators):
            if not isinstance(side, ast.Constant):
                yield side, wanted, 0.6


STRATEGY = ConvertType()
