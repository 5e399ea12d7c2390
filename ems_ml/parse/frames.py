"""Whose code a frame runs, judged from its path: what is the project's own, and what is somebody else's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from ems_ml.types import Frame, Role

T = TypeVar("T")

#: Of a trace with more frames than `HEAD + TAIL`, the first and last so many are kept.
HEAD_FRAMES = 100
TAIL_FRAMES = 200

_RUNNERS = frozenset({"_pytest", "pytest", "pluggy", "xdist", "unittest", "unittest2", "nose", "nose2"})
_INSTALLED = re.compile(r"(?:^|/)(?:site|dist)-packages/([^/]*)")
_STDLIB = re.compile(
    r"(?:^|/)(?:lib(?:64)?/(?:python|pypy)[\d.]+t?|lib-python/[\d.]+|python\d{2,3}\.zip)/(?:lib-dynload/)?([^/]*)"
)
_STDLIB_WINDOWS = re.compile(
    r"(?:^|/)(?:python[\d.-]*|pythoncore-[^/]*|(?:ana|mini)conda\d*|miniforge\d*|envs/[^/]+"
    r"|versions/\d[\d.]*)/lib/([^/]*)",
    re.IGNORECASE,
)
#: Folders of the standard library, as frozen programs report them: without the path before.
_STDLIB_FOLDERS = re.compile(
    r"(?:asyncio|concurrent/futures|ctypes|email|encodings|html|http|importlib|json|logging|multiprocessing"
    r"|sqlite3|unittest|urllib|wsgiref|xml|xmlrpc|zoneinfo)/"
)
_GENERATED = re.compile(r"<(?:decorator-gen|attrs generated|__array_function__|makefun-gen|lambdifygenerated)")
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|conftest)\.py$")
_TEST_FOLDER = re.compile(r"(?:^|/)tests/")


def role_of(file: str, function: str = "", module: str | None = None) -> Role:
    """The role of a frame with this path (of any system), function and module; `Role.APP` where nothing tells.

    >>> role_of("/venv/lib/python3.11/site-packages/requests/api.py").value
    'library'
    >>> role_of("tests/test_cart.py", "test_total").value
    'test'
    """
    path = file.replace("\\", "/")
    if found := _INSTALLED.search(path):
        return _installed(found[1], path)
    if path.startswith("<"):
        return _pseudo(path)
    if found := _STDLIB.search(path) or _STDLIB_WINDOWS.search(path):
        return Role.RUNNER if _stem(found[1]) in _RUNNERS else Role.STDLIB
    if ".egg/" in path:
        return Role.LIBRARY
    if _TEST_FILE.search(path) or _TEST_FOLDER.search(path):
        return Role.TEST
    if _STDLIB_FOLDERS.match(path):
        return Role.RUNNER if path.startswith("unittest/") else Role.STDLIB
    if path.rpartition("/")[2] in ("pytest", "py.test", "pytest.exe") or path.startswith(("_pytest/", "pluggy/")):
        return Role.RUNNER
    if not path and module:
        return Role.RUNNER if module.partition(".")[0] in _RUNNERS else Role.APP
    if path.startswith("test/") and function.startswith("test"):
        return Role.TEST
    return Role.APP


def role_in(frame: Frame) -> Role:
    """The role of a frame of a Python program."""
    return role_of(frame.file, frame.function, frame.module)


def bounded(frames: Sequence[T]) -> Sequence[T]:
    """The first and last frames of a trace that is too long to keep; otherwise all."""
    if len(frames) <= HEAD_FRAMES + TAIL_FRAMES:
        return frames
    return [*frames[:HEAD_FRAMES], *frames[-TAIL_FRAMES:]]


def left_out_note(count: int) -> dict[str, str]:
    """The attribute that says how many of `count` frames `bounded` leaves out."""
    left_out = count - HEAD_FRAMES - TAIL_FRAMES
    return {"frames_left_out": str(left_out)} if left_out > 0 else {}


def _installed(package: str, path: str) -> Role:
    if _stem(package) in _RUNNERS:
        return Role.RUNNER
    return Role.TEST if _TEST_FILE.search(path) else Role.LIBRARY


def _pseudo(path: str) -> Role:
    if path.startswith("<frozen"):
        return Role.STDLIB
    if path.startswith("<doctest"):
        return Role.TEST
    return Role.LIBRARY if _GENERATED.match(path) else Role.APP


def _stem(name: str) -> str:
    return name.removesuffix(".py")
