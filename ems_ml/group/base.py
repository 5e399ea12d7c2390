"""What an index keeps on disk: a graph of vectors that finds the nearest, and what was counted.

A base is never changed, but replaced by a larger one. Its file is mapped, so that processes share the memory. faiss is
slow to import, and imported only where a project has outgrown a plain scan.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ems_ml.group.common import Commonness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.int64]

log = logging.getLogger(__name__)

FORMAT = 1
# A denser graph finds more than a broader search: of the 30 nearest among 62,202 real-shaped errors, 32 links and a
# breadth of 100 find .988 (.993 where 1,024 are searched), 48 and 300 find .998, and take 3.5 times as long to build.
LINKS = 48  # of a vector in the graph, to each side
BUILD_BREADTH = 300  # candidates that a new vector's links are chosen from
SEARCH_BREADTH = 512  # candidates that the nearest are chosen from


@dataclass(frozen=True)
class Base:
    """Exemplars up to one number. `numbers`, shape (n,), are those of the graph's vectors, rising.

    `sites` and `at_site`, shape (m,): the application's line of each exemplar that has one, by line, then number.
    """

    graph: Any  # faiss.IndexHNSWFlat by inner product
    numbers: Numbers
    sites: Numbers
    at_site: Numbers
    common: Commonness
    folder: Path | None = None  # of the generation it was read from; its graph is then mapped and cannot grow

    @classmethod
    def empty(cls, dimension: int) -> Self:
        import faiss

        graph = faiss.IndexHNSWFlat(dimension, LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILD_BREADTH
        none = np.zeros(0, dtype=np.int64)
        return cls(graph=graph, numbers=none, sites=none, at_site=none, common=Commonness())

    @property
    def last(self) -> int:
        """The number of the newest exemplar, 0 where there is none."""
        return int(self.numbers[-1]) if len(self.numbers) else 0

    def nearest(self, vector: Floats, count: int) -> tuple[Floats, Numbers]:
        """Likenesses and numbers of about the `count` nearest, nearest first."""
        import faiss

        breadth = faiss.SearchParametersHNSW(efSearch=max(SEARCH_BREADTH, count))  # type: ignore[attr-defined]  # its stubs lack it
        likeness, at = self.graph.search(vector[None], count, params=breadth)
        there = at[0] >= 0
        return likeness[0][there], self.numbers[at[0][there]]

    def of_site(self, site: int, most: int) -> list[int]:
        """The newest exemplars at a line of the application, oldest first."""
        first, end = np.searchsorted(self.sites, [site, site + 1])
        found: list[int] = self.at_site[max(first, end - most) : end].tolist()
        return found

    def grown(self, numbers: Numbers, vectors: Floats, at_site: Mapping[int, list[int]], common: Commonness) -> Base:
        """With newer exemplars, of which `common` counts all, those of this base included. In memory.

        Takes over this base's graph where that is in memory: this one is not to be searched any more.
        """
        import faiss

        graph = self.graph if self.folder is None else faiss.read_index(str(self.folder / "graph.faiss"))
        graph.add(np.ascontiguousarray(vectors))
        fresh = [(site, number) for site, some in at_site.items() for number in some]
        sites = np.concatenate([self.sites, np.asarray([site for site, _ in fresh], dtype=np.int64)])
        there = np.concatenate([self.at_site, np.asarray([number for _, number in fresh], dtype=np.int64)])
        order = np.lexsort((there, sites))
        return Base(
            graph=graph,
            numbers=np.concatenate([self.numbers, numbers]),
            sites=sites[order],
            at_site=there[order],
            common=Commonness.from_arrays(common.arrays()),
        )

    def write(self, folder: Path, mark: str) -> None:
        """Keeps it as the newest generation, whole or not at all. `mark`: what a reader will hold it against."""
        import faiss

        folder.mkdir(parents=True, exist_ok=True)
        generation = folder / f"{self.last}-{secrets.token_hex(4)}"
        generation.mkdir()
        faiss.write_index(self.graph, str(generation / "graph.faiss"))
        arrays = {"numbers": self.numbers, "sites": self.sites, "at_site": self.at_site, **self.common.arrays()}
        for name, array in arrays.items():
            np.save(generation / f"{name}.npy", array)
        sizes = {}
        for path in generation.iterdir():
            _to_disk(path)
            sizes[path.name] = path.stat().st_size
        about = {"format": FORMAT, "generation": generation.name, "last": self.last, "mark": mark, "files": sizes}
        fresh = folder / f"current-{generation.name}.json"
        fresh.write_text(json.dumps(about) + "\n")
        _to_disk(fresh)
        os.replace(fresh, folder / "current.json")  # from here on the new generation counts
        for path in folder.iterdir():
            if path.name.startswith("current-"):
                path.unlink(missing_ok=True)
            elif path.is_dir() and path != generation:
                shutil.rmtree(path, ignore_errors=True)  # who has it mapped keeps it until then

    @classmethod
    def read(cls, folder: Path) -> tuple[Base, str] | None:
        """The newest generation with its mark; None where there is none, or a broken one, which is logged."""
        about = about_kept(folder)
        if about is None:
            return None
        import faiss

        generation = folder / str(about["generation"])
        try:
            for name, size in about["files"].items():
                if (generation / name).stat().st_size != size:
                    raise ValueError(f"{name} has not the {size} bytes that were written")
            arrays = {
                Path(name).stem: np.load(generation / name, mmap_mode="r", allow_pickle=False)
                for name in about["files"]
                if name.endswith(".npy")
            }
            graph = faiss.read_index(str(generation / "graph.faiss"), faiss.IO_FLAG_MMAP_IFC)
            if graph.ntotal != len(arrays["numbers"]):
                raise ValueError("the graph and the numbers have different lengths")
            base = cls(
                graph=graph,
                numbers=arrays["numbers"],
                sites=arrays["sites"],
                at_site=arrays["at_site"],
                common=Commonness.from_arrays(arrays),
                folder=generation,
            )
        except (OSError, RuntimeError, ValueError, KeyError) as error:  # faiss raises RuntimeError
            log.warning("the kept index is broken and is made anew", extra={"folder": str(folder), "why": str(error)})
            return None
        return base, str(about["mark"])


def about_kept(folder: Path) -> dict[str, Any] | None:
    """What `current.json` says: the newest generation, its mark, its last number and its files."""
    try:
        about: dict[str, Any] = json.loads((folder / "current.json").read_text())
        return about if about["format"] == FORMAT and about["files"] else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the kept index is broken and is made anew", extra={"folder": str(folder), "why": str(error)})
        return None


class Turn:
    """One process at a time keeps an index: `taken` says whether this one does. Of a dead one the turn is taken."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "writing"
        self.taken = False

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            try:
                with self._path.open("x") as file:
                    file.write(str(os.getpid()))
                self.taken = True
                break
            except FileExistsError:
                if self._alive():
                    break
                self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.taken:
            self._path.unlink(missing_ok=True)

    def _alive(self) -> bool:
        import psutil  # slow to load, and asked for only where another process may be at it

        try:
            told = self._path.read_text()
            return told.isdigit() and int(told) != os.getpid() and psutil.pid_exists(int(told))
        except OSError:
            return False


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
