"""`ems regroup`: a project's errors before other models, what that changes, and the change itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from ems_ml.build import models
from ems_ml.build.system import System
from ems_ml.errors import LostRace, NotFound, UsageError
from ems_ml.events import PatternsRegrouped
from ems_ml.group import HeldExemplars, arrive_again, plan_of
from ems_ml.manifest import read_history
from ems_ml.ports import Encoder, Grouper
from ems_ml.regrouping import Arriving, Plan, Regrouping, Unit
from ems_ml.store.events import identity
from ems_ml.versions import begin_transition, end_transition, in_use, transition, use

RACES = 5  # how often a project is planned again where a person decided meanwhile

Progress = Callable[[str, int, int], None]


def _silent(what: str, done: int, total: int) -> None:
    """The progress display that shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with what it was made by, and what it would cost."""

    plan: Plan
    models: str
    epoch: int
    encoder: str  # the version of its vectors
    grouper: str
    rows: int  # that would be written; 0: there is nothing to do
    seconds: float  # that planning took


def plan_regrouping(
    system: System, *, project: str | None = None, version: str | None = None, progress: Progress = _silent
) -> list[Planned]:
    """What a set of models would change in each project, or in one; nothing is written.

    version: "v2", "shipped"; None: the models in use. Raises `NotFound` for a project or version that is not there.
    """
    name, encoder, grouper = _models(system, version)
    return [_plan(system, one, name, encoder, grouper, progress) for one in _projects(system, project)]


def apply_regrouping(
    system: System,
    *,
    project: str | None = None,
    version: str | None = None,
    days: float | None = None,
    actor: str = "cli",
    progress: Progress = _silent,
) -> list[Regrouping]:
    """Regroup each project, or one, in a transaction each, and put the models to use; what was written.

    A project in which nothing changes is left out. Run again after it was interrupted, it does what is left. For
    `days` (None: as the settings say) the models before are asked beside them. Raises as `plan_regrouping` does, and
    `UsageError` for one project with models that are not in use: they serve all projects.
    """
    name, encoder, grouper = _models(system, version)
    used, before = in_use(system.settings.models), _before(system, name)
    if project is not None and name != used:
        raise UsageError(
            f"{name} is not in use, and models serve all projects",
            hint=f"leave --project out, or first: ems models use {name}",
        )
    run, made = secrets.token_hex(8), []
    for one in _projects(system, project):
        written = _apply(system, one, name, used, encoder, grouper, run, actor, progress)
        if written is not None:
            made.append(written)
    folder = system.settings.models
    if name != used:
        use(folder, name)
    lasts = system.settings.transition_days if days is None else days
    if lasts and before != name and transition(folder) is None:
        begin_transition(folder, before, lasts)
    return made


def undo_regrouping(system: System, *, number: int | None = None, actor: str = "cli") -> list[Regrouping]:
    """Take back a regrouping, or all projects' of the last run, and with the last of a run the models that it brought.

    Raises `NotFound` where there is none, `UsageError` where it cannot be undone.
    """
    kept = [one for one in system.store.regroupings.listed() if one.undone is None]
    if number is not None:
        chosen = [number]
    elif kept:
        chosen = [one.number for one in kept if one.run == kept[0].run]
    else:
        raise NotFound("there is no regrouping to undo", hint="`ems regroup --list` shows those there were")
    back = [system.store.regroupings.undo(one, actor=actor) for one in chosen]
    for one in back:
        system.bus.publish(PatternsRegrouped(project=one.project, number=one.number, undone=True))
    last = back[-1]
    left = any(one.run == last.run and one.number not in chosen for one in kept)
    folder = system.settings.models
    if not left and last.models != last.models_before and in_use(folder) == last.models:
        use(folder, last.models_before)
    if transition(folder) is None or not left:
        end_transition(folder)
    return back


def _models(system: System, version: str | None) -> tuple[str, Encoder, Grouper]:
    """The name of the set, its encoder and its grouper."""
    used = in_use(system.settings.models)
    if version is None or version in (used, used.removeprefix("v")):
        line = system.line(record=False)
        return used, line.encoder, line.grouper
    name = f"v{version}" if version.isdigit() else version
    return name, models.load_encoder(system.settings, name), models.load_grouper(system.settings, name)


def _before(system: System, name: str) -> str:
    """The set to ask beside `name`: the one in use, or where that is `name`, the one in use before it."""
    used = in_use(system.settings.models)
    if name != used:
        return used
    history = read_history(system.settings.models)
    return history[-2] if len(history) > 1 else used


def _projects(system: System, project: str | None) -> Sequence[str]:
    known = system.store.projects()
    if project is None:
        return known
    if project not in known:
        raise NotFound(f"there is no project {project}", hint=f"those there are: {', '.join(known) or 'none yet'}")
    return [project]


def _plan(system: System, project: str, name: str, encoder: Encoder, grouper: Grouper, progress: Progress) -> Planned:
    started = perf_counter()
    units, binding, epoch = system.store.regroupings.state(project)
    arrived = arrive_again(
        _arriving(system, project, units, encoder, progress), grouper=grouper, index=HeldExemplars(), binding=binding
    )
    plan = plan_of(project, arrived, binding)
    rows = system.store.regroupings.rows(plan, encoder=encoder.version)
    return Planned(
        plan=plan,
        models=name,
        epoch=epoch,
        encoder=encoder.version,
        grouper=grouper.version,
        rows=rows,
        seconds=perf_counter() - started,
    )


def _arriving(
    system: System, project: str, units: Sequence[Unit], encoder: Encoder, progress: Progress
) -> Iterator[Arriving]:
    """The first event of each unit, normalised by today's rules and embedded."""
    done = 0
    for some in system.store.regroupings.firsts(units):
        progress(project, done, len(units))
        signatures = [system.normalizer.normalize(event) for _, event in some]
        vectors = encoder.encode(signatures)
        for (unit, event), signature, vector in zip(some, signatures, vectors, strict=True):
            yield Arriving(unit=unit, event=event, signature=signature, vector=vector, key=identity(event, signature))
        done += len(some)
    progress(project, done, len(units))


def _apply(
    system: System,
    project: str,
    name: str,
    before: str,
    encoder: Encoder,
    grouper: Grouper,
    run: str,
    actor: str,
    progress: Progress,
) -> Regrouping | None:
    started = perf_counter()
    for _ in range(RACES):
        planned = _plan(system, project, name, encoder, grouper, progress)
        try:
            written = system.store.regroupings.apply(
                planned.plan,
                epoch=planned.epoch,
                encoder=planned.encoder,
                run=run,
                actor=actor,
                models=name,
                models_before=before,
                seconds=perf_counter() - started,
            )
        except LostRace:
            continue  # a person decided meanwhile: plan again, so that the decision binds
        if written is not None:
            system.bus.publish(PatternsRegrouped(project=project, number=written.number, undone=False))
        return written
    raise LostRace(
        f"{RACES} times somebody decided in project {project} while it was planned",
        hint="run ems regroup again when it is quieter",
    )
