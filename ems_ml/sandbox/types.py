"""What a bounded process may use, how it was kept apart, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["exited", "timeout", "memory", "killed"]

MIB = 1024 * 1024
SANDBOX_UID = 61999  # nobody's: in the range that no distribution hands to people (systemd's dynamic users)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for a process and everything that it starts."""

    seconds: float = 60.0  # wall time of the whole tree
    memory_bytes: int = 2048 * MIB  # private resident memory of the whole tree together
    processes: int = 256  # processes and threads at one time
    file_bytes: int = 256 * MIB  # the largest file that may be written
    output_bytes: int = 16 * MIB  # kept of stdout and of stderr, each; the rest is read and dropped
    open_files: int = 1024  # descriptors a process


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What stood between a process and the machine, beside its limits. Nothing is missing silently: see `why`."""

    network: bool  # it had no network but a loopback of its own
    filesystem: bool  # everything outside its own folders was read-only or hidden
    user: bool  # it ran without privileges: as an ordinary user, or as the sandbox's own where root called
    why: tuple[str, ...] = ()  # for each wall that is missing, the reason

    @property
    def level(self) -> str:
        """ "full", "partial" or "limits" (only the limits hold)."""
        walls = (self.network, self.filesystem, self.user)
        return "full" if all(walls) else "partial" if any(walls[:2]) else "limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A bounded process that ended."""

    returncode: int  # negative: the signal that ended it
    stdout: bytes
    stderr: bytes
    seconds: float
    reason: Reason  # "exited" by itself; "timeout" or "memory": stopped by us; "killed": by a signal not ours
    isolation: Isolation
    truncated: bool = False  # some output went over `Limits.output_bytes` and was dropped

    @property
    def ok(self) -> bool:
        return self.reason == "exited" and self.returncode == 0

    @property
    def text(self) -> str:
        """Both outputs, stdout first, as text; undecodable bytes replaced."""
        return (self.stdout + self.stderr).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folders of a bounded process. What is in none of them is read-only, or hidden under /tmp and the like."""

    home: str  # its HOME, with TMPDIR inside; writable
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = field(default=())
