"""Reading one traceback as the interpreter, IPython, loguru or Django print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ems_ml.parse.blocks import JOIN, MESSAGE_CHARS, Block
from ems_ml.parse.grammar import (
    ARROW,
    ELISION,
    ENDS_MESSAGE,
    EXCEPTION_IN_LINE,
    FATAL,
    HEADER,
    LISTING,
    MARKERS,
    MEMBER,
    REPEATED,
    STACK_HEADER,
    UPSIDE_DOWN,
    FoundFrame,
    Prefix,
    django_code,
    exception_in,
    frame_in,
    indent_of,
    ipython_type,
    plausible,
)

#: How many lines of somebody else may stand between two lines of a traceback that has log columns.
INTERLEAVED = 20
#: How many lines a message may have.
MESSAGE_LINES = 200
#: How far below a header its first frame may stand, and how far below the frames the exception.
GAP = 4


class TracebackReader:
    """Reads one traceback from a header, or from a first frame where the header is cut off.

    `read` returns the block and the index of the first line after it, always beyond where it began.
    """

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self.lines = lines
        self.start = start
        self.at = start
        self.block = Block()
        self.ipython: str | None = None  # the type in IPython's header
        self.prefix = Prefix("")
        self.indent = 0  # of frames, after the prefix
        self.flat = False  # whether the indentation got lost
        self.spaced = False  # whether a blank line stands after each line
        self._deep = -1  # the last line deeper than its frame that is not its source

    def read(self) -> tuple[Block, int]:
        first = self._header()
        if first is None:
            return self.block, max(self.at, self.start + 1)
        self._set_margin(first)
        self._frames()
        if UPSIDE_DOWN.search(self.lines[self.start]):
            self._fatal()
        if not self.block.type:
            self._exception_elsewhere()
        return self.block, max(self.at, self.start + 1)

    def _fatal(self) -> None:
        """faulthandler: the raise point stands first, and what happened above the first thread's stack."""
        self.block.frames.reverse()
        for line in self.lines[max(0, self.start - GAP) : self.start]:
            if found := FATAL.search(line):
                self.block.type, self.block.message = found["type"], found["message"].strip()
                self.block.stack = False

    def _header(self) -> FoundFrame | None:
        """Move to the first frame; where a header has none, read the exception that follows it."""
        line = self.lines[self.at]
        header = HEADER.search(line)
        stack = header is None and (STACK_HEADER.search(line) or UPSIDE_DOWN.search(line))
        if header is None and not stack:
            return frame_in(line)
        self.block.headed = True
        self.block.stack = bool(stack)
        self.ipython = ipython_type(line) if header else None
        self.at += 1
        for index in range(self.at, min(self.at + GAP, len(self.lines))):
            if found := frame_in(self.lines[index], ipython=self.ipython is not None):
                self.at = index
                return found
            if self.lines[index].strip() and not ELISION.match(self.lines[index]):
                break
        if header:
            self._exception_after_header(line[: header.start()])
        return None

    def _exception_after_header(self, before: str) -> None:
        if self.at >= len(self.lines):
            return
        for prefix in (Prefix(before), Prefix("")):
            rest = prefix.strip(self.lines[self.at])
            found = exception_in(rest.strip(), sure=False) if rest is not None else None
            if found and rest is not None:
                self.prefix = prefix
                self._take_exception(self.at, found, indent_of(rest))
                return

    def _set_margin(self, first: FoundFrame) -> None:
        """How the lines of this traceback begin, learned from its first frame."""
        text = first.prefix
        if text.strip() == ">" and self.block.headed and ">" not in self.lines[self.start]:
            text = text.replace(">", " ")  # loguru marks the frame where the exception was caught
        self.prefix = Prefix(text)
        self.indent = indent_of(self.prefix.strip(text) or "")
        self.flat = self.indent < 2
        if self.block.headed:
            header = self.prefix.strip(self.lines[self.start])
            words = HEADER.search(header) if header is not None else None
            if header is not None and words and not header[: words.start()].strip():
                self.flat = indent_of(header) >= self.indent

    def _frames(self) -> None:
        """Read frames and their source lines up to the exception, or to what cannot belong here."""
        missed = 0
        blanks = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if JOIN.search(line) or (self.at > self.start and HEADER.search(line)) or MEMBER.search(line):
                return
            rest = self.prefix.strip(line)
            found = frame_in(line, ipython=self.ipython is not None)
            if found and (rest is not None or found.prefix.strip() == ">"):
                if blanks > GAP:
                    return
                self.block.frames.append(replace(found.frame, code=found.rest or None))
                missed = blanks = 0
                self.at += 1
                continue
            if rest is None:
                missed += 1
                if missed > INTERLEAVED or found:
                    return
                self.at += 1
                continue
            if not rest.strip():
                blanks += 1
                if blanks > GAP:
                    return
                self.at += 1
                continue
            if not self._below_frame(rest, blanks):
                return
            self.at += 1

    def _below_frame(self, rest: str, blanks: int) -> bool:
        """Use a line that is not a frame; False where the traceback ends here."""
        if blanks and self.block.frames and not self.block.frames[-1].code and indent_of(rest) > self.indent:
            self.spaced = True
        sure = not self.block.stack and (not blanks or self.spaced)
        if found := REPEATED.search(rest):
            self._amend(repeated=int(found[1]))
            return True
        if MARKERS.match(rest) or ELISION.match(rest):
            return True
        if self.ipython is not None or ARROW.match(rest):
            return self._below_ipython(rest)
        indent = indent_of(rest)
        has_code = bool(self.block.frames and self.block.frames[-1].code)
        if self.flat:
            return self._below_flat(rest, indent, has_code)
        if indent > self.indent:
            if has_code:
                self._deep = self.at
            else:
                self._take_code(rest)
            return True
        if ENDS_MESSAGE.match(rest) and exception_in(rest.strip(), sure=False) is None:
            return False
        found_exception = exception_in(rest.strip(), sure=sure and indent < self.indent)
        if found_exception and not (indent == self.indent and self._frame_follows()):
            self._take_exception(self.at, found_exception, indent)
            return False
        if self._frame_follows() and not blanks and not has_code:
            self._take_code(rest)
            return True
        return False

    def _below_flat(self, rest: str, indent: int, has_code: bool) -> bool:
        """The same where the indentation got lost: the place of a line tells what it is."""
        text = rest.strip()
        follows = self._frame_follows()
        named = exception_in(text, sure=False)
        if named and not follows:
            self._take_exception(self.at, named, indent)
            return False
        code_fits = indent > self.indent or follows or self._exception_follows()
        if not has_code and code_fits and not ENDS_MESSAGE.match(rest):
            self._take_code(rest)
            return True
        placed = exception_in(text, sure=True)
        if placed and has_code and not follows and not ENDS_MESSAGE.match(rest):
            self._take_exception(self.at, placed, indent)
            return False
        return has_code and follows

    def _below_ipython(self, rest: str) -> bool:
        if found := ARROW.match(rest):
            number = int(found["line"])
            if self.block.frames:
                last = self.block.frames[-1]
                self._amend(code=found["code"].strip() or None, line=last.line or number)
            return True
        exception = exception_in(rest.strip(), sure=False) or exception_in(rest.strip(), sure=self._is_type(rest))
        if exception and (indent_of(rest) == 0 or self._is_type(rest)):
            self._take_exception(self.at, exception, indent_of(rest))
            return False
        if ENDS_MESSAGE.match(rest):
            return False
        return bool(LISTING.match(rest)) or indent_of(rest) > 0 or rest.lstrip().startswith(("#", "."))

    def _is_type(self, rest: str) -> bool:
        if self.ipython is None:
            return False
        text = rest.strip()
        return text.startswith(self.ipython) and text[len(self.ipython) :][:1] in ("", ":")

    def _take_code(self, rest: str) -> None:
        if not self.block.frames:
            return
        last = self.block.frames[-1]
        if last.line is None and (numbered := django_code(rest)):
            self._amend(line=numbered[0], code=numbered[1])
        else:
            self._amend(code=rest.strip())

    def _amend(self, **changes: object) -> None:
        if self.block.frames:
            self.block.frames[-1] = replace(self.block.frames[-1], **changes)  # type: ignore[arg-type]

    def _frame_follows(self) -> bool:
        """Whether the next lines of this traceback hold a further frame."""
        for line in self.lines[self.at + 1 : self.at + 1 + GAP]:
            rest = self.prefix.strip(line)
            if rest is None or HEADER.search(line) or JOIN.search(line):
                return False
            if frame_in(line, ipython=self.ipython is not None):
                return True
            if rest.strip() and exception_in(rest.strip(), sure=False):
                return False
        return False

    def _exception_follows(self) -> bool:
        for line in self.lines[self.at + 1 : self.at + 1 + GAP]:
            rest = self.prefix.strip(line)
            if rest is None:
                return False
            if rest.strip() and not MARKERS.match(rest):
                return exception_in(rest.strip(), sure=True) is not None
        return False

    def _take_exception(self, index: int, found: tuple[str, str], indent: int) -> None:
        self.block.type = found[0]
        self.block.stack = False
        self.block.message, self.at = read_message(self.lines, index, self.prefix, indent, found[1])

    def _exception_elsewhere(self) -> None:
        """The exception of a traceback that does not end with one: below by its odd indentation, or above it."""
        if self._deep >= 0 and self.block.frames:
            rest = self.prefix.strip(self.lines[self._deep]) or ""
            if found := exception_in(rest.strip(), sure=False):
                self.block.type, self.block.message = found
                return
        for index in range(self.at, min(self.at + GAP, len(self.lines))):
            text = self.lines[index].strip()
            if text.startswith("Exception Type:"):  # Django's debug page
                self.block.type = text.removeprefix("Exception Type:").strip().partition(" at ")[0]
            elif text.startswith("Exception Value:") and self.block.type:
                self.block.message = text.removeprefix("Exception Value:").strip()
                self.at = index + 1
        if not self.block.type and self.ipython:
            self.block.type = self.ipython
        if not self.block.type and self.block.headed and not self.block.stack and self.start > 0:
            above = EXCEPTION_IN_LINE.search(self.lines[self.start - 1])
            if above and plausible(above["type"]):
                self.block.type, self.block.message = above["type"], above["message"].strip()


