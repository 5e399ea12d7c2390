"""retry_transient: tries again, after a while, what failed because a service or a lock could not be had just then."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_WAITS = re.compile(
    r"\bwait-for|\bretry\b|\bretries\b|--reruns\b|\brestart: (?:always|on-failure)|\bcondition: service_healthy"
)
_RETRIES = re.compile(r"retry|retries|retrying|backoff|tenacity|attempt|reconnect", re.IGNORECASE)
_CALLS = (
    "connect",
    "create_connection",
    "connect_ex",
    "urlopen",
    "flock",
    "lockf",
    "getresponse",
    "execute",
    "request",
    "open_connection",
)
_TRANSIENT = {
    "ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError",
    "TimeoutError", "timeout", "BlockingIOError", "OperationalError", "URLError", "ReadTimeout", "ConnectTimeout",
    "Timeout", "RemoteDisconnected", "IncompleteRead", "InterruptedError",
}  # fmt: skip
_TIMES = 3


class RetryTransient:
    name = "retry_transient"

    def recognise(self, before: str, after: str) -> float:
        """High where a loop around a `try`, a decorator or a call now tries again, or a script waits."""
        if any(_WAITS.search(line) for line in environment.added_lines(before, after)):
            return 0.99
        best = 0.0
        for edit in edits(before, after):
            if edit.after is None or (edit.before is not None and _RETRIES.search(ast.dump(edit.before))):
                continue
            loops = isinstance(edit.after, ast.For | ast.While)
            if loops and any(isinstance(node, ast.Try) for node in ast.walk(edit.after)):
                waits = any(base.call_name(node) == "sleep" for node in ast.walk(edit.after))
                best = max(best, 0.98 if waits or _RETRIES.search(ast.dump(edit.after)) else 0.5)
            elif edit.field == "decorator_list" and _RETRIES.search(ast.dump(edit.after)):
                best = max(best, 0.98)
            elif any(
                isinstance(node, ast.keyword) and _RETRIES.search(node.arg or "") for node in ast.walk(edit.after)
            ):
                best = max(best, 0.9)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Makes what a statement asks (a local server, a file's lock, a database) unavailable for a while."""
        module = Module.of(source)
        if module is None:
            return
        for statement, _ in environment.calling(module, _CALLS):
            condition = Condition(kind="unavailable", value=str(_TIMES))
            yield from environment.placed(module, self.name, statement, "makes a service unavailable", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """The failing statement in a loop that tries three times, with a growing wait."""
        if event.error.short_type in _TRANSIENT:
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            module, statement = place.module, place.statement
            if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return | ast.With):
                continue
            kind = "Exception"
            if event.error.short_type in ("timeout", "TimeoutError") or event.error.short_type.startswith("Connection"):
                kind = "OSError"
            step = module.step
            head = ["import time", f"for attempt in range({_TIMES}):", f"{step}try:"]
            tail = [f"{step}{step}break"] if not isinstance(statement, ast.Return) else []
            tail += [
                f"{step}except {kind}:",
                f"{step}{step}if attempt == {_TIMES - 1}:",
                f"{step}{step}{step}raise",
                f"{step}{step}time.sleep(0.1 * 2**attempt)",
            ]
            text = _looped(module, statement, head, tail)
            yield from base.offer(place, self.name, text, "Try again after a while", 0.7)


def _looped(module: Module, statement: ast.stmt, head: list[str], tail: list[str]) -> str | None:
    """The statement, its lines two steps deeper, between `head` and `tail`."""
    once = module.wrapped([statement], head, tail)
    if once is None:
        return None
    lines = once.splitlines(keepends=True)
    first = statement.lineno - 1 + len(head)
    last = first + (statement.end_lineno or statement.lineno) - statement.lineno
    deeper = [module.step + line if line.strip() else line for line in lines[first : last + 1]]
    return "".join([*lines[:first], *deeper, *lines[last + 1 :]])


STRATEGY = RetryTransient()
