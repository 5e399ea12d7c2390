"""What a project's tests need, where projects write it: tables of pyproject.toml, requirement files, and older customs.

Nothing of the project is run. What only checks style, builds documents or uploads is left out (`NEVER_NEEDED`).
"""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ems_ml.errors import InputError

TEST_GROUPS = ("tests", "test", "testing")
LESS_LIKELY_GROUPS = ("dev", "develop", "development")
LESS_LIKELY_FILES = ("requirements-dev.txt", "requirements/dev.txt", "dev-requirements.txt", "requirements_dev.txt")
TEST_FILES = (
    "requirements-test.txt", "requirements-tests.txt", "requirements/test.txt", "requirements/tests.txt",
    "tests/requirements.txt", "test/requirements.txt", "test-requirements.txt", "test_requirements.txt",
)  # fmt: skip
NEVER_NEEDED = re.compile(
    r"^(ruff|mypy|pyright|sphinx\w*|furo|tox|tox-uv|nox|build|hatch|pre-commit|black|flake8|mkdocs|mkdocstrings|mkautodoc"
    r"|twine|wheel|virtualenv|isort|autoflake|pylint|codecov|coveralls|griffe|bandit|pip|pip-tools|types-[\w-]+)"
    r"\b(?!\.)|^(sphinx|flake8|mkdocs|mypy|pallets-sphinx)-",
    re.I,
)
DEEPEST = 4  # requirement files that name each other
_TOX_FACTOR = re.compile(r"^[\w.,!{}-]+:\s+")
_NEED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([<>=!~;(].*)?$")
_ITSELF = re.compile(r"^(?:(?:-e|--editable)[ =]?\s*)?\.(\[[\w., -]+\])?$")
_INCLUDED = re.compile(r"^(?:-r|--requirement)[ =]?\s*(?P<file>\S+)$")
_COMMENT = re.compile(r"(^|\s)#.*$|\s--hash=\S+")
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def test_needs(tree: Path) -> Iterator[tuple[str, list[str]]]:
    """Where a need stands, and what is needed there, likeliest place first: dependency groups, extras, files.

    A need is a requirement as pip takes it; `tree` itself with extras is one, too. Raises `InputError` where
    pyproject.toml cannot be read.
    """
    project = _pyproject(tree)
    groups = project.get("dependency-groups", {})
    extras = project.get("project", {}).get("optional-dependencies", {})
    for names in (TEST_GROUPS, LESS_LIKELY_GROUPS):
        for origin, table in (("dependency group", groups), ("extra", extras), *_tools(project.get("tool", {}))):
            for name in names:
                needs = [need for need in _expand(table, name, ()) if not NEVER_NEEDED.match(need)]
                if needs:
                    yield f"{origin} {name}", needs
        for file in TEST_FILES if names is TEST_GROUPS else LESS_LIKELY_FILES:
            needs = list(_from_requirements(tree, file))
            if needs:
                yield file, needs


def older_needs(tree: Path) -> Iterator[tuple[str, list[str]]]:
    """What tests need by the older customs: tox.ini, setup.cfg, setup.py, one requirements.txt for everything."""
    for file, section, option in (
        ("tox.ini", "testenv", "deps"),
        ("setup.cfg", "options", "tests_require"),
        *(("setup.cfg", "options.extras_require", name) for name in ("test", "tests", "testing", "dev")),
    ):
        needs = list(_from_ini(tree, file, section, option))
        if needs:
            yield f"{file} {section} {option}", needs
    needs = [need for need in _from_setup(tree / "setup.py") if _NEED.match(need) and not NEVER_NEEDED.match(need)]
    if needs:
        yield "setup.py", needs
    needs = list(_from_requirements(tree, "requirements.txt"))
    if needs:
        yield "requirements.txt", needs


def _pyproject(tree: Path) -> Mapping[str, Any]:
    if not (tree / "pyproject.toml").is_file():
        return {}
    try:
        return tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"pyproject.toml cannot be read: {error}", hint="harvest another version") from error


def _expand(groups: Mapping[str, Any], name: str, seen: tuple[str, ...]) -> list[str]:
    """A dependency group with the groups that it includes (PEP 735)."""
    needs: list[str] = []
    for need in groups.get(name, ()):
        if isinstance(need, str):
            needs.append(need)
        elif isinstance(need, dict) and need.get("include-group") not in (None, name, *seen):
            needs += _expand(groups, need["include-group"], (*seen, name))
    return needs


