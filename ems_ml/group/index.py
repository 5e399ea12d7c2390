"""The exemplars of one project by number: nearest by embedding, by the application's line, and how common parts are.

A small project is scanned. A large one has a `Base`, which finds about the nearest, and scans only what came since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.group.base import Base, Turn, about_kept
from ems_ml.group.common import Commonness
from ems_ml.group.views import own_site
from ems_ml.ports import Exemplar, tells_more
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SAME_LINE = 8  # newest exemplars with the same line in the application, beside the nearest by embedding
SCANNED = 16_384  # exemplars that are scanned; more of them are moved to a `Base`


class ExemplarIndex:
    """Vectors of length 1 by their exemplars' numbers, which rise. `add` is amortised O(dimension).

    `near` scans at most about `scanned` exemplars. Not safe for threads: the caller takes turns.
    """

    def __init__(self, *, scanned: int = SCANNED) -> None:
        self.scanned = scanned
        self.common = Commonness()
        self._base: Base | None = None
        self._forget()

    def _forget(self) -> None:
        self._size = 0
        self._numbers: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._vectors: Floats = np.zeros((0, 0), dtype=np.float32)
        self._at_site: dict[int, list[int]] = defaultdict(list)  # the application's line -> numbers

    def __len__(self) -> int:
        return self._size + (0 if self._base is None else len(self._base.numbers))

    @property
    def last(self) -> int:
        """The number of the newest exemplar, 0 where there is none."""
        if self._size:
            return int(self._numbers[self._size - 1])
        return 0 if self._base is None else self._base.last

    @property
    def kept(self) -> int:
        """The number of the newest exemplar that was read from a folder, 0 where none was."""
        return 0 if self._base is None or self._base.folder is None else self._base.last

    @property
    def loose(self) -> int:
        """How many exemplars are scanned, for no base holds them."""
        return self._size

    def add(self, number: int, signature: Signature, vector: Floats) -> None:
        """One more exemplar, newer than all before. Raises `ValueError` where it is not."""
        if number <= self.last and len(self):
            raise ValueError(f"exemplar {number} is not newer than {self.last}")
        if self._size == len(self._numbers) or self._vectors.shape[1] != len(vector):
            room = max(64, 2 * self._size)
            vectors, numbers = np.zeros((room, len(vector)), dtype=np.float32), np.zeros(room, dtype=np.int64)
            if self._size:
                vectors[: self._size], numbers[: self._size] = self._vectors[: self._size], self._numbers[: self._size]
            self._vectors, self._numbers = vectors, numbers
        self._vectors[self._size], self._numbers[self._size] = vector, number
        self._size += 1
        self.common.add(signature)
        site = own_site(signature)
        if site is not None:
            self._at_site[site].append(number)

    def near(self, signature: Signature, vector: Floats, count: int) -> list[int]:
        """Up to `count` exemplars by falling dot product, ties in order of arrival; then of the same own line."""
        likeness, numbers = self._vectors[: self._size] @ vector if self._size else np.zeros(0), self._numbers
        numbers = numbers[: self._size]
        if count < len(likeness):
            best = np.argpartition(-likeness, count)[:count]
            likeness, numbers = likeness[best], numbers[best]
        if self._base is not None:
            more, theirs = self._base.nearest(vector, count)
            likeness, numbers = np.concatenate([more, likeness]), np.concatenate([theirs, numbers])
        found: list[int] = numbers[np.lexsort((numbers, -likeness))[:count]].tolist()
        site = own_site(signature)
        if site is not None:
            here = self._at_site.get(site, [])[-SAME_LINE:]
            if self._base is not None and len(here) < SAME_LINE:
                here = self._base.of_site(site, SAME_LINE - len(here)) + here
            near = set(found)
            found += [number for number in here if number not in near]
        return found

    def settle(self) -> None:
        """Moves what is scanned into a base in memory; takes up to a second for 1,000 exemplars."""
        if self._size:
            base = self._base or Base.empty(self._vectors.shape[1])
            numbers, vectors = self._numbers[: self._size], self._vectors[: self._size]
            self._base = base.grown(numbers, vectors, self._at_site, self.common)
            self.common = self._base.common
            self._forget()

    def keeper(self, folder: Path, mark: str) -> Callable[[], bool]:
        """What writes all that is held now into the folder, in any thread; it says whether it did.

        It does not where another process is at it.
        """
        if self._base is not None and self._base.folder is None:
            self.settle()  # a graph in memory grows here, for it is searched here
        made = ExemplarIndex()
        made._base, made.common, made._size = self._base, self.common.copy(), self._size
        made._numbers, made._vectors = self._numbers[: self._size].copy(), self._vectors[: self._size].copy()
        made._at_site = {site: list(numbers) for site, numbers in self._at_site.items()}

        def keep() -> bool:
            with Turn(folder) as turn:
                if turn.taken:
                    made.settle()
                    if made._base is not None:
                        made._base.write(folder, mark)
                return turn.taken

        return keep

    def resume(self, folder: Path, *, than: int = 0) -> str | None:
        """Holds what was kept in the folder, and nothing else; the mark that it was kept with.

        None where there is nothing, or nothing newer than the exemplar `than`.
        """
        about = about_kept(folder)
        if about is None or int(about["last"]) <= than:
            return None
        found = Base.read(folder)
        if found is None:
            return None
        self._base, mark = found
        self.common = self._base.common
        self._forget()
        return mark


class HeldExemplars:
    """The exemplars of one project in memory, for study: an index of all, and which are worth holding."""

    def __init__(self) -> None:
        self._index = ExemplarIndex()
        self._exemplars: list[Exemplar] = []
        self._held: dict[str, set[str]] = defaultdict(set)  # pattern -> exact signatures among its exemplars

    def __len__(self) -> int:
        return len(self._exemplars)

    @property
    def common(self) -> Commonness:
        return self._index.common

    def wants(self, pattern: str, signature: Signature) -> bool:
        """Whether this event would tell the index something new about the pattern."""
        return tells_more(self._held.get(pattern, set()), signature)

    def add(self, exemplars: Iterable[Exemplar]) -> None:
        for exemplar in exemplars:
            self._index.add(len(self._exemplars), exemplar.signature, exemplar.vector)
            if self._index.loose > self._index.scanned:
                self._index.settle()
            self._exemplars.append(exemplar)
            self._held[exemplar.pattern].add(exemplar.signature.exact)

    def near(self, signature: Signature, vector: Floats, count: int) -> list[Exemplar]:
        """See `ExemplarIndex.near`."""
        return [self._exemplars[number] for number in self._index.near(signature, vector, count)]
