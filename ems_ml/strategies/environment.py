"""What the strategies of the environment share: places in the code that need something, and the text of what mends it.

Nothing in the code is at fault, so an injection here leaves the text as it is and names a `Condition`. What mends a
condition is a line of a set-up script or a requirements file (`mended`); the same lines are recognised in the diffs
of such files (`added_lines`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ems_ml.source.change import Edit, edits, hunks
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import Condition, Injection

_PLAINLY_PYTHON = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.If, ast.Try)
_MENDED = {
    "hide_module": "pip install {target}",
    "other_version": "pip install --upgrade {target}",
    "unset_variable": "export {target}=value",
    "set_variable": "export {target}=value",
    "empty_file": "cp settings.example settings.ini",
    "no_access": "chmod u+rwx path",
    "remove_path": "mkdir -p path",
    "limit_recursion": "export RECURSION_LIMIT=10000",
    "limit_files": "ulimit -n 4096",
    "limit_size": "ulimit -f unlimited",
    "unavailable": "wait-for-it service:port",
}


def mended(condition: Condition) -> tuple[str, str]:
    """A set-up script before and after the line that takes the condition away."""
    return "", _MENDED[condition.kind].format(target=condition.target) + "\n"


def placed(module: Module, strategy: str, at: ast.stmt, note: str, *conditions: Condition) -> Iterator[Injection]:
    """One injection for each condition around a statement; of a compound statement its head is meant."""
    body = getattr(at, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) and body else at.end_lineno or at.lineno
    for one in conditions:
        yield Injection(
            strategy=strategy,
            source=module.text,
            line=at.lineno,
            function=module.qualified(at),
            note=note,
            condition=Condition(kind=one.kind, target=one.target, value=one.value, lines=max(1, last - at.lineno + 1)),
        )


def calling(module: Module, names: Sequence[str]) -> Iterator[tuple[ast.stmt, ast.Call]]:
    """Each statement in a function with a call of one of these names in it (of a compound one: in its head)."""
    seen: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and base.call_name(node) in names and module.function_of(node) is not None:
            statement = module.statement_of(node)
            if statement is not None and id(statement) not in seen:
                seen.add(id(statement))
                yield statement, node


@lru_cache(maxsize=64)
def is_script(before: str, after: str) -> bool:
    """Whether a changed text is no Python: a requirements file, a script, a configuration."""
    if any(isinstance(node, _PLAINLY_PYTHON) for pair in hunks(before, after) for tree in pair for node in tree.body):
        return False  # without parsing the rest
    if Module.of(before) is None or Module.of(after) is None or not edits(before, after):
        return True
    return _requires(before) and _requires(after)  # `name==1` would be Python too


def added_lines(before: str, after: str) -> list[str]:
    """Lines, stripped, that stand in `after` only; [] for Python code."""
    if not is_script(before, after):
        return []
    old = {line.strip() for line in before.splitlines()}
    return [line.strip() for line in after.splitlines() if line.strip() and line.strip() not in old]


def added_calls(before: str, after: str) -> list[tuple[Edit, ast.Call]]:
    """Calls that stand in the new side of an edit and not in the old one."""
    found = []
    for edit in edits(before, after):
        old = {base.call_name(node) for node in ast.walk(edit.before)} if edit.before is not None else set()
        for node in ast.walk(edit.after) if edit.after is not None else ():
            if isinstance(node, ast.Call) and base.call_name(node) not in old:
                found.append((edit, node))
    return found


REQUIREMENT = re.compile(r"^[\"']?(?P<name>[A-Za-z][\w.-]*)(?:\[[\w, .-]+\])?\s*(?P<pin>[=<>!~]=?[^\"'#;]*)?")
FILES = ("requirements.txt", "requirements/base.txt", "requirements/requirements.txt", "requirements.in")


def requirements(text: str) -> dict[str, str]:
    """Name (lower case, `_` as `-`) to its version part, of each line that reads as a requirement."""
    found = {}
    for line in text.splitlines():
        line = line.strip().rstrip(",")
        told = REQUIREMENT.match(line)
        if told and re.fullmatch(r"[\"']?\s*([;#].*)?", line[told.end() :]):
            found[told["name"].lower().replace("_", "-")] = (told["pin"] or "").strip()
    return found


def _requires(text: str) -> bool:
    """Whether every line with something in it reads as a requirement."""
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return all(requirements(line) for line in lines)


#: Calls that use a path: functions of `os`, `io` and `shutil`, methods of `pathlib.Path`.
USES_PATH = (
    "open", "listdir", "scandir", "mkdir", "chdir", "remove", "unlink", "rename", "replace", "rmdir", "read_text",
    "write_text", "read_bytes", "write_bytes", "iterdir", "touch", "copyfile", "copy", "copy2", "move", "truncate",
)  # fmt: skip


def path_of(module: Module, call: ast.Call) -> str | None:
    """The path that a call uses, as it is written; None where it would not bear to be evaluated twice."""
    of_path = base.call_name(call) in ("read_text", "write_text", "read_bytes", "write_bytes", "iterdir", "touch")
    node = call.func.value if of_path and isinstance(call.func, ast.Attribute) else call.args[0] if call.args else None
    if node is None or any(isinstance(one, ast.Await | ast.Yield | ast.NamedExpr) for one in ast.walk(node)):
        return None
    return module.segment(node)


def imports(module: Module, name: str) -> bool:
    """Whether a module is imported by its plain name at the top."""
    return any(
        isinstance(one, ast.Import) and any(alias.name == name and alias.asname is None for alias in one.names)
        for one in module.tree.body
    )
