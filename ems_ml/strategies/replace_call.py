"""replace_call: calls another function or API for the same purpose.

`correct_name` is for an identifier that stood for another thing than was meant (`self.nmae`). Here both names are of
one family, or the call goes to another module's function with the same arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import Edit, dump, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

#: Methods that stand for each other with the same arguments.
METHODS: tuple[tuple[str, ...], ...] = (
    ("append", "extend", "add", "update", "insert", "appendleft"),
    ("get", "pop", "setdefault", "__getitem__"),
    ("items", "keys", "values", "iteritems", "iterkeys", "itervalues"),
    ("startswith", "endswith", "match"),
    ("split", "rsplit", "splitlines", "partition", "rpartition"),
    ("strip", "lstrip", "rstrip"),
    ("remove", "discard", "pop"),
    ("index", "find", "rindex", "rfind"),
    ("match", "search", "fullmatch", "findall", "finditer"),
    ("group", "groups", "groupdict"),
    ("read", "readline", "readlines"),
    ("write", "writelines"),
    ("lower", "upper", "casefold", "title"),
    ("sort", "reverse"),
    ("format", "format_map"),
    ("tobytes", "tostring"),
    ("frombytes", "fromstring"),
    ("isdigit", "isnumeric", "isdecimal"),
    ("getfullargspec", "getargspec", "signature"),
    ("perf_counter", "clock", "monotonic", "time"),
    ("utcnow", "now", "today"),
    ("fromtimestamp", "utcfromtimestamp"),
    ("dump", "dumps"),
    ("load", "loads"),
    ("exists", "isfile", "isdir", "is_file", "is_dir"),
    ("makedirs", "mkdir"),
    ("remove", "unlink", "rmdir"),
    ("get_event_loop", "get_running_loop", "new_event_loop"),
    ("warn", "warning"),
    ("popleft", "pop"),
    ("next", "__next__"),
)
#: Functions that do.
FUNCTIONS: tuple[tuple[str, ...], ...] = (
    ("min", "max", "sum"),
    ("sorted", "reversed"),
    ("any", "all"),
    ("isinstance", "issubclass"),
    ("getattr", "hasattr", "setattr", "delattr"),
    ("iter", "next", "aiter", "anext"),
    ("range", "xrange", "enumerate"),
    ("map", "filter"),
    ("str", "repr", "ascii"),
    ("ord", "chr"),
    ("vars", "dir"),
    ("int", "float"),
)
_GONE = ("iteritems", "iterkeys", "itervalues", "tostring", "fromstring", "getargspec", "clock", "xrange", "next")


class ReplaceCall:
    name = "replace_call"

    def recognise(self, before: str, after: str) -> float:
        """High where a call goes to another function of the same family; less where to another API."""
        return max((_score(edit) for edit in edits(before, after)), default=0.0)

    def inject(self, source: str) -> Iterator[Injection]:
        """Calls another function of the family, one that is gone from Python or that does another thing."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if not isinstance(node, ast.Call):
                continue
            for other in _siblings(node.func):
                if isinstance(node.func, ast.Attribute):
                    start, end = module.span(node.func)
                    start = end - len(node.func.attr)
                    text = module.replaced((start, end, other))
                else:
                    text = module.replace(node.func, other)
                yield from base.plant(module, self.name, node, text, "calls a function of the same family")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where what is called does not exist or does not fit: another of its family."""
        if event.error.short_type in ("AttributeError", "TypeError", "ValueError", "KeyError", "NameError"):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        missing = base.missing_attribute(event)
        absent = (missing[1] if missing else None) or base.missing_name(event)
        for place in base.places(event, source):
            for node in place.expressions:
                if not isinstance(node, ast.Call):
                    continue
                name = base.call_name(node)
                for other in _siblings(node.func):
                    if other in _GONE or (absent is not None and name != absent):
                        continue
                    end = place.module.span(node.func)[1]
                    text = place.module.replaced((end - len(name), end, other))
                    score = 0.7 if name == absent else 0.3
                    yield from base.offer(place, self.name, text, f"Call {other} instead of {name}", score)


def _siblings(function: ast.expr) -> list[str]:
    if isinstance(function, ast.Attribute):
        name, families = function.attr, METHODS
    elif isinstance(function, ast.Name):
        name, families = function.id, FUNCTIONS
    else:
        return []
    return list(dict.fromkeys(one for family in families if name in family for one in family if one != name))


def _score(edit: Edit) -> float:
    old, new = edit.before, edit.after
    if isinstance(old, ast.Attribute) and isinstance(new, ast.Attribute) and old.attr != new.attr:
        if edit.path[-1:] == ("Call",) and new.attr in _siblings(old):
            return 0.99 if dump(old.value) == dump(new.value) else 0.9
        return 0.6 if edit.field == "func" and dump(old.value) != dump(new.value) else 0.0
    if isinstance(old, ast.Name) and isinstance(new, ast.Name) and edit.field == "func":
        return 0.99 if new.id in _siblings(old) else 0.0
    if edit.field == "func" and {type(old), type(new)} == {ast.Name, ast.Attribute}:
        return 0.9 if _last(old) != _last(new) else 0.0
    if isinstance(old, ast.Call) and isinstance(new, ast.Call) and dump(old.func) != dump(new.func):
        same = [dump(one) for one in old.args] == [dump(one) for one in new.args]
        if same and old.args:
            return 0.85
        inside = dump(old) in dump(new) or dump(new) in dump(old)
        return 0.6 if not inside and _last(old.func) != _last(new.func) else 0.0
    return 0.0


def _last(function: ast.AST | None) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


STRATEGY = ReplaceCall()
