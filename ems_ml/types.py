"""The words of the domain, as frozen values.

They stand in the order of the line: a `RawReport` is parsed into an `ErrorEvent`, redacted, normalised into
a `Signature`, embedded into a vector, grouped by an `Assignment` into a `Pattern`, its strategies ranked
(`RankedStrategy`), a `Proposal` written, and judged in a `Verdict`. Only the standard library is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

EMPTY: Mapping[str, Any] = {}


class Form(StrEnum):
    """How a report is written, which decides who parses it."""

    TEXT = "text"  # what a person pastes or a log holds: `RawReport.text`
    SENTRY = "sentry"  # a decoded Sentry event: `RawReport.payload`
    PYTEST = "pytest"  # a decoded record of pytest-reportlog: `RawReport.payload`


class Role(StrEnum):
    """Whose code a frame runs. Frames of tests and runners are shown, but are never a feature."""

    APP = "app"  # the project's own code
    LIBRARY = "library"  # an installed package
    STDLIB = "stdlib"  # the interpreter's own library
    TEST = "test"  # a test function, a conftest, a fixture
    RUNNER = "runner"  # pytest, pluggy, unittest, the harness


#: Stands in a client's fingerprint for our own grouping, as Sentry's clients write it.
DEFAULT = "{{ default }}"


class Decision(StrEnum):
    """What grouping decided for an event."""

    JOINED = "joined"
    NEW = "new"
    SUGGESTED = "suggested"  # a new pattern, with a likely match that a person is asked about


class PatternStatus(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    MERGED = "merged"  # lives on as a link to `Pattern.merged_into`


class Outcome(StrEnum):
    """The verdict on a repair."""

    REPAIRED = "repaired"  # red before, green after, nothing else broken
    NOT_REPAIRED = "not_repaired"  # the error was reproduced; no proposal made it go away
    NOT_REPRODUCED = "not_reproduced"  # the tests ran and none raised this error
    FLAKY = "flaky"  # the same code gave different results on two runs
    REFUSED = "refused"  # not started, and why: uncommitted changes, a branch that exists ...
    UNPROVEN = "unproven"  # a patch is proposed, but there are no tests that could judge it


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReport:
    """One error report as it arrived, before anybody understood it."""

    text: str = ""
    payload: Mapping[str, Any] | None = None
    form: Form = Form.TEXT
    id: str = ""  # the client's id where it gave one
    project: str = "default"
    time: datetime | None = None  # timezone-aware; None: not known
    release: str | None = None
    source: str = "stdin"  # the door it came through: stdin, file, api, pytest, logging


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One call on the stack.

    `code` is the real source line where the report or a source tree has it. `shape` and `words` are its
    abstraction (`ems_ml.source.shapes`), which is all that the shipped data keep; they are derived from
    `code` by normalisation where they are None.
    """

    file: str  # as reported; "" where unknown
    function: str = ""
    line: int | None = None
    module: str | None = None
    code: str | None = None
    in_app: bool = True
    role: Role = Role.APP
    shape: tuple[str, ...] | None = None
    words: tuple[str, ...] | None = None
    repeated: int = 0  # how many further times this frame repeats in a row (recursion)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRecord:
    """One exception of a chain. `frames`: oldest call first, raise point last."""

    type: str  # as reported, maybe qualified; "" where a text holds no exception
    message: str = ""
    frames: tuple[Frame, ...] = ()
    relation: str | None = None  # to the exception raised after it: "cause", "context", "member"; None for the last

    @property
    def short_type(self) -> str:
        """The last dotted part: `json.decoder.JSONDecodeError` -> `JSONDecodeError`."""
        return self.type.rsplit(".", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """One error, understood. `error` is the exception raised last; `chain` its causes, the nearest first."""

    id: str
    error: ExceptionRecord
    chain: tuple[ExceptionRecord, ...] = ()
    more: tuple[ErrorEvent, ...] = ()  # further errors that stood in the same text, in order, before this one
    language: str = "python"  # "text" where only the plain parser could answer
    parser: str = ""
    project: str = "default"
    time: datetime | None = None
    release: str | None = None
    source: str = "stdin"
    template: str | None = None  # the unformatted log message, where the client gave it
    fingerprint: tuple[str, ...] = ()  # the client's own grouping, obeyed first; `DEFAULT` among it: within ours
    attributes: Mapping[str, str] = field(default_factory=dict)  # environment, logger, server, test id ...
    modules: Mapping[str, str] = field(default_factory=dict)  # installed packages, where the client gave them

    @property
    def own_fingerprint(self) -> tuple[str, ...]:
        """What the client's fingerprint says beside `DEFAULT`; () where it says nothing of its own."""
        return tuple(part for part in self.fingerprint if part != DEFAULT)

    @property
    def by_default(self) -> bool:
        """Whether we group it, if only among events of the same own parts; else the client's fingerprint alone does."""
        return not self.own_fingerprint or DEFAULT in self.fingerprint

    def with_(self, **changes: Any) -> ErrorEvent:
        """A copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameKey:
    """What of a frame may decide identity or be a feature. No line number: those shift."""

    file: str  # normalised: from the package on, forward slashes
    function: str
    role: Role
    in_app: bool
    shape: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What grouping, embedding and ranking see of an event, and all that they see.

    Made by one version of `ems_ml.normalize`; equal events give equal signatures on every machine.
    """

    version: str  # "v1"
    language: str
    type: str  # short exception type, "" where there is none
    types: tuple[str, ...]  # short types of `error` and its chain, the one raised last first
    message: str  # redacted, shortened
    template: str  # the message with its variable parts replaced by placeholders
    frames: tuple[FrameKey, ...]  # runner and test frames left out, raise point last
    exact: str  # 32 hex digits; equal only for what is the same error beyond doubt
    text: str  # the document that encoders read
    in_test: bool = False  # the raise point itself stood in test code
    scope: str = ""  # equal for equal own parts of the client's fingerprint; unequal ones are never one pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An existing pattern near an event."""

    pattern: str
    probability: float  # p(same cause), in [0, 1]
    example: str  # the id of an earlier report of that pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Which pattern an event belongs to, how sure that is, and why."""

    pattern: str
    decision: Decision
    probability: float  # p(same cause as nearest[0]); 0 where there was none before
    nearest: tuple[Neighbour, ...]  # up to 10, best first, computed before this event is added
    why: Mapping[str, Any]
    exemplar: bool = True  # whether this event should be kept as an example of its pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A cause: the errors that belong together. Its id lives for ever."""

    id: str
    project: str
    title: str
    type: str
    status: PatternStatus
    count: int
    first_seen: datetime
    last_seen: datetime
    example: str  # the id of its first event
    merged_into: str | None = None
    strategies: tuple[RankedStrategy, ...] = ()
    suggestion: Neighbour | None = None  # "is this the same as ...?", waiting for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedStrategy:
    """A fix strategy with its calibrated probability of being the primary one."""

    name: str
    probability: float
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the line answers for one report. `to_json` (in `ems_ml.pipeline`) is the public contract."""

    id: str
    event: ErrorEvent
    signature: Signature
    assignment: Assignment
    strategies: tuple[RankedStrategy, ...]
    versions: Mapping[str, str]  # normalizer, encoder, grouper, ranker
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A report that the line could not answer, told to the sender; the batch goes on."""

    id: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a source tree. `path` is relative to its root, with forward slashes."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of a project's history."""

    id: str
    subject: str  # the first line of its message
    time: str  # when it was committed, ISO 8601
    parents: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The first ten digits of the id, as a person names it."""
        return self.id[:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is wrong with the environment while one statement runs; made real by `ems_ml.harvest.conditions`."""

    kind: str  # hide_module, other_version, unset_variable, set_variable, empty_file, no_access, remove_path ...
    target: str = ""  # the module, variable or limit; "" for whatever path or service the statement uses
    value: str = ""
    lines: int = 1  # how many lines the statement takes, from `Injection.line` on


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One fault that can be planted in a file: the whole changed text, and where.

    With a `condition` the text is the healthy one: it is the environment of the statement at `line` that is at fault.
    """

    strategy: str
    source: str  # the whole file with the fault in it
    line: int  # first line of the fault, 1-based, in the changed text
    function: str  # qualified name of the enclosing function, "" at module level
    note: str  # what was done, in words, without source text
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One way to mend an error: the whole changed text of one file, and of further ones where it needs them."""

    strategy: str
    path: str
    source: str
    summary: str  # one line, imperative; becomes the commit's subject
    score: float = 0.5  # how well it fits, in [0, 1], among the proposals of its own strategy
    also: tuple[SourceFile, ...] = ()  # further files of the repository, each with its whole changed text
    creates: tuple[str, ...] = ()  # paths of those among `files` that are not there yet

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Every file that it changes, `path` first."""
        return (SourceFile(path=self.path, text=self.source), *self.also)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change as `git apply` takes it at the repository's root."""

    strategy: str
    diff: str
    summary: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One proposal that was tried, and what came of it."""

    strategy: str
    summary: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of the attempt to repair an error."""

    verdict: Outcome
    reason: str
    strategy: str | None = None
    patch: Patch | None = None
    tried: tuple[Attempt, ...] = ()
    seconds: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    branch: str | None = None
    commit: str | None = None
