"""From the raw corpus in the cache to the shipped data, which hold no source line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ems_ml import dataset
from ems_ml.errors import InputError
from ems_ml.harvest.card import write_card
from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.traces import digest
from ems_ml.harvest.types import HARVEST_VERSION, KEPT, PackageLedger
from ems_ml.ports import Redactor
from ems_ml.source.shapes import known_token, shape, words
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What `build_dataset` has written."""

    path: Path
    rows: int
    groups: int
    projects: int


def corpus_folder(cache: Path) -> Path:
    """Where the harvest keeps its packages: `cache` is `Settings.cache`."""
    return cache / "harvest" / f"v{HARVEST_VERSION}"


def corpus_events(folder: Path) -> Iterator[tuple[ErrorEvent, Mapping[str, Any]]]:
    """Each trace that counts in a corpus folder, with its real lines (`Frame.code`), and its labels.

    The labels are the columns of `ems_ml.dataset.COLUMNS` that an event does not hold, but for `split`, and
    "text", the trace as Python printed it. Packages come in the order of their names.
    """
    for ledger_file in sorted(folder.glob("*/ledger.json")):
        ledger = json.loads(ledger_file.read_text(encoding="utf-8"))
        for record in read_corpus(ledger_file.with_name("corpus.jsonl")):
            if record["outcome"] != KEPT:
                continue
            fault = record["fault"]
            labels = {
                "version": ledger["version"],
                "kind": "fault",
                "group": fault["id"],
                "strategy": fault["strategy"],
                "fault_file": fault["file"],
                "fault_line": fault["line"],
                "fault_function": fault["function"],
                "fault_note": fault["note"],
                "python": ledger["python"],
                "harvest": HARVEST_VERSION,
            }
            for trace in record["traces"]:
                event = _event(trace, fault["id"], ledger["package"], ledger["version"])
                yield event, {**labels, "test": trace["test"].partition("[")[0], "text": trace["text"]}


def _event(trace: Mapping[str, Any], group: str, package: str, version: str) -> ErrorEvent:
    return ErrorEvent(
        id=digest({**trace, "message": f"{group} {trace['message']}"}),
        error=_record(trace),
        chain=tuple(_record(cause) for cause in trace["chain"]),
        parser="harvest",
        project=package,
        release=version,
        source="harvest",
        attributes={"test": trace["test"].partition("[")[0]},
    )


def _record(trace: Mapping[str, Any]) -> ExceptionRecord:
    frames = tuple(
        Frame(
            file=frame["file"],
            function=frame["function"],
            line=frame["line"],
            module=frame["module"],
            code=frame["code"] or None,
            in_app=frame["role"] == Role.APP,
            role=Role(frame["role"]),
            shape=shape(frame["code"]),
            words=words(frame["code"]),
            repeated=frame["repeated"],
        )
        for frame in trace["frames"]
    )
    return ExceptionRecord(type=trace["type"], message=trace["message"], frames=frames, relation=trace["relation"])


def build_dataset(
    folder: Path,
    *,
    redactor: Redactor,
    out: Path,
    splits: Mapping[str, str] = dataset.SPLITS,
    strategies: Sequence[str] | None = None,
) -> Built:
    """Write `faults.parquet` and the card `README.md` into the folder `out`, from all that `folder` holds.

    folder: `corpus_folder(cache)`. splits: each package's split; one that is not named is for training. strategies:
    the names that may be labels, where the caller knows them. The result is validated before it replaces an older
    one. Raises `InputError` where the corpus is empty or breaks a promise of `ems_ml.dataset.validate`.
    """
    rows, seen = [], set()
    for event, labels in corpus_events(folder):
        if event.id in seen:
            continue
        seen.add(event.id)
        own = {key: value for key, value in labels.items() if key != "text"}
        clean = redactor.redact(_without_code(event))
        rows.append(dataset.row_from_event(clean, **own, split=splits.get(event.project, "train")))
    if not rows:
        raise InputError(f"{folder} holds no trace that counts", hint="harvest first: ems harvest faults PACKAGE...")
    staged = out / "faults.parquet.new"
    dataset.write_rows(_distinct(rows), staged)
    frame = dataset.read_data(staged)
    try:
        dataset.validate(frame, allowed_shape=known_token, strategies=strategies)
    except InputError:
        staged.unlink()
        raise
    final = out / "faults.parquet"
    staged.replace(final)
    write_card(out / "README.md", frame, _ledgers(folder))
    return Built(path=final, rows=len(frame), groups=frame["group"].nunique(), projects=frame["project"].nunique())


def _without_code(event: ErrorEvent) -> ErrorEvent:
    def bare(record: ExceptionRecord) -> ExceptionRecord:
        return replace(record, frames=tuple(replace(frame, code=None) for frame in record.frames))

    return event.with_(error=bare(event.error), chain=tuple(map(bare, event.chain)))


def _distinct(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without traces of one fault that redaction has made equal."""
    kept: dict[object, Mapping[str, Any]] = {}
    for row in rows:
        kept.setdefault(dataset.trace_key(row), row)
    return list(kept.values())


def _ledgers(folder: Path) -> list[Mapping[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/ledger.json"))]
    assert all(field in ledger for ledger in found for field in PackageLedger.__dataclass_fields__)
    return found
