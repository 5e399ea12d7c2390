"""The shipped data set out of the cache: a file a kind and their card, without a source line.

What is left out on the way is counted, for the card: what one function, file or strategy has too much of, what says
the same twice, and what stands near-equal in another split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ems_ml import dataset
from ems_ml.errors import InputError
from ems_ml.harvest.card import write_card
from ems_ml.harvest.corpus import (
    Labelled,
    corpus_events,
    corpus_folder,
    histories_folder,
    release_events,
    releases_folder,
    replay_events,
    told_events,
)
from ems_ml.harvest.ledgers import Ledgers, LeftOut, cached_ledgers, read_ledgers, write_ledgers
from ems_ml.ports import Redactor
from ems_ml.source.shapes import known_token
from ems_ml.types import ErrorEvent, ExceptionRecord

if TYPE_CHECKING:
    import pandas as pd

MOST_ALIKE = 0.15  # of a project's planted faults that give the very same error, where they are more than `ALIKE`
ALIKE = 10
MOST_PER_FUNCTION = 8  # planted faults, of all strategies
MOST_PER_FILE = 80  # planted faults
MOST_OF_STRATEGY = 0.125  # of a split's planted faults, where a strategy has more than `FEW`
FEW = 50
MOST_TOLD = 200  # of one project
_WORTH = ("replay", "test", "tune", "train")  # of two near-equal rows the one in the later split goes

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What `build_dataset` has written."""

    path: Path  # the folder
    rows: int
    groups: int
    projects: int
    kinds: Mapping[str, int]  # rows of each


def build_dataset(
    cache: Path,
    *,
    redactor: Redactor,
    out: Path,
    add: bool = False,
    splits: Mapping[str, str] = dataset.SPLITS,
    strategies: Sequence[str] | None = None,
) -> Built:
    """Write a data file for each kind, their card `README.md` and what was counted, `ledgers.json`, into `out`.

    cache: `Settings.cache`. add: what lies in `out` stays, but for the projects, kind by kind, that the cache holds:
    so a data set grows where the cache of its first harvest is gone. Without it the same cache gives the same files,
    and a kind that it does not hold is not in `out` afterwards. splits: each project's split; one that is not named is
    for training. strategies: the names that may be labels, where the caller knows them. All is validated before it
    replaces an older data set. Raises `InputError` where the cache is empty, where `add` finds no ledgers in `out`,
    or where the whole breaks a promise of `ems_ml.dataset.validate`.
    """
    histories = histories_folder(cache)
    ledgers = cached_ledgers(cache)
    readers: Mapping[str, Iterable[Labelled]] = {
        "replay": replay_events(histories),
        "fault": corpus_events(corpus_folder(cache)),
        "told": told_events(histories),
        dataset.RELEASE: release_events(releases_folder(cache)),
    }
    left_out: LeftOut = Counter()
    rows = [
        row for kind, events in readers.items() for row in _rows(kind, events, redactor, splits, strategies, left_out)
    ]
    if not rows:
        raise InputError(f"{cache} holds nothing that counts", hint="harvest first: ems harvest faults PACKAGE...")
    if add:
        earlier = read_ledgers(out).without(ledgers)
        rows += _kept_rows(out, earlier, splits)
        ledgers = ledgers.joined(earlier)

    for rule in _RULES:
        dropped = [(row["event"], row["kind"], row["project"], why) for row, why in rule(rows)]
        left_out.update((kind, project, why) for _, kind, project, why in dropped)
        gone = {event for event, *_ in dropped}
        rows = [row for row in rows if row["event"] not in gone]
    frame = _write(rows, out, strategies)
    ledgers = ledgers.leaving_out(left_out)
    write_ledgers(out, ledgers)
    write_card(out / "README.md", frame, ledgers)
    return Built(
        path=out,
        rows=len(frame),
        groups=frame["group"].nunique(),
        projects=frame["project"].nunique(),
        kinds={kind: int((frame["kind"] == kind).sum()) for kind in dataset.FILES},
    )


def _rows(
    kind: str,
    events: Iterable[Labelled],
    redactor: Redactor,
    splits: Mapping[str, str],
    strategies: Sequence[str] | None,
    left_out: LeftOut,
) -> Iterator[Row]:
    """The rows of one kind, each different one once."""
    known = None if strategies is None else set(strategies)
    ids: set[str] = set()
    keys: set[object] = set()
    for event, labels in events:
        if not labels["strategy"] or (known is not None and labels["strategy"] not in known):
            left_out[kind, event.project, "no strategy recognised"] += 1
            continue
        own = {key: value for key, value in labels.items() if key != "text"}
        own["strategies"] = [one for one in labels["strategies"] if known is None or one["name"] in known]
        split = dataset.split_of(labels["kind"], event.project, splits)
        row = dataset.row_from_event(_bare(event, redactor), **own, split=split)
        key = dataset.trace_key(row)
        if event.id in ids or key in keys:
            left_out[kind, event.project, "the same trace of one cause again"] += 1
            continue
        ids.add(event.id)
        keys.add(key)
        yield row


def _kept_rows(folder: Path, earlier: Ledgers, splits: Mapping[str, str]) -> Iterator[Row]:
    """The rows of an older data set whose project and kind its remaining ledgers name, each in today's split."""
    for kind, projects in earlier.projects.items():
        path = folder / dataset.FILES[kind]
        if not projects or not path.is_file():
            continue
        frame = dataset.read_data(path)
        for row in frame[frame["project"].isin(projects)].drop(columns="shapes").to_dict("records"):
            yield {
                **{str(name): value for name, value in row.items()},
                "split": dataset.split_of(kind, str(row["project"]), splits),
            }


