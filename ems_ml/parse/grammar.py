"""How the single lines of a Python traceback are written: headers, frames, exceptions, and what ends a message.

Every pattern is linear in the line: no repetition stands inside another over the same characters.
"""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass

from ems_ml.types import Frame

#: `Traceback (most recent call last):`; before it maybe log columns, the `+` of a group, or IPython's type.
HEADER = re.compile(r"(?:\+ )?(?:Exception Group )?Traceback \((?:most recent call last|innermost last)\)")
HEADER_LINE = "Traceback (most recent call last):"
#: Stacks that are printed without an exception.
STACK_HEADER = re.compile(
    r"Call stack:\s*$|^\s*Stack \(most recent call last\)|(?:created|allocated) at \(most recent call (?:last|first)\)"
)
#: faulthandler prints the raise point first.
UPSIDE_DOWN = re.compile(r"(?:Current t|T)hread 0x[0-9a-fA-F]+ (?:\[[^\]]*\] )?\(most recent call first\)")
FATAL = re.compile(r"(?P<type>Fatal Python error): (?P<message>.*)$")
_IPYTHON_HEADER = re.compile(r"(?P<margin>[>\s]*)(?P<type>[^\W\d][\w.]*) +Traceback \(most recent call last\):?\s*$")
#: The line between the members of an exception group; the group's margin stands under its last plus sign.
MEMBER = re.compile(r"(?:\+-)?\+-{3,} *(?P<number>\d+|\.\.\.) *-{3,}\s*$")

_NAME = r"(?P<function>(?:<[^<>]{0,200}>|[\w.$\[\]-])+)"
_FRAME = re.compile(
    rf"""File ["'](?P<file>[^"]*?)["'](?=, line|,? in )(?:, line (?P<line>\d{{1,9}}))?(?:,? in {_NAME})?"""
)
_CELL = re.compile(
    r"(?P<margin>[>\s]*)(?P<file>(?:Cell|Input) In ?\[\d+\])(?:, line (?P<line>\d{1,9}))?"
    rf"(?:,? in {_NAME}(?:\(.*\))?)?\s*$"
)
_FILE_COLON = re.compile(
    r"(?P<margin>[>\s]*)File (?P<file>[^\s\"'](?:[^:]|:(?!\d+(?:,? in |\s*$)))*):(?P<line>\d{1,9})"
    rf"(?:,? in {_NAME}(?:\(.*\))?)?\s*$"
)
_IPYTHON_OLD = re.compile(
    r"(?P<margin>[>\s]*)(?P<file>[~/<.][^\n]*?|[A-Za-z]:[\\/][^\n]*?|[^\s\"']+\.(?:py[xc]?|pxi|pxd)) in "
    rf"{_NAME}(?:\(.*\))?\s*$"
)
#: `web_1  | `, as docker compose begins each line.
CONTAINER = re.compile(r"[\w.-]{1,100} *\| ")
REPEATED = re.compile(r"\[Previous line repeated (\d{1,9}) more times?\]")
#: IPython's arrow at the line that runs.
ARROW = re.compile(r"[>\s]*-{1,6}> ?(?P<line>\d{1,9})(?P<code>.*)$")
LISTING = re.compile(r"\s*\d{1,9}(?:\s|$)|\s*\(\.\.\.\)|\s*\[\.\.\. +skipp")
#: Lines under the source line that point at columns.
MARKERS = re.compile(r"[\s~^]+$")
ELISION = re.compile(
    r"\s*(?:\.{3,}|\u2026|\[\s*(?:\.{3}|snip\w*|\u2026)\s*\]|<\s*snip\w*\s*>|\.\.\.<\d+ lines?>\.\.\.)\s*$", re.I
)
_DJANGO_CODE = re.compile(r"\s*(?P<line>\d{1,9})\. +(?P<code>.*)$")

