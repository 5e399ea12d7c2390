"""A store that answers but keeps nothing: what a classification without a record works against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ems_ml.ports import Candidates, Opinion
from ems_ml.store import SqlStore
from ems_ml.types import Assignment, ErrorEvent, Pattern, RankedStrategy, Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DryStore:
    """Looks into `inner` and writes nothing to it."""

    def __init__(self, inner: SqlStore) -> None:
        self.inner = inner

    def candidates(
        self, project: str, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32]
    ) -> Candidates:
        """See `ems_ml.ports.Store`."""
        return self.inner.candidates(project, event, signature, vector)

    def commit(
        self,
        event: ErrorEvent,
        signature: Signature,
        vector: NDArray[np.float32],
        assignment: Assignment,
        strategies: Sequence[RankedStrategy],
        versions: Mapping[str, str],
        *,
        candidates: Candidates,
        ms: float = 0.0,
        opinion: Opinion | None = None,
    ) -> Assignment:
        """The assignment as it was proposed."""
        return assignment

    def patterns(self, project: str | None = None) -> list[Pattern]:
        """See `ems_ml.ports.Store`."""
        return self.inner.patterns(project)

    def count(self, name: str, label: str = "", amount: int = 1) -> None:
        """Counts nothing."""
