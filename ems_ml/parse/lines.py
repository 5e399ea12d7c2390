"""Cleaning of pasted and logged text: colours, escapes, quotes and line ends, before anybody looks for a trace."""

from __future__ import annotations

import html
import re

from ems_ml.parse.spread import LINE_END, is_escaped, is_squeezed, unbox, unescape, unsqueeze

#: Longer texts keep so many characters of their beginning and end: a trace stands at either.
HEAD_CHARS = 1_000_000
TAIL_CHARS = 3_000_000
#: What of a single line is looked at.
LINE_CHARS = 20_000

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78])")
_ANSI_LEFTOVER = re.compile(r"\[[0-9]{1,3}(?:;[0-9]{1,3}){0,4}m")  # the escape character itself got lost
_SPACES = str.maketrans({"\xa0": " ", "\u200b": "", "\ufeff": "", "\x00": ""})
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"'})


def clean(text: str) -> tuple[list[str], int]:
    """The lines of `text` as a terminal would have shown them, and how many characters were left out.

    Colour codes are gone, every kind of line end is one, non-breaking spaces are spaces, HTML entities and
    curly quotes around file names are undone, and a trace that was escaped into one line (JSON, `repr`) is
    spread out again, and so is one that rich drew into a box. Linear in `text`,
    which is cut in the middle where it is longer than `HEAD_CHARS + TAIL_CHARS`.
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
    for line in LINE_END.split(text):
        if is_escaped(line):
            lines.extend(part[:LINE_CHARS] for part in unescape(line))
        elif is_squeezed(line):
            lines.extend(part[:LINE_CHARS] for part in unsqueeze(line))
        elif "File \u201c" in line:
            lines.append(line[:LINE_CHARS].translate(_QUOTES))
        else:
            lines.append(_without_edge(line[:LINE_CHARS]))
    return (list(unbox(lines)) if "\u256d" in text else lines), left_out


def _without_edge(line: str) -> str:
    """`line` without the right edge of a table that a log viewer drew around it."""
    if line[:1] not in ("\u2502", "|") or len(line) < 2:
        return line
    trimmed = line.rstrip()
    return trimmed[:-1].rstrip() if trimmed[-1] == line[0] and len(trimmed) > 1 else line
