"""How common the parts of a project's errors are; counted as exemplars arrive, and kept beside the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ems_ml.group.views import view
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

KINDS = ("sites", "places", "templates", "types", "exact")


class Counts:
    """How often each key was counted. What was kept lies in sorted arrays, 16 bytes a key; what came since beside it.

    >>> counts = Counts(np.asarray([3, 8]), np.asarray([2, 1]))
    >>> counts.add([8, 5])
    >>> counts.of([3, 5, 8, 9])
    [2, 1, 2, 0]
    """

    def __init__(self, keys: Numbers | None = None, counts: Numbers | None = None) -> None:
        self._keys = np.zeros(0, dtype=np.int64) if keys is None else keys
        self._counts = np.zeros(0, dtype=np.int64) if counts is None else counts
        self._since: Counter[int] = Counter()

    def add(self, keys: Iterable[int]) -> None:
        """Counts each key once more."""
        self._since.update(keys)

    def of(self, keys: Sequence[int]) -> list[int]:
        """How often each was counted."""
        since = self._since
        if not len(self._keys):
            return [since[key] for key in keys]
        wanted = np.asarray(keys, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        kept = np.where(self._keys[at] == wanted, self._counts[at], 0).tolist()
        return [count + since[key] for key, count in zip(keys, kept, strict=True)]

    def arrays(self) -> tuple[Numbers, Numbers]:
        """Every key, sorted, and its count."""
        if not self._since:
            return self._keys, self._counts
        fresh = np.fromiter(self._since.keys(), dtype=np.int64, count=len(self._since))
        times = np.fromiter(self._since.values(), dtype=np.int64, count=len(self._since))
        keys, at = np.unique(np.concatenate([self._keys, fresh]), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, at, np.concatenate([self._counts, times]))
        return keys, counts

    def copy(self) -> Counts:
        """The same now, whatever is counted later."""
        made = Counts(self._keys, self._counts)
        made._since = Counter(self._since)
        return made


@dataclass(slots=True)
class Commonness:
    """How many of a project's exemplars show a part; what all show says little. Parts are told by their keys."""

    total: int = 0
    sites: Counts = field(default_factory=Counts)
    places: Counts = field(default_factory=Counts)
    templates: Counts = field(default_factory=Counts)
    types: Counts = field(default_factory=Counts)
    exact: Counts = field(default_factory=Counts)

    def add(self, signature: Signature) -> None:
        """Counts the parts of one more exemplar."""
        seen = view(signature)
        self.total += 1
        self.sites.add(seen.site_set)
        self.places.add(seen.place_set)
        self.templates.add((seen.template_key,))
        self.types.add((seen.type_key,))
        self.exact.add((seen.exact_key,))

    def copy(self) -> Commonness:
        """The same now, whatever is counted later."""
        return Commonness(self.total, *(getattr(self, kind).copy() for kind in KINDS))

    def arrays(self) -> dict[str, Numbers]:
        """What `from_arrays` reads, by name."""
        parts: dict[str, Numbers] = {"total": np.asarray([self.total], dtype=np.int64)}
        for kind in KINDS:
            parts[f"{kind}-keys"], parts[f"{kind}-counts"] = getattr(self, kind).arrays()
        return parts

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Numbers]) -> Commonness:
        """Raises `KeyError` for a missing array."""
        kinds = (Counts(arrays[f"{kind}-keys"], arrays[f"{kind}-counts"]) for kind in KINDS)
        return cls(int(arrays["total"][0]), *kinds)
