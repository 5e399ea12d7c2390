"""Grouping at arrival: the client's own fingerprint, the exact signature, then the trained model."""

from __future__ import annotations

import secrets
from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.group.common import Commonness
from ems_ml.group.forest import probabilities
from ems_ml.group.lessons import NOTHING_LEARNED, Lessons
from ems_ml.group.pairs import FEATURE_NAMES, NOTHING_KNOWN, PairModel, differences, features_beside
from ems_ml.ports import PER_PATTERN, Candidates, Exemplar
from ems_ml.types import Assignment, Decision, ErrorEvent, Neighbour, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_NEIGHBOURS = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread aloud
LIKELIEST = 0.998  # what the model may say at most
CERTAIN = 0.999  # p(same cause) by rule: the client's own fingerprint, or a key that no exemplar stands for
DOUBT = (
    0.5  # below it another cause is likelier: an exact signature is doubted, a pattern with such an example not joined
)
MOVED = 6  # features that are told
DECISIONS = "earlier decisions of people"  # beside the features, in what moved the log-odds
SHOWN = 100  # parts of a client's fingerprint that are told, and characters of each
_COSINE = FEATURE_NAMES.index("embeddings alike")


@dataclass(frozen=True, slots=True)
class _Judged:
    """A pattern's likeliest exemplar, and p(same cause) with the pattern."""

    exemplar: Exemplar
    probability: float
    features: NDArray[np.float32]
    taught: float  # how far people's decisions moved its log-odds
    but: str = ""  # why nothing joins the pattern by what was learned, unless a person has decided about it


def new_pattern_id() -> str:
    """A fresh id, `P-` and ten letters: 49 bits of chance, never derived from a cluster."""
    return "P-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


