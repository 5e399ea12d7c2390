"""A module's text with its syntax tree: finding nodes, and editing by position so that all else stays as written.

Edits replace exact spans of the text. What is not touched keeps its author's formatting to the letter, comments
included, which is why the tree is never printed back.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

Function = ast.FunctionDef | ast.AsyncFunctionDef
Placed = ast.expr | ast.stmt | ast.excepthandler | ast.keyword | ast.arg | ast.alias
_BLOCKS = ("body", "orelse", "finalbody")
MAX_TEXT = 600_000  # characters; a longer file is generated, and nobody's repair


class Module:
    """One parsed file. `Module.of(text)` answers None for what is not valid Python."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree

    @staticmethod
    def of(text: str) -> Module | None:
        """The module of a text, from a small cache."""
        return _parsed(text)

    @cached_property
    def lines(self) -> list[str]:
        """The lines with their endings, as Python counts them."""
        return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", self.text)

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    @cached_property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def position(self, line: int, byte_column: int) -> int:
        """The character offset of a line (1-based) and the UTF-8 column that `ast` gives."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        if text.isascii():
            return self._starts[line - 1] + byte_column
        return self._starts[line - 1] + len(text.encode()[:byte_column].decode("utf-8", "ignore"))

    def span(
        self, node: ast.expr | ast.stmt | ast.excepthandler | ast.keyword | ast.arg | ast.alias
    ) -> tuple[int, int]:
        """Start and end of a node, as character offsets."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self.position(node.lineno, node.col_offset), self.position(end_line, end_column)

    def segment(self, node: Placed) -> str:
        """A node as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        for parent in self.ancestors(node):
            if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
                return parent
        return None

    def qualified(self, node: ast.AST) -> str:
        """`Class.method` of the place that a node stands in; "" at module level."""
        places = [node, *self.ancestors(node)]
        names = [p.name for p in places if isinstance(p, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        return ".".join(reversed(names))

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """The innermost statement that a node is part of."""
        for place in (node, *self.ancestors(node)):
            if isinstance(place, ast.stmt):
                return place
        return None

    def block_of(self, statement: ast.stmt) -> list[ast.stmt]:
        """The list of statements that a statement stands in."""
        parent = self.parents[statement]
        for name in _BLOCKS:
            block = getattr(parent, name, None)
            if isinstance(block, list) and statement in block:
                return block
        return [statement]

    def statements_at(self, line: int) -> list[ast.stmt]:
        """Statements whose lines hold `line`, the innermost first."""
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        return sorted(found, key=lambda node: ((node.end_lineno or node.lineno) - node.lineno, -node.col_offset))

    def expressions_at(self, line: int) -> list[ast.expr]:
        """Expressions of the innermost statement at `line` that touch the line, in the order they are evaluated."""
        statements = self.statements_at(line)
        if not statements:
            return []
        return [
            node for node in walk_expressions(statements[0]) if node.lineno <= line <= (node.end_lineno or node.lineno)
        ]

    def indent_of(self, statement: ast.stmt) -> str:
        """The white space before a statement's first line."""
        line = self.lines[statement.lineno - 1]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def replaced(self, *changes: tuple[int, int, str]) -> str:
        """The text with spans replaced; spans must not overlap."""
        text = self.text
        for start, end, new in sorted(changes, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def replace(self, node: Placed, new: str) -> str:
        """The text with one node written anew."""
        return self.replaced((*self.span(node), new))

    def owns_lines(self, statements: Sequence[ast.stmt]) -> bool:
        """Whether the statements stand alone on their lines (no `;`, no `if x: y` on one line)."""
        first, last = statements[0], statements[-1]
        before = self.text[self._starts[first.lineno - 1] : self.span(first)[0]]
        line_end = self._starts[(last.end_lineno or last.lineno) - 1] + len(
            self.lines[(last.end_lineno or last.lineno) - 1]
        )
        after = self.text[self.span(last)[1] : line_end].strip()
        return not before.strip() and (not after or after.startswith("#"))

    def line_span(self, statements: Sequence[ast.stmt]) -> tuple[int, int]:
        """Start and end of the whole lines that statements stand on, decorators included."""
        first, last = statements[0], statements[-1]
        decorators = getattr(first, "decorator_list", [])
        top = min([first.lineno, *(d.lineno for d in decorators)])
        return self._starts[top - 1], self._starts[last.end_lineno or last.lineno]

    def deleted(self, statement: ast.stmt) -> str | None:
        """The text without a statement; `pass` in its place where its block would be empty. None: not possible."""
        if not self.owns_lines([statement]):
            return None
        start, end = self.line_span([statement])
        left = [other for other in self.block_of(statement) if other is not statement]
        return self.replaced((start, end, "" if left else f"{self.indent_of(statement)}pass{self.newline}"))

    def unwrapped(self, outer: ast.stmt, inner: Sequence[ast.stmt]) -> str | None:
        """The text with a compound statement replaced by some of the statements in it, moved out to its indent."""
        if not inner or not self.owns_lines([outer]) or not self.owns_lines(inner):
            return None
        if self._has_long_strings(inner):
            return None
        start, end = self.line_span([outer])
        body_start, body_end = self.line_span(inner)
        old, new = self.indent_of(inner[0]), self.indent_of(outer)
        moved = [
            new + line[len(old) :] if line.startswith(old) else line
            for line in re.findall(r"[^\n]*\n|[^\n]+$", self.text[body_start:body_end])
        ]
        return self.replaced((start, end, "".join(moved)))

    def wrapped(self, statements: Sequence[ast.stmt], head: Sequence[str], tail: Sequence[str] = ()) -> str | None:
        """The text with statements moved one step in, below `head` lines and above `tail` lines."""
        if not self.owns_lines(statements) or self._has_long_strings(statements):
            return None
        start, end = self.line_span(statements)
        indent, step = self.indent_of(statements[0]), self.step
        body = [step + line if line.strip() else line for line in re.findall(r"[^\n]*\n|[^\n]+$", self.text[start:end])]
        if body and not body[-1].endswith("\n"):
            body[-1] += self.newline
        above = [f"{indent}{line}{self.newline}" for line in head]
        below = [f"{indent}{line}{self.newline}" for line in tail]
        return self.replaced((start, end, "".join([*above, *body, *below])))

    def inserted_before(self, statement: ast.stmt, lines: Sequence[str]) -> str | None:
        """The text with lines before a statement, at its indent."""
        if not self.owns_lines([statement]):
            return None
        start, _ = self.line_span([statement])
        indent = self.indent_of(statement)
        return self.replaced((start, start, "".join(f"{indent}{line}{self.newline}" for line in lines)))

    @cached_property
    def step(self) -> str:
        """One step of indentation as this file has it."""
        for node in ast.walk(self.tree):
            body = getattr(node, "body", None)
            if isinstance(node, ast.stmt) and isinstance(body, list) and body and self.owns_lines(body[:1]):
                outer, inner = self.indent_of(node), self.indent_of(body[0])
                if inner.startswith(outer) and inner != outer:
                    return inner[len(outer) :]
        return "    "

    def _has_long_strings(self, statements: Sequence[ast.stmt]) -> bool:
        """Whether a string runs over several lines, whose content a change of indent would change."""
        return any(
            isinstance(node, ast.Constant | ast.JoinedStr)
            and isinstance(getattr(node, "value", ""), str | bytes)
            and node.end_lineno != node.lineno
            for statement in statements
            for node in ast.walk(statement)
        )


def walk_expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of one statement, outer before inner, without those of statements inside it.

    What stands inside an f-string is left out: before Python 3.12 `ast` gives it no true position.
    """
    waiting = _below(statement)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.expr):
            yield node
        if not isinstance(node, ast.JoinedStr):
            waiting[:0] = _below(node)


def _below(node: ast.AST) -> list[ast.AST]:
    return [
        child
        for child in ast.iter_child_nodes(node)
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
    ]


def names_in(node: ast.AST) -> set[str]:
    """Plain names that occur below a node."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


@lru_cache(maxsize=64)
def _parsed(text: str) -> Module | None:
    if len(text) > MAX_TEXT:
        return None
    try:
        return Module(text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def valid(text: str) -> bool:
    """Whether a text is valid Python."""
    return _parsed(text) is not None
