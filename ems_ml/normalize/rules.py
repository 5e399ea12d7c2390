"""A project's own rules of which frames are its application, in the words of Sentry's stack trace rules.

    stack.abs_path:**/vendored/** -app
    stack.module:shop_plugins.* !stack.function:legacy_* +app

A rule a line: expressions that must all match a frame (`!` before one: must not), then `+app` or `-app`. Later rules
win. Empty lines and what follows a `#` are passed over.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ems_ml.errors import UsageError
from ems_ml.ports import Normalizer, Parsers
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, RawReport, Role, Signature

EVERY = "*"  # stands for every project; its rules come before the project's own
_ACTIONS = {"+app": True, "-app": False}


@dataclass(frozen=True, slots=True)
class _Rule:
    """Each matcher with what it must answer; then whether the frame is the application's."""

    matchers: tuple[tuple[Callable[[Frame], bool], bool], ...]
    in_app: bool

    def fits(self, frame: Frame) -> bool:
        return all(matches(frame) is wanted for matches, wanted in self.matchers)


class StackRules:
    """Rules by project, `EVERY` standing for all of them. Raises `UsageError` for a rule that cannot be read.

    >>> rules = StackRules({"shop": "stack.abs_path:**/vendored/** -app"})
    >>> frames = tuple(Frame(file=name) for name in ("/srv/shop/cart.py", "/srv/shop/vendored/tax.py"))
    >>> event = ErrorEvent(id="1", error=ExceptionRecord(type="KeyError", frames=frames), project="shop")
    >>> [frame.in_app for frame in rules.apply(event).error.frames]
    [True, False]
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._rules = {project: _read(text, project) for project, text in texts.items()}
        told = "\x1e".join(f"{project}\x1f{texts[project]}" for project in sorted(texts) if self._rules[project])
        self.version = hashlib.sha256(told.encode()).hexdigest()[:8] if told else ""

    def __len__(self) -> int:
        return sum(map(len, self._rules.values()))

    def apply(self, event: ErrorEvent) -> ErrorEvent:
        """The event with its frames' `in_app` and `role` as its project's rules want them; twice changes no more."""
        rules = (*self._rules.get(EVERY, ()), *(self._rules.get(event.project, ()) if event.project != EVERY else ()))
        if not rules:
            return event
        return event.with_(
            error=_ruled(event.error, rules),
            chain=tuple(_ruled(record, rules) for record in event.chain),
            more=tuple(self.apply(other) for other in event.more),
        )


class RuledNormalizer:
    """A normaliser that obeys the projects' rules first."""

    def __init__(self, inner: Normalizer, rules: StackRules) -> None:
        self.inner = inner
        self.rules = rules

    @property
    def version(self) -> str:
        return f"{self.inner.version}+{self.rules.version}"

    def normalize(self, event: ErrorEvent) -> Signature:
        return self.inner.normalize(self.rules.apply(event))


class RuledParsers:
    """Parsers whose events obey the projects' rules: what is kept and shown is what is decided by."""

    def __init__(self, inner: Parsers, rules: StackRules) -> None:
        self.inner = inner
        self.rules = rules

    def parse(self, report: RawReport) -> ErrorEvent:
        return self.rules.apply(self.inner.parse(report))


def _ruled(record: ExceptionRecord, rules: tuple[_Rule, ...]) -> ExceptionRecord:
    return replace(record, frames=tuple(_told(frame, rules) for frame in record.frames))


def _told(frame: Frame, rules: tuple[_Rule, ...]) -> Frame:
    in_app = next((rule.in_app for rule in reversed(rules) if rule.fits(frame)), None)
    if in_app is None:
        return frame
    role = Role.APP if in_app else Role.LIBRARY if frame.role is Role.APP else frame.role
    return replace(frame, in_app=in_app, role=role)


def _read(text: str, project: str) -> tuple[_Rule, ...]:
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                rules.append(_rule(words))
        except ValueError as error:
            raise UsageError(
                f"line {number} of the in-app rules of project {project!r} cannot be read: {error}",
                hint="write it like: stack.abs_path:**/vendored/** -app (in ems.toml, below [in_app])",
            ) from error
    return tuple(rules)


def _rule(words: list[str]) -> _Rule:
    *expressions, action = words
    if action not in _ACTIONS or not expressions:
        raise ValueError("it must be expressions, then +app or -app")
    matchers = []
    for word in expressions:
        name, colon, glob = word.removeprefix("!").partition(":")
        if name not in _MATCHERS or not colon or not glob:
            raise ValueError(f"{word!r} is none of {', '.join(f'{one}:GLOB' for one in _MATCHERS)}")
        matchers.append((_MATCHERS[name](glob), not word.startswith("!")))
    return _Rule(tuple(matchers), _ACTIONS[action])


def _by_path(glob: str) -> Callable[[Frame], bool]:
    """`**` stands for anything, `*` for anything but a slash; case does not count."""
    pattern = re.escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    compiled = re.compile(f"/?{pattern}", re.IGNORECASE | re.DOTALL)  # relative or from the root

    def matches(frame: Frame) -> bool:
        path = frame.file.replace("\\", "/")
        return compiled.fullmatch(path if path.startswith("/") else f"/{path}") is not None

    return matches


def _by_module(glob: str) -> Callable[[Frame], bool]:
    """By the module; where a trace does not tell it, by any end of the path: `shop/vendored/tax.py` is `vendored.tax`
    too."""
    compiled = re.compile(fnmatch.translate(glob))

    def matches(frame: Frame) -> bool:
        if frame.module:
            return compiled.fullmatch(frame.module) is not None
        parts = re.split(r"[\\/]+", re.sub(r"(?:/__init__)?\.\w+$", "", frame.file))
        return any(compiled.fullmatch(".".join(parts[start:])) for start in range(len(parts)))

    return matches


def _by_function(glob: str) -> Callable[[Frame], bool]:
    compiled = re.compile(fnmatch.translate(glob))
    return lambda frame: compiled.fullmatch(frame.function) is not None


_MATCHERS: Mapping[str, Callable[[str], Callable[[Frame], bool]]] = {
    "stack.abs_path": _by_path,
    "stack.module": _by_module,
    "stack.function": _by_function,
}
