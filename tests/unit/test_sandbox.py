"""Bounded processes stay within their bounds, end with all that they started, and see nothing of ours."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ems_ml.errors import SandboxError
from ems_ml.sandbox import SANDBOX_UID, Completed, Limits, copy_tree, hand_over, isolation, launch, run, start

MIB = 1024 * 1024
as_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="drops privileges only as root")


@pytest.fixture(autouse=True)
def _passable(tmp_path: Path) -> None:
    """The sandbox's own user may read the folder that the test runs in."""
    tmp_path.chmod(0o755)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Completed]:
    """Run a few lines of Python in the sandbox."""

    def go(code: str, **options: object) -> Completed:
        options.setdefault("limits", Limits(seconds=20))
        return run([sys.executable, "-I", "-S", "-c", textwrap.dedent(code)], cwd=tmp_path, **options)  # type: ignore[arg-type]

    return go


def walled(done: Completed, wall: str) -> None:
    """Skip, by the reason, where this machine's kernel does not let us put up `wall`."""
    if not getattr(done.isolation, wall):
        assert any(wall in reason for reason in done.isolation.why), "a missing wall must be told"
        pytest.skip("; ".join(done.isolation.why))


def test_a_program_runs_and_answers(script: Callable[..., Completed]) -> None:
    done = script("import sys; print(sys.stdin.read()[::-1]); sys.exit(3)", stdin=b"abc")
    assert (done.returncode, done.stdout, done.reason) == (3, b"cba\n", "exited")


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no-such-program"):
        run(["no-such-program"], cwd=tmp_path, limits=Limits())


