"""correct_arguments: adds, drops or reorders arguments of a call, or parameters of a definition."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module, Placed
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_MISSING = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (?P<names>.+)")
_UNEXPECTED = re.compile(r"(?P<function>\w+)\(\) got an unexpected keyword argument '(?P<name>\w+)'")
_TAKES = re.compile(r"takes (?:from \d+ to )?(?P<most>\d+|no) (?:positional )?arguments? (?:but|\()(?P<given>.+)")
_MULTIPLE = re.compile(r"got multiple values for (?:keyword )?argument '(?P<name>\w+)'")


class CorrectArguments:
    name = "correct_arguments"

    def recognise(self, before: str, after: str) -> float:
        """High where a call's arguments or a definition's parameters were added, dropped or moved."""
        best = 0.0
        for edit in edits(before, after):
            listed = edit.field in ("args", "keywords", "kwonlyargs", "vararg", "kwarg", "posonlyargs")
            if not listed or not isinstance(edit.parent, ast.Call | ast.arguments):
                continue
            changed = edit.before is None or edit.after is None
            best = max(best, 0.9 if changed else 0.3)
            if isinstance(edit.parent, ast.Call) and isinstance(edit.parent_after, ast.Call):
                old, new = edit.parent.args, edit.parent_after.args
                if len(old) == len(new) > 1 and sorted(map(ast.dump, old)) == sorted(map(ast.dump, new)):
                    best = max(best, 0.92)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Drops an argument, or swaps the first two."""
        module = Module.of(source)
        if module is None:
            return
        for node in base.expressions(module):
            if not isinstance(node, ast.Call) or base.call_name(node) in ("get", "getattr", "pop", "next", "super"):
                continue
            places: list[Placed] = [*node.args, *node.keywords]
            if not places or any(isinstance(one, ast.Starred) for one in node.args):
                continue
            yield from base.plant(module, self.name, node, _dropped(module, node, len(places) - 1), "drops an argument")
            if len(node.args) >= 2:
                one, two = node.args[0], node.args[1]
                first, second = module.segment(one), module.segment(two)
                text = module.replaced((*module.span(one), second), (*module.span(two), first))
                yield from base.plant(module, self.name, node, text, "swaps two arguments")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """By what the message says about the arguments: drops, adds or reorders them."""
        if event.error.short_type == "TypeError":
            yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        message = event.error.message
        unexpected, missing = _UNEXPECTED.search(message), _MISSING.search(message)
        for place in base.places(event, source):
            for node in place.expressions:
                if not isinstance(node, ast.Call):
                    continue
                listed: list[Placed] = [*node.args, *node.keywords]
                if unexpected:
                    for index, one in enumerate(listed):
                        if isinstance(one, ast.keyword) and one.arg == unexpected["name"]:
                            text = _dropped(place.module, node, index)
                            yield from base.offer(place, self.name, text, f"Drop the argument {one.arg}", 0.85)
                if missing and _could_be(node, message):
                    yield from self._added(place, node, re.findall(r"'(\w+)'", missing["names"]))
                if (_TAKES.search(message) or _MULTIPLE.search(message)) and _could_be(node, message):
                    for index in range(len(listed) - 1, -1, -1):
                        text = _dropped(place.module, node, index)
                        yield from base.offer(place, self.name, text, "Drop an argument", 0.7 - 0.05 * index)
                if len(node.args) >= 2 and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
                    one, two = node.args[0], node.args[1]
                    first, second = place.module.segment(one), place.module.segment(two)
                    text = place.module.replaced((*place.module.span(one), second), (*place.module.span(two), first))
                    yield from base.offer(place, self.name, text, "Swap the first two arguments", 0.4)

    def _added(self, place: base.Place, node: ast.Call, names: list[str]) -> Iterator[Proposal]:
        """The missing arguments, from variables of the same name, or None."""
        module = place.module
        function = module.function_of(node)
        known = {one.id for one in ast.walk(function) if isinstance(one, ast.Name)} if function else set()
        if function is not None:
            known |= {one.arg for one in (*function.args.args, *function.args.kwonlyargs)}
        end = module.span(node)[1] - 1
        listed: list[Placed] = [*node.args, *node.keywords]
        comma = ", " if listed and not module.text[module.span(listed[-1])[1] : end].strip().startswith(",") else ""
        for fill, score in (("same", 0.8), ("None", 0.5), ("''", 0.3), ("0", 0.3), ("[]", 0.25)):
            if fill == "same" and not set(names) <= known:
                continue
            values = [f"{name}={name if fill == 'same' else fill}" for name in names]
            text = module.replaced((end, end, comma + ", ".join(values)))
            yield from base.offer(place, self.name, text, f"Give the argument {', '.join(names)}", score)


def _could_be(node: ast.Call, message: str) -> bool:
    """Whether a message names the function that is called, or a class."""
    name = base.call_name(node)
    return bool(name) and (
        f"{name}()" in message or f"{name}." in message or name[:1].isupper() or "__init__" in message
    )


def _dropped(module: Module, node: ast.Call, index: int) -> str | None:
    """The text with one argument of a call removed, with its comma."""
    listed: list[Placed] = [*node.args, *node.keywords]
    start, end = module.span(listed[index])
    chosen = listed[index]
    if isinstance(chosen, ast.keyword) and chosen.arg is None:
        return None
    if len(listed) == 1:
        tail = module.text[end : module.span(node)[1] - 1]
        return module.replaced((start, end + len(tail), "")) if not tail.strip(" ,\n\t") else None
    if index:
        return module.replaced((module.span(listed[index - 1])[1], end, ""))
    return module.replaced((start, module.span(listed[1])[0], ""))


STRATEGY = CorrectArguments()
