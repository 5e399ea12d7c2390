"""Reading one traceback as the interpreter, IPython, loguru or Django print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ems_ml.parse.blocks import JOIN, Block
from ems_ml.parse.grammar import (
    ARROW,
    CONTAINER,
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
from ems_ml.parse.message import INTERLEAVED, read_message

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
        if not self.prefix.blank and not self._comes_back():
            self.prefix, text = Prefix(""), " " * len(text)  # stood before the first frame alone
        self.indent = indent_of(self.prefix.strip(text) or "")
        self.flat = self.indent < 2
        if self.block.headed:
            header = self.prefix.strip(self.lines[self.start])
            words = HEADER.search(header) if header is not None else None
            if header is not None and words and not header[: words.start()].strip():
                self.flat = indent_of(header) >= self.indent

    def _comes_back(self) -> bool:
        """Whether one of the next lines begins with the prefix too."""
        following = self.lines[self.at + 1 : self.at + 1 + 2 * GAP]
        return not following or any(self.prefix.strip(line) is not None for line in following)

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
                if not missed:
                    self._source_with_less_before_it(line)
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

    def _source_with_less_before_it(self, line: str) -> None:
        """A logger that writes frame and source at once puts its columns before the frame only."""
        found = CONTAINER.match(line)
        text = line[found.end() :] if found and self.prefix.text.startswith(found[0].rstrip()) else line
        if text.startswith("    ") and self.block.frames and not self.block.frames[-1].code:
            self._take_code(text)

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
