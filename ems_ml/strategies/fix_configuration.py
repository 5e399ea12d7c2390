"""fix_configuration: sets a variable, or a key of a settings file, that is unset or wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_SETS = re.compile(
    r"^(?:export|ENV|setx?|cp \S*example\S*)\s|^[A-Za-z_][\w.-]*\s*[=:](?!=)\s*\S|^\[[\w .:-]+\]$"
    r"|^-?\s*[\"']?[\w-]+[\"']?\s*:\s"
)
_WRONG = ("", "?")  # values that are set and no use


class FixConfiguration:
    name = "fix_configuration"

    def recognise(self, before: str, after: str) -> float:
        """High where a setting is added or changed in a text that is no Python, or code sets a variable."""
        lines = environment.added_lines(before, after)
        if lines and all(_SETS.search(line) for line in lines):
            return 0.95
        for edit, call in environment.added_calls(before, after):
            if base.call_name(call) in ("setdefault", "putenv", "load_dotenv") and "environ" in ast.dump(
                edit.after or call
            ):
                return 0.98
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Unsets a variable that is read, sets it to no use, or empties the settings file that is opened."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            name = variable(node)
            at = module.statement_of(node)
            if name is None or at is None or module.function_of(node) is None:
                continue
            unset = Condition(kind="unset_variable", target=name)
            wrong = [Condition(kind="set_variable", target=name, value=value) for value in _WRONG]
            yield from environment.placed(module, self.name, at, "spoils a variable", unset, *wrong)
        for statement, _ in environment.calling(module, ("open", "read_text", "read")):
            condition = Condition(kind="empty_file")
            yield from environment.placed(module, self.name, statement, "empties a settings file", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """A line in the project's `.env`, else a value given before the variable is read."""
        for place in base.places(event, source):
            for node in place.expressions:
                name = variable(node)
                if name is None or event.error.short_type not in ("KeyError", "TypeError", "ValueError"):
                    continue
                for path in (".env", ".env.example"):
                    settings = source.read(path)
                    if settings is not None and not re.search(rf"^{re.escape(name)}=", settings, re.MULTILINE):
                        end = "" if not settings or settings.endswith("\n") else "\n"
                        changed = f"{settings}{end}{name}=\n"
                        yield Proposal(strategy=self.name, path=path, source=changed, summary=f"Set {name}", score=0.5)
                if place.statement is not None and environment.imports(place.module, "os"):
                    text = place.module.inserted_before(place.statement, [f"os.environ.setdefault({name!r}, '')"])
                    yield from base.offer(place, self.name, text, f"Set {name} where it is unset", 0.4)


def variable(node: ast.AST) -> str | None:
    """The environment variable that an expression reads."""
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("os.environ", "environ"):
        key = node.slice
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
        "os.environ.get",
        "environ.get",
        "os.getenv",
        "getenv",
    ):
        key = node.args[0] if node.args else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


STRATEGY = FixConfiguration()
