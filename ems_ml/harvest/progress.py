"""A progress bar for each package that is harvested, on stderr."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm


class Bars:
    """The `progress` of `harvest_faults` as tqdm bars. Use as a context manager; thread-safe."""

    def __init__(self, stream: TextIO | None = None, *, unit: str = "fault") -> None:
        self._stream, self._unit = stream, unit
        self._bars: dict[str, tqdm[Any]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for bar in self._bars.values():
            bar.close()

    def __call__(self, package: str, planted: int, of: int, kept: int) -> None:
        from tqdm import tqdm

        with self._lock:
            if package not in self._bars:
                file = self._stream or sys.stderr
                self._bars[package] = tqdm(
                    total=of, desc=package, unit=self._unit, file=file, position=len(self._bars), dynamic_ncols=True
                )
            bar = self._bars[package]
            bar.set_postfix(kept=kept, refresh=False)
            bar.update(planted - bar.n)