def _bare(event: ErrorEvent, redactor: Redactor) -> ErrorEvent:
    """The event redacted, and without lines of code: neither in its frames nor in its messages."""
    records = (event.error, *event.chain)
    code = {frame.code for record in records for frame in record.frames if frame.code}

    def strip(record: ExceptionRecord) -> ExceptionRecord:
        return replace(record, frames=tuple(replace(frame, code=None) for frame in record.frames))

    clean = redactor.redact(event.with_(error=strip(event.error), chain=tuple(map(strip, event.chain))))

    def mask(record: ExceptionRecord) -> ExceptionRecord:
        return replace(record, message=dataset.masked(record.message, code))

    return clean.with_(error=mask(clean.error), chain=tuple(map(mask, clean.chain)))


def _told_and_replayed(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    replayed = {row["group"] for row in rows if row["kind"] == "replay"}
    for row in rows:
        if row["kind"] == "told" and row["group"] in replayed:
            yield row, "replayed: the crash itself is there"


def _of_the_run(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    """Rows with an error that so many faults of a project give that it tells of how they were run, and of none."""
    faults: dict[object, set[str]] = {}
    alike: dict[object, set[str]] = {}
    planted = [row for row in rows if row["kind"] in dataset.PLANTED]
    for row in planted:
        faults.setdefault((row["kind"], row["project"]), set()).add(row["group"])
        alike.setdefault((row["kind"], dataset.error_key(row)), set()).add(row["group"])
    for row in planted:
        most = max(ALIKE, MOST_ALIKE * len(faults[row["kind"], row["project"]]))
        if len(alike[row["kind"], dataset.error_key(row)]) > most:
            yield row, "the same error from many faults of the project: of the run, and of none of them"


def _enough_of_function(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    def function(row: Row) -> object:
        return row["project"], row["fault_file"], row["fault_function"]

    yield from _beyond(rows, "fault", function, MOST_PER_FUNCTION, "enough of that function")


def _enough_of_file(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    yield from _beyond(
        rows, "fault", lambda row: (row["project"], row["fault_file"]), MOST_PER_FILE, "enough of that file"
    )


def _enough_of_project(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    yield from _beyond(rows, "told", lambda row: row["project"], MOST_TOLD, "enough of that project")


def _beyond(
    rows: Sequence[Row], kind: str, unit: Callable[[Row], object], most: int, why: str
) -> Iterator[tuple[Row, str]]:
    """The rows of the causes that a unit has beyond `most`; which causes stay depends on their ids only."""
    groups: dict[object, set[str]] = {}
    for row in rows:
        if row["kind"] == kind:
            groups.setdefault(unit(row), set()).add(row["group"])
    kept = {unit_: set(sorted(names)[:most]) for unit_, names in groups.items()}
    for row in rows:
        if row["kind"] == kind and row["group"] not in kept[unit(row)]:
            yield row, why


def _enough_of_strategy(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    for split in dataset.SPLIT_NAMES:
        part = [row for row in rows if row["kind"] == "fault" and row["split"] == split]
        most = max(FEW, int(MOST_OF_STRATEGY * len({row["group"] for row in part})))
        yield from _beyond(part, "fault", lambda row: row["strategy"], most, "enough of that strategy")


def _near_equal(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    """Rows whose trace, or whose fix, stands in a split that judges more strictly, too.

    Faults in several versions come last: they push nothing of the other kinds out.
    """
    seen: dict[object, str] = {}
    for row in sorted(rows, key=lambda row: (row["kind"] == dataset.RELEASE, _WORTH.index(row["split"]))):
        split = str(row["split"])
        found = (("trace", dataset.twin_key(row)), ("fix", dataset.fix_key(row)))
        keys = [(name, key) for name, key in found if key is not None]
        if any(seen.get(key, split) != split for key in keys):
            yield row, "near-equal to one in another split"
        else:
            for key in keys:
                seen[key] = split


#: In this order; each yields the rows that it leaves out, and why.
_RULES: Sequence[Callable[[Sequence[Row]], Iterator[tuple[Row, str]]]] = (
    _told_and_replayed,
    _of_the_run,
    _enough_of_function,
    _enough_of_file,
    _enough_of_project,
    _enough_of_strategy,
    _near_equal,
)


def _write(rows: Sequence[Row], out: Path, strategies: Sequence[str] | None) -> pd.DataFrame:
    """Writes the files beside the old ones, checks them as they will be read, and puts them in place."""
    import pandas as pd

    staged = {kind: out / f"{name}.new" for kind, name in dataset.FILES.items()}
    try:
        for kind, path in staged.items():
            dataset.write_rows((row for row in rows if row["kind"] == kind), path)
        read = {kind: dataset.read_data(path) for kind, path in staged.items()}
        frame = pd.concat([part for part in read.values() if len(part)], ignore_index=True)
        dataset.validate(frame, allowed_shape=known_token, strategies=strategies)
        for kind, path in staged.items():
            final = out / dataset.FILES[kind]
            if len(read[kind]):
                path.replace(final)
            else:
                final.unlink(missing_ok=True)
    finally:
        for path in staged.values():
            path.unlink(missing_ok=True)
    return frame
