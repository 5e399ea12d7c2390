"""Regrouping: a project's errors arrive once more, at other models, under what people have decided.

The same `Grouper` decides as at arrival, with the same thresholds, on units (`ems_ml.regrouping.Unit`) in the order in
which they came first. So the models that grouped a project change nothing when they regroup it, and others
change what they would have done otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ems_ml.ports import NEAR, Candidates, Exemplar, Grouper
from ems_ml.regrouping import Arriving, Binding, NewExemplars, Unit
from ems_ml.types import Assignment, Decision, Neighbour

KEPT_WHOLE = Assignment(
    pattern="", decision=Decision.JOINED, probability=1.0, nearest=(), why={"rule": "a person's decision"}
)


@dataclass(frozen=True, slots=True)
class Part:
    """The units that come from one pattern into one cluster, and how the first of them was judged."""

    first: Unit
    judged: Assignment  # its pattern and nearest are clusters


@dataclass(slots=True)
class Cluster:
    """Units that are one cause for the models: a pattern to be, without an id yet."""

    name: str
    parts: dict[str, Part] = field(default_factory=dict)  # pattern that they come from -> first of them; in order
    asked: Neighbour | None = None  # of its first unit

    @property
    def first(self) -> Unit:
        return next(iter(self.parts.values())).first


@dataclass(slots=True)
class Arrived:
    """How a project's units lie after they arrived once more."""

    clusters: dict[str, Cluster] = field(default_factory=dict)
    of_unit: list[tuple[Unit, str]] = field(default_factory=list)  # in order, with the name of the cluster
    of_key: dict[str, str] = field(default_factory=dict)  # exact signature as it is today -> cluster
    exemplars: list[Exemplar] = field(default_factory=list)


def arrive_again(arriving: Iterable[Arriving], *, grouper: Grouper, index: NewExemplars, binding: Binding) -> Arrived:
    """Let units arrive at the grouper, in the order of their first events, before an index that is empty."""
    line = _Line(grouper, index, binding)
    for one in arriving:
        line.take(one)
    return line.arrived


class _Line:
    """The state in between: clusters, and where patterns that must stay whole have gone."""

    def __init__(self, grouper: Grouper, index: NewExemplars, binding: Binding) -> None:
        self.grouper = grouper
        self.index = index
        self.binding = binding
        self.arrived = Arrived()
        self.whole: dict[str, str] = {}  # pattern -> cluster
        self.by_cluster: dict[str, list[Exemplar]] = {}
        # Only these need a look at every neighbour.
        self.concerned = {pattern for pair in binding.apart for pattern in pair} | set(binding.status)

    def take(self, one: Arriving) -> None:
        unit = one.unit
        kept = self.whole.get(unit.pattern)
        judged = self._judge(one) if kept is None else KEPT_WHOLE
        if kept is None and judged.decision is Decision.JOINED:
            kept = judged.pattern
        cluster = self._opened(judged) if kept is None else self.arrived.clusters[kept]
        cluster.parts.setdefault(unit.pattern, Part(unit, judged))
        if unit.pattern in self.binding.whole:
            self.whole.setdefault(unit.pattern, cluster.name)
        self.arrived.of_unit.append((unit, cluster.name))
        self.arrived.of_key.setdefault(one.key, cluster.name)
        if self.index.wants(cluster.name, one.signature):
            exemplar = Exemplar(event=unit.event, pattern=cluster.name, signature=one.signature, vector=one.vector)
            self.index.add([exemplar])
            self.by_cluster.setdefault(cluster.name, []).append(exemplar)
            self.arrived.exemplars.append(exemplar)

    def _opened(self, judged: Assignment) -> Cluster:
        cluster = Cluster(name=f"#{len(self.arrived.clusters)}")
        if judged.decision is Decision.SUGGESTED:
            cluster.asked = judged.nearest[0]
        self.arrived.clusters[cluster.name] = cluster
        return cluster

    def _judge(self, one: Arriving) -> Assignment:
        """What the grouper says, shown only the clusters that a person's decisions leave open."""
        known = self.arrived.of_key.get(one.key)
        if known is not None and self._forbidden(one.unit.pattern, known):
            known = None
        near = [
            found
            for found in self.index.near(one.signature, one.vector, NEAR)
            if not self._forbidden(one.unit.pattern, found.pattern)
        ]
        if known is not None:
            present = {id(found) for found in near}
            near += [found for found in self.by_cluster.get(known, ()) if id(found) not in present]
        candidates = Candidates(
            exact=known,
            near=tuple(near),
            example="" if known is None else self.arrived.clusters[known].first.event,
            decided=known is not None and self._bound(known),
            bound=frozenset(name for name in {found.pattern for found in near} if self._bound(name)),
            apart=frozenset(
                (self.whole[here], self.whole[there])
                for here, there in self.binding.apart
                if here in self.whole and there in self.whole
            ),
            common=self.index.common,
        )
        return self.grouper.assign(one.event, one.signature, one.vector, candidates)

    def _bound(self, name: str) -> bool:
        """Whether a person has merged or split what is in a cluster."""
        return not self.binding.decided.isdisjoint(self.arrived.clusters[name].parts)

    def _forbidden(self, pattern: str, name: str) -> bool:
        parts = self.arrived.clusters[name].parts
        if pattern not in self.concerned and self.concerned.isdisjoint(parts):
            return False
        return any(self.binding.forbids(pattern, other) for other in parts)
