"""The supervisor of one bounded process: `python -I -S launch.py SPEC_FD STATUS_FD`.

Stands alone (standard library only) because it runs between the caller and the process. It puts up the walls
(namespaces, read-only mounts, limits, an unprivileged user), starts the process, waits for it, and then ends
whatever the process left behind. SPEC_FD holds a JSON object (see `process._spec`); on STATUS_FD it answers one
JSON line when the walls stand or cannot be put up, and one when the process has ended.

Linux: network and mount namespaces where the kernel lets us (as root directly, else in a user namespace).
Elsewhere only limits and the user hold; each missing wall is told in the first status line.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys
from typing import Any

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
SHARED_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/run/user")  # world-writable, or doors to other processes
SCRATCH_OPTIONS = b"size=64m,mode=1777"
LINUX = sys.platform == "linux"


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _unshare(flag: int, what: str) -> None:
    _check(_libc().unshare(flag), what)


def _mount(source: str, target: str, kind: str, flags: int, data: bytes | None = None) -> None:
    result = _libc().mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data)
    _check(result, f"mount {kind or 'bind'} on {target}")


def _read_only(target: str, on: bool, deep: bool) -> None:
    attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY if on else 0, 0 if on else MOUNT_ATTR_RDONLY, 0, 0)
    flags = AT_RECURSIVE if deep else 0
    result = _libc().syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target.encode(), flags, attributes, len(attributes))
    _check(result, f"mount_setattr on {target}")


def _loopback_up() -> None:
    """A fresh network namespace has a loopback that is down; tests that talk to themselves need it."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14s", b"lo", 0x1 | 0x40, b"")  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _blocker(path: str) -> str | None:
    """The first folder on the way to `path` that others may not pass: /root, say."""
    way = "/"
    for part in [p for p in path.split("/") if p][:-1]:
        way = os.path.join(way, part)
        with contextlib.suppress(OSError):
            if not os.stat(way).st_mode & stat.S_IXOTH:
                return way
    return None


def _lay_mounts(needed: list[str], writable: list[str], drop: bool) -> None:
    """Hide shared scratch folders and unpassable ones, keep what is `needed` in them, make the rest read-only."""
    hidden = [folder for folder in SHARED_SCRATCH if os.path.isdir(folder) and not os.path.islink(folder)]
    if drop:
        hidden += sorted({found for path in needed if (found := _blocker(path))})
    hidden = [h for h in hidden if not any(_within(h, other) and h != other for other in hidden)]
    kept = sorted({p for p in needed if any(_within(p, h) for h in hidden)})
    kept = [p for p in kept if not any(_within(p, other) and p != other for other in kept)]
    handles = {path: os.open(path, os.O_PATH) for path in kept}  # type: ignore[attr-defined,unused-ignore]
    for folder in hidden:
        private = folder not in SHARED_SCRATCH
        _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, b"mode=755" if private else SCRATCH_OPTIONS)
    for path, handle in handles.items():
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            os.makedirs(path, mode=0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(f"/proc/self/fd/{handle}", path, "", MS_BIND | MS_REC)
        os.close(handle)
    for path in writable:
        _mount(path, path, "", MS_BIND | MS_REC)
    _read_only("/", True, deep=True)
    for path in [*writable, *(h for h in hidden if h in SHARED_SCRATCH), "/dev", "/proc"]:
        if os.path.ismount(path) or path in writable:
            with contextlib.suppress(OSError) if path in ("/dev", "/proc") else contextlib.nullcontext():
                _read_only(path, False, deep=False)


def put_up_walls(spec: dict[str, Any]) -> dict[str, Any]:
    """Enter the namespaces. Answers which walls stand and why others do not; raises OSError when half-way."""
    walls: dict[str, Any] = {"network": False, "filesystem": False, "user": True, "why": []}
    root = os.getuid() == 0
    if root and not spec["drop"]:
        walls["user"] = False
        walls["why"].append("user: kept as root, as asked")
    if not LINUX:
        walls["why"] += [f"network, filesystem: no namespaces on {sys.platform}"]
        return walls
    if not root:
        uid, gid = os.getuid(), os.getgid()
        try:
            _unshare(CLONE_NEWUSER, "user namespace")
            for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(line)
        except OSError as error:
            walls["why"].append(f"network, filesystem: {error}")
            return walls
    if spec["network"]:
        walls["why"].append("network: allowed, as asked")
    else:
        try:
            _unshare(CLONE_NEWNET, "network namespace")
            _loopback_up()
            walls["network"] = True
        except OSError as error:
            walls["why"].append(f"network: {error}")
    try:
        _unshare(CLONE_NEWNS, "mount namespace")
        _mount("none", "/", "", MS_REC | MS_PRIVATE)
    except OSError as error:
        walls["why"].append(f"filesystem: {error}")
    else:
        _lay_mounts(spec["needed"], spec["writable"], root and spec["drop"])
        walls["filesystem"] = True
    if root and spec["drop"] and not walls["filesystem"]:
        blocked = [f"{path} (behind {found})" for path in spec["needed"] if (found := _blocker(path))]
        if blocked:
            raise PermissionError(f"the unprivileged user cannot reach {', '.join(blocked)}")
    return walls


def become(spec: dict[str, Any]) -> None:
    """In the child: take limits and user, then turn into the process. Does not return."""
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    for name, value in spec["rlimits"].items():
        kind = getattr(resource, name, None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            allowed = value if hard == resource.RLIM_INFINITY or os.getuid() == 0 else min(value, hard)
            resource.setrlimit(kind, (allowed, allowed))
    if spec["drop"] and os.getuid() == 0:
        os.setgroups([])
        os.setgid(spec["uid"])
        os.setuid(spec["uid"])
    if LINUX:
        _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.umask(0o022)
    os.chdir(spec["cwd"])
    os.execve(spec["argv"][0], spec["argv"], spec["env"])


def _descendants() -> list[int]:
    """Every process below this one; orphans are below it too, because it is their subreaper."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as file:
                parents.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
    found, queue = [], [os.getpid()]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def end_all(session: int) -> None:
    """Kill and reap everything that is left, however often it forks."""
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        left = _descendants() if LINUX else []
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main() -> int:
    spec_fd, status_fd = int(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(spec_fd, "rb") as file:
        spec = json.loads(file.read())
    if LINUX:
        _libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _libc().prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's; it tells us to end by SIGTERM
    os.set_inheritable(status_fd, False)
    status = os.fdopen(status_fd, "w", buffering=1)
    try:
        walls = put_up_walls(spec)
    except OSError as error:
        print(json.dumps({"failed": str(error)}), file=status)
        return 1
    print(json.dumps(walls), file=status)
    child = os.fork()
    if child == 0:
        try:
            become(spec)
        except OSError as error:
            print(json.dumps({"failed": f"cannot start {spec['argv'][0]} in {spec['cwd']}: {error}"}), file=status)
        finally:
            os._exit(127)
    stopped = False
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except _Stop:
        code, stopped = -int(signal.SIGKILL), True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_all(child)
    print(json.dumps({"returncode": code, "stopped": stopped}), file=status)
    return 0


class _Stop(Exception):
    """SIGTERM came: end everything."""


def _stop(number: int, frame: object) -> None:
    raise _Stop


if __name__ == "__main__":
    sys.exit(main())
