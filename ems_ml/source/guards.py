"""What a new truth test, `if x:`, stands before: a use of `x` as a container, as an object, or as a plain value."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.source.change import Edit, dump


def words_in(text: str) -> frozenset[str]:
    """A table written as words."""
    return frozenset(text.split())


_TAKES_ALL = words_in("len min max sum next sorted list tuple set iter reversed enumerate zip any all map")
_OF_CONTAINERS = words_in(
    "append extend items keys values pop split splitlines strip startswith endswith join insert remove sort "
    "popleft iteritems itervalues lower upper rstrip lstrip shape index"
)


def guards(edit: Edit) -> list[tuple[ast.expr, str]]:
    """What plain truth tests in the new side of an edit ask for and the old side did not, with what it is used as."""
    after = edit.after
    if after is None:
        return []
    old = {dump(one) for one in _truths(edit.before)} if edit.before is not None else set()
    asked = [one for one in _truths(after) if dump(one) not in old]
    if edit.field in ("test", "values") and isinstance(after, ast.Name | ast.Attribute | ast.Subscript):
        asked.append(after)  # one more clause
    return [(one, used_as(one, edit.parent_after if edit.around is None else edit.around)) for one in asked]


def _truths(node: ast.AST) -> Iterator[ast.expr]:
    """The names, attributes and items that stand as a condition, or as a part of one, below a node."""
    for one in ast.walk(node):
        parts = one.values if isinstance(one, ast.BoolOp) else [getattr(one, "test", None)]
        for part in parts:
            if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not):
                part = part.operand
            if isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
                yield part


def used_as(subject: ast.expr, place: ast.AST) -> str:
    """What a place does with a thing: `container` (item, iteration, length), `object` (attribute, call), or `value`."""
    wanted, found = dump(subject), "value"
    for node in ast.walk(place):
        if isinstance(node, ast.Subscript) and dump(node.value) == wanted:
            return "container"
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and dump(node.iter) == wanted:
            return "container"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv) and dump(node.right) == wanted:
            return "container"
        if called(node) in _TAKES_ALL and any(dump(one) == wanted for one in getattr(node, "args", ())):
            return "container"
        if isinstance(node, ast.Attribute) and dump(node.value) == wanted:
            if node.attr in _OF_CONTAINERS:
                return "container"
            found = "object"
        elif isinstance(node, ast.Call) and dump(node.func) == wanted:
            found = "object"
    return found


def called(node: ast.AST | None) -> str:
    """The last name of what is called: `len`, `get` of `d.get(k)`; "" for what is no plain call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def last_name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
