"""What a change of one file has more and less of than before: counts of abstract signs, for a model to read.

A sign is a kind of syntax with what it is about: `if:none` is a branch on a test against None, `catches:KeyError` a
handler's kind, `call:convert` a call that converts. What stands on both sides cancels out, wherever it stands, so
that code that only moved or was put into a block leaves no sign but that of the block. No name of a project's own
is ever part of a sign.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from ems_ml.source.change import Edit, dump, edits, hunks
from ems_ml.source.guards import called, guards, last_name, words_in
from ems_ml.source.shapes import BUILTINS, EXCEPTIONS

_CALLS = {
    name: kind
    for kind, names in {
        "convert": "str int float list tuple dict set bytes bool frozenset bytearray asarray array text_type "
        "string_types complex Decimal Path fspath asanyarray ensure_list astype iter repr map join",
        "copy": "copy deepcopy",
        "code": "encode decode to_bytes to_unicode ensure_str ensure_bytes ensure_text native_str str_to_bytes "
        "bytes_to_str as_text force_str force_bytes fsdecode fsencode smart_str to_native unquote quote u b "
        "safe_str safe_repr to_native_str str_to_unicode unicode_to_str",
        "default": "get setdefault pop getattr next",
        "has": "hasattr has_key",
        "type": "isinstance issubclass callable type isclass isfunction ismethod is_dataclass iscoroutinefunction",
        "special": "isnan isinf isfinite isnull isna iscomplex iscomplexobj",
        "length": "len any all size count",
        "clean": "strip lstrip rstrip lower upper normalize clip min max abs replace sub normpath realpath abspath",
        "release": "close release shutdown terminate stop unlink cleanup disconnect join unregister kill cancel",
        "open": "open fdopen",
        "path": "makedirs mkdir mkdirs ensure_dir touch",
        "permission": "chmod access",
        "limit": "setrecursionlimit setrlimit memoize lru_cache",
        "wait": "sleep retry",
        "log": "debug info warning warn error exception critical log print",
        "super": "super",
        "regex": "compile match search findall fullmatch split",
        "format": "format",
        "suppress": "suppress ignoring ignored",
        "lock": "Lock RLock acquire locked",
        "defer": "add_callback call_soon call_later singleShot after call_soon_threadsafe partial",
    }.items()
    for name in names.split()
}
_OWN_SIGN = words_in(
    "str int float list tuple dict set bytes get pop getattr hasattr isinstance len getcwd copy deepcopy encode decode "
    "open super sorted zip range enumerate max min next iter type repr map filter join strip close"
)
_SETTINGS = frozenset({"encoding", "errors", "charset"})
_LIMITS = re.compile(r"(?i)limit|max|depth|size|recurs|memo|cache|timeout|guard|seen|visited")
_STATE = re.compile(r"(?i)closed|closing|running|started|finali|alive|connected|enabled|disabled|stopp")
_EMPTY = re.compile(r"(?i)^(?:size|empty|count|length|shape|ndim)$")
_KIND = re.compile(r"(?i)^(?:type|kind|dtype|__class__|etype|node_?type)$")
_CODEC = re.compile(r"(?i)utf.?8|latin|ascii|unicode|cp\d+")

MOST_EDITS = 400  # looked at one by one


def test_kinds(test: ast.AST) -> list[str]:
    """What the parts of a condition are about, through `and`, `or` and `not`, in order.

    Of `none`, `type`, `special`, `member`, `attribute`, `empty`, `state`, `version`, `compare`, `call`, `truth`,
    `constant` and `other`.
    """
    if isinstance(test, ast.BoolOp):
        return [kind for value in test.values for kind in test_kinds(value)]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test_kinds(test.operand)
    if isinstance(test, ast.NamedExpr):
        return test_kinds(test.value)
    return [_atom(test)]


def _atom(test: ast.AST) -> str:
    if isinstance(test, ast.Compare):
        return _comparison(test)
    name = called(test)
    if name:
        kind = _CALLS.get(name, "")
        if kind in ("type", "special"):
            return kind
        if name == "getattr" and isinstance(test, ast.Call) and len(test.args) == 3:
            return "attribute"
        return {"has": "attribute", "length": "empty"}.get(kind, "state" if _STATE.search(name) else "call")
    if isinstance(test, ast.Constant):
        return "constant"
    if isinstance(test, ast.Name | ast.Attribute):
        name = test.id if isinstance(test, ast.Name) else test.attr
        if _EMPTY.match(name):
            return "empty"
        return "version" if _version(test) else "state" if _STATE.search(name) else "truth"
    return "truth" if isinstance(test, ast.Subscript) else "other"


def _comparison(test: ast.Compare) -> str:
    sides = [test.left, *test.comparators]
    if any(isinstance(side, ast.Constant) and side.value is None for side in sides):
        return "none"
    names = {called(side) for side in sides}
    last = {last_name(side) for side in sides}
    if names & {"type"} or any(_KIND.match(name) for name in last):
        return "type"
    if any(_version(side) for side in sides):
        return "version"
    if any(isinstance(op, ast.In | ast.NotIn) for op in test.ops):
        return "member"
    if names & {"len"} or any(_EMPTY.match(name) for name in last):
        return "empty"
    values = [side.value for side in sides if isinstance(side, ast.Constant)]
    if any(value in (0, "", b"") for value in values if isinstance(value, int | str | bytes)):
        return "empty"
    if any(isinstance(op, ast.Is | ast.IsNot) for op in test.ops):
        return "identity"
    return "compare:" + (type(values[0]).__name__ if values else "value")


def _version(node: ast.AST) -> bool:
    return any(
        (isinstance(one, ast.Attribute) and one.attr in ("version_info", "platform", "PY2", "PY3", "name"))
        and isinstance(one.value, ast.Name)
        and one.value.id in ("sys", "os", "six", "compat")
        for one in ast.walk(node)
    ) or (isinstance(node, ast.Name) and node.id in ("PY2", "PY3", "WINDOWS", "TYPE_CHECKING"))


def way_out(block: list[ast.stmt]) -> str:
    """How a block ends: `raise`, `return`, `skip`, `pass`, `assign` or `on`."""
    last = block[-1] if block else None
    if isinstance(last, ast.Raise):
        return "raise"
    if isinstance(last, ast.Return):
        return "return"
    if isinstance(last, ast.Continue | ast.Break):
        return "skip"
    if isinstance(last, ast.Assign | ast.AugAssign | ast.AnnAssign):
        return "assign"
    return "pass" if isinstance(last, ast.Pass) else "on"


def signs_of(tree: ast.AST) -> Counter[str]:
    """The signs in a tree; docstrings have none."""
    found: Counter[str] = Counter()
    waiting: list[tuple[ast.AST, str]] = [(tree, "module")]
    while waiting:
        node, inside = waiting.pop()
        found.update(_signs(node, inside))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = "function"
        elif isinstance(node, ast.ClassDef):
            inside = "class"
        for child in ast.iter_child_nodes(node):
            if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                waiting.append((child, inside))
    return found


def _signs(node: ast.AST, inside: str) -> Iterator[str]:
    """The signs of one node, without those of what stands in it."""
    kind = type(node).__name__
    if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
        kinds = test_kinds(node.test)
        yield kind
        yield from (f"test:{one}" for one in kinds)
        if isinstance(node, ast.If):
            out = way_out(node.body)
            yield f"if:{out}"
            yield from (f"if:{one}:{out}" for one in dict.fromkeys(kinds))
            if node.orelse:
                yield "else"
        else:
            yield from (f"{kind}:{one}" for one in dict.fromkeys(kinds))
    elif isinstance(node, ast.comprehension):
        yield from ("filter:" + one for test in node.ifs for one in test_kinds(test))
        yield kind
    elif isinstance(node, ast.BoolOp):
        yield type(node.op).__name__
        if isinstance(node.op, ast.Or):
            yield f"or:{type(node.values[-1]).__name__}"
    elif isinstance(node, ast.Try):
        yield from ("try", *(["try:finally"] if node.finalbody else []), *(["try:else"] if node.orelse else []))
    elif isinstance(node, ast.ExceptHandler):
        yield "handler"
        yield f"handler:{way_out(node.body)}"
        kinds_ = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for one in kinds_:
            name = last_name(one)
            yield "catches"
            yield "catches:" + (name if name in EXCEPTIONS else "own" if name else "all")
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield "with"
        yield from (f"with:{_CALLS.get(called(item.context_expr), 'other')}" for item in node.items)
    elif isinstance(node, ast.Raise):
        name = last_name(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        yield "raise"
        yield "raise:" + (name if name in EXCEPTIONS else "own" if name else "again")
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield f"def:{inside}"
        if node.name.startswith("__") and node.name.endswith("__"):
            yield "def:dunder"
        yield from ["decorator"] * len(node.decorator_list)
        yield from ["async"] if isinstance(node, ast.AsyncFunctionDef) else []
    elif isinstance(node, ast.arguments):
        everything = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        yield from ["parameter"] * len(everything)
        yield from ["parameter:default"] * (len(node.defaults) + len([one for one in node.kw_defaults if one]))
        yield from ["parameter:star"] * ((node.vararg is not None) + (node.kwarg is not None))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield f"import:{inside}"
        yield from ["import"] * len(node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        yield from _assignment(node, inside)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.keyword):
        yield "keyword"
        if node.arg in _SETTINGS:
            yield "keyword:encoding"
        elif node.arg == "default":
            yield "keyword:default"
        elif node.arg is None:
            yield "argument:star"
        elif _LIMITS.search(node.arg):
            yield "keyword:limit"
    elif isinstance(node, ast.Constant):
        yield f"constant:{type(node.value).__name__}"
        if isinstance(node.value, str) and _CODEC.search(node.value):
            yield "constant:codec"
    elif isinstance(node, ast.Return):
        value = node.value
        yield "return"
        yield "return:" + ("nothing" if value is None else type(value).__name__)
    elif isinstance(node, ast.Compare):
        yield from (f"op:{type(op).__name__}" for op in node.ops)
    elif isinstance(node, ast.BinOp):
        text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str | bytes)
        yield "format:%" if text and isinstance(node.op, ast.Mod) else f"bin:{type(node.op).__name__}"
    elif isinstance(node, ast.Subscript):
        yield f"item:{type(node.slice).__name__}"
    elif isinstance(node, ast.Name):
        yield "name"
        if node.id in EXCEPTIONS:
            yield "name:exception"
        elif node.id in BUILTINS:
            yield "name:builtin"
        elif _LIMITS.search(node.id):
            yield "name:limit"
    elif isinstance(node, ast.Attribute):
        yield "attribute"
        if node.attr in ("environ", "path", "platform"):
            yield f"attribute:{node.attr}"
    elif isinstance(node, ast.stmt) or (
        isinstance(node, ast.expr)
        and isinstance(
            node,
            ast.UnaryOp | ast.Lambda | ast.ListComp | ast.DictComp | ast.SetComp | ast.GeneratorExp | ast.Await
            | ast.Yield | ast.YieldFrom | ast.JoinedStr | ast.Starred | ast.Tuple | ast.List | ast.Dict | ast.Set,
        )
    ):  # fmt: skip
        yield f"class:{inside}" if isinstance(node, ast.ClassDef) else kind


def _assignment(node: ast.Assign | ast.AnnAssign | ast.AugAssign, inside: str) -> Iterator[str]:
    if isinstance(node, ast.AugAssign):
        yield "augmented"
        return
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    yield f"assign:{inside}"
    yield f"assign:to:{type(target).__name__}"
    value = node.value
    if first_value(value):
        yield "assign:first"
    if isinstance(value, ast.Call):
        written = dump(target).replace("Store()", "Load()")
        if any(dump(one) == written for one in value.args):
            yield f"assign:itself:{_CALLS.get(called(value), 'other')}"
    elif isinstance(value, ast.BoolOp | ast.IfExp):
        yield f"assign:{type(value).__name__}"


def first_value(value: ast.AST | None) -> bool:
    """Whether a value is one to begin with: None, a number, an empty text or container."""
    if isinstance(value, ast.Constant):
        return not value.value or isinstance(value.value, bool)
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        return not value.elts
    if isinstance(value, ast.Dict):
        return not value.keys
    return isinstance(value, ast.Call) and not value.args and called(value) in ("set", "dict", "list", "object")


def _call(node: ast.Call) -> Iterator[str]:
    name = called(node)
    kind = _CALLS.get(name)
    yield "call"
    if kind:
        yield f"call:{kind}"
    if name in _OWN_SIGN:
        yield f"call:{name}"
    if (name in ("get", "pop", "next") and len(node.args) == 2) or (name == "getattr" and len(node.args) == 3):
        yield "call:with default"
    yield from ["argument"] * len(node.args)
    if any(isinstance(one, ast.Starred) for one in node.args):
        yield "argument:star"


def _moved(found: Sequence[Edit]) -> int:
    """How many statements went from one place to another."""
    gone: Counter[str] = Counter()
    come: Counter[str] = Counter()
    for edit in found:
        gone.update(dump(one) for one in _statements(edit.before))
        come.update(dump(one) for one in _statements(edit.after))
    return (gone & come).total()


def _statements(node: ast.AST | None) -> Iterator[ast.stmt]:
    for one in ast.walk(node) if node is not None else ():
        if isinstance(one, ast.stmt) and not isinstance(one, ast.Pass | ast.Return | ast.Continue | ast.Break):
            yield one


@lru_cache(maxsize=64)
def signs(before: str, after: str) -> Counter[str]:
    """What a change brought in (`+if:none`) and took away (`-raise`), with how often, and what its edits are.

    Empty for a text that is not valid Python, and where nothing but layout differs. Do not change what is returned.
    """
    found: Counter[str] = Counter()
    try:
        parts = [(signs_of(old), signs_of(new)) for old, new in hunks(before, after)]
    except RecursionError:
        return found
    for old, new in parts:
        for sign in old.keys() | new.keys():
            found[sign] += new[sign] - old[sign]
    told = Counter({("+" if more > 0 else "-") + sign: abs(more) for sign, more in found.items() if more})
    found_edits = edits(before, after)[:MOST_EDITS]
    for edit in found_edits:
        told.update(_edit_signs(edit))
    told.update({"moved": moved} if (moved := _moved(found_edits)) else {})
    return told


def _edit_signs(edit: Edit) -> Iterator[str]:
    one, other = edit.before, edit.after
    a = type(one).__name__ if one is not None else "nothing"
    b = type(other).__name__ if other is not None else "nothing"
    parent = type(edit.parent).__name__
    yield "edit"
    if isinstance(one, ast.stmt) or isinstance(other, ast.stmt):
        yield f"edit:{a}>{b}"
    else:
        yield f"edit:{a}>{b}"
        yield f"edit:in {parent}.{edit.field}"
        yield f"edit:{a}>{b} in {parent}.{edit.field}"
    if one is not None and other is not None:
        inner, outer = dump(one), dump(other)
        if inner != outer and inner in outer:
            yield f"wrapped:{_CALLS.get(called(other), 'call') if called(other) else b}"
        elif outer in inner:
            yield f"unwrapped:{_CALLS.get(called(one), 'call') if called(one) else a}"
        if called(one) and called(other):
            yield "edit:call name" if called(one) != called(other) else "edit:same call"
        a, b = last_name(one), last_name(other)
        if a and b:
            near = SequenceMatcher(None, a, b, autojunk=False).ratio() > 0.6
            yield "renamed:not" if a == b else "renamed:near" if near else "renamed:far"
    for subject, use in guards(edit):
        yield f"guards:{use}"
        name = last_name(subject)
        yield "guards:plural" if name.endswith("s") and not name.endswith("ss") else "guards:single"
