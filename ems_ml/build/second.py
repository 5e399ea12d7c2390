"""The transition window: the models that were in use before go on judging each event, and decide nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ems_ml.build import models
from ems_ml.errors import EmsError
from ems_ml.ports import Candidates, Encoder, Grouper, Opinion
from ems_ml.settings import Settings
from ems_ml.store import SqlStore
from ems_ml.types import ErrorEvent, Signature
from ems_ml.versions import Transition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


class SecondModels:
    """Encoder and grouper of a set of models, over the same store and the same patterns as those in use."""

    def __init__(self, told: Transition, encoder: Encoder, grouper: Grouper, store: SqlStore) -> None:
        self._told = told
        self._encoder = encoder
        self._grouper = grouper
        self._events = store.beside(encoder.version)
        self._same = store.events.encoder == encoder.version

    def judge(
        self, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32], candidates: Candidates
    ) -> Opinion:
        """See `ems_ml.ports.SecondOpinion`. Under one encoder both see the same candidates."""
        if not self._same:
            (vector,) = self._encoder.encode([signature])
            candidates = self._events.candidates(event, signature, vector)
        return Opinion(
            models=self._told.before,
            decided_by=self._told.after,
            assignment=self._grouper.assign(event, signature, vector, candidates),
            encoder=self._encoder.version,
            vector=vector,
        )


def models_before(settings: Settings, told: Transition, store: SqlStore) -> SecondModels | None:
    """The set that a transition asks; None, and told in the log, where it cannot be loaded: events go on arriving."""
    try:
        encoder = models.load_encoder(settings, told.before)
        return SecondModels(told, encoder, models.load_grouper(settings, told.before), store)
    except EmsError as error:
        log.error("the models before cannot be asked: %s", error, extra={"models": told.before})
        return None
