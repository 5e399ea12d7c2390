"""create_path: makes the file or folder that is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_MAKES = re.compile(r"(?:^|\s)(?:mkdir|touch|install -d|createdb)\s|\bCREATE TABLE\b|\bmigrate\b")
_CALLS = ("makedirs", "mkdir", "touch", "ensure_dir", "mkdtemp", "create_all", "ensure_directory")


class CreatePath:
    name = "create_path"

    def recognise(self, before: str, after: str) -> float:
        """High where a folder, file or table is now made, by code or by a script."""
        if any(_MAKES.search(line) for line in environment.added_lines(before, after)):
            return 0.98
        for edit, call in environment.added_calls(before, after):
            if base.call_name(call) in _CALLS or _makes_parents(call):
                return 0.98 if isinstance(edit.after, ast.stmt) else 0.9
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Moves away, just before it is used, the file or the folder that a statement uses."""
        module = Module.of(source)
        if module is None:
            return
        for statement, call in environment.calling(module, environment.USES_PATH):
            if base.call_name(call) in ("remove", "unlink", "rmdir"):
                continue  # what is to go need not be made
            condition = Condition(kind="remove_path")
            yield from environment.placed(module, self.name, statement, "moves a path away", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """The folder of what is opened, made before; for what makes one folder, all above it too."""
        if event.error.short_type in ("FileNotFoundError", "NotADirectoryError"):
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            for statement, call in environment.calling(place.module, environment.USES_PATH):
                path = environment.path_of(place.module, call)
                if place.statement is not statement or path is None:
                    continue
                lines = [f"os.makedirs(os.path.dirname({path}) or '.', exist_ok=True)"]
                if not environment.imports(place.module, "os"):
                    lines = ["import os", *lines]
                text = place.module.inserted_before(statement, lines)
                yield from base.offer(place, self.name, text, "Make the folder first", 0.8)
                if base.call_name(call) in ("listdir", "scandir", "iterdir", "chdir"):
                    own = [line.replace(f"os.path.dirname({path}) or '.'", path) for line in lines]
                    text = place.module.inserted_before(statement, own)
                    yield from base.offer(place, self.name, text, "Make the folder that is listed", 0.85)


def _makes_parents(call: ast.Call) -> bool:
    return any(word.arg in ("exist_ok", "parents") for word in call.keywords)


STRATEGY = CreatePath()
