"""Grouping at arrival: the client's own fingerprint, the exact signature, then the trained pair model."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.group.pairs import FEATURE_NAMES, PairModel, differences, pair_features
from ems_ml.ports import Candidates, Exemplar
from ems_ml.types import Assignment, Decision, ErrorEvent, Neighbour, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_NEIGHBOURS = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread aloud
LIKELIEST = 0.998  # what the model may say at most
CERTAIN = 0.999  # p(same cause) by rule: the exact signature, or the client's own fingerprint


def new_pattern_id() -> str:
    """A fresh id, `P-` and ten letters: 49 bits of chance, never derived from a cluster."""
    return "P-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


class OnlineGrouper:
    """Decides at arrival. `join` and `suggest` are thresholds on p(same cause), 0 < suggest <= join <= 1."""

    def __init__(self, model: PairModel, *, join: float, suggest: float) -> None:
        if not 0 < suggest <= join <= 1:
            raise ValueError(f"thresholds must keep 0 < suggest <= join <= 1, not {suggest} and {join}")
        self.model = model
        self.join = join
        self.suggest = suggest

    @property
    def version(self) -> str:
        return f"pairs-{self.model.version}@{self.join:g}/{self.suggest:g}"

    def assign(
        self, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32], candidates: Candidates
    ) -> Assignment:
        """The decision, its probability, up to ten neighbours and the reason."""
        scored = self._scored(signature, vector, candidates.near)
        by_pattern: dict[str, tuple[float, Exemplar]] = {}
        for probability, exemplar in scored:
            known = by_pattern.get(exemplar.pattern)
            if known is None or probability > known[0]:
                by_pattern[exemplar.pattern] = (probability, exemplar)
        withheld = _withhold(by_pattern, vector, candidates.apart)
        exact = by_pattern.pop(candidates.exact, None) if candidates.exact is not None else None
        ranked = sorted(by_pattern.values(), key=lambda pair: -pair[0])
        if exact is not None:
            ranked = [(CERTAIN, exact[1]), *ranked]
        nearest = tuple(
            Neighbour(pattern=exemplar.pattern, probability=round(p, 6), example=exemplar.event)
            for p, exemplar in ranked
        )
        if candidates.exact is not None and exact is None:  # known, but not by an exemplar of this encoder
            kept = Neighbour(pattern=candidates.exact, probability=CERTAIN, example=candidates.example)
            nearest = (kept, *nearest)
        nearest = nearest[:MAX_NEIGHBOURS]
        decision, pattern, rule = self._decide(event, nearest, candidates)
        why = dict(
            self._why(rule, signature, vector, ranked, known_only=candidates.exact is not None and exact is None)
        )
        if withheld:
            why["told apart"] = withheld
        return Assignment(
            pattern=pattern,
            decision=decision,
            probability=nearest[0].probability if nearest else 0.0,
            nearest=nearest,
            why=why,
        )

    def _scored(
        self, signature: Signature, vector: NDArray[np.float32], near: Sequence[Exemplar]
    ) -> list[tuple[float, Exemplar]]:
        if not near:
            return []
        features = np.stack([pair_features(signature, vector, e.signature, e.vector) for e in near])
        # The cosine breaks ties of the calibrated steps, without changing what they say.
        order = self.model.predict(features) + 1e-6 * features[:, -1]
        return [(float(np.clip(p, 0.0, LIKELIEST)), exemplar) for p, exemplar in zip(order, near, strict=True)]

    def _decide(
        self, event: ErrorEvent, nearest: Sequence[Neighbour], candidates: Candidates
    ) -> tuple[Decision, str, str]:
        own_fingerprint = any(part != "{{ default }}" for part in event.fingerprint)
        if candidates.exact is not None:
            return Decision.JOINED, candidates.exact, "fingerprint" if own_fingerprint else "exact signature"
        if own_fingerprint:
            return Decision.NEW, new_pattern_id(), "fingerprint"
        if nearest and nearest[0].probability >= self.join:
            return Decision.JOINED, nearest[0].pattern, "learned"
        if nearest and nearest[0].probability >= self.suggest:
            return Decision.SUGGESTED, new_pattern_id(), "learned"
        return Decision.NEW, new_pattern_id(), "learned" if nearest else "first of its project"

    def _why(
        self,
        rule: str,
        signature: Signature,
        vector: NDArray[np.float32],
        ranked: Sequence[tuple[float, Exemplar]],
        *,
        known_only: bool,
    ) -> Mapping[str, Any]:
        why: dict[str, Any] = {
            "rule": rule,
            "model": self.version,
            "thresholds": {"join": self.join, "suggest": self.suggest},
        }
        if known_only:
            why["matched"] = ["the exact signature or fingerprint, kept under another encoder"]
            why["differed"] = []
            return why
        if not ranked:
            return why
        _, best = ranked[0]
        matched, differed, aligned = differences(signature, best.signature)
        features = pair_features(signature, vector, best.signature, best.vector)
        why |= {
            "matched": matched,
            "differed": differed,
            "features": {name: round(float(v), 3) for name, v in zip(FEATURE_NAMES, features, strict=True)},
            "frames": [
                {
                    "here": _shown(signature, i),
                    "there": _shown(best.signature, j),
                }
                for i, j in aligned.pairs[-12:]
            ],
        }
        if len(ranked) > 1:
            probability, rival = ranked[1]
            why["rival"] = {"pattern": rival.pattern, "probability": round(probability, 6), "example": rival.event}
        return why


def _withhold(
    by_pattern: dict[str, tuple[float, Exemplar]],
    vector: NDArray[np.float32],
    apart: frozenset[tuple[str, str]],
) -> list[str]:
    """Lowers, in place, what a person has told the model wrong about; the patterns that it concerned.

    Of two patterns told apart, the event belongs at most to the one whose example is nearer by embedding: the other
    one is no more probable than that.
    """
    withheld: list[str] = []
    for one, other in sorted(apart):
        if one not in by_pattern or other not in by_pattern:
            continue
        (p, here), (q, there) = by_pattern[one], by_pattern[other]
        if q > p and float(here.vector @ vector) >= float(there.vector @ vector):
            by_pattern[other] = (p - 1e-6 if p > 1e-6 else 0.0, there)
            withheld.append(other)
    return withheld


def _shown(signature: Signature, index: int | None) -> str | None:
    if index is None:
        return None
    frame = signature.frames[index]
    return f"{frame.file}:{frame.function}"
