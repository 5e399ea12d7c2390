"""grant_permission: grants access to a file or folder that is there and may not be used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_GRANTS = re.compile(
    r"(?:^|\s)(?:chmod|chown|setfacl|usermod|GRANT|setcap|sudo)\s|^permissions:|\bmode:\s*['\"]?0?[0-7]{3}"
)
_CALLS = ("chmod", "fchmod", "chown", "fchown", "lchown", "umask")


class GrantPermission:
    name = "grant_permission"

    def recognise(self, before: str, after: str) -> float:
        """High where rights are given, by code or by a script."""
        if any(_GRANTS.search(line) for line in environment.added_lines(before, after)):
            return 0.98
        for edit, call in environment.added_calls(before, after):
            if base.call_name(call) in _CALLS:
                return 0.98 if isinstance(edit.after, ast.stmt) else 0.9
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Takes the rights, just before it is used, from the file or folder that a statement uses."""
        module = Module.of(source)
        if module is None:
            return
        for statement, _ in environment.calling(module, environment.USES_PATH):
            condition = Condition(kind="no_access")
            yield from environment.placed(module, self.name, statement, "takes the rights from a path", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """The owner's own rights on what is opened, given before."""
        if event.error.short_type == "PermissionError":
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            for statement, call in environment.calling(place.module, environment.USES_PATH):
                path = environment.path_of(place.module, call)
                if place.statement is not statement or path is None:
                    continue
                lines = [f"if os.path.exists({path}):", f"{place.module.step}os.chmod({path}, 0o700)"]
                if not environment.imports(place.module, "os"):
                    lines = ["import os", *lines]
                text = place.module.inserted_before(statement, lines)
                yield from base.offer(place, self.name, text, "Give the owner the rights first", 0.4)


STRATEGY = GrantPermission()
