"""Start bounded processes and watch over them."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from ems_ml.errors import SandboxError
from ems_ml.sandbox.tree import hand_over
from ems_ml.sandbox.types import SANDBOX_UID, Completed, Isolation, Limits, Reason

LAUNCHER = Path(__file__).with_name("launch.py")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ADDRESS_HEADROOM = 4 << 30  # libraries reserve address space that they never touch
WATCH_SECONDS = 0.05

User = Literal["auto", "same"]


class Running:
    """A bounded process that still runs. `end` stops it and all that it started; safe to call twice."""

    def __init__(self, popen: subprocess.Popen[bytes], status: IO[str], isolation: Isolation) -> None:
        self.popen = popen
        self.isolation = isolation
        self._status = status

    @property
    def pid(self) -> int:
        """The supervisor's process id; the process and its children are below it."""
        return self.popen.pid

    def memory_bytes(self) -> int:
        """Private resident memory of the tree below the supervisor."""
        import psutil

        total = 0
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    used = process.memory_info()
                    total += max(0, used.rss - getattr(used, "shared", 0))
        return total

    def end(self) -> None:
        """Stop the whole tree and wait until nothing of it is left."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)  # the supervisor then kills and reaps everything below it
            try:
                self.popen.wait(timeout=10)
            except subprocess.TimeoutExpired:
                _kill_tree(self.pid)
                self.popen.wait()

    def outcome(self) -> tuple[int, bool]:
        """After its end: the return code (negative: signal), and whether `end` stopped it.

        Raises `SandboxError` where it could not be started at all.
        """
        self.popen.wait()
        line = self._status.readline()
        if not line:  # the supervisor itself was killed
            return -int(signal.SIGKILL), True
        answer = json.loads(line)
        if "failed" in answer:
            raise SandboxError(answer["failed"], hint="check that every user may read the program and the folder")
        return int(answer["returncode"]), bool(answer["stopped"])

    def close(self) -> None:
        self.end()
        self._status.close()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _kill_tree(pid: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in [*top.children(recursive=True), top]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _interpreter_folders(program: str) -> list[str]:
    """The folders that a program needs beside itself: for `ENV/bin/python` ENV and the installation behind it."""
    found = []
    for path in (Path(os.path.abspath(program)), Path(os.path.realpath(program))):
        found.append(str(path.parent.parent if path.parent.name in ("bin", "Scripts", "sbin") else path))
    config = Path(found[0]) / "pyvenv.cfg"
    if config.is_file():
        for line in config.read_text().splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                found.append(str(Path(value.strip()).parent))
    return [path for path in dict.fromkeys(found) if path != "/"]


def _rlimits(limits: Limits, drop: bool) -> dict[str, int]:
    import psutil

    processes = limits.processes
    if not drop:  # the limit counts all processes and threads of the user
        mine = os.getuid()
        for process in psutil.process_iter(["uids", "num_threads"]):
            uids = process.info["uids"]
            processes += (process.info["num_threads"] or 1) if uids and uids.real == mine else 0
    address = max(4 * limits.memory_bytes, limits.memory_bytes + ADDRESS_HEADROOM)
    return {
        "RLIMIT_AS": address if sys.platform == "linux" else -1,
        "RLIMIT_NPROC": processes,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": 0,
    }


def _environment(program: str, home: Path, env: Mapping[str, str] | None) -> dict[str, str]:
    own = {
        "PATH": f"{os.path.dirname(program)}:{SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
    }
    return {**own, **(env or {})}


@contextlib.contextmanager
def _home(home: Path | None, drop: bool) -> Iterator[Path]:
    """The process's own folder with its tmp in it: the given one, or one that lives as long as the process."""
    if home is not None:
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        if drop:
            os.chown(home, SANDBOX_UID, SANDBOX_UID)
            os.chown(home / "tmp", SANDBOX_UID, SANDBOX_UID)
        yield home.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="ems-sandbox-")).resolve()
    try:
        (made / "tmp").mkdir()
        if drop:
            hand_over(made)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    network: bool = False,
    user: User = "auto",
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    home: Path | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = subprocess.PIPE,
) -> Iterator[Running]:
    """Start `argv` within bounds, for a conversation over its pipes; on leaving, everything it started is ended.

    Wall time and memory are the caller's to watch here (`run` does both); the other limits hold by the kernel.
    The arguments are those of `run`.
    """
    program = shutil.which(argv[0], path=None if os.sep in argv[0] else SYSTEM_PATH)
    if program is None:
        raise SandboxError(f"no program {argv[0]!r} to run", hint="give the path of an installed program")
    if not cwd.is_dir():
        raise SandboxError(f"no folder {cwd} to run in", hint="make the folder first")
    program = os.path.abspath(program)
    root = hasattr(os, "getuid") and os.getuid() == 0
    drop = root and user == "auto"
    with _home(home, drop) as own_home, contextlib.ExitStack() as stack:
        own = [str(own_home), *(str(Path(path).resolve()) for path in writable)]
        needed = [*own, str(cwd.resolve()), *(str(Path(path).resolve()) for path in readable)]
        spec = {
            "argv": [program, *argv[1:]],
            "cwd": str(cwd.resolve()),
            "env": _environment(program, own_home, env),
            "rlimits": _rlimits(limits, drop),
            "network": network,
            "drop": drop,
            "uid": SANDBOX_UID,
            "needed": [path for path in [*needed, *_interpreter_folders(program)] if os.path.exists(path)],
            "writable": own,
        }
        running = _launch(spec, stack, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            yield running
        finally:
            running.close()


def _launch(spec: Mapping[str, Any], stack: contextlib.ExitStack, **streams: Any) -> Running:
    spec_file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
    spec_file.write(json.dumps(spec).encode())
    spec_file.seek(0)
    read_end, write_end = os.pipe()
    status = os.fdopen(read_end)
    try:
        popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCHER), str(spec_file.fileno()), str(write_end)],
            pass_fds=(spec_file.fileno(), write_end),
            start_new_session=True,
            env={"LANG": "C.UTF-8"},
            **streams,
        )
    except OSError as error:
        status.close()
        raise SandboxError(f"a bounded process cannot be started: {error}", hint="check `ems doctor`") from error
    finally:
        os.close(write_end)
    answer = json.loads(status.readline() or '{"failed": "the supervisor ended at once"}')
    if "failed" in answer:
        running = Running(popen, status, Isolation(network=False, filesystem=False, user=False))
        running.close()
        raise SandboxError(
            f"a bounded process cannot be kept apart: {answer['failed']}",
            hint="use an interpreter and folders that every user may read (not under a private home), or run as an "
            "ordinary user",
        )
    walls = {**answer, "why": tuple(answer["why"])}
    return Running(popen, status, Isolation(**walls))


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    network: bool = False,
    user: User = "auto",
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    home: Path | None = None,
    stdin: bytes = b"",
) -> Completed:
    """Run a program to its end, within `limits` and apart from the machine, and keep what it said.

    env: additions to an environment that else holds only PATH, LANG, HOME and TMPDIR (nothing of ours is passed on).
    network: True leaves the machine's network reachable; else there is only a loopback of its own.
    user: "auto" drops to the sandbox's own user where root calls; "same" keeps the caller's.
    readable, writable: folders, beside `home`, that the process may read or change. Everything else is read-only,
    and hidden where it lies under /tmp and the like. A writable folder must belong to the user that runs: see
    `hand_over`. `cwd` is readable.
    home: its HOME, with TMPDIR in it; None: a fresh folder that is removed at the end.

    Raises `SandboxError` where the process cannot be started or kept apart; a program that fails, hangs, eats
    memory or floods its output is a `Completed`. Where the kernel has no namespaces for us, it runs with fewer
    walls, told in `Completed.isolation`.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as source:
        source.write(stdin)
        source.seek(0)
        with start(
            argv,
            cwd=cwd,
            limits=limits,
            env=env,
            network=network,
            user=user,
            readable=readable,
            writable=writable,
            home=home,
            stdin=source,
        ) as running:
            outputs, truncated, stopped_for = _watch(running, limits, began)
            returncode, _ = running.outcome()
            reason: Reason = stopped_for or ("killed" if returncode < 0 else "exited")
            return Completed(
                returncode=returncode,
                stdout=outputs[0],
                stderr=outputs[1],
                seconds=time.monotonic() - began,
                reason=reason,
                isolation=running.isolation,
                truncated=truncated,
            )


def _watch(running: Running, limits: Limits, began: float) -> tuple[tuple[bytes, bytes], bool, Reason | None]:
    """Read both pipes to their end, keeping the first `output_bytes` of each; stop the tree at a limit."""
    assert running.popen.stdout is not None
    assert running.popen.stderr is not None
    kept = (bytearray(), bytearray())
    truncated = False
    stopped_for: Reason | None = None
    with selectors.DefaultSelector() as selector:
        for index, stream in enumerate((running.popen.stdout, running.popen.stderr)):
            selector.register(stream, selectors.EVENT_READ, index)
        next_look = 0.0
        while selector.get_map():
            for key, _ in selector.select(WATCH_SECONDS):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                room = limits.output_bytes - len(kept[key.data])
                kept[key.data].extend(chunk[:room])
                truncated = truncated or len(chunk) > room
            now = time.monotonic()
            if stopped_for is None and now >= next_look:
                next_look = now + WATCH_SECONDS
                if now - began > limits.seconds:
                    stopped_for = "timeout"
                elif running.memory_bytes() > limits.memory_bytes:
                    stopped_for = "memory"
                if stopped_for:
                    running.end()
    return (bytes(kept[0]), bytes(kept[1])), truncated, stopped_for


def isolation(*, network: bool = False) -> Isolation:
    """Which walls stand on this machine for a process that `run` starts now."""
    folder = Path("/")
    with start([sys.executable, "-I", "-S", "-c", ""], cwd=folder, limits=Limits(seconds=10), network=network) as it:
        return it.isolation
