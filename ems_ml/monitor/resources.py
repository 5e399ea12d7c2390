"""What this machine and our processes use, through psutil."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from ems_ml.monitor.types import ProcessUse, Resources


def measure(folder: Path, *, pids: Iterable[tuple[str, int]] = ()) -> Resources:
    """The machine now; `folder` tells which disk (its nearest existing parent counts).

    `cpu` is the mean since the last call in this process (since boot at the first), so nothing here waits.
    `pids`: (name, pid) of processes to look at; one that has ended is left out.
    """
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage(str(existing(folder)))
    load = {} if not hasattr(os, "getloadavg") else dict(zip(("1", "5", "15"), os.getloadavg(), strict=True))
    return Resources(
        cpu=psutil.cpu_percent(interval=None) / 100,
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        disk_used=disk.used,
        disk_total=disk.total,
        disk_free=disk.free,
        processes=tuple(use for name, pid in pids if (use := process_use(name, pid)) is not None),
        load=load,
    )


def process_use(name: str, pid: int) -> ProcessUse | None:
    """One process with all its children summed up; None where it has ended or is not ours to read."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        cpu = sum(one.cpu_percent(interval=None) for one in family) / 100
        memory = sum(one.memory_info().rss for one in family)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return ProcessUse(name=name, pid=pid, cpu=cpu, memory=memory)


def existing(folder: Path) -> Path:
    """`folder`, or the nearest parent of it that exists."""
    path = folder.absolute()
    while not path.exists():
        path = path.parent
    return path
