"""Cleaning of pasted and logged text: colours, escapes, quotes and line ends, before anybody looks for a trace."""

from __future__ import annotations

import html
import json
import re
from typing import Any

#: Longer texts keep so many characters of their beginning and end: a trace stands at either.
HEAD_CHARS = 1_000_000
TAIL_CHARS = 3_000_000
#: What of a single line is looked at.
LINE_CHARS = 20_000

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78])")
_ANSI_LEFTOVER = re.compile(r"\[[0-9]{1,3}(?:;[0-9]{1,3}){0,4}m")  # the escape character itself got lost
_LINE_END = re.compile(r"\r\n|\n|\r")
_SPACES = str.maketrans({"\xa0": " ", "\u200b": "", "\ufeff": "", "\x00": ""})
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"'})
_TRACE_WORDS = ("Traceback (most recent call last)", 'File "')
_ESCAPED = re.compile(r'call last\):?\\{1,8}[nr]|\\n {0,12}File \\{0,8}"')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_EXCEPTION = re.compile(r"\s*[\w.]+(?:Error|Exception): ")
_CLOSING = re.compile(r"""(?<=[^\s\]})"'])["'][\]})"']{0,4}\s*$""")


def clean(text: str) -> tuple[list[str], int]:
    """The lines of `text` as a terminal would have shown them, and how many characters were left out.

    Colour codes are gone, every kind of line end is one, non-breaking spaces are spaces, HTML entities and
    curly quotes around file names are undone, and a trace that was escaped into one line (JSON, `repr`) is
    spread out again. Linear in `text`, which is cut in the middle where it is longer than
    `HEAD_CHARS + TAIL_CHARS`.
    """
    left_out = max(0, len(text) - HEAD_CHARS - TAIL_CHARS)
    if left_out:
        text = text[:HEAD_CHARS] + "\n" + text[-TAIL_CHARS:]
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "[0m" in text:
        text = _ANSI_LEFTOVER.sub("", text)
    if "&quot;, line " in text or "&lt;module&gt;" in text or "&#34;, line " in text or "&#x27;" in text:
        text = html.unescape(text)
    text = text.translate(_SPACES)
    lines: list[str] = []
    for line in _LINE_END.split(text):
        if "\\n" in line and _ESCAPED.search(line) and not _EXCEPTION.match(line):
            lines.extend(part[:LINE_CHARS] for part in _spread(line))
        elif "File \u201c" in line:
            lines.append(line[:LINE_CHARS].translate(_QUOTES))
        else:
            lines.append(line[:LINE_CHARS])
    return lines, left_out


def _spread(line: str) -> list[str]:
    """The lines of a trace that stands escaped in one line; of a JSON object only the trace."""
    start = line.find("{")
    if start >= 0 and line.rstrip().endswith("}"):
        try:
            found = _longest_trace(json.loads(line[start:]))
        except (ValueError, RecursionError):
            found = ""
        if found:
            return _LINE_END.split(found)
    for _ in range(4):  # escaped again by each system that it passed
        if "\n" in line or "\\" not in line:
            break
        line = _ESCAPE.sub(_unescape, line)
    parts = _LINE_END.split(line)
    parts[-1] = _CLOSING.sub("", parts[-1])
    return parts


def _unescape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[0])


def _longest_trace(value: Any) -> str:
    """The string in a decoded JSON value that holds a trace: of several, the longest."""
    best = ""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            if item and all(isinstance(part, str) for part in item):
                item = "\n".join(part.rstrip("\n") for part in item)
            else:
                stack.extend(item)
        if isinstance(item, str) and len(item) > len(best) and any(word in item for word in _TRACE_WORDS):
            best = item
    return best
