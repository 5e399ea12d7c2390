"""What a change of one file changed, as pairs of syntax nodes: the smallest subtrees that differ."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache

from ems_ml.source.module import Module

_CONTINUES = re.compile(r"(?:else|elif|except|finally|case)\b")  # a line of these goes on with what stands above it
_INNER = (" ", "\t", "#", ")", "]", "}", "\n", "\r")


@dataclass(frozen=True)
class Edit:
    """One place that differs: `before` became `after` (None: nothing stood there), below `parent` in the old tree.

    `field` names the place in the parent: "test" of an `if`, "args" of a call. `path` are the kinds of nodes from
    the root to the parent. `around` is the innermost function around the place in the new tree.
    """

    before: ast.AST | None
    after: ast.AST | None
    parent: ast.AST
    field: str
    path: tuple[str, ...]
    parent_after: ast.AST
    around: ast.AST | None = None


@lru_cache(maxsize=256)
def edits(before: str, after: str) -> tuple[Edit, ...]:
    """The edits between two texts of a file; () where one is not valid Python or nothing but layout differs."""
    try:
        return tuple(edit for old, new in hunks(before, after) for edit in _compared(old, new, ()))
    except RecursionError:
        return ()


@lru_cache(maxsize=64)
def hunks(before: str, after: str) -> tuple[tuple[ast.Module, ast.Module], ...]:
    """The runs of top-level statements that differ, parsed; () where a text is not valid Python.

    Only these runs are parsed, unless one cannot be understood without what surrounds it (a string over several
    lines): then it is the two whole files.
    """
    found = []
    old, new = _blocks(before), _blocks(after)
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        one, other = Module.of("".join(old[i:j])), Module.of("".join(new[k:m]))
        if one is None or other is None:
            one, other = Module.of(before), Module.of(after)
            return () if one is None or other is None else ((one.tree, other.tree),)
        found.append((one.tree, other.tree))
    return tuple(found)


def _blocks(text: str) -> list[str]:
    """The text cut before each line that begins a top-level statement."""
    blocks: list[list[str]] = [[]]
    decorated = False
    for line in text.splitlines(keepends=True):
        inner = line.startswith(_INNER) or _CONTINUES.match(line)
        if not inner and not decorated:
            blocks.append([])
        blocks[-1].append(line)
        decorated = line.startswith("@") or (decorated and bool(inner))
    return ["".join(lines) for lines in blocks if lines]


def dump(node: ast.AST | None) -> str:
    """A node's content, without positions."""
    return "" if node is None else ast.dump(node)


def _compared(old: ast.AST, new: ast.AST, path: tuple[str, ...]) -> Iterator[Edit]:
    for edit in _below(old, new, path):
        inner = edit.around is None and isinstance(new, ast.FunctionDef | ast.AsyncFunctionDef)
        yield replace(edit, around=new) if inner else edit


def _below(old: ast.AST, new: ast.AST, path: tuple[str, ...]) -> Iterator[Edit]:
    here = (*path, type(old).__name__)
    for name in old._fields:
        a, b = getattr(old, name, None), getattr(new, name, None)
        if isinstance(a, list) and isinstance(b, list):
            yield from _lists(a, b, old, new, name, here)
        elif isinstance(a, ast.AST) and isinstance(b, ast.AST):
            if dump(a) == dump(b):
                continue
            if type(a) is type(b) and not isinstance(a, ast.Name | ast.Constant) and not _wraps(a, b):
                yield from _compared(a, b, here)
            else:
                yield Edit(a, b, old, name, here, new)
        elif isinstance(a, ast.AST) or isinstance(b, ast.AST):
            yield Edit(
                a if isinstance(a, ast.AST) else None, b if isinstance(b, ast.AST) else None, old, name, here, new
            )
        elif a != b:
            yield Edit(old, new, old, name, path, new)


def _lists(
    a: Sequence[object], b: Sequence[object], old: ast.AST, new: ast.AST, name: str, path: tuple[str, ...]
) -> Iterator[Edit]:
    left, right = [_key(item) for item in a], [_key(item) for item in b]
    for tag, i, j, k, m in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        olds = [item if isinstance(item, ast.AST) else None for item in a[i:j]]
        news = [item if isinstance(item, ast.AST) else None for item in b[k:m]]
        yield from _paired(olds, news, old, new, name, path)


def _paired(
    olds: list[ast.AST | None], news: list[ast.AST | None], old: ast.AST, new: ast.AST, name: str, path: tuple[str, ...]
) -> Iterator[Edit]:
    """Pairs nodes of a replaced run: like with like first, the rest as removed and added."""
    while olds and news:
        one, other = olds[0], news[0]
        if one is None or other is None:
            olds, news = olds[1:], news[1:]
            if one is not other:
                yield Edit(one, other, old, name, path, new)
            continue
        if len(olds) < len(news) and not _alike(one, other):
            at = next((n for n, item in enumerate(news) if item is not None and _alike(one, item)), None)
            if at:
                yield from (Edit(None, item, old, name, path, new) for item in news[:at])
                news = news[at:]
                continue
        if len(olds) > len(news) and not _alike(one, other):
            at = next((n for n, item in enumerate(olds) if item is not None and _alike(item, other)), None)
            if at:
                yield from (Edit(item, None, old, name, path, new) for item in olds[:at])
                olds = olds[at:]
                continue
        olds, news = olds[1:], news[1:]
        if type(one) is type(other) and not isinstance(one, ast.Name | ast.Constant) and not _wraps(one, other):
            yield from _compared(one, other, path)
        else:
            yield Edit(one, other, old, name, path, new)
    yield from (Edit(item, None, old, name, path, new) for item in olds)
    yield from (Edit(None, item, old, name, path, new) for item in news)


def _wraps(one: ast.AST, other: ast.AST) -> bool:
    """Whether one of two nodes of a kind stands whole inside the other: `f(x)` in `str(f(x))`."""
    a, b = dump(one), dump(other)
    inner, outer = (a, other) if len(a) < len(b) else (b, one)
    return any(dump(child) == inner for child in ast.iter_child_nodes(outer))


def _alike(one: ast.AST, other: ast.AST) -> bool:
    return type(one) is type(other) and SequenceMatcher(None, dump(one), dump(other)).quick_ratio() > 0.75


def _key(item: object) -> str:
    return ast.dump(item) if isinstance(item, ast.AST) else repr(item)
