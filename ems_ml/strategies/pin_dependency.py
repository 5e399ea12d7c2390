"""pin_dependency: moves a dependency to a version that fits, in the project's requirements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.strategies.install_dependency import PACKAGES, imported
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_UPGRADES = re.compile(r"\b(?:pip3?|conda|uv) (?:pip )?install\b.*(?:--upgrade|-U\b|==|<=|>=)")
_NAMED = re.compile(r"cannot import name '\w+' from '(?P<name>\w+)|module '(?P<owner>\w+)[\w.]*' has no attribute")
#: Names of the standard library that some versions of Python in use have not: they came, or went.
_CAME_OR_WENT = {
    "ast": "unparse Constant Num Str get_source_segment TypeAlias",
    "asyncio": "run to_thread TaskGroup timeout Runner coroutine get_running_loop all_tasks create_task",
    "collections": "Mapping MutableMapping Sequence Iterable Callable ChainMap OrderedDict Counter",
    "contextlib": "nullcontext asynccontextmanager AsyncExitStack aclosing chdir ExitStack suppress",
    "dataclasses": "dataclass field KW_ONLY",
    "datetime": "UTC timezone",
    "enum": "StrEnum IntFlag Flag auto member nonmember verify",
    "functools": "cache cached_property singledispatch singledispatchmethod partialmethod",
    "importlib": "metadata resources reload",
    "importlib.metadata": "version entry_points PackageNotFoundError packages_distributions",
    "importlib.resources": "files as_file path read_text",
    "inspect": "signature getargspec get_annotations formatargspec iscoroutinefunction markcoroutinefunction",
    "itertools": "pairwise batched accumulate",
    "math": "prod dist lcm isclose inf nan tau comb perm cbrt exp2",
    "shlex": "join quote",
    "statistics": "fmean NormalDist quantiles",
    "string": "Template",
    "time": "perf_counter perf_counter_ns monotonic_ns time_ns process_time",
    "types": "GenericAlias UnionType NoneType EllipsisType",
    "unittest": "IsolatedAsyncioTestCase mock",
    "warnings": "deprecated",
}
_ALWAYS_IN_TYPING = (
    "Any Union Optional List Dict Set Tuple Callable Iterable Iterator Mapping Sequence Generic TypeVar cast"
)
_KEYWORD = "unexpected keyword argument"


class PinDependency:
    name = "pin_dependency"

    def recognise(self, before: str, after: str) -> float:
        """High where a requirement has another version, or a command installs a certain one, in no Python."""
        lines = environment.added_lines(before, after)
        if any(_UPGRADES.search(line) for line in lines):
            return 0.99
        old, new = environment.requirements(before), environment.requirements("\n".join(lines))
        told = [name for name in new if name in old and old[name] != new[name]]
        return 0.98 if told and len(told) == len(lines) else 0.3 if told else 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Takes a name, or a parameter, out of a package while code that asks for it runs."""
        module = Module.of(source)
        if module is None:
            return
        modules: dict[str, str] = {}  # as it is called here: the module's own name
        names: dict[str, tuple[str, str]] = {}
        for statement in base.statements(module):
            if not imported(statement):
                continue
            if isinstance(statement, ast.Import):
                modules |= {one.asname or one.name: one.name for one in statement.names}
            elif isinstance(statement, ast.ImportFrom) and statement.module:
                for one in statement.names:
                    if one.name != "*":
                        names[one.asname or one.name] = (statement.module, one.name)
                        without = Condition(kind="other_version", target=statement.module, value=one.name)
                        yield from self._placed(module, statement, without)
        for node in base.expressions(module):
            at = module.statement_of(node)
            if at is None or module.function_of(node) is None:
                continue
            if isinstance(node, ast.Attribute) and (owner := ast.unparse(node.value)) in modules:
                without = Condition(kind="other_version", target=modules[owner], value=node.attr)
                yield from self._placed(module, at, without)
            elif isinstance(node, ast.Call):
                called = _called(node.func, modules, names)
                for keyword in node.keywords if called else ():
                    if keyword.arg and called:
                        value = f"{called[1]}:{keyword.arg}"
                        yield from self._placed(
                            module, at, Condition(kind="other_version", target=called[0], value=value)
                        )

    def _placed(self, module: Module, at: ast.stmt, condition: Condition) -> Iterator[Injection]:
        if _varies(condition.target, condition.value):
            yield from environment.placed(module, self.name, at, "takes a name out of a package", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Another version of the package that lacks the name: without its upper bound, else below the next one."""
        top = _package(event)
        if top is None or not any(True for _ in base.places(event, source)):
            return
        wanted = PACKAGES.get(top, top).lower().replace("_", "-")
        for path in environment.FILES:
            text = source.read(path) or ""
            for line in text.splitlines():
                told = environment.REQUIREMENT.match(line)
                if told is None or told["name"].lower().replace("_", "-") != wanted or not told["pin"]:
                    continue
                for pin, score in _other_pins(told["pin"].strip()):
                    changed = text.replace(line, line.replace(told["pin"].strip(), pin), 1)
                    summary = f"Require {told['name']}{pin}"
                    yield Proposal(strategy=self.name, path=path, source=changed, summary=summary, score=score)


def _varies(module: str, value: str) -> bool:
    """Whether a version without this name or parameter can be: of a package, or of some Python."""
    if module == "typing":
        return value not in _ALWAYS_IN_TYPING.split()
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return True
    return value in _CAME_OR_WENT.get(module, "").split()


def _called(node: ast.expr, modules: dict[str, str], names: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Module and name of what is called, where both are known."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := ast.unparse(node.value)) in modules:
        return modules[owner], node.attr
    return None


def _package(event: ErrorEvent) -> str | None:
    """The package that has not what was asked of it: named by the message, or by the library's own frame."""
    told = _NAMED.search(event.error.message)
    if told:
        return told["name"] or told["owner"]
    if event.error.short_type == "TypeError" and _KEYWORD in event.error.message and event.error.frames:
        inner = re.search(r"(?:site|dist)-packages/(\w+)", event.error.frames[-1].file)
        return inner[1] if inner else None
    return None


def _other_pins(pin: str) -> Iterator[tuple[str, float]]:
    exact = re.fullmatch(r"==\s*(\d+)((?:\.\d+)*)", pin)
    if exact:
        yield f">={exact[1]}{exact[2]}", 0.6
        yield f"<{exact[1]}{exact[2]}", 0.5
    above = re.fullmatch(r">=\s*(\d+)((?:\.\d+)*)", pin)
    if above:
        yield f"{pin},<{int(above[1]) + 1}", 0.6


STRATEGY = PinDependency()
