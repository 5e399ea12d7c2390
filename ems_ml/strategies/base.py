"""What the strategies share: planting a fault, walking the places of an error, offering a repair."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ems_ml.ports import SourceTree
from ems_ml.source.module import Module, valid, walk_expressions
from ems_ml.types import ErrorEvent, Frame, Injection, Proposal, Role

MAX_PLACES = 5  # frames looked at, from the raise point upward
MAX_PROPOSALS = 12
SUPPRESSES = ("suppress", "ignoring", "ignored")  # what a `with` is called that lets exceptions go


@dataclass(frozen=True)
class Place:
    """One frame of an error in the source tree. `depth` 0 is the innermost of the project's own code."""

    module: Module
    path: str
    line: int
    frame: Frame
    depth: int

    @property
    def statement(self) -> ast.stmt | None:
        """The innermost statement at the line."""
        found = self.module.statements_at(self.line)
        return found[0] if found else None

    @property
    def expressions(self) -> list[ast.expr]:
        return self.module.expressions_at(self.line)


def places(event: ErrorEvent, source: SourceTree) -> Iterator[Place]:
    """Where the error passed through the project's own code, the innermost first; never test code."""
    depth = 0
    for frame in reversed(event.error.frames):
        if frame.role in (Role.TEST, Role.RUNNER) or frame.line is None:
            continue
        found = source.find(frame)
        module = Module.of(found.text) if found is not None else None
        if found is None or module is None or is_test_path(found.path):
            continue
        yield Place(module, found.path, frame.line, frame, depth)
        depth += 1
        if depth == MAX_PLACES:
            return


def is_test_path(path: str) -> bool:
    """Whether a file is part of a test suite, which no repair may touch."""
    parts = path.split("/")
    return (
        any(part in ("test", "tests", "testing") for part in parts[:-1])
        or parts[-1].startswith("test_")
        or parts[-1].endswith(("_test.py", "_tests.py"))
        or parts[-1] in ("test.py", "tests.py", "conftest.py")
    )


def plant(module: Module, strategy: str, at: ast.AST, text: str | None, note: str) -> Iterator[Injection]:
    """The injection, where the changed text is valid and another one."""
    if text is None or text == module.text or not _still_valid(module, at, text):
        return
    yield Injection(
        strategy=strategy,
        source=text,
        line=first_difference(module.text, text),
        function=module.qualified(at),
        note=note,
    )


def _still_valid(module: Module, at: ast.AST, text: str) -> bool:
    """Whether the changed text is valid Python; where only the function around `at` changed, only that is parsed."""
    function = at if isinstance(at, ast.FunctionDef | ast.AsyncFunctionDef) else module.function_of(at)
    if function is None:
        return valid(text)
    start, end = module.line_span([function])
    rest = len(module.text) - end
    if text[:start] != module.text[:start] or text[len(text) - rest :] != module.text[end:]:
        return valid(text)
    changed = text[start : len(text) - rest]
    try:
        ast.parse(f"if 1:\n{changed}" if changed[:1] in " \t" else changed)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def first_difference(before: str, after: str) -> int:
    """The first line, 1-based, of `after` that `before` does not have there."""
    old, new = before.splitlines(), after.splitlines()
    for number, (one, other) in enumerate(zip(old, new, strict=False), start=1):
        if one != other:
            return number
    return max(1, min(len(new), len(old) + 1))


def offer(place: Place, strategy: str, text: str | None, summary: str, score: float) -> Iterator[Proposal]:
    """The proposal, where the changed text is valid and another one; deeper callers are less likely."""
    if text is None or text == place.module.text or not valid(text):
        return
    yield Proposal(
        strategy=strategy, path=place.path, source=text, summary=summary, score=max(0.01, score * 0.8**place.depth)
    )


def best(proposals: Iterator[Proposal]) -> Iterator[Proposal]:
    """The likeliest proposals, without doubles, at most `MAX_PROPOSALS`."""
    seen: set[str] = set()
    for proposal in sorted(proposals, key=lambda one: -one.score):
        if proposal.source not in seen and len(seen) < MAX_PROPOSALS:
            seen.add(proposal.source)
            yield proposal


def statements(module: Module) -> Iterator[ast.stmt]:
    """Every statement below functions, classes and the module itself."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.stmt):
            yield node


def expressions(module: Module) -> Iterator[ast.expr]:
    """Every expression that can be edited, once."""
    for statement in statements(module):
        yield from walk_expressions(statement)


def is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def call_name(node: ast.AST | None) -> str:
    """`len` for `len(x)`, `get` for `d.get(k)`, "" for what is no plain call."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def simple(node: ast.AST) -> bool:
    """A name, an attribute path or an item of one: what can be evaluated twice."""
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Attribute):
        return simple(node.value)
    return isinstance(node, ast.Subscript) and simple(node.value) and isinstance(node.slice, ast.Constant | ast.Name)


