"""relax_check: removes or loosens a check, assertion or raise that was too strict."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.change import edits
from ems_ml.source.module import Module
from ems_ml.strategies import base
from ems_ml.types import ErrorEvent, Injection, Proposal

_LOOSER: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.Gt: ">=", ast.LtE: "<", ast.GtE: ">"}


class RelaxCheck:
    name = "relax_check"

    def recognise(self, before: str, after: str) -> float:
        """High where an assertion, or a check that raises, is gone or asks for less."""
        best = 0.0
        for edit in edits(before, after):
            if (edit.after is None and isinstance(edit.before, ast.Assert | ast.Raise)) or (
                edit.after is None and isinstance(edit.before, ast.If) and _raises(edit.before)
            ):
                best = max(best, 0.97)
            elif (
                isinstance(edit.before, ast.Raise) and edit.after is not None and not isinstance(edit.after, ast.Raise)
            ):
                best = max(best, 0.85)
            elif isinstance(edit.before, ast.If) and _raises(edit.before) and not isinstance(edit.after, ast.If):
                best = max(best, 0.8)
            elif (isinstance(edit.parent, ast.If) and edit.field == "test" and _raises(edit.parent)) or (
                isinstance(edit.parent, ast.Assert) and edit.field == "test"
            ):
                best = max(best, 0.83)
        return best

    def inject(self, source: str) -> Iterator[Injection]:
        """Adds an assertion about a parameter that healthy callers break, or sharpens a check that raises."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            if isinstance(statement, ast.FunctionDef) and not statement.name.startswith("__"):
                yield from self._asserted(module, statement)

    def _asserted(self, module: Module, function: ast.FunctionDef) -> Iterator[Injection]:
        body = function.body
        docstring = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        first = body[1] if docstring and len(body) > 1 else body[0]
        step = module.step
        arguments = [one.arg for one in function.args.args if one.arg not in ("self", "cls")]
        for number, name in enumerate(arguments[:2]):
            tests = ((f"not {name}", "ValueError"), (f"{name} is None", "TypeError"))
            test, kind = tests[(number + len(function.name)) % 2]
            said = f'{step}raise {kind}("{name} must not be empty")'
            text = module.inserted_before(first, [f"if {test}:", said])
            yield from base.plant(module, self.name, first, text, "adds a check that is too strict")
            text = module.inserted_before(first, [f"assert {name}"])
            yield from base.plant(module, self.name, first, text, "adds an assertion that is too strict")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Where the error was raised on purpose: the check goes, or asks for less."""
        yield from base.best(self._proposed(event, source))

    def _proposed(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        for place in base.places(event, source):
            statement, module = place.statement, place.module
            if place.depth or not isinstance(statement, ast.Raise | ast.Assert):
                return
            if isinstance(statement, ast.Assert):
                yield from base.offer(place, self.name, module.deleted(statement), "Drop the assertion", 0.8)
                continue
            parent = module.parents[statement]
            if not isinstance(parent, ast.If):
                continue
            if not parent.orelse and statement in parent.body:
                yield from base.offer(place, self.name, module.deleted(parent), "Drop the check", 0.7)
            test = parent.test
            if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _LOOSER:
                left, right = module.segment(test.left), module.segment(test.comparators[0])
                text = module.replace(test, f"{left} {_LOOSER[type(test.ops[0])]} {right}")
                yield from base.offer(place, self.name, text, "Loosen the check", 0.75)
            if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and base.simple(test.operand):
                text = module.replace(test, f"{module.segment(test.operand)} is None")
                yield from base.offer(place, self.name, text, "Reject only None", 0.75)
            if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
                for kept in test.values:
                    text = module.replace(test, module.segment(kept))
                    yield from base.offer(place, self.name, text, "Drop a clause of the check", 0.6)


def _raises(statement: ast.If) -> bool:
    return bool(statement.body) and isinstance(statement.body[-1], ast.Raise)


STRATEGY = RelaxCheck()
