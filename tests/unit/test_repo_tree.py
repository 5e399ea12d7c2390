"""Which file a reported path means, and files that come back byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from ems_ml.ports import SourceTree
from ems_ml.repo import DirectoryTree, decode
from ems_ml.types import Frame

FILES = {
    "app.py": "def main():\n    run()\n",
    "src/pkg/__init__.py": "",
    "src/pkg/utils.py": "def clean(x):\n    return x.strip()\n",
    "src/pkg/sub/__init__.py": "",
    "src/pkg/sub/utils.py": "def clean(x):\n    return x.strip('-')\n",
    "src/pkg/build/__init__.py": "",
    "src/pkg/build/wheel.py": "def pack(): ...\n",
    "tests/test_pkg.py": "def test_it(): ...\n",
    "scripts/run.py": "def go(): ...\n",
    "tools/run.py": "def stop(): ...\n",
    "build/lib/pkg/utils.py": "old\n",
    ".venv/lib/python3.11/site-packages/pkg/utils.py": "installed\n",
    "node_modules/x/index.py": "no\n",
    "env/pyvenv.cfg": "home = /usr\n",
    "env/lib/thing.py": "no\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> DirectoryTree:
    for name, text in FILES.items():
        path = tmp_path / "my tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return DirectoryTree(tmp_path / "my tree")


def test_the_port_is_kept_and_environments_and_built_folders_are_left_out(tree: DirectoryTree) -> None:
    assert isinstance(tree, SourceTree)
    assert [path for path in tree.paths() if path not in FILES] == []
    assert "src/pkg/build/wheel.py" in tree.paths()
    assert not [path for path in tree.paths() if path.startswith(("build/", ".venv/", "node_modules/", "env/"))]


@pytest.mark.parametrize(
    ("file", "function", "code", "means"),
    [
        ("src/pkg/utils.py", "clean", None, "src/pkg/utils.py"),
        ("./src/pkg/../pkg/utils.py", "clean", None, "src/pkg/utils.py"),
        ("pkg/utils.py", "clean", None, "src/pkg/utils.py"),
        ("/home/ci/work/src/pkg/utils.py", "clean", None, "src/pkg/utils.py"),
        ("/usr/lib/python3/dist-packages/pkg/utils.py", "clean", None, "src/pkg/utils.py"),
        ("/x/.venv/lib/python3.11/site-packages/pkg/sub/utils.py", "clean", None, "src/pkg/sub/utils.py"),
        ("C:\\app\\Lib\\site-packages\\pkg\\sub\\utils.py", "clean", None, "src/pkg/sub/utils.py"),
        ("C:\\Users\\me\\src\\pkg\\utils.py", "clean", None, "src/pkg/utils.py"),
        ("file:///home/ci/src/pkg/utils.py", "clean", None, "src/pkg/utils.py"),
        ("/srv/app.py", "main", None, "app.py"),
        ("/srv/app.py", "other", None, None),
        ("/x/site-packages/other/utils.py", "clean", None, None),
        ("/x/site-packages/other/app.py", "main", None, None),
        ("/usr/lib/python3.11/pkg/utils.py", "clean", None, None),
        ("utils.py", "clean", "return x.strip('-')", "src/pkg/sub/utils.py"),
        ("utils.py", "clean", None, None),
        ("/ci/run.py", "stop", None, "tools/run.py"),
        ("run.py", "stop", None, "tools/run.py"),
        ("<string>", "f", None, None),
        ("<frozen importlib._bootstrap>", "f", None, None),
        ("", "f", None, None),
        ("../../etc/passwd", "f", None, None),
        ("src/pkg/nothing.py", "f", None, None),
    ],
)
def test_a_reported_path_means_one_file_or_none(
    tree: DirectoryTree, file: str, function: str, code: str | None, means: str | None
) -> None:
    found = tree.find(Frame(file=file, function=function, line=2, code=code))
    assert (found.path if found else None) == means


def test_an_absolute_path_below_the_root_is_that_file(tree: DirectoryTree) -> None:
    found = tree.find(Frame(file=str(tree.root / "scripts" / "run.py"), function="any"))
    assert found is not None
    assert found.path == "scripts/run.py"


def test_nothing_outside_the_root_is_read(tree: DirectoryTree, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("SECRET = 1\n")
    (tree.root / "link.py").symlink_to(tmp_path / "secret.py")
    (tree.root / "up").symlink_to(tmp_path, target_is_directory=True)
    (tree.root / "inside.py").symlink_to(tree.root / "app.py")

    assert tree.read("link.py") is None
    assert tree.read("up/secret.py") is None
    assert tree.read("../secret.py") is None
    assert tree.read(str(tmp_path / "secret.py")) is None
    assert tree.read("a\0b") is None
    assert tree.read("x" * 5000) is None
    assert "link.py" not in tree.paths()
    assert tree.read("inside.py") == FILES["app.py"]
    assert tree.find(Frame(file="/ci/link.py", function="x")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"x = 1\n",
        b"x = 1\r\ny = 2\r\n",
        b"\xef\xbb\xbfx = 1\n",
        b"# coding: latin-1\nname = '\xe9'\n",
        b"mixed = 1\r\nends = 2\n",
        b"no_end = 1",
        b"",
        "name = 'é 😀'\n".encode(),
    ],
)
def test_a_file_comes_back_byte_for_byte(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is not None
    assert not decoded.text.startswith("\ufeff")
    assert decoded.encode(decoded.text) == data


def test_new_lines_take_the_ends_of_the_file_and_a_byte_order_mark_stays() -> None:
    decoded = decode(b"\xef\xbb\xbfx = 1\r\ny = 2\r\n")
    assert decoded is not None
    assert decoded.encode("x = 1\r\nz = 3\ny = 2\r\n") == b"\xef\xbb\xbfx = 1\r\nz = 3\r\ny = 2\r\n"
    mixed = decode(b"a = 1\r\nb = 2\n")
    assert mixed is not None
    assert mixed.encode("a = 1\r\nb = 3\n") == b"a = 1\r\nb = 3\n"


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"# coding: no-such-thing\n", b"x = '\xe9'\n"])
def test_what_is_not_text_is_none(data: bytes) -> None:
    assert decode(data) is None
