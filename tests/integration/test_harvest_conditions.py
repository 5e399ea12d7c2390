"""A bad environment is made by real conditions: the error is the interpreter's or the kernel's own."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ems_ml import sandbox
from ems_ml.harvest.plan import Draw, Reach
from ems_ml.harvest.traces import judge
from ems_ml.harvest.worker import CONDITIONS, RUNNER
from ems_ml.strategies import BUILT_IN, load_strategies
from ems_ml.types import Condition

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="conditions are made of the kernel's own limits")

CODE = textwrap.dedent("""
    import json
    import os
    import socket
    import sqlite3


    def packed(data):
        import xmlrpc.client
        return xmlrpc.client.dumps((data,))


    def written(folder):
        with open(folder + "/a.txt", "w") as file:
            file.write("text")
        with open(folder + "/a.txt") as file:
            return file.read()


    def settings(path):
        with open(path) as file:
            return json.load(file)


    def place():
        return os.environ["TOY_PLACE"]


    def depth(tree):
        return 1 + max((depth(each) for each in tree), default=0)


    def asked(address):
        return socket.create_connection(address, timeout=5)


    def rows(path):
        base = sqlite3.connect(path, timeout=0)
        base.execute("insert into t values (1)")


    def quoted(data):
        text = json.dumps(data, sort_keys=True)
        return text
""").lstrip()
TESTS = textwrap.dedent("""
    import os, socket, sqlite3
    from toy import code


    def test_packed():
        assert "<int>" in code.packed(1)


    def test_written(tmp_path):
        assert code.written(str(tmp_path)) == "text"


    def test_settings(tmp_path):
        (tmp_path / "s.json").write_text("{}")
        assert code.settings(tmp_path / "s.json") == {}


    def test_place(monkeypatch):
        monkeypatch.setenv("TOY_PLACE", "here")
        assert code.place() == "here"


    def test_depth():
        assert code.depth([[[[[[[[[]]]]]]]]]) == 9


    def test_asked():
        with socket.create_server(("127.0.0.1", 0)) as server:
            code.asked(server.getsockname()).close()


    def test_rows(tmp_path):
        path = tmp_path / "b.sqlite"
        sqlite3.connect(path).execute("create table t (n)")
        code.rows(path)


    def test_quoted():
        assert code.quoted({}) == "{}"
""").lstrip()

#: test, a piece of the marked line, condition (kind, target, value), type and a piece of the message
CASES = [
    ("packed", "import xmlrpc", ("hide_module", "xmlrpc", ""), "ModuleNotFoundError", "No module named 'xmlrpc'"),
    ("packed", "xmlrpc.client.dumps", ("other_version", "xmlrpc.client", "dumps"), "AttributeError", "'dumps'"),
    ("quoted", "import json", ("hide_module", "json", ""), "ModuleNotFoundError", "No module named 'json'"),
    ("quoted", "json.dumps", ("other_version", "json", "dumps:sort_keys"), "TypeError", "'sort_keys'"),
    ("written", '"w"', ("no_access", "", ""), "PermissionError", "[Errno 13]"),
    ("written", '"w"', ("remove_path", "", ""), "FileNotFoundError", "[Errno 2]"),
    ("written", 'a.txt") as', ("remove_path", "", ""), "FileNotFoundError", "a.txt"),
    ("written", 'a.txt") as', ("limit_files", "", ""), "OSError", "[Errno 24]"),
    ("settings", "json.load", ("empty_file", "", ""), None, ""),  # it was opened on the line before
    ("settings", "open(path)", ("empty_file", "", ""), "json.decoder.JSONDecodeError", "Expecting value"),
    ("place", "TOY_PLACE", ("unset_variable", "TOY_PLACE", ""), "KeyError", "TOY_PLACE"),
    ("depth", "1 + max", ("limit_recursion", "", "6"), "RecursionError", "maximum recursion depth exceeded"),
    ("asked", "create_connection", ("unavailable", "", "1"), "ConnectionRefusedError", "[Errno 111]"),
    ("rows", "sqlite3.connect", ("unavailable", "", "1"), "sqlite3.OperationalError", "database is locked"),
]  # fmt: skip


def tried(
    folder: Path, test: str, piece: str, condition: tuple[str, str, str], conftest: str = ""
) -> list[dict[str, Any]]:
    """The runner's own records of one test under a condition; as an unprivileged user, as in the sandbox."""
    tree, home = folder / "tree", folder / "home"
    (tree / "toy").mkdir(parents=True)
    (tree / "toy" / "__init__.py").write_text("")
    (tree / "toy" / "code.py").write_text(CODE)
    (tree / "test_toy.py").write_text(TESTS)
    (tree / "toy" / "__init__.py").write_text(conftest and "import toy.code\n")
    (tree / "conftest.py").write_text(conftest)
    line = next(number for number, text in enumerate(CODE.splitlines(), 1) if piece in text)
    told = dict(zip(("kind", "target", "value"), condition, strict=True))
    told |= {"file": str(tree / "toy" / "code.py"), "start": line, "end": line}  # type: ignore[dict-item]
    config = {"tree": str(tree), "source": str(tree), "tops": ["toy"], "home": str(home)}
    node = f"test_toy.py::test_{test}"
    request = {"do": "try", "args": [node], "tests": [node], "most": 5, "condition": told}
    request |= {"seconds": 20, "memory": 1 << 30, "file_bytes": 1 << 26}
    done = sandbox.run(
        [sys.executable, "-P", str(RUNNER), json.dumps(config)],
        cwd=tree,
        limits=sandbox.Limits(seconds=60),
        stdin=json.dumps(request).encode() + b"\n",
        readable=[Path(sys.prefix), Path(sys.base_prefix), RUNNER, CONDITIONS, tree],
        home=home,
    )
    assert done.ok, done.stderr
    records: list[dict[str, Any]] = json.loads(done.stdout)["records"]
    assert not [each for each in records if each["kind"] == "crash"], records
    return records


