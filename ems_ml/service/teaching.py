"""Use cases of training on a team's own errors and of the versions of models: plain values for people and programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ems_ml.build import Gathered, Looked, OwnTrained, System, Version, look_at, train_decisions, train_own
from ems_ml.build import versions as kept_versions
from ems_ml.errors import UsageError

KINDS = ("trace", "label", "time", "project")
SHOWN = 500  # characters of a cell in a sample
LOOKED_AT = 5_000  # characters of a cell that are redacted to show it
SAMPLED = 5  # rows of it
SHIPPED = "shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A set of models that can be used: a trained one, or the shipped one."""

    name: str
    when: str
    data: str
    score: Mapping[str, Any]  # of top 1: value, low, high, shipped ...; empty where it was not compared
    said: str
    better: bool | None
    used: bool
    run: str | None = None


def look(
    system: System,
    data: Path,
    *,
    columns: Mapping[str, str | None] | None = None,
    encoding: str | None = None,
    count: bool = False,
) -> dict[str, Any]:
    """What a file or folder holds and what its columns are taken for. Nothing is learnt. count: read all, and count."""
    found = look_at(system, data, told=columns, encoding=encoding, count=count)
    redact = system.redactor.redact_text
    return looked_to_json(found) | {
        "sample": [
            {name: _shown(redact(str(value)[:LOOKED_AT])) for name, value in row.values.items() if value is not None}
            for row in found.guess.sample[:SAMPLED]
        ]
    }


def train(
    system: System,
    data: Path,
    *,
    columns: Mapping[str, str | None] | None = None,
    encoding: str | None = None,
    adopt: bool | None = None,
    track: bool = True,
    sample: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:
    """Train on a team's own errors; answers what `ems train --data FILE --json` prints."""
    more = {} if sample is None else {"sample": sample}
    made = train_own(
        system,
        data,
        told=columns,
        encoding=encoding,
        adopt=adopt,
        track=track,
        seed=seed,
        progress=progress,
        **more,
    )
    return trained_to_json(made)


def learn_decisions(system: System, *, adopt: bool | None = None, track: bool = True) -> dict[str, Any]:
    """Learn from people's decisions; answers what `ems train --decisions --json` prints (`docs/api/train.md`)."""
    made = train_decisions(system, adopt=adopt, track=track)
    return {
        "version": made.version.name if made.version else None,
        "adopted": made.adopted,
        "said": made.said,
        "projects": [asdict(one) for one in made.projects],
        "run": made.version.run if made.version else None,
    }


def looked_to_json(looked: Looked) -> dict[str, Any]:
    """The columns as they were guessed, and what was counted."""
    table, guess = looked.table, looked.guess
    return {
        **(_counts(looked.counted) if looked.counted else {}),
        "data": {"name": table.name, "kind": table.kind, "said": table.said},
        "columns": asdict(guess.columns),
        "why": dict(guess.why),
        "names": list(guess.names),
    }


def _counts(counted: Gathered) -> dict[str, Any]:
    return {
        "rows": {
            "read": counted.rows,
            "labelled": counted.labelled,
            "unlabelled": counted.unlabelled,
            "not_used": counted.lost,
        },
        "reasons": _reasons(counted),
        "labels": [{"name": name, "rows": count} for name, count in counted.labels],
    }


def _reasons(gathered: Gathered) -> list[dict[str, Any]]:
    return [
        {"reason": one.reason, "count": one.count, "lost": one.lost, "places": list(one.places)}
        for one in gathered.reasons
    ]


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def trained_to_json(made: OwnTrained) -> dict[str, Any]:
    """The public answer (`docs/api/train.md`): fields may be added, never renamed."""
    gathered, split = made.gathered, made.split
    trained = split.parts["train"]
    learnt = set(trained.strategies)
    return {
        "version": made.version.name,
        "adopted": made.adopted,
        "better": made.judged.better,
        "said": made.judged.said,
        **looked_to_json(made.looked),
        "rows": {
            "read": gathered.rows,
            "labelled": gathered.labelled,
            "unlabelled": gathered.unlabelled,
            "not_in_the_sample": gathered.left_out,
            "understood": len(gathered.examples),
            "not_used": gathered.lost,
        },
        "reasons": _reasons(gathered),
        "labels": [
            {"name": name, "rows": count, "learnt": name in learnt, "once": name in split.once}
            for name, count in gathered.labels
        ],
        "split": {
            "by": split.by,
            "said": split.said,
            "causes": {name: part.causes for name, part in split.parts.items()},
            "traces": {name: len(part) for name, part in split.parts.items()},
            "labels_left_out": list(split.once),
            "repeats_left_out": split.repeats,
            "later_left_out": split.later,
            "causes_with_several_labels": split.disagree,
        },
        "scores": [asdict(one) for one in made.judged.scores],
        "scores_on_strategies": [asdict(one) for one in made.judged.known],
        "baseline": made.judged.baseline_name,
        "recipe": asdict(made.recipe),
        "run": made.version.run,
        "seconds": round(made.seconds, 1),
    }


def list_versions(system: System) -> list[VersionRow]:
    """The shipped models and every trained set, the oldest first; one of them is in use. Raises `ModelError`."""
    models = system.settings.models
    used = kept_versions.in_use(models)
    rows = [_row(one, used) for one in kept_versions.versions(models)]
    first = VersionRow(name=SHIPPED, when="", data="as installed", score={}, said="", better=None, used=used == SHIPPED)
    older = VersionRow(
        name="(unnamed)", when="", data="own models from before versions were kept", score={}, said="", better=None,
        used=True,
    )  # fmt: skip
    return [first, *([] if used else [older]), *rows]


def _row(one: Version, used: str) -> VersionRow:
    return VersionRow(
        name=one.name,
        when=one.when,
        data=one.data,
        score=one.score.get("top 1", {}),
        said=one.said,
        better=one.better,
        used=one.name == used,
        run=one.run,
    )


def use_version(system: System, name: str) -> tuple[str, str]:
    """Put a version, or `shipped`, to use; answers (now, before). Raises `NotFound`, `ModelError`."""
    if not name.strip():
        raise UsageError("no version was named", hint="ems models list tells them")
    before = kept_versions.use(system.settings.models, name.strip())
    return kept_versions.in_use(system.settings.models), before


def roll_back(system: System) -> tuple[str, str]:
    """Go back to the set that was in use before; answers (now, before). Raises `UsageError` where there is none."""
    return kept_versions.rollback(system.settings.models)


def column_options(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """kind -> column as it was told; a dash means that there is none."""
    return {kind: "" if given.get(kind) == "-" else given.get(kind) for kind in KINDS}


def said_scores(answer: Mapping[str, Any]) -> Sequence[tuple[str, str, str, str]]:
    """The scores as rows of text: name, ours, shipped, baseline, each with its interval."""
    return [
        (
            one["name"],
            _interval(one["value"], one["low"], one["high"]),
            _interval(one["shipped"], one["shipped_low"], one["shipped_high"]),
            _interval(one["baseline"], one["baseline_low"], one["baseline_high"]),
        )
        for one in answer["scores"]
    ]


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.0%} ({low:.0%} to {high:.0%})"