def read_message(lines: Sequence[str], index: int, prefix: Prefix, indent: int, first: str) -> tuple[str, int]:
    """The message that begins with `first` in line `index`, and the index of the first line after it.

    It goes on until a blank line, a line with another prefix, or what begins a log line, a prompt, another
    traceback. Beyond a blank line only what is indented deeper, after lines that were so too, still counts.
    """
    parts = [first]
    size = len(first)
    at = index + 1
    while at < len(lines) and len(parts) < MESSAGE_LINES and size < MESSAGE_CHARS:
        line = lines[at]
        rest = prefix.strip(line)
        bare = rest is None and _margin_goes_on(lines, at, prefix)
        if bare:
            rest = line  # the interpreter leaves the margin out where a message has several lines
        if rest is None or JOIN.search(line) or HEADER.search(line) or MEMBER.search(line):
            break
        if ENDS_MESSAGE.match(rest) or STACK_HEADER.search(rest) or frame_in(line):
            break
        if not rest.strip():
            follow = _goes_on(lines, at, prefix, indent, parts)
            if follow is None:
                break
            parts.extend([""] * (follow - at))
            at = follow
            continue
        if indent_of(rest) < indent and not bare:
            break
        parts.append(_dedent(rest, indent).rstrip())
        size += len(parts[-1])
        at += 1
    return "\n".join(parts).strip("\n").rstrip(), at


def _margin_goes_on(lines: Sequence[str], at: int, prefix: Prefix) -> bool:
    """Whether the margin of an exception group comes back after a line without it."""
    if prefix.text.strip(" |") or not prefix.text.strip() or lines[at].lstrip().startswith("+--"):
        return False
    for line in lines[at : at + INTERLEAVED]:
        if prefix.strip(line) is not None or MEMBER.search(line) or line.strip().startswith("+--"):
            return True
        if HEADER.search(line) or JOIN.search(line) or not line.strip():
            return False
    return False


def _goes_on(lines: Sequence[str], at: int, prefix: Prefix, indent: int, parts: list[str]) -> int | None:
    """The line after a gap where the message goes on."""
    for index in range(at + 1, min(at + 3, len(lines))):
        rest = prefix.strip(lines[index])
        if rest is None:
            return None
        if rest.strip():
            begun = len(parts) == 1 and not parts[0]
            deeper = indent_of(rest) >= indent + 4 and parts[-1].startswith("    ")
            return index if (begun or deeper) and not ENDS_MESSAGE.match(rest) else None
    return None


def _dedent(rest: str, indent: int) -> str:
    stripped = rest.lstrip()
    return " " * max(0, indent_of(rest) - indent) + stripped