def operand(module: Module, node: ast.expr) -> str:
    """A node as it is written, in brackets where it would not stand as an operand of its own."""
    text = module.segment(node)
    loose = (
        ast.IfExp,
        ast.Lambda,
        ast.BoolOp,
        ast.Compare,
        ast.BinOp,
        ast.UnaryOp,
        ast.NamedExpr,
        ast.Yield,
        ast.Await,
    )
    if isinstance(node, loose):
        return f"({text})"
    return text


def leaves(block: list[ast.stmt]) -> bool:
    """Whether a block ends by leaving its surroundings."""
    return bool(block) and isinstance(block[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)


def raises(block: list[ast.stmt]) -> bool:
    """Whether a block ends by raising an error of its own."""
    return bool(block) and isinstance(block[-1], ast.Raise) and block[-1].exc is not None


def in_condition(module: Module, node: ast.AST) -> bool:
    """Whether an expression is part of a test or filter."""
    inner: ast.AST = node
    for parent in module.ancestors(node):
        if isinstance(parent, ast.Compare | ast.BoolOp) or inner is getattr(parent, "test", None):
            return True
        if inner in getattr(parent, "ifs", ()):
            return True
        if isinstance(parent, ast.stmt):
            return False
        inner = parent
    return False


def early_exits(place: Place) -> list[tuple[str, float]]:
    """How code at this place may stop early, with how usual each is, best first."""
    statement = place.statement
    if statement is None:
        return []
    exits: list[tuple[str, float]] = []
    function = place.module.function_of(statement)
    for parent in place.module.ancestors(statement):
        if isinstance(parent, ast.For | ast.While | ast.AsyncFor):
            exits.append(("continue", 0.6))
            break
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
            break
    if function is not None:
        exits += [(f"return {value}" if value else "return", score) for value, score in empty_results(place, function)]
    return exits


def empty_results(place: Place, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[str, float]]:
    """What this function would answer for nothing, judged by what it returns elsewhere."""
    returned = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and place.module.function_of(node) is function
    ]
    values = [value for value in returned if value is not None]
    found: list[tuple[str, float]] = []
    for value in values:
        kind = _empty_like(value)
        if kind and kind not in [text for text, _ in found]:
            found.append((kind, 0.75))
    if function.name.startswith(("is_", "has_", "can_", "should_")):
        found.insert(0, ("False", 0.85))
    defaults: list[tuple[str, float]] = [("", 0.5)] if not values else [("None", 0.6), ("0", 0.35), ("''", 0.25)]
    return found + [(text, score) for text, score in defaults if text not in [known for known, _ in found]]


def _empty_like(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        if isinstance(value.value, bool) or value.value is None:
            return repr(value.value)
        return {int: "0", float: "0.0", str: "''", bytes: "b''"}.get(type(value.value), "")
    if isinstance(value, ast.JoinedStr):
        return "''"
    for kinds, text in (((ast.List, ast.ListComp), "[]"), ((ast.Dict, ast.DictComp), "{}"), ((ast.Tuple,), "()")):
        if isinstance(value, kinds):
            return text
    if isinstance(value, ast.BinOp) or call_name(value) in ("sum", "len", "round", "int", "abs", "min", "max"):
        return "0"
    return {"list": "[]", "sorted": "[]", "dict": "{}", "set": "set()", "tuple": "()", "str": "''", "join": "''"}.get(
        call_name(value), ""
    )


_ATTRIBUTE = re.compile(r"'(?P<owner>[\w.]+)' object has no attribute '(?P<name>\w+)'")
_MODULE_ATTRIBUTE = re.compile(r"module '(?P<owner>[\w.]+)' has no attribute '(?P<name>\w+)'")
_NAME = re.compile(r"name '(?P<name>\w+)' is not defined")
_UNBOUND = re.compile(r"(?:local|free) variable '(?P<name>\w+)'|variable '(?P<other>\w+)'")


def missing_attribute(event: ErrorEvent) -> tuple[str, str] | None:
    """Owner and name of an attribute that was not there."""
    found = _ATTRIBUTE.search(event.error.message) or _MODULE_ATTRIBUTE.search(event.error.message)
    return (found["owner"], found["name"]) if found else None


def missing_name(event: ErrorEvent) -> str | None:
    """The name that was not defined, or not yet."""
    found = _NAME.search(event.error.message)
    if found:
        return found["name"]
    unbound = _UNBOUND.search(event.error.message)
    return (unbound["name"] or unbound["other"]) if unbound else None


def about_none(event: ErrorEvent) -> bool:
    """Whether the message says that something was None."""
    return "NoneType" in event.error.message or "None" in event.error.message.split()
