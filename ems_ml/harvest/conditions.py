"""Inside the sandbox: makes an environment really bad while one statement of the package runs, and good again after.

Stands alone (standard library and pytest), beside `runner.py`. Nothing here raises an error of its own: a module is
hidden from the real import system, a file is really moved away or its mode changed, a kernel limit is really lowered,
a listening socket really closed; the exception is the interpreter's or the kernel's, at the package's own line.

A trace function sees the marked statement begin and end. Conditions on a thing that is known only at run time (which
path, which socket) are made by an audit hook, at the moment before that thing is used.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import resource
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

CONFIGURATION = (".ini", ".cfg", ".conf", ".toml", ".json", ".yaml", ".yml", ".env", ".properties")
OF_PATH = ("os.listdir", "os.scandir", "os.chdir", "os.remove", "os.rmdir", "os.rename", "os.truncate", "os.utime")
OF_FOLDER = ("os.mkdir", "os.symlink")


class Hidden:
    """Stands before all finders and lets none of them see one package."""

    def __init__(self, name: str, finders: list[Any]) -> None:
        self.name, self.finders = name, finders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] == self.name:
            return None
        for finder in self.finders:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None


class Watch:
    """One condition over the lines `start` to `end` (1-based, both included) of one file.

    told: {"kind", "target", "value", "file", "start", "end"}; `value` of those that wear off is how often they strike.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self.kind, self.target, self.value = told["kind"], told["target"], told["value"]
        self.file, self.start, self.end = told["file"], told["start"], told["end"]
        self.strikes = int(self.value) if self.kind == "unavailable" else sys.maxsize
        self.owner: Any = None  # the frame that runs the marked statement
        self.busy = False
        self.undo: list[Callable[[], object]] = []
        self.late: list[Callable[[], object]] = []  # undone only when the test has ended

    def begin(self) -> None:
        sys.addaudithook(self._hear)
        self.resume()

    def resume(self) -> None:
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def end_of_test(self) -> None:
        """Everything good again, also what the end of the statement left."""
        self._leave()
        while self.late:
            with contextlib.suppress(OSError, ValueError):
                self.late.pop()()

    def _enter(self, frame: Any, event: str, arg: Any) -> Any:
        return self._follow if frame.f_code.co_filename == self.file else None

    def _follow(self, frame: Any, event: str, arg: Any) -> Any:
        inside = event == "line" and self.start <= frame.f_lineno <= self.end
        if inside and self.owner is None and self.strikes > 0:
            self.owner = frame
            self.busy = True
            try:
                self._make(frame)
            finally:
                self.busy = False
        elif self.owner is frame and not inside:
            self._leave()
        return self._follow

    def _leave(self) -> None:
        self.owner = None
        self.busy = True
        while self.undo:
            with contextlib.suppress(OSError, ValueError):
                self.undo.pop()()
        self.busy = False

    def _make(self, frame: Any) -> None:
        make = {
            "hide_module": self._hide,
            "other_version": self._without_name,
            "unset_variable": self._variable,
            "set_variable": self._variable,
            "limit_recursion": self._shallow,
            "limit_files": self._few_files,
            "limit_size": self._small_files,
        }.get(self.kind)
        if make is not None:
            with contextlib.suppress(OSError, ValueError, ImportError, AttributeError, RecursionError):
                make(frame)

    def _hide(self, frame: Any) -> None:
        saved = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == self.target}
        for name in saved:
            del sys.modules[name]
        finders = list(sys.meta_path)
        sys.meta_path[:] = [Hidden(self.target, finders)]

        def back() -> None:
            sys.meta_path[:] = finders
            sys.modules.update(saved)

        self.undo.append(back)

    def _without_name(self, frame: Any) -> None:
        """The module as of a version that has not this name; or whose function has not this parameter."""
        module = importlib.import_module(self.target)
        name, _, keyword = self.value.partition(":")
        found = vars(module).get(name)
        if found is None:
            return
        if not keyword:
            delattr(module, name)
            self.undo.append(lambda: setattr(module, name, found))
            return
        function = vars(found).get("__init__") if isinstance(found, type) else found
        code = getattr(function, "__code__", None)
        if function is None or code is None:
            return
        defaults = function.__kwdefaults__
        count = code.co_argcount + code.co_kwonlyargcount
        if keyword not in code.co_varnames[:count]:
            return
        function.__code__ = code.replace(
            co_varnames=tuple("_later" if each == keyword else each for each in code.co_varnames)
        )
        if defaults and keyword in defaults:
            function.__kwdefaults__ = {"_later" if k == keyword else k: v for k, v in defaults.items()}

        def back() -> None:
            function.__code__, function.__kwdefaults__ = code, defaults

        self.undo.append(back)

    def _variable(self, frame: Any) -> None:
        before = os.environ.get(self.target)
        if self.kind == "unset_variable":
            os.environ.pop(self.target, None)
        else:
            os.environ[self.target] = self.value

        def back() -> None:
            os.environ.pop(self.target, None)
            if before is not None:
                os.environ[self.target] = before

        self.undo.append(back)

    def _shallow(self, frame: Any) -> None:
        """A stack that is nearly used up. Tracing ends, for the trace function would itself need a frame."""
        limit = sys.getrecursionlimit()
        sys.settrace(None)
        for depth in range(1, limit):
            with contextlib.suppress(RecursionError):  # the interpreter's own depth counts more than Python's frames
                sys.setrecursionlimit(depth)
                sys.setrecursionlimit(depth + int(self.value))
                break
        self.late.append(lambda: sys.setrecursionlimit(limit))

    def _few_files(self, frame: Any) -> None:
        free = os.open(os.devnull, os.O_RDONLY)
        os.close(free)
        self._lower(resource.RLIMIT_NOFILE, free)

    def _small_files(self, frame: Any) -> None:
        self._lower(resource.RLIMIT_FSIZE, int(self.value))

    def _lower(self, kind: int, value: int) -> None:
        before = resource.getrlimit(kind)
        resource.setrlimit(kind, (value, before[1]))
        self.undo.append(lambda: resource.setrlimit(kind, before))

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self.owner is None or self.busy or self.strikes <= 0:
            return
        self.busy = True
        try:
            with contextlib.suppress(OSError, ValueError, TypeError):
                if self.kind == "unavailable":
                    self._unavailable(event, args)
                else:
                    self._path(event, args)
        finally:
            self.busy = False

    def _path(self, event: str, args: tuple[Any, ...]) -> None:
        if (
            event not in ("open", *OF_PATH, *OF_FOLDER)
            or not args
            or not isinstance(args[0], str | bytes | os.PathLike)
        ):
            return
        path = os.path.abspath(os.fsdecode(args[0]))
        folder = os.path.dirname(path)
        creates = event in OF_FOLDER or (event == "open" and bool(args[2] & os.O_CREAT))
        if self.kind == "remove_path":
            self._away(folder if creates else path)
        elif self.kind == "no_access":
            if os.path.exists(path) and event in ("open", "os.listdir", "os.scandir", "os.chdir"):
                self._mode(path, 0)
            else:
                self._mode(folder, 0o555)
        elif self.kind == "empty_file" and event == "open" and not creates and path.endswith(CONFIGURATION):
            self._empty(path)

    def _away(self, path: str) -> None:
        aside = f"{path}.away"
        os.rename(path, aside)
        self.undo.append(lambda: None if os.path.lexists(path) else os.rename(aside, path))

    def _mode(self, path: str, mode: int) -> None:
        before = stat.S_IMODE(os.stat(path).st_mode)
        os.chmod(path, mode)
        self.undo.append(lambda: os.chmod(path, before))

    def _empty(self, path: str) -> None:
        with open(path, "rb") as file:
            before = file.read()
        with open(path, "wb"):
            pass

        def back() -> None:
            with open(path, "wb") as file:
                file.write(before)

        self.late.append(back)  # what was opened is read later

    def _unavailable(self, event: str, args: tuple[Any, ...]) -> None:
        """What is asked for cannot be had now: a local server does not listen, somebody else holds the lock."""
        if event == "socket.connect":
            for one in [one for one in gc.get_objects() if isinstance(one, socket.socket) and _listens(one, args[1])]:
                one.shutdown(socket.SHUT_RDWR)
                self.undo.append(one.listen)
                self.strikes -= 1
        elif event == "fcntl.flock" and args[1] & fcntl.LOCK_NB and not args[1] & fcntl.LOCK_UN:
            other = os.open(f"/proc/self/fd/{args[0]}", os.O_RDWR)
            self.undo.append(lambda: os.close(other))
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.strikes -= 1
        elif event == "sqlite3.connect" and os.path.isfile(args[0]):
            import sqlite3

            holder = sqlite3.connect(args[0], timeout=0, isolation_level=None)
            self.late.append(holder.close)
            holder.execute("BEGIN EXCLUSIVE")
            self.strikes -= 1


def plugin(watch: Watch) -> object:
    """Begins the watch, and has everything good again before anybody looks at what a test raised."""
    import pytest

    class Around:
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_setup(self) -> Iterator[None]:
            watch.resume()
            yield
            watch.end_of_test()

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_call(self) -> Iterator[None]:
            watch.resume()
            yield
            watch.end_of_test()

    watch.begin()
    return Around()


def _listens(one: socket.socket, address: Any) -> bool:
    try:
        accepts = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return bool(accepts) and one.getsockname() == address
    except OSError:
        return False
