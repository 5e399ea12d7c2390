"""From clusters to patterns: which id each keeps, what changes, and what that is expected to cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ems_ml.group.online import new_pattern_id
from ems_ml.group.regroup import Arrived, Cluster, Part
from ems_ml.regrouping import Asked, Binding, Change, Kind, Move, Plan, Unit


@dataclass(frozen=True, slots=True)
class _Holdings:
    """Events by the pattern that they come from and the cluster that they are in, and the first unit of each."""

    events: Mapping[tuple[str, str], int]  # (pattern, cluster) -> events
    first: Mapping[tuple[str, str], Unit]

    def kept_ids(self) -> dict[str, str]:
        """Cluster -> the pattern whose id it keeps: that of most of its events, the oldest one among equals."""
        order = sorted(self.events, key=lambda pair: (-self.events[pair], self.first[pair].number))
        kept: dict[str, str] = {}
        taken: set[str] = set()
        for pattern, cluster in order:
            if cluster not in kept and pattern not in taken:
                kept[cluster] = pattern
                taken.add(pattern)
        return kept

    def ended(self, kept: Mapping[str, str]) -> dict[str, str]:
        """Pattern whose id no cluster keeps -> the cluster that holds most of its events."""
        living = set(kept.values())
        most: dict[str, str] = {}
        for pattern, cluster in sorted(self.events, key=lambda pair: (-self.events[pair], self.first[pair].number)):
            if pattern not in living:
                most.setdefault(pattern, cluster)
        return most


def plan_of(project: str, arrived: Arrived, binding: Binding, *, new_id: Callable[[], str] = new_pattern_id) -> Plan:
    """What would be written so that the project's patterns are these clusters."""
    held = _holdings(arrived)
    kept = held.kept_ids()
    ended = held.ended(kept)
    ids = {name: kept.get(name) or new_id() for name in arrived.clusters}
    moves = [
        Move(pattern=unit.pattern, key=unit.key, into=ids[name])
        for unit, name in arrived.of_unit
        if unit.pattern != ids[name]
    ]
    stays = {pattern: name for name, pattern in kept.items()} | ended
    changes = [
        _change(pattern, arrived.clusters[name], arrived.clusters[stays[pattern]], ids[name], events)
        for (pattern, name), events in held.events.items()
        if pattern != ids[name]
    ]
    return Plan(
        project=project,
        changes=sorted(changes, key=lambda change: (-change.events, change.pattern, change.into)),
        moves=moves,
        made={ids[name]: cluster.first for name, cluster in arrived.clusters.items() if name not in kept},
        merged={pattern: ids[name] for pattern, name in ended.items()},
        keys={key: ids[name] for key, name in arrived.of_key.items()},
        asked=list(_asked(arrived, ids, binding)),
        exemplars=[replace(one, pattern=ids[one.pattern]) for one in arrived.exemplars],
        status=dict(binding.status),
        units=len(arrived.of_unit),
        wrong_merges=sum(1 - part.judged.probability for part in _joining(arrived)),
        wrong_splits=sum(
            _parted(pattern, arrived.clusters[name], arrived.clusters[stays[pattern]]).probability
            for pattern, name in held.events
            if name != stays[pattern]
        ),
    )


def _holdings(arrived: Arrived) -> _Holdings:
    events: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Unit] = {}
    for unit, name in arrived.of_unit:
        events[unit.pattern, name] += unit.count
        first.setdefault((unit.pattern, name), unit)
    return _Holdings(events=events, first=first)


def _joining(arrived: Arrived) -> Iterator[Part]:
    """Every part that joined a cluster of others: one merge each, as likely right as its first unit was told."""
    for cluster in arrived.clusters.values():
        yield from list(cluster.parts.values())[1:]


def _change(pattern: str, cluster: Cluster, stays: Cluster, into: str, events: int) -> Change:
    """What becomes of the events of `pattern` in a cluster of another id; `stays`: where its own id leads."""
    kind = Kind.MERGED if cluster is stays else Kind.MOVED if into in cluster.parts else Kind.SPLIT
    evidence = _parted(pattern, cluster, stays) if kind is Kind.SPLIT else _joined(pattern, cluster)
    matched, differed = (tuple(map(str, evidence.why.get(name, ()))) for name in ("matched", "differed"))
    return Change(
        kind=kind,
        pattern=pattern,
        into=into,
        events=events,
        probability=evidence.probability,
        example=evidence.here,
        beside=evidence.there,
        matched=matched,
        differed=differed,
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """An event that changes its pattern beside one that it is compared with."""

    here: str
    there: str
    probability: float
    why: Mapping[str, Any]

    @property
    def turned(self) -> _Evidence:
        return replace(self, here=self.there, there=self.here)


def _joined(pattern: str, cluster: Cluster) -> _Evidence:
    """Why the part of `pattern` lies with the others: it joined them, or where it was there first, they joined it."""
    parts = list(cluster.parts)
    joining = cluster.parts[pattern if pattern != parts[0] else parts[1]]
    nearest = joining.judged.nearest[0]
    found = _Evidence(joining.first.event, nearest.example, joining.judged.probability, joining.judged.why)
    return found if pattern != parts[0] else found.turned


def _parted(pattern: str, leaves: Cluster, stays: Cluster) -> _Evidence:
    """What the later one of the two parts of a pattern was told about the earlier one; 0 where it was not near."""
    going, staying = leaves.parts[pattern], stays.parts[pattern]
    late, early, there = (
        (going, staying, stays) if going.first.number > staying.first.number else (staying, going, leaves)
    )
    near = next((one for one in late.judged.nearest if one.pattern == there.name), None)
    if near is None:
        found = _Evidence(late.first.event, early.first.event, 0.0, {})
    else:
        nearest = near is late.judged.nearest[0]
        found = _Evidence(late.first.event, near.example, near.probability, late.judged.why if nearest else {})
    return found if late is going else found.turned


def _asked(arrived: Arrived, ids: Mapping[str, str], binding: Binding) -> Iterator[Asked]:
    """For every pattern the question that a person would be asked about it, or none."""
    for name, cluster in arrived.clusters.items():
        near = cluster.asked
        if near is not None and not any(
            binding.forbids(one, other) for one in cluster.parts for other in arrived.clusters[near.pattern].parts
        ):
            yield Asked(pattern=ids[name], other=ids[near.pattern], probability=near.probability, example=near.example)
        else:
            yield Asked(pattern=ids[name])
