"""Rust's panics in a text, with their backtrace where one was printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ems_ml.parse.blocks import Block, Node
from ems_ml.parse.grammar import Prefix
from ems_ml.parse.text import read_text
from ems_ml.types import ErrorEvent, Frame, RawReport, Role

_PANIC = re.compile(r"(?P<before>.{0,400}?)thread '(?P<thread>[^'\n]*)' (?:\(\d+\) )?panicked at (?P<rest>.*)$")
_PLACE = re.compile(r"(?P<file>[^\s:]\S*?):(?P<line>\d{1,9}):\d{1,9}:?$")
_OLD = re.compile(r"'(?P<message>.*)', (?P<file>\S+?):(?P<line>\d{1,9}):\d{1,9}$")
_FRAME = re.compile(r"\s*(?P<number>\d{1,5}): (?:0x[0-9a-f]+ - )?(?P<function>\S.*)$")
_AT = re.compile(r"\s+at (?P<file>\S.*?):(?P<line>\d{1,9})(?::\d{1,9})?$")
_HASH = re.compile(r"::h[0-9a-f]{16}$")
_END = re.compile(r"note: |stack backtrace:")
_MACHINERY = re.compile(
    r"rust_begin_unwind|(?:core|std)::panicking::|core::(?:option|result)::(?:expect|unwrap)_failed|__rustc|rust_panic"
    r"|core::slice::index::slice_\w+_fail|core::panic|std::rt::begin_panic"
)
_STDLIB = re.compile(r"<?(?:core|std|alloc)::|_start$|main$|__libc_start|__rust|<\(\) as std::")
_MESSAGE_LINES = 60


class RustParser:
    """Reads `Form.TEXT`. None where a text holds no panic. `language` is "rust"."""

    name = "rust"

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, (self,))

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every panic in `lines`, in order."""
        nodes: list[Node] = []
        at = 0
        while at < len(lines):
            found = _PANIC.match(lines[at]) if "panicked at" in lines[at] else None
            node, at = _panic(lines, at, found) if found else (None, at + 1)
            if node is not None:
                nodes.append(node)
        return nodes


def _panic(lines: Sequence[str], at: int, found: re.Match[str]) -> tuple[Node | None, int]:
    prefix = Prefix(found["before"])
    block = Block(type="panic", language="rust", judge=rust_role, start=at, end=at + 1, headed=True)
    old, place = _OLD.match(found["rest"]), _PLACE.match(found["rest"].strip())
    if not (old or place):
        return None, at + 1
    told = old or place
    assert told is not None
    end = at + 1
    if old:
        block.message = old["message"]
    else:
        parts: list[str] = []
        while end < min(len(lines), at + _MESSAGE_LINES):
            rest = prefix.strip(lines[end])
            if rest is None or _END.match(rest) or (parts and not rest.strip()):
                break
            parts.append(rest.rstrip())
            end += 1
        block.message = "\n".join(parts)
    here = Frame(file=told["file"], line=int(told["line"]))
    rest = prefix.strip(lines[end]) if end < len(lines) else None
    if rest is not None and rest.startswith("stack backtrace:"):
        block.frames, end = _backtrace(lines, end + 1, prefix)
    block.frames = block.frames or [here]
    block.end = end
    return Node(block), end


def _backtrace(lines: Sequence[str], at: int, prefix: Prefix) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    while at < len(lines):
        rest = prefix.strip(lines[at])
        if rest is not None and frames and (place := _AT.match(rest)):
            frames[-1] = Frame(file=place["file"], line=int(place["line"]), function=frames[-1].function)
        elif rest is not None and (found := _FRAME.match(rest)):
            frames.append(Frame(file="", function=_HASH.sub("", found["function"].strip())))
        else:
            break
        at += 1
    kept = next((n for n, frame in enumerate(frames) if not _MACHINERY.match(frame.function)), 0)
    return list(reversed(frames[kept:])), at


def rust_role(frame: Frame) -> Role:
    """Whose code a frame runs: the standard library's by its path or name, an installed crate's by its path."""
    if (
        "/rustc/" in frame.file
        or "/rustlib/" in frame.file
        or (_STDLIB.match(frame.function) and "/src/main" not in frame.file)
    ):
        return Role.STDLIB
    if "/registry/src/" in frame.file or "/.cargo/" in frame.file:
        return Role.LIBRARY
    if frame.function.startswith("test::"):
        return Role.RUNNER
    return Role.TEST if "/tests/" in frame.file or frame.file.startswith("tests/") else Role.APP
