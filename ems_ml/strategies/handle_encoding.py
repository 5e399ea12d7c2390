"""handle_encoding: encodes, decodes or opens with the right encoding."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import dump, edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_CODERS = ("encode", "decode")
_SETTINGS = ("encoding", "errors")
_OPENERS = ("open", "read_text", "write_text", "TextIOWrapper", "fdopen", "NamedTemporaryFile", "TemporaryFile")
_WANTS_BYTES = re.compile(
    r"bytes-like object is required, not '?str|can't concat str to bytes|expected bytes, str found"
)
_WANTS_TEXT = re.compile(
    r"must be str, not bytes|can only concatenate str \(not \"bytes\"\)|expected str instance, bytes found"
    r"|cannot use a (?:string|bytes) pattern|startswith first arg must be bytes"
)


class HandleEncoding:
    name = "handle_encoding"

    def recognise(self, before: str, after: str) -> float:
        """High where a value is now encoded or decoded, or where the encoding or the way with errors is set."""
        best = 0.0
        for edit in edits(before, after):
            setting = edit.after if edit.field == "keywords" else edit.parent
            if isinstance(setting, ast.keyword) and setting.arg in _SETTINGS:
                best = max(best, 0.99)
            elif edit.before is None and edit.field == "args" and base.call_name(edit.parent) in ("encode", "decode"):
                best = max(best, 0.95)
            elif _coded(edit.parent_after) and dump(_coded(edit.parent_after)) == dump(edit.parent):
                best = max(best, 0.99)  # f(x) -> f(x).encode(): two calls, of which one stands in the other
            elif _coded(edit.after) and not _coded(edit.before):
                same = edit.before is not None and dump(_coded(edit.after)) == dump(edit.before)
                best = max(best, 0.99 if same else 0.75)
            elif edit.before is None and isinstance(edit.after, ast.stmt) and _codes_within(edit.after):
                best = max(best, 0.7)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Drops an encoding or decoding; sets an encoding that is too small; drops the way with errors."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            inner = _coded(node)
            if inner is not None and not isinstance(inner, ast.Constant):
                text = module.replace(node, base.operand(module, inner))
                yield from base.plant(module, self.name, node, text, f"drops a call of {base.call_name(node)}")
            if not isinstance(node, ast.Call):
                continue
            for keyword in node.keywords:
                if keyword.arg == "encoding" and isinstance(keyword.value, ast.Constant | ast.Name | ast.Attribute):
                    text = module.replace(keyword.value, '"ascii"')
                    yield from base.plant(module, self.name, node, text, "sets an encoding that is too small")
                if keyword.arg == "errors" and isinstance(keyword.value, ast.Constant | ast.Name | ast.Attribute):
                    text = module.replace(keyword.value, '"strict"')
                    yield from base.plant(module, self.name, node, text, "lets errors of encoding be raised")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where text and bytes meet, or a file holds other bytes than expected: the encoding, said."""
        message = event.error.message
        unicode = event.error.short_type in ("UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError")
        if unicode or _WANTS_BYTES.search(message) or _WANTS_TEXT.search(message):
            yield from base.best(self._proposed(event, source, unicode))

    def _proposed(self, event: ErrorEvent, source: SourceTree, unicode: bool) -> Iterator[Proposal]:
        coder = "encode" if _WANTS_BYTES.search(event.error.message) else "decode"
        for place in base.places(event, source):
            module = place.module
            for node in place.expressions:
                if unicode:
                    for text, summary, score in _said(module, node):
                        yield from base.offer(place, self.name, text, summary, score)
                    continue
                for part in _parts(node):
                    text = module.replace(part, f"{base.operand(module, part)}.{coder}()")
                    summary = f"{coder.title()} {module.segment(part)[:40]}"
                    yield from base.offer(place, self.name, text, summary, 0.7)


def _coded(node: ast.AST | None) -> ast.expr | None:
    """What is encoded or decoded by a method; None for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CODERS:
        return node.func.value
    return None


def _codes_within(statement: ast.stmt) -> bool:
    """Whether a statement is there to encode or decode: `if isinstance(x, bytes): x = x.decode()`."""
    if isinstance(statement, ast.If):
        return all(isinstance(one, ast.Assign) and _coded(one.value) is not None for one in statement.body)
    return isinstance(statement, ast.Assign) and _coded(statement.value) is not None


def _said(module: Module, node: ast.expr) -> Iterator[tuple[str, str, float]]:
    """Calls with an encoding, or a way with errors, that they lack or have wrong."""
    if not isinstance(node, ast.Call):
        return
    name = base.call_name(node)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in _OPENERS:
        if "encoding" in given:
            yield module.replace(given["encoding"], '"utf-8"'), "Open as UTF-8", 0.9
        else:
            yield _with_argument(module, node, 'encoding="utf-8"'), "Open as UTF-8", 0.9
    if name in _CODERS and isinstance(node.func, ast.Attribute):
        if "errors" in given:
            yield module.replace(given["errors"], '"replace"'), "Replace what cannot be coded", 0.6
        elif len(node.args) < 2:
            yield _with_argument(module, node, 'errors="replace"'), "Replace what cannot be coded", 0.55
        first = node.args[0] if node.args else given.get("encoding")
        if isinstance(first, ast.Constant):
            yield module.replace(first, '"utf-8"'), f"{name.title()} as UTF-8", 0.8


def _with_argument(module: Module, call: ast.Call, argument: str) -> str:
    """The text with one more argument at the end of a call."""
    end = module.span(call)[1] - 1
    return module.replaced((end, end, f", {argument}" if call.args or call.keywords else argument))


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    """Operands and arguments that may be text where bytes are wanted, or the other way round."""
    if isinstance(node, ast.BinOp):
        yield from (side for side in (node.right, node.left) if not isinstance(side, ast.BinOp))
    elif isinstance(node, ast.Call):
        yield from (argument for argument in node.args[:3] if not isinstance(argument, ast.Starred))


STRATEGY = HandleEncoding()
