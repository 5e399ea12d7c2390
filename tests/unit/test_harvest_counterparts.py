"""The same fault in another version: found where its lines have shifted or its function has moved, and nowhere else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

import pytest

from ems_ml.harvest.counterparts import (
    MANY_FUNCTIONS,
    NO_FUNCTION,
    NO_LINE,
    NOT_PLANTED,
    NOT_REACHED,
    Counterpart,
    Counterparts,
    scopes,
)
from ems_ml.harvest.plan import Reach, as_fault
from ems_ml.harvest.types import Fault
from ems_ml.ports import SourceTree
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal


class Triple:
    """Makes `* 3` of each `* 2`, but on lines that say "spare"; and hides json where it is imported."""

    name = "triple"

    def recognise(self, before: str, after: str) -> float:
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        lines = source.splitlines(keepends=True)
        for at, line in enumerate(lines):
            within = [scope for scope in scopes("", source) if scope.holds(at)]
            function = max(within, key=lambda scope: scope.start).name
            if "* 2" in line and "spare" not in line:
                text = "".join([*lines[:at], line.replace("* 2", "* 3"), *lines[at + 1 :]])
                yield Injection(strategy=self.name, source=text, line=at + 1, function=function, note="")
            if line.strip() == "import json":
                hidden = Condition(kind="hide_module", target="json")
                yield Injection(
                    strategy=self.name, source=source, line=at + 1, function=function, note="", condition=hidden
                )

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        return iter(())


HEALTHY = """
    def price(row, count):
        width = row.width
        total = width * 2
        return total + count


    class Cart:
        def size(self):
            import json
            return json.loads(self.text) * 2
"""


def drawn(healthy: str = HEALTHY, which: int = 0) -> tuple[Fault, str]:
    text = textwrap.dedent(healthy)
    made = [as_fault("shop==2", "src/shop/a.py", text, one) for one in Triple().inject(text)]
    fault = made[which]
    assert fault is not None
    return fault, text


def seek(files: Mapping[str, str], fault: tuple[Fault, str], reached: bool = True, root: str = "lib") -> Counterpart:
    sources = {f"{root}/{name}": textwrap.dedent(text) for name, text in files.items()}
    lines = {name: {n: frozenset([0]) for n in range(1, 60)} for name in sources} if reached else {}
    found = Counterparts(
        package="shop==1",
        sources=sources,
        reach=Reach(tests=("t",), lines=lines),
        root=root,
        strategies=[Triple()],
        tell=pytest.fail,
    )
    return found.of(*fault, "src")


def test_shifted_lines_are_the_same_fault() -> None:
    found = seek({"shop/a.py": "\n# above\nimport os\n" + textwrap.dedent(HEALTHY)}, drawn())
    assert found.fault is not None
    assert (found.fault.file, found.fault.function, found.moved) == ("lib/shop/a.py", "price", False)
    assert found.fault.start == drawn()[0].start + 3
    assert found.fault.lines == ("    total = width * 3\n",)
    assert found.fault.id != drawn()[0].id


@pytest.mark.parametrize(
    ("files", "function"),
    [
        ({"shop/a.py": HEALTHY.replace("def price", "def cost")}, "cost"),
        ({"shop/b.py": HEALTHY, "shop/a.py": "x = 1\n"}, "price"),
        ({"shop/c.py": "class Till:\n" + textwrap.indent(textwrap.dedent(HEALTHY), "    ")}, "Till.price"),
    ],
    ids=["renamed", "another file", "in a class, deeper"],
)
def test_a_function_that_moved_is_found_by_its_text(files: Mapping[str, str], function: str) -> None:
    found = seek(files, drawn())
    assert found.fault is not None
    assert (found.fault.function, found.moved) == (function, True)
    assert found.fault.lines[0].strip() == "total = width * 3"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"shop/a.py": HEALTHY.replace("width * 2", "row.width * 2")}, NO_LINE),
        ({"shop/a.py": "def other():\n    return 1 * 2\n"}, NO_FUNCTION),
        ({"shop/b.py": HEALTHY, "shop/c.py": HEALTHY}, MANY_FUNCTIONS),
        ({"shop/a.py": HEALTHY.replace("total = width * 2", "total = (\n        width * 2\n    )")}, NO_LINE),
    ],
    ids=["another line", "gone", "two copies", "another layout than lines apart"],
)
def test_what_is_not_the_same_is_told_why(files: Mapping[str, str], why: str) -> None:
    assert seek(files, drawn()) == Counterpart(why=why)


def test_what_the_strategy_does_not_plant_or_no_test_reaches_is_told() -> None:
    files = {"shop/a.py": HEALTHY}
    fault, text = drawn()
    strange = Fault(**{**{name: getattr(fault, name) for name in fault.__slots__}, "strategy": "other"})
    assert seek(files, (strange, text)).why == NOT_PLANTED
    assert seek(files, (fault, text), reached=False).why == NOT_REACHED


def test_of_equal_lines_the_one_beside_the_same_lines_is_taken() -> None:
    twice = """
        def price(row):
            first = row.first
            total = width * 2
            second = row.second
            total = width * 2
            return total
    """
    more = twice.replace("second = row.second", "second = row.second\n            log(second)\n            log(first)")
    for which in (0, 1):
        found = seek({"shop/a.py": more}, drawn(twice, which))
        assert found.fault is not None
        assert found.fault.start == [3, 7][which]


def test_a_bad_environment_is_the_same_around_the_same_statement() -> None:
    fault = next(one for one in (drawn(which=n) for n in range(3)) if one[0].condition is not None)
    found = seek({"shop/a.py": "\n\n" + textwrap.dedent(HEALTHY)}, fault)
    assert found.fault is not None
    assert found.fault.condition == fault[0].condition
    assert found.fault.start == fault[0].start + 2
