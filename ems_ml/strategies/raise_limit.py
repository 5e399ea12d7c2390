"""raise_limit: raises a limit of recursion, files or time that the work exceeds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import Edit, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_RAISES = re.compile(
    r"\bulimit\s|\b(?:RECURSION_LIMIT|LimitNOFILE|mem_limit|memory_limit|nofile|shm_size)\b|--memory[= ]"
)
_CALLS = ("setrecursionlimit", "setrlimit", "set_int_max_str_digits", "field_size_limit")
_KEYWORDS = ("timeout", "max_depth", "max_size", "max_length", "maxsize", "max_retries", "limit")
_BOUNDS = re.compile(r"(?i)recursion|recursing|infinite(?:ly)?[ _](?:loop|recur)|too many open|out of memory")
_MEMOIZE = re.compile(r"(?i)memoize|lru_cache|\bcache\b|recursion")
_SHALLOW = 5  # frames that are left where the recursion begins
_ENOUGH = 100_000


class RaiseLimit:
    name = "raise_limit"

    def recognise(self, before: str, after: str) -> float:
        """High where a limit is set anew, by code or by a script, a limit grows, or recursion is bounded."""
        if any(_RAISES.search(line) for line in environment.added_lines(before, after)):
            return 0.99
        if any(base.call_name(call) in _CALLS for _, call in environment.added_calls(before, after)):
            return 0.98
        found = edits(before, after)
        if any(_grown(edit.parent, edit.before, edit.after) for edit in found):
            return 0.98
        if found and _BOUNDS.search(after) and any(_BOUNDS.search(line) for line in _new_lines(before, after)):
            return 0.9
        return 0.8 if any(edit.before is None and _remembers(edit) for edit in found) else 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Leaves a function that calls itself a few frames, and one that opens or writes no handle and no room."""
        module = Module.of(source)
        if module is None:
            return
        for node in ast.walk(module.tree):
            function = module.function_of(node)
            at = module.statement_of(node) if isinstance(node, ast.Call) else None
            if (
                at is not None
                and function is not None
                and isinstance(node, ast.Call)
                and _itself(module, node, function)
            ):
                condition = Condition(kind="limit_recursion", value=str(_SHALLOW))
                yield from environment.placed(module, self.name, at, "leaves few frames", condition)
        for statement, _ in environment.calling(module, ("open", "listdir", "scandir", "socket", "mkstemp", "Popen")):
            condition = Condition(kind="limit_files")
            yield from environment.placed(module, self.name, statement, "leaves no file handle", condition)
        for statement, _ in environment.calling(
            module, ("write", "write_text", "write_bytes", "dump", "save", "flush")
        ):
            condition = Condition(kind="limit_size", value="0")
            yield from environment.placed(module, self.name, statement, "leaves no room for a file", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """A higher recursion limit before the recursion begins, or more file handles before the opening."""
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        kind, message = event.error.short_type, event.error.message
        if kind == "RecursionError":
            lines = ["import sys", f"sys.setrecursionlimit(max(sys.getrecursionlimit(), {_ENOUGH}))"]
        elif kind == "OSError" and "[Errno 24]" in message:
            lines = [
                "import resource",
                "_most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]",
                "resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))",
            ]
        else:
            return
        for place in base.places(event, source):
            function = place.module.function_of(place.statement) if place.statement is not None else None
            if function is not None:
                text = place.module.inserted_before(function.body[0], lines)
                yield from base.offer(place, self.name, text, "Raise the limit that is exceeded", 0.6)


def _new_lines(before: str, after: str) -> set[str]:
    """Lines that stand in `after` only, comments too: they say what a guard is for."""
    return {*after.splitlines()} - {*before.splitlines()}


def _remembers(edit: Edit) -> bool:
    """Whether a decorator was added that keeps answers, or keeps a function from calling itself."""
    return edit.field == "decorator_list" and edit.after is not None and bool(_MEMOIZE.search(ast.unparse(edit.after)))


def _itself(module: Module, call: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function calls itself: by its name, or as a method of the same object's class."""
    if base.call_name(call) != function.name:
        return False
    method = isinstance(module.parents[function], ast.ClassDef)
    if isinstance(call.func, ast.Attribute):
        return method and not isinstance(call.func.value, ast.Call)
    return not method


def _grown(parent: ast.AST, before: ast.AST | None, after: ast.AST | None) -> bool:
    """Whether a number that bounds something is larger now, or no more."""
    if not isinstance(parent, ast.keyword) or parent.arg not in _KEYWORDS or not isinstance(before, ast.Constant):
        return False
    if not isinstance(after, ast.Constant) or not isinstance(before.value, int | float):
        return False
    return after.value is None or (isinstance(after.value, int | float) and after.value > before.value)


STRATEGY = RaiseLimit()
