"""When a child process that died is started again: soon at first, later and later while it keeps dying."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A policy of restarts; times in seconds.

    >>> [Backoff(first=0.5, factor=2.0, longest=30.0).delay(failures) for failures in (1, 2, 3, 10)]
    [0.5, 1.0, 2.0, 30.0]
    """

    first: float = 0.5
    factor: float = 2.0
    longest: float = 30.0
    steady: float = 60.0  # who ran this long is well again, and its failures are forgotten

    def delay(self, failures: int) -> float:
        """How long to wait before the restart that follows the `failures`-th death in a row (1 is the first)."""
        return min(self.longest, self.first * self.factor ** min(failures - 1, 60))

    def failures_after(self, failures: int, lived: float) -> int:
        """The deaths in a row, counting this one, of a process that had `failures` before and `lived` this long."""
        return 1 if lived >= self.steady else failures + 1