@pytest.mark.parametrize(("test", "piece", "condition", "kind", "message"), CASES)
def test_a_condition_gives_the_real_error(
    tmp_path: Path, test: str, piece: str, condition: tuple[str, str, str], kind: str | None, message: str
) -> None:
    records = tried(tmp_path, test, piece, condition)
    traces = [each for each in records if each["kind"] == "trace"]
    if kind is None:
        assert not traces
        return
    (trace,) = traces
    assert trace["type"] == kind, trace["text"]
    assert message in trace["message"]
    marked = [frame for frame in trace["frames"] if frame["file"].endswith("toy/code.py")]
    assert marked, "the error passes through the package"
    assert "conditions.py" not in trace["text"], "nothing of the harvest stands in the trace"
    if condition[0] in ("hide_module", "other_version", "unset_variable"):
        assert piece in marked[-1]["code"]


def test_what_a_conftest_cannot_import_is_told(tmp_path: Path) -> None:
    records = tried(tmp_path, "place", "import sqlite3", ("hide_module", "sqlite3", ""), "import toy\n")
    (trace,) = [each for each in records if each["kind"] == "trace"]
    assert (trace["when"], trace["type"]) == ("collect", "ModuleNotFoundError")
    assert [frame["code"] for frame in trace["frames"]] == ["import toy.code", "import sqlite3"]


def test_a_condition_leaves_other_lines_alone(tmp_path: Path) -> None:
    records = tried(tmp_path, "place", "1 + max", ("unset_variable", "TOY_PLACE", ""))
    assert [each["passed"] for each in records if each["kind"] == "test"] == [True]


def test_a_condition_is_drawn_for_reached_lines_and_never_hides_the_package_itself() -> None:
    source = "import yaml\nimport toy\nimport json\n\n\ndef load(text):\n    return yaml.safe_load(text)\n"
    reach = Reach(tests=("t::a",), lines={"toy/code.py": {7: frozenset({0})}})
    draw = Draw(
        package="toy==1",
        sources={"toy/code.py": source},
        reach=reach,
        strategies=[load_strategies()[list(BUILT_IN).index("install_dependency")]],
        seed=0,
        per_place=5,
        tell=pytest.fail,
    )
    (fault,) = draw
    assert fault.condition == Condition(kind="hide_module", target="yaml")
    assert (fault.start, fault.end, fault.plant(source)) == (0, 1, source)
    assert reach.choose(fault, source, 5) == ["t::a"]


@pytest.mark.parametrize(("roles", "at_import", "verdict"), [
    (["test", "app"], True, "kept"),
    (["test", "app"], False, "import"),
    (["test"], True, "import"),
])  # fmt: skip
def test_an_error_of_an_import_counts_under_a_condition(roles: list[str], at_import: bool, verdict: str) -> None:
    trace = {"when": "collect", "type": "ImportError", "frames": [{"role": role} for role in roles]}
    assert judge(trace, at_import=at_import) == verdict
