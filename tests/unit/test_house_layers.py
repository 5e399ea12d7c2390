"""The layer table of the house: who may import whom. Type-only and in-function imports count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "ems_ml"

GROUND = {"types", "errors", "resources"}
PROMISES = {"ports", "settings", "events", "regrouping"}
TOOLS = {"source", "repo", "sandbox", "align", "dataset", "manifest", "versions"}
STEPS = {
    "ingest", "parse", "redact", "normalize", "embed", "group", "strategies",
    "rank", "fix", "harvest", "store", "monitor",
}  # fmt: skip
LINES = {"pipeline", "train", "scale"}
LOW = GROUND | PROMISES

#: room -> rooms it may import besides its own. This table is the rule; change it here, in the open.
MAY_IMPORT: dict[str, set[str]] = {
    **{room: set() for room in GROUND},
    **{room: set(GROUND) for room in PROMISES},
    **{room: set(LOW) for room in TOOLS},
    **dict.fromkeys(STEPS | LINES, LOW | TOOLS),
    "build": LOW | TOOLS | STEPS | LINES,
    "service": LOW - {"ports", "resources"} | {"build"},
    "front": LOW | TOOLS | STEPS | LINES | {"build"},
    "__init__": {"front", "dataset", "settings", "errors"},
    "__main__": {"service"},
}
# Tools are few and independent; where one stands on another it is said here.
TOOLS_ON_TOOLS: dict[str, set[str]] = {
    "dataset": {"source"},
    "manifest": set(),
    "versions": {"manifest"},
    "resources": {"errors"},
    "regrouping": {"ports"},  # for its types alone
}

#: Copied out into a project of its own by the demo; it never imports us.
NOT_OURS = {"service/demo_shop"}


def modules() -> list[Path]:
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if not any(path.relative_to(PACKAGE).as_posix().startswith(skip) for skip in NOT_OURS)
    ]


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported_rooms(source: str, path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of each import of ours in a module, wherever in it the import stands."""
    own = ("ems_ml", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join((*own[: -node.level], base)).rstrip(".")
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "ems_ml":
                yield node.lineno, parts[1] if len(parts) > 1 else "__init__"


def test_every_module_stands_in_a_room() -> None:
    unknown = {room_of(path) for path in modules()} - set(MAY_IMPORT)
    assert not unknown, f"rooms without a place in the layer table: {unknown}"


def wrong_arrows(source: str, path: Path) -> list[str]:
    room = room_of(path)
    allowed = MAY_IMPORT[room] | TOOLS_ON_TOOLS.get(room, set()) | {room}
    return [f"line {line}: {room} -> {other}" for line, other in imported_rooms(source, path) if other not in allowed]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_keep_the_direction_of_the_arrows(path: Path) -> None:
    assert not wrong_arrows(path.read_text(), path)


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("mlflow", {"train"}),
        ("streamlit", {"service"}),
        ("distributed", {"harvest"}),
        ("torch", {"train", "embed"}),
        ("sentence_transformers", {"train", "embed"}),
    ],
)
def test_heavy_libraries_are_imported_only_by_what_needs_them(library: str, rooms: set[str]) -> None:
    users = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom)
                else []
            )  # fmt: skip
            if any(name.split(".")[0] == library for name in names):
                users.add(room_of(path))
    assert users <= rooms


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("from ems_ml.types import Frame", []),
        ("def f():\n    from ems_ml.group import online", ["line 2: parse -> group"]),
        ("from ..store import sql", ["line 1: parse -> store"]),
        ("if TYPE_CHECKING:\n    import ems_ml.build", ["line 2: parse -> build"]),
        ("importlib.import_module('ems_ml.rank')", ["line 1: parse -> rank"]),
    ],
)
def test_a_wrong_arrow_is_found_wherever_it_hides(source: str, wrong: list[str]) -> None:
    assert wrong_arrows(source, PACKAGE / "parse" / "some_parser.py") == wrong