class OnlineGrouper:
    """Decides at arrival. `join` and `suggest` are thresholds on p(same cause), 0 < suggest <= join <= 1.

    `lessons` is what the people's decisions in each project taught beside the model.
    """

    def __init__(self, model: PairModel, *, join: float, suggest: float, lessons: Lessons = NOTHING_LEARNED) -> None:
        if not 0 < suggest <= join <= 1:
            raise ValueError(f"thresholds must keep 0 < suggest <= join <= 1, not {suggest} and {join}")
        self.model = model
        self.join = join
        self.suggest = suggest
        self.lessons = lessons

    @property
    def version(self) -> str:
        learned = f"+{self.lessons.version}" if self.lessons.version else ""
        return f"pairs-{self.model.version}@{self.join:g}/{self.suggest:g}{learned}"

    def assign(
        self, event: ErrorEvent, signature: Signature, vector: NDArray[np.float32], candidates: Candidates
    ) -> Assignment:
        """The decision, its probability, up to ten neighbours and the reason."""
        common = candidates.common if isinstance(candidates.common, Commonness) else NOTHING_KNOWN
        near = [one for one in candidates.near if one.signature.scope == signature.scope]  # the client says so
        judged = self._judged(event.project, signature, vector, near, common)
        by_pattern = {one.exemplar.pattern: (one.probability, one.exemplar) for one in judged}
        withheld = _withhold(by_pattern, vector, candidates.apart)
        certain = candidates.exact if self._beyond_doubt(event, signature, candidates, by_pattern) else None
        exact = by_pattern.pop(certain, None) if certain is not None else None
        ranked = sorted(by_pattern.values(), key=lambda pair: -pair[0])
        if exact is not None:
            rival = ranked[0][0] if ranked else 0.0
            share = CERTAIN if not event.by_default else min(CERTAIN, max(exact[0], rival + 1e-6))
            ranked = [(share, exact[1]), *ranked]
        nearest = tuple(
            Neighbour(pattern=exemplar.pattern, probability=round(p, 6), example=exemplar.event)
            for p, exemplar in ranked
        )
        if certain is not None and exact is None:  # known, but not by an exemplar of this encoder
            kept = Neighbour(pattern=certain, probability=CERTAIN, example=candidates.example)
            nearest = (kept, *nearest)
        nearest = nearest[:MAX_NEIGHBOURS]
        closed = {
            one.exemplar.pattern: one.but for one in judged if one.but and one.exemplar.pattern not in candidates.bound
        }
        decision, pattern, rule = self._decide(event, nearest, certain, closed)
        why = dict(self._why(rule, signature, vector, ranked, judged, known_only=certain is not None and exact is None))
        if decision is Decision.SUGGESTED and nearest[0].probability >= self.join:
            why["but"] = closed[nearest[0].pattern]
        if withheld:
            why["told apart"] = withheld
        if event.own_fingerprint:
            why["fingerprint"] = [part[:SHOWN] for part in event.fingerprint[:SHOWN]]
        return Assignment(
            pattern=pattern,
            decision=decision,
            probability=nearest[0].probability if nearest else 0.0,
            nearest=nearest,
            why=why,
        )

    def _judged(
        self,
        project: str,
        signature: Signature,
        vector: NDArray[np.float32],
        near: Sequence[Exemplar],
        common: Commonness,
    ) -> list[_Judged]:
        """The patterns of the exemplars, by falling probability of their likeliest one."""
        if not near:
            return []
        features = features_beside(signature, vector, [(e.signature, e.vector) for e in near], common)
        # The cosine breaks ties between leaves, without changing what they say.
        taught = np.asarray([self.lessons.shift(project, signature, e.signature) for e in near])
        shares = probabilities(self.model.raw(features) + taught) + 1e-6 * features[:, _COSINE]
        best: dict[str, int] = {}
        rows: dict[str, list[int]] = {}
        for row in np.argsort(-shares, kind="stable").tolist():
            best.setdefault(near[row].pattern, row)
            rows.setdefault(near[row].pattern, []).append(row)
        return [
            _Judged(
                near[row],
                probability=float(np.clip(shares[row], 0.0, LIKELIEST)),
                features=features[row],
                taught=float(taught[row]),
                but=_but([near[other] for other in rows[pattern]], float(shares[rows[pattern][-1]])),
            )
            for pattern, row in best.items()
        ]

    def _beyond_doubt(
        self,
        event: ErrorEvent,
        signature: Signature,
        candidates: Candidates,
        by_pattern: Mapping[str, tuple[float, Exemplar]],
    ) -> bool:
        """Whether the known key decides: the client's own always, and one whose pattern a person has merged or split;
        an exact signature else unless the model doubts it.

        One signature may stand for two causes, as where two faults raise one error on lines of one shape; then the
        examples differ in what the signature leaves out, and the model says that another cause is likelier than not.
        Where an example does not differ in anything that is seen, and where there are no frames, which the model has
        learned from, it has no say: else each repetition of such an error might open a pattern.
        """
        if candidates.exact is None:
            return False
        found = by_pattern.get(candidates.exact)
        if found is None or found[0] >= DOUBT or candidates.decided or not event.by_default or not signature.frames:
            return True
        examples = (one.signature for one in candidates.near if one.pattern == candidates.exact)
        return any(_seen(one) == _seen(signature) for one in examples)

    def _decide(
        self, event: ErrorEvent, nearest: Sequence[Neighbour], certain: str | None, closed: Container[str]
    ) -> tuple[Decision, str, str]:
        """`closed`: patterns that nothing joins by what was learned; where one is likely enough, a person is asked."""
        if certain is not None:
            return Decision.JOINED, certain, "exact signature" if event.by_default else "fingerprint"
        if not event.by_default:
            return Decision.NEW, new_pattern_id(), "fingerprint"
        if nearest and nearest[0].probability >= self.join and nearest[0].pattern not in closed:
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
        judged: Sequence[_Judged],
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
        found = next(one for one in judged if one.exemplar is best)
        features = found.features
        why |= {
            "matched": matched,
            "differed": differed,
            "features": {name: round(float(v), 3) for name, v in zip(FEATURE_NAMES, features, strict=True)},
            "moved": _strongest(self.model.pulls(features) | {DECISIONS: found.taught}),
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


def _but(examples: Sequence[Exemplar], least: float) -> str:
    """Why a pattern is closed to what was learned, "" where it is not. `least`: p(same cause) as the last example.

    So a chain of errors, each half like the one before, does not become one pattern; and no pattern swallows what looks
    alike to the model, as minified errors do: it takes in as many different errors as it keeps examples.
    """
    if least < DOUBT:
        return f"the pattern also holds {examples[-1].event}, which is unlike this"
    return f"the pattern holds {len(examples)} different errors already" if len(examples) >= PER_PATTERN else ""


def _seen(signature: Signature) -> Hashable:
    """All that grouping sees of an error; what is equal here nothing can tell apart."""
    return signature.language, signature.types, signature.message, signature.frames


def _strongest(pulls: Mapping[str, float]) -> dict[str, float]:
    """The features that moved the log-odds most, either way."""
    order = sorted(pulls, key=lambda name: -abs(pulls[name]))[:MOVED]
    return {name: round(pulls[name], 3) for name in order if pulls[name]}


def _shown(signature: Signature, index: int | None) -> str | None:
    if index is None:
        return None
    frame = signature.frames[index]
    return f"{frame.file}:{frame.function}"