@as_root
def test_a_folder_that_its_user_may_not_enter_is_named(script: Callable[..., Completed], tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(SandboxError, match=r"cannot start .* Permission denied"):
        script("print(1)")


def test_the_environment_holds_nothing_of_ours(
    script: Callable[..., Completed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_TOKEN", "hunter2")
    done = script("import os; print(sorted(os.environ))", env={"MINE": "1"})
    assert done.stdout.decode().strip() == "['HOME', 'LANG', 'MINE', 'PATH', 'TMPDIR']"


def test_a_timeout_ends_grandchildren_that_left_the_session(script: Callable[..., Completed]) -> None:
    code = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                print(f"marker-{os.getppid()}", flush=True)
                os.execlp("sleep", "sleep", "98.7654321")
            time.sleep(99)
        time.sleep(99)
    """
    done = script(code, limits=Limits(seconds=1))
    assert done.reason == "timeout"
    assert b"marker-" in done.stdout
    assert not [p for p in psutil.process_iter(["cmdline"]) if "98.7654321" in (p.info["cmdline"] or [])]


def test_what_a_program_leaves_behind_ends_with_it(script: Callable[..., Completed]) -> None:
    done = script("import subprocess; subprocess.Popen(['sleep', '87.6543219'], start_new_session=True)")
    assert (done.returncode, done.reason) == (0, "exited")
    assert not [p for p in psutil.process_iter(["cmdline"]) if "87.6543219" in (p.info["cmdline"] or [])]


def test_a_memory_hog_is_stopped(script: Callable[..., Completed]) -> None:
    code = """
        import time
        kept = []
        while True:
            kept.append(bytearray(8 << 20)); time.sleep(0.01)
    """
    assert script(code, limits=Limits(seconds=30, memory_bytes=100 * MIB)).reason == "memory"


def test_memory_counts_for_the_whole_tree(script: Callable[..., Completed]) -> None:
    code = """
        import os, time
        for _ in range(4): os.fork()
        kept = b"x" * (16 << 20)
        time.sleep(20)
    """
    assert script(code, limits=Limits(seconds=30, memory_bytes=150 * MIB)).reason == "memory"


def test_a_fork_bomb_is_bounded(script: Callable[..., Completed]) -> None:
    code = """
        import os, time
        made = 0
        try:
            while made < 5000:
                if os.fork() == 0: time.sleep(20); os._exit(0)
                made += 1
        except BlockingIOError:
            print("bounded", made)
    """
    done = script(code, limits=Limits(seconds=30, processes=30))
    word, made = done.stdout.decode().split()
    assert word == "bounded"
    assert int(made) <= 30


def test_a_flood_of_output_is_capped(script: Callable[..., Completed]) -> None:
    done = script("import os\nfor _ in range(300): os.write(1, b'x' * 65536)", limits=Limits(output_bytes=100_000))
    assert (len(done.stdout), done.truncated, done.returncode) == (100_000, True, 0)


def test_a_huge_file_is_refused(script: Callable[..., Completed]) -> None:
    code = """
        import os
        with open(os.environ["TMPDIR"] + "/big", "wb") as file:
            for _ in range(64): file.write(bytes(1 << 20))
    """
    done = script(code, limits=Limits(file_bytes=4 * MIB))
    assert done.reason == "killed" or b"OSError" in done.stderr


def test_a_listening_socket_of_the_machine_is_out_of_reach(script: Callable[..., Completed]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5); print('in')"
        with_network = script(code, network=True)
        assert with_network.stdout == b"in\n"
        assert not with_network.isolation.network
        assert with_network.isolation.level != "full"
        done = script(code)
        walled(done, "network")
    assert b"ConnectionRefusedError" in done.stderr


def test_its_own_loopback_works(script: Callable[..., Completed]) -> None:
    code = """
        import socket
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 5)
            print("met")
    """
    assert script(code).stdout == b"met\n"


def test_it_writes_only_in_its_own_folders(script: Callable[..., Completed], tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        folder.chmod(0o777)
    hand_over(mine)
    code = f"""
        import os
        for place in ({str(mine)!r}, os.environ["TMPDIR"], os.environ["HOME"], {str(other)!r}, "/var/tmp", "/tmp"):
            try:
                with open(place + "/written-by-the-test", "w"): print("yes")
            except OSError as error: print(type(error).__name__)
    """
    done = script(code, writable=[mine], readable=[other])
    walled(done, "filesystem")
    assert done.stdout.decode().split()[:4] == ["yes", "yes", "yes", "OSError"], done.text
    assert (mine / "written-by-the-test").exists()
    for place in ("/var/tmp", "/tmp"):  # it had a private one
        assert not Path(place, "written-by-the-test").exists()


@as_root
def test_root_runs_it_as_nobody_of_importance(script: Callable[..., Completed], tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text("secret")
    private.chmod(0o600)
    code = f"""
        import os
        print(os.getuid(), os.getgid(), os.getgroups())
        open({str(private)!r}).read()
    """
    done = script(code)
    assert done.stdout.decode().strip() == f"{SANDBOX_UID} {SANDBOX_UID} []"
    assert b"PermissionError" in done.stderr
    kept = script("import os; print(os.getuid())", user="same")
    assert kept.stdout == b"0\n"
    assert not kept.isolation.user
    assert any("root" in reason for reason in kept.isolation.why)


def test_a_conversation_over_pipes_ends_with_its_block(tmp_path: Path) -> None:
    echo = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
    with start(
        [sys.executable, "-I", "-S", "-c", echo], cwd=tmp_path, limits=Limits(), stdin=subprocess.PIPE
    ) as running:
        assert running.popen.stdin is not None
        assert running.popen.stdout is not None
        running.popen.stdin.write(b"hello\n")
        running.popen.stdin.flush()
        assert running.popen.stdout.readline() == b"HELLO\n"
        pid = running.pid
    assert not psutil.pid_exists(pid)


def test_a_copy_leaves_history_and_caches_behind(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / ".git").mkdir(parents=True)
    (source / "pkg" / "__pycache__").mkdir(parents=True)
    (source / "pkg" / "a.py").write_text("x = 1\n")
    (source / "link").symlink_to("pkg")
    copy = copy_tree(source, tmp_path / "copy")
    assert sorted(p.name for p in copy.rglob("*")) == ["a.py", "link", "pkg"]
    assert (copy / "link").is_symlink()


def test_isolation_tells_every_missing_wall() -> None:
    walls = isolation()
    missing = [wall for wall in ("network", "filesystem", "user") if not getattr(walls, wall)]
    assert all(any(wall in reason for reason in walls.why) for wall in missing)
    assert (walls.level == "full") == (not missing)


def _refused(flag: int, what: str) -> None:
    raise OSError(1, f"{what}: Operation not permitted")


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that gives us no namespaces, as in many containers."""
    monkeypatch.setattr(launch, "_unshare", _refused)


@pytest.mark.usefixtures("no_namespaces")
def test_without_namespaces_each_missing_wall_is_told(tmp_path: Path) -> None:
    walls = launch.put_up_walls({"drop": False, "network": False, "needed": [str(tmp_path)], "writable": []})
    assert not walls["network"]
    assert not walls["filesystem"]
    for wall in ("network", "filesystem"):
        assert any(wall in why and "not permitted" in why for why in walls["why"])


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_without_namespaces_a_folder_out_of_reach_is_refused_and_not_run_as_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    inside = tmp_path / "python"
    inside.mkdir()
    with pytest.raises(PermissionError, match="cannot reach"):
        launch.put_up_walls({"drop": True, "network": False, "needed": [str(inside)], "writable": []})
