"""What a broken test says about a fault: whose frames these are, and whether the trace counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ems_ml.types import Role

Kind = Literal["kept", "asserted", "elsewhere", "import"]

RUNNERS = {"_pytest", "pluggy", "pytest", "hypothesis", "coverage", "_hypothesis_pytestplugin", "unittest"}
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$")
_TEST_FOLDER = re.compile(r"(?:^|/)tests?/")
_STDLIB = re.compile(r"(?:^|/)(lib(?:64)?/python\d[^/]*/)(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie on this machine, so that no path of it gets into the corpus."""

    tree: Path  # the working copy that the tests ran in
    source: Path
    tops: tuple[str, ...]
    home: Path
    env: Path

    def file(self, path: str, module: str | None) -> tuple[str, Role]:
        """A file as the corpus names it (from the package, or the tests' folder, on), and whose it is."""
        top = (module or "").partition(".")[0]
        inside = _inside(path, self.source)
        if inside is not None and inside.split("/")[0].removesuffix(".py") in self.tops:
            is_test = _TEST_FILE.search(inside) or _TEST_FOLDER.search(inside)
            return inside, Role.TEST if is_test else Role.APP
        inside = _inside(path, self.tree)
        if inside is not None:
            return inside, Role.TEST
        _, found, inside = path.partition("/site-packages/")
        if found:
            return f"site-packages/{inside}", Role.RUNNER if inside.split("/")[0] in RUNNERS else Role.LIBRARY
        stdlib = _STDLIB.search(path)
        if stdlib:
            inside = stdlib.group(2)
            return "".join(stdlib.groups()), Role.RUNNER if inside.startswith("unittest/") else Role.STDLIB
        if path.startswith("<"):
            return self.text(path), Role.APP if top in self.tops else Role.STDLIB if "frozen" in path else Role.LIBRARY
        return path.rsplit("/", 1)[-1], Role.TEST  # a file that a test wrote

    def text(self, text: str) -> str:
        """A text without the paths of this machine."""
        named = ((self.source, ""), (self.tree, ""), (self.home, "/home/user"), (self.env, "/env"))
        for place, name in (*named, (self.tree.parent, "/build")):
            text = text.replace(f"{place}/", f"{name}/" if name else "").replace(str(place), name or ".")
        return re.sub(r"(/[^\s'\":,]*)?/(lib(?:64)?/python\d\.\d+/)", r"/usr/\2", text)


def _inside(path: str, folder: Path) -> str | None:
    return path[len(str(folder)) + 1 :] if path.startswith(f"{folder}/") else None


def digest(trace: Mapping[str, Any]) -> str:
    """Equal for two traces that say the same: type, message, and each frame's file, function and line."""
    parts = [trace["type"], trace["message"], *((f["file"], f["function"], f["line"]) for f in trace["frames"])]
    parts += [(cause["type"], cause["message"]) for cause in trace["chain"]]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def cleaned(raw: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """A trace as the corpus keeps it: paths from the package on, each frame with its role."""
    return {
        "test": raw["test"],
        "when": raw["when"],
        "text": places.text(raw["text"]),
        **_record(raw, places),
        "chain": [_record(cause, places) for cause in raw["chain"]],
    }


def _record(raw: Mapping[str, Any], places: Places) -> dict[str, Any]:
    frames = []
    for frame in raw["frames"]:
        file, role = places.file(frame["file"], frame["module"])
        frames.append({**frame, "file": file, "role": str(role)})
    message = places.text(raw["message"])
    return {"type": raw["type"], "message": message, "relation": raw["relation"], "frames": frames}


def judge(trace: Mapping[str, Any], *, at_import: bool = False) -> Kind:
    """Whether a trace counts: raised in the package's own code or below it.

    "asserted": an assertion of the test (or of its runner's helpers) failed. "elsewhere": raised by test code, or by
    a library that the test called. "import": raised while tests were collected, which counts as any other with
    `at_import`: where a bad environment is what the import met.
    """
    if trace["when"] == "collect" and not at_import:
        return "import"
    roles: Sequence[str] = [frame["role"] for frame in trace["frames"]]
    ours = [index for index, role in enumerate(roles) if role in (Role.TEST, Role.RUNNER)]
    below = roles[ours[-1] + 1 :] if ours else roles
    if Role.APP in below:
        return "kept"
    if trace["when"] == "collect":
        return "import"
    by_test = not below and trace["type"].rsplit(".", 1)[-1] in ("AssertionError", "Failed")
    return "asserted" if by_test else "elsewhere"
