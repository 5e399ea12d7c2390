"""`ems train --decisions`: what people decided about patterns, learnt from and put to use where it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ems_ml.build.models import LESSONS, copy_set, model_folders
from ems_ml.build.system import System
from ems_ml.errors import InputError, MissingExtra, NotFound
from ems_ml.events import ModelTrained
from ems_ml.group import PairModel, pair_features
from ems_ml.group.common import Commonness
from ems_ml.group.lessons import DecidedPair, Lessons, learn, left_out
from ems_ml.group.pairs import NOTHING_KNOWN
from ems_ml.manifest import entry_for, find_model
from ems_ml.resources import shipped
from ems_ml.store import HumanDecision, StoredEvent
from ems_ml.train.tracking import can_track
from ems_ml.versions import EVALUATION, Version, evaluation_of, keep, note_run, use

LEAST = 10  # decisions of a project, below which nothing is put to use


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLearned:
    """What one project's decisions taught.

    loss: mean -log p of what a person decided, by the model alone and with the lessons of the project's other
    decisions (leave-one-out). parts: how many shifts were learned.
    """

    project: str
    decisions: int
    same: int
    loss_before: float
    loss: float
    parts: int
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionsTrained:
    """The lessons of every project with decisions. `version` is None where no project's are worth keeping."""

    version: Version | None
    adopted: bool
    projects: tuple[ProjectLearned, ...]
    said: str
    lessons: Lessons


def decided_pairs(system: System, project: str, model: PairModel) -> list[DecidedPair]:
    """The pairs of errors that a project's merges, splits and "not the same" are about, in order, one a decision.

    A pair is what the person was shown: an error, and the earlier one that it was compared with. What a later decision
    took back, so that the two no longer stand as it said, is left out.
    """
    found: dict[frozenset[str], tuple[StoredEvent, StoredEvent, bool]] = {}
    for decision in system.store.decisions.log(project_name=project):
        for arriving, earlier, same in _pairs_of(system, decision):
            key = frozenset((arriving.event.id, earlier.event.id))
            found.pop(key, None)  # the last decision about the two counts, at its own place
            if (arriving.pattern == earlier.pattern) == same and len(key) == 2:
                found[key] = (arriving, earlier, same)
    pairs = []
    for arriving, earlier, same in found.values():
        signatures = [system.normalizer.normalize(one.event) for one in (arriving, earlier)]
        vectors = system.encoder.encode(signatures)
        told = system.store.candidates(project, arriving.event, signatures[0], vectors[0]).common
        common = told if isinstance(told, Commonness) else NOTHING_KNOWN
        features = pair_features(signatures[0], vectors[0], signatures[1], vectors[1], common)
        odds = float(model.raw(features[None, :])[0])
        pairs.append(DecidedPair(arriving=signatures[0], earlier=signatures[1], odds=odds, same=same))
    return pairs


def train_decisions(system: System, *, adopt: bool | None = None, track: bool = True) -> DecisionsTrained:
    """Learn from the decisions of every project in the store; kept as a version and put to use where it holds.

    A project's lessons are used from `LEAST` decisions on, where they foretell its decisions better than the model
    alone, each from the others. adopt: True takes those of every project, False puts nothing to use. track: as a run
    in MLflow. Raises `InputError` where nobody has decided anything, `MissingExtra`, `ModelError`, `StoreError`.
    """
    if track and not can_track():
        raise MissingExtra("tracking a training run (leave it out with --no-track)", "train")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    entry, folder = find_model("grouper", model_folders(system.settings))
    model = PairModel.load(folder)
    learned: list[ProjectLearned] = []
    shifts: dict[str, dict[str, float]] = {}
    for project in system.store.projects():
        pairs = decided_pairs(system, project, model)
        if not pairs:
            continue
        found = learn(pairs)
        before, after = (float(losses.mean()) for losses in left_out(pairs))
        used = bool(found) and (adopt is True or (len(pairs) >= LEAST and after < before))
        if used:
            shifts[project] = found
        learned.append(
            ProjectLearned(
                project=project,
                decisions=len(pairs),
                same=sum(pair.same for pair in pairs),
                loss_before=before,
                loss=after,
                parts=len(found),
                used=used,
            )
        )
    if not learned:
        raise InputError(
            "nobody has decided about patterns yet: there is nothing to learn from",
            hint="ems pattern merge, split or apart, or the pages of the dashboard; then train again",
        )
    lessons = Lessons(shifts=shifts, base=entry.version)
    said = _said(learned)
    if not shifts:
        return DecisionsTrained(version=None, adopted=False, projects=tuple(learned), said=said, lessons=lessons)
    version = _kept(system, lessons, learned, said, started, track=track)
    if adopt is not False:
        use(system.settings.models, version.name)
    return DecisionsTrained(
        version=version, adopted=adopt is not False, projects=tuple(learned), said=said, lessons=lessons
    )