def _tools(tool: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Sequence[str]]]]:
    """The groups that a tool keeps in a table of its own, as lists of requirements by the group's name."""
    yield "pdm group", tool.get("pdm", {}).get("dev-dependencies", {})
    yield "uv", {"dev": tool.get("uv", {}).get("dev-dependencies", [])}
    hatch = tool.get("hatch", {}).get("envs", {})
    yield "hatch environment", {name: hatch[name].get("dependencies", []) for name in hatch}
    poetry = tool.get("poetry", {})
    tables = {name: group.get("dependencies", {}) for name, group in poetry.get("group", {}).items()}
    tables["dev"] = {**poetry.get("dev-dependencies", {}), **tables.get("dev", {})}
    yield "poetry group", {name: list(_of_poetry(table)) for name, table in tables.items()}


def _of_poetry(table: Mapping[str, Any]) -> Iterator[str]:
    """Poetry's own way to write requirements; of several for one name the first, of one from elsewhere nothing."""
    for name, said in table.items():
        one = said[0] if isinstance(said, list) and said else said
        extras = one.get("extras", ()) if isinstance(one, dict) else ()
        version = one.get("version") if isinstance(one, dict) else one
        if name == "python" or not isinstance(version, str):
            continue
        bounds = ",".join(filter(None, map(_bound, version.split("||")[0].split(","))))
        yield f"{name}{'[' + ','.join(extras) + ']' if extras else ''}{bounds}"


def _bound(said: str) -> str:
    """A bound as pip writes it: "^1.2" allows what does not change the first figure that is not 0."""
    said = said.strip()
    numbers = _VERSION.search(said)
    if numbers is None:
        return ""
    parts = [int(part) for part in numbers[0].split(".")]
    if said.startswith("^"):
        at = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    elif said.startswith("~") and not said.startswith("~="):
        at = min(1, len(parts) - 1)
    else:
        return said if said[0] in "<>=!~" else f"=={said}"
    return f">={numbers[0]},<{'.'.join(map(str, (*parts[:at], parts[at] + 1)))}"


def _from_requirements(tree: Path, file: str, depth: int = 0) -> Iterator[str]:
    """The requirements in a file, with those of files that it names; what comes from elsewhere than an index is not."""
    path = tree / file
    if depth > DEEPEST or not path.is_file() or not path.resolve().is_relative_to(tree.resolve()):
        return
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    for line in text.splitlines():
        yield from _from_line(tree, _COMMENT.sub("", line).strip(), (path.parent, depth))


def _from_line(tree: Path, line: str, at: tuple[Path, int]) -> Iterator[str]:
    """One line of a requirement file. at: the folder from which a file is named, and how deep that is."""
    included, itself = _INCLUDED.match(line), _ITSELF.match(line)
    if included:
        named = (at[0] / included["file"]).resolve()
        if named.is_relative_to(tree.resolve()):
            yield from _from_requirements(tree, named.relative_to(tree.resolve()).as_posix(), at[1] + 1)
    elif itself:
        if itself[1]:
            yield f"{tree}{itself[1]}"
    elif _NEED.match(line) and not NEVER_NEEDED.match(line):
        yield line


def _from_ini(tree: Path, file: str, section: str, option: str) -> Iterator[str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(tree / file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return
    for line in parser.get(section, option, fallback="").splitlines():
        said = _TOX_FACTOR.sub("", line.strip()).replace("{toxinidir}/", "")
        yield from _from_line(tree, said, (tree, 0))


def _from_setup(path: Path) -> list[str]:
    """The literal lists that setup.py gives as tests_require and as extras for tests; nothing of it is run."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    named: Mapping[str, ast.expr] = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    wanted: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("tests_require", "extras_require"):
            value = named.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
            if isinstance(value, ast.Dict):
                pairs = zip(value.keys, value.values, strict=True)
                wanted += [v for k, v in pairs if isinstance(k, ast.Constant) and str(k.value).startswith("test")]
            else:
                wanted.append(value)
    texts = [one for value in wanted if isinstance(value, ast.List | ast.Tuple) for one in value.elts]
    return [one.value for one in texts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
