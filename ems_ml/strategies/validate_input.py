"""validate_input: rejects bad input early, with a clear error, or cleans it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal


class ValidateInput:
    name = "validate_input"

    def recognise(self, before: str, after: str) -> float:
        """High where a check that raises was added."""
        best = 0.0
        for edit in edits(before, after):
            if edit.before is None and isinstance(edit.after, ast.If) and base.raises(edit.after.body):
                best = max(best, 0.98)
            elif edit.before is None and isinstance(edit.after, ast.Assert):
                best = max(best, 0.9)
            elif (
                isinstance(edit.after, ast.If)
                and not isinstance(edit.before, ast.If)
                and (base.raises(edit.after.body) or base.raises(edit.after.orelse))
            ):
                best = max(best, 0.97)
            elif base.call_name(edit.after) in ("strip", "lstrip", "rstrip") and edit.before is not None:
                best = max(best, 0.7)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Removes a check that raises."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if isinstance(statement, ast.If) and base.raises(statement.body) and len(statement.body) <= 2:
                if not statement.orelse:
                    text = module.deleted(statement)
                elif len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
                    continue
                else:
                    text = module.unwrapped(statement, statement.orelse)
                yield from base.plant(module, self.name, statement, text, "removes a check of the input")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """A clear error at the top of the function that was handed what it cannot use."""
        if event.error.short_type not in ("TypeError", "AttributeError", "ValueError", "KeyError", "IndexError"):
            return
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            function = place.module.function_of(place.statement) if place.statement else None
            if function is None or place.statement is None:
                continue
            step = place.module.step
            for argument in [one for one in function.args.args if one.arg not in ("self", "cls")][:3]:
                name = argument.arg
                none = base.about_none(event)
                test = f"{name} is None" if none else f"not {name}"
                for kind, score in (("ValueError", 0.5), ("TypeError", 0.45)):
                    first = function.body[0]
                    lines = [f"if {test}:", f'{step}raise {kind}("{name} must be given")']
                    text = place.module.inserted_before(
                        function.body[1] if _is_docstring(first) and len(function.body) > 1 else first, lines
                    )
                    yield from base.offer(place, self.name, text, f"Reject a missing {name}", score)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


STRATEGY = ValidateInput()