_TYPE = r"[^\W\d]\w*(?:\.(?:<locals>|[^\W\d]\w*))*"
EXCEPTION = re.compile(rf"(?:<class '(?P<class>{_TYPE})'>|(?P<type>{_TYPE})) ?(?::(?: (?P<message>.*)|\s*)|\s*)$")
_ENDING = (
    r"(?:Error|Exception|Warning|Interrupt|Exit|Fault|Failure|Failed|Timeout|Iteration|NotFound|DoesNotExist"
    r"|Group|Abort|Aborted|Refused|Denied|Invalid|Missing|Unavailable|Exceeded|Skipped|Empty|Full|Conflict)"
)
_SURE_TYPE = re.compile(rf"(?:[^\W\d][\w.<>]*)?{_ENDING}\d?$")
#: `... KeyError: 'x'` somewhere in a line, as loggers put it before a traceback.
EXCEPTION_IN_LINE = re.compile(
    r"(?:^|[\s\])(:,])(?P<type>(?:[^\W\d]\w*\.){0,8}\w{0,60}?(?:Error|Exception)): (?P<message>.*)$"
)
_LEVELS = frozenset(
    [
        "DEBUG",
        "INFO",
        "NOTICE",
        "WARNING",
        "WARN",
        "ERROR",
        "CRITICAL",
        "FATAL",
        "TRACE",
        "SEVERE",
        "FAILED",
        "E",
        "W",
        "I",
        "D",
    ]
)
_BUILTINS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
#: What begins a line that is no part of the message before it.
ENDS_MESSAGE = re.compile(
    r"\s*(?:"
    r"[\[(]?\d{4}[-/]\d\d[-/]\d\d[ T_,]"  # 2024-01-31 12:00
    r"|[\[(]?\d\d?[-/:]\d\d[-/:]\d\d"  # 12:00:00, 31/01/24
    rf"|[\[(]?(?:\d\d?[ /-])?(?:{_MONTHS})[ /-]\d"  # syslog, apache
    r"|[\[<]?(?:DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL|TRACE)\b[\]>:|, -]"
    r"|[IWEF]\d{4} \d\d:"  # glog
    r"|(?:>>>|\.\.\.|In ?\[\d*\]:|Out ?\[\d*\]:|PS [A-Z]:\\|[A-Z]:\\[^\n>]{0,200}>)"
    r"|\$ |[\w.-]{1,60}@[\w.-]{1,60}[: ][^\n]{0,200}[$#%](?: |$)|\([\w.-]{1,60}\) ?(?:\$|PS |[\w.-]{1,60}@|[A-Z]:\\)"
    r"|```|~~~|\"\"\"|'''|</?(?:code|pre|details|summary)\b"
    r"|[-=_*#]{10,}\s*|[\u2500-\u257f]{4,}"
    r"|={3,} |-{3,} (?:Captured|Logging|End)|!{3,}"
    r"|Exception (?:ignored in|in thread)|Fatal Python error|Process finished with exit code|\[Finished in "
    r"|(?:\[\d{1,9}\] )?Failed to execute script|Process \S{1,80}:\s*$|Aborted|Segmentation fault|Killed\s*$"
    r"|make: \*\*\*|make\[\d\]: \*\*\*|error: subprocess-exited|npm ERR!"
    r"|Task was destroyed but|Task exception was never|Future exception was never|Unhandled exception"
    r"|Call stack:|Stack \(most recent call last\)|Sentry is attempting to send"
    r"|\S{1,200}\.py:\d{1,9}: "  # pytest's place, a warning
    r")"
)


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """A frame's line. `prefix` is what stood before it; `rest` what stood after it in the same line."""

    prefix: str
    frame: Frame
    rest: str = ""


def frame_in(line: str, *, ipython: bool = False) -> FoundFrame | None:
    """The frame that `line` states, in the interpreter's words or in IPython's."""
    at = line.find("File ")
    if at >= 0:
        for _ in range(3):
            if (found := _FRAME.match(line, at)) and (found["line"] or found["function"]):
                rest = line[found.end() :].strip()
                return FoundFrame(line[:at], _frame(found), "" if rest.startswith("(") else rest)
            if (at := line.find("File ", at + 5)) < 0:
                break
        found = _FILE_COLON.match(line)
        if found:
            return FoundFrame(found["margin"], _frame(found))
    if " In" in line and (found := _CELL.match(line)) and (found["line"] or found["function"]):
        return FoundFrame(found["margin"], _frame(found))
    if ipython and " in " in line and (found := _IPYTHON_OLD.match(line)):
        return FoundFrame(found["margin"], _frame(found))
    return None


def _frame(found: re.Match[str]) -> Frame:
    groups = found.groupdict()
    line = groups.get("line")
    return Frame(
        file=found["file"].strip(), function=(found["function"] or "").strip(), line=int(line) if line else None
    )


def ipython_type(line: str) -> str | None:
    """The exception's type in IPython's header, which names it before the words."""
    found = _IPYTHON_HEADER.match(line)
    return found["type"] if found and found["type"] not in _LEVELS and found["type"] != "Original" else None


def django_code(text: str) -> tuple[int, str] | None:
    """Line number and source of `  34.     response = f()`, as Django's debug page writes it."""
    found = _DJANGO_CODE.match(text)
    return (int(found["line"]), found["code"].strip()) if found else None


def exception_in(text: str, *, sure: bool) -> tuple[str, str] | None:
    """Type and message of a line `Type: message`. `sure`: it stands where an exception must stand.

    Elsewhere only what is named like an exception counts.
    """
    found = EXCEPTION.match(text)
    if found is None:
        return None
    type_ = found["class"] or found["type"]
    if type_ in _LEVELS or not (sure or plausible(type_)):
        return None
    return type_, (found["message"] or "").rstrip()


def plausible(type_: str) -> bool:
    """Whether a name alone looks like an exception's."""
    last = type_.rpartition(".")[2]
    return last in _BUILTINS or _SURE_TYPE.match(last) is not None


class Prefix:
    """What stands before each line of a traceback: log columns, quote marks, a group's margin.

    Numbers in it may change from line to line; its spaces may vary.
    """

    def __init__(self, text: str) -> None:
        self.text = text.rstrip()
        self.blank = not self.text
        parts = re.split(r"(\d+|\s+)", self.text[:300])
        self._pattern = re.compile(
            "".join(
                r"\d+" if part.isdigit() else r"\s+" if part.isspace() else re.escape(part) for part in parts if part
            )
        )

    def strip(self, line: str) -> str | None:
        """`line` without the prefix, its indentation kept; None where it does not begin so."""
        if self.blank:
            return line
        found = self._pattern.match(line)
        return line[found.end() :] if found else None


def indent_of(text: str) -> int:
    """Columns of white space before the first character; a tab counts up to the next multiple of 8."""
    stripped = text.lstrip()
    return len(text[: len(text) - len(stripped)].expandtabs(8))