def _pairs_of(system: System, decision: HumanDecision) -> Iterator[tuple[StoredEvent, StoredEvent, bool]]:
    """The pair that a decision is about, where its events are still there."""
    if decision.action not in ("merge", "apart", "split"):
        return
    payload, project = decision.payload, decision.project
    source, target = str(payload["source"]), str(payload["target"])
    if decision.action == "split":
        moved = system.store.events.get(project, str(payload["events"][0]))
        left = moved and (_compared(system, project, moved, source) or _example(system, project, source))
        if moved and left and left.pattern == moved.pattern:  # what it was compared with has moved too
            left = _example(system, project, source)
        if moved and left:
            yield moved, left, False
        return
    one, other = _example(system, project, source), _example(system, project, target)
    if one is None or other is None:
        return
    same = decision.action == "merge"
    if shown := _compared(system, project, one, target):
        yield one, shown, same
    elif shown := _compared(system, project, other, source):
        yield other, shown, same
    else:
        yield (one, other, same) if one.time >= other.time else (other, one, same)


def _compared(system: System, project: str, stored: StoredEvent, pattern: str) -> StoredEvent | None:
    """The example of a pattern that an event was compared with when it arrived."""
    near = next((one for one in stored.assignment.nearest if one.pattern == pattern), None)
    return None if near is None else system.store.events.get(project, near.example)


def _example(system: System, project: str, pattern: str) -> StoredEvent | None:
    try:
        return system.store.events.get(project, system.store.pattern(pattern, follow=False).example)
    except NotFound:
        return None


def _said(learned: list[ProjectLearned]) -> str:
    used = [one.project for one in learned if one.used]
    count = sum(one.decisions for one in learned)
    if not used:
        return f"{count} decisions teach nothing yet that holds: the model alone foretells them as well"
    return f"{count} decisions; what they teach is used in {', '.join(used)}"


def _kept(
    system: System, lessons: Lessons, learned: list[ProjectLearned], said: str, started: str, *, track: bool
) -> Version:
    with TemporaryDirectory(prefix="ems-decisions-") as scratch:
        made = Path(scratch)
        lessons.save(made / LESSONS)
        rows = [asdict(one) for one in learned]
        about = {"base": lessons.base, "projects": rows}
        entry = entry_for(made / LESSONS, name=LESSONS, kind="lessons", version=lessons.version, about=about)
        known = evaluation_of(system.settings.models) or shipped("models") / EVALUATION
        told = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
        (made / EVALUATION).write_text(json.dumps(told | {"decisions": rows}, indent=1) + "\n", encoding="utf-8")
        count = sum(one.decisions for one in learned)
        version = Version(name="", when=started, data=f"{count} decisions about patterns", said=said, better=True)
        version = keep(system.settings.models, made, [entry], version, with_those_in_use=True)
        if track:
            from ems_ml.build.training import tracked

            whole = copy_set(model_folders(system.settings), made / "models", lessons=made / LESSONS)
            metrics = {f"loss {one.project}": one.loss for one in learned}
            metrics |= {f"loss before {one.project}": one.loss_before for one in learned}
            params = {"data": version.data, "version": version.name, "lessons": lessons.version}
            run = tracked(system, whole, made / EVALUATION, params=params, metrics=metrics)
            system.bus.publish(ModelTrained(name="ems", version=run.registered, run=run.id))
            version = note_run(system.settings.models, version, run.id)
    return version
