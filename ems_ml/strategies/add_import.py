"""add_import: adds, corrects or guards an import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

#: Names that are usually taken from a module of the standard library.
_FROM = {
    "Path": "pathlib", "defaultdict": "collections", "OrderedDict": "collections", "Counter": "collections",
    "deque": "collections", "namedtuple": "collections", "partial": "functools", "wraps": "functools",
    "reduce": "functools", "lru_cache": "functools", "chain": "itertools", "islice": "itertools",
    "datetime": "datetime", "timedelta": "datetime", "timezone": "datetime", "date": "datetime",
    "Decimal": "decimal", "dataclass": "dataclasses", "field": "dataclasses", "contextmanager": "contextlib",
    "suppress": "contextlib", "deepcopy": "copy", "Any": "typing", "Optional": "typing", "Enum": "enum",
    "StringIO": "io", "BytesIO": "io", "urlparse": "urllib.parse", "urljoin": "urllib.parse", "quote": "urllib.parse",
    "Mapping": "collections.abc", "Sequence": "collections.abc", "Iterable": "collections.abc",
}  # fmt: skip


class AddImport:
    name = "add_import"

    def recognise(self, before: str, after: str) -> float:
        """High where an import was added or changed; less beside other changes."""
        found = edits(before, after)
        told = [
            edit
            for edit in found
            if isinstance(edit.after, ast.Import | ast.ImportFrom | ast.alias)
            or (isinstance(edit.after, ast.Try) and isinstance(edit.before, ast.Import | ast.ImportFrom))
            or (edit.path[-1:] and edit.path[-1] in ("Import", "ImportFrom"))
        ]
        if not told:
            return 0.0
        return 0.99 if len(told) == len(found) else 0.3

    def inject(self, source: str) -> Iterator[Injection]:
        """Removes an import that is used in a function."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if (
                not isinstance(statement, ast.Import | ast.ImportFrom)
                or getattr(statement, "module", "") == "__future__"
            ):
                continue
            for alias in statement.names:
                name = (alias.asname or alias.name).split(".")[0]
                if alias.name == "*" or not _used_in_function(module, name):
                    continue
                if len(statement.names) == 1:
                    text = module.deleted(statement)
                elif statement.names[-1] is alias:
                    text = module.replaced((module.span(statement.names[-2])[1], module.span(alias)[1], ""))
                else:
                    after = statement.names[statement.names.index(alias) + 1]
                    text = module.replaced((module.span(alias)[0], module.span(after)[0], ""))
                yield from base.plant(module, self.name, statement, text, "removes an import")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """For a name that is not defined: the import that would define it."""
        name = base.missing_name(event)
        if event.error.short_type == "NameError" and name is not None:
            yield from base.best(self._proposed(event, source, name))

    def _proposed(self, event: ErrorEvent, source: SourceTree, name: str) -> Iterator[Proposal]:
        lines: list[tuple[str, float]] = []
        if name in _FROM:
            lines.append((f"from {_FROM[name]} import {name}", 0.9))
        if name in sys.stdlib_module_names:
            lines.append((f"import {name}", 0.95))
        for path in source.paths():
            if not path.endswith(".py") or base.is_test_path(path) or len(lines) > 6:
                continue
            other = Module.of(source.read(path) or "")
            for statement in other.tree.body if other else []:
                if isinstance(statement, ast.Import | ast.ImportFrom) and getattr(statement, "level", 0) == 0:
                    for alias in statement.names:
                        if (alias.asname or alias.name) == name:
                            one = ast.unparse(type(statement)(**{**vars(statement), "names": [alias]}))
                            lines.append((one, 0.85))
                elif isinstance(statement, ast.FunctionDef | ast.ClassDef) and statement.name == name:
                    dotted = path.removesuffix(".py").removeprefix("src/").replace("/", ".").removesuffix(".__init__")
                    lines.append((f"from {dotted} import {name}", 0.8))
        for place in base.places(event, source):
            for line, score in dict(lines).items():
                first = _first_place(place.module)
                text = place.module.inserted_before(first, [line]) if first is not None else None
                yield from base.offer(place, self.name, text, f"Import {name}", score)


def _used_in_function(module: Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and module.function_of(node) is not None
        for node in ast.walk(module.tree)
    )


def _first_place(module: Module) -> ast.stmt | None:
    """Where an import belongs: before the first import that is not from `__future__`, or the first statement."""
    body = module.tree.body
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom) and getattr(statement, "module", "") != "__future__":
            return statement
    for statement in body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not docstring and not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            return statement
    return None


STRATEGY = AddImport()
