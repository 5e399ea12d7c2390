"""Old Python as this interpreter can read it, so that the fixes of those years are not lost."""

from __future__ import annotations

import ast
import re
import warnings

_REWRITES = (
    (re.compile(r"^(\s*except\s+[^:#\n]+?)\s*,\s*(\w+)\s*:", re.MULTILINE), r"\1 as \2:"),
    (
        re.compile(r"^(\s*raise\s+)([\w.]+)\s*,\s*([^,#\n]+?)\s*,\s*([^,#\n]+)$", re.MULTILINE),
        r"\1\2(\3).with_traceback(\4)",
    ),
    (re.compile(r"^(\s*raise\s+)([\w.]+)\s*,\s*([^\n]+)$", re.MULTILINE), r"\1\2(\3)"),
    (re.compile(r"^(\s*)print\s*$", re.MULTILINE), r"\1print()"),
    (re.compile(r"^(\s*)print\s+>>\s*([^,\n]+),?([^\n]*)$", re.MULTILINE), r"\1print(\3, file=\2)"),
    (re.compile(r"((?:^|:)[ \t]*)print[ \t]+(?![=(.,])([^\n]+?),?[ \t]*$", re.MULTILINE), r"\1print(\2)"),
    (re.compile(r"^(\s*)exec\s+(\w[\w.]*)\s+in\s+([^\n]+)$", re.MULTILINE), r"\1exec(\2, \3)"),
    (re.compile(r"<>"), "!="),
    (re.compile(r"\b0([0-7]+)\b(?![.\w])"), r"0o\1"),
    (re.compile(r"\b(\d+|0x[\da-fA-F]+)[lL]\b"), r"\1"),
    (re.compile(r"\b[uU][rR](?=['\"])"), "r"),
    (re.compile(r"`([^`\n]+)`"), r"repr(\1)"),
    (re.compile(r"\basync(?=\s*[=,).])"), "async_"),
    (re.compile(r"(?<=[\w.])\.async\b"), ".async_"),
)  # fmt: skip


def readable(text: str) -> str | None:
    """The text, where this interpreter parses it; else with Python 2's own syntax written anew; None: neither does.

    >>> readable("try:\\n    f()\\nexcept KeyError, e:\\n    print e\\n")
    'try:\\n    f()\\nexcept KeyError as e:\\n    print(e)\\n'
    """
    if _parses(text):
        return text
    text = text.replace("\r\n", "\n").expandtabs(8)
    if _parses(text):
        return text
    for pattern, new in _REWRITES:
        text = pattern.sub(new, text)
    return text if _parses(text) else None


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
