"""What the cache holds, as events with their labels: planted faults, also in several versions, replayed crashes, told
fixes.

The events have real lines (`Frame.code`) where a trace has them; the shipped data, made by `ems_ml.harvest.compose`,
have none. Labels are columns of `ems_ml.dataset.COLUMNS`, but for `split`; lines of a change come as shapes only.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ems_ml.dataset import project_name
from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.told import HISTORY_VERSION
from ems_ml.harvest.traces import digest
from ems_ml.harvest.types import HARVEST_VERSION, KEPT
from ems_ml.source.shapes import shape, words
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Role

Labelled = tuple[ErrorEvent, Mapping[str, Any]]
MOST_CHANGED = 40  # lines of each side of a fix that are kept, as shapes


def corpus_folder(cache: Path) -> Path:
    """Where the harvest keeps its packages: `cache` is `Settings.cache`."""
    return cache / "harvest" / f"v{HARVEST_VERSION}"


def releases_folder(cache: Path) -> Path:
    """Where faults in several versions are kept, a corpus and its ledgers a package: `cache` is `Settings.cache`."""
    return corpus_folder(cache) / "releases"


def histories_folder(cache: Path) -> Path:
    """Where the walks over histories keep their projects: `cache` is `Settings.cache`."""
    return cache / "history" / f"v{HISTORY_VERSION}"


def corpus_events(folder: Path) -> Iterator[Labelled]:
    """Each trace that counts of the planted faults in a `corpus_folder`, packages by name.

    Beside the columns there is the label "text": the trace as Python printed it.
    """
    for ledger_file in sorted(folder.glob("*/ledger.json")):
        ledger = json.loads(ledger_file.read_text(encoding="utf-8"))
        for record in read_corpus(ledger_file.with_name("corpus.jsonl")):
            if record["outcome"] != KEPT:
                continue
            labels = _of_fault("fault", record["fault"]["id"], ledger, record["fault"])
            for trace in record["traces"]:
                event = _event(trace, labels["group"], project_name(ledger["package"]), ledger["version"])
                yield event, {**labels, "test": trace["test"].partition("[")[0], "text": trace["text"]}


def release_events(folder: Path) -> Iterator[Labelled]:
    """Each trace that counts of the faults that were planted in several versions, in a `releases_folder`.

    The cause is that of the fault in the newest version, in whichever version it was planted.
    """
    for ledger_file in sorted(folder.glob("*.json")):
        ledgers = {one["version"]: one for one in json.loads(ledger_file.read_text(encoding="utf-8"))}
        for record in read_corpus(ledger_file.with_suffix(".jsonl")):
            ledger = ledgers.get(record["version"])
            if ledger is None or record["outcome"] != KEPT:
                continue
            labels = _of_fault("release", record["group"], ledger, record["fault"])
            for trace in record["traces"]:
                seed = f"{record['group']} {ledger['version']}"  # two versions may give the same trace
                event = _event(trace, seed, project_name(ledger["package"]), ledger["version"])
                yield event, {**labels, "test": trace["test"].partition("[")[0]}


def replay_events(folder: Path) -> Iterator[Labelled]:
    """Each trace of the replayed crashes in a `histories_folder`; the strategies may be none."""
    for ledger_file in sorted(folder.glob("*/replay-ledger.json")):
        ledger = json.loads(ledger_file.read_text(encoding="utf-8"))
        project = project_name(ledger["project"])
        for record in read_corpus(ledger_file.with_name("replay.jsonl")):
            if record["outcome"] != KEPT:
                continue
            fix = record["fix"]
            labels = {
                **_of_commit("replay", project, record, fix),
                "fault_line": fix.get("line"),
                "python": ledger["python"],
            }
            for trace in record["traces"]:
                event = _event(trace, labels["group"], project, labels["version"])
                yield event, {**labels, "test": trace["test"].partition("[")[0]}


def told_events(folder: Path) -> Iterator[Labelled]:
    """Each fix that a message tells in a `histories_folder`, as an event without a message.

    Its one frame is the first place of the old code that was changed: where the fault lay, which need not be where
    it was raised. None where the change has no such place.
    """
    for ledger_file in sorted(folder.glob("*/told-ledger.json")):
        project = project_name(json.loads(ledger_file.read_text(encoding="utf-8"))["project"])
        for record in read_corpus(ledger_file.with_name("told.jsonl")):
            place = next(iter(record.get("shapes", ())), None)
            labels = {
                **_of_commit("told", project, record, record),
                "words": record["words"],
                "fault_line": place["line"] if place else None,
                "python": "",
                "test": "",
            }
            frame = place and Frame(
                file=place["file"],
                function=place["function"].rpartition(".")[2] or "<module>",
                line=place["line"],
                shape=tuple(place["shape"]),
                words=tuple(place["words"]),
            )
            yield (
                ErrorEvent(
                    id=hashlib.sha256(f"told {labels['group']}".encode()).hexdigest()[:32],
                    error=ExceptionRecord(type=record["type"], frames=(frame,) if frame else ()),
                    parser="harvest",
                    project=project,
                    release=labels["version"],
                    source="harvest",
                ),
                labels,
            )


def _of_fault(kind: str, group: str, ledger: Mapping[str, Any], fault: Mapping[str, Any]) -> dict[str, Any]:
    """What the traces of a planted fault have in common."""
    condition = fault.get("condition")
    removed, added = _difference(fault.get("after", ()), fault.get("before", ()))
    return {
        "version": ledger["version"],
        "kind": kind,
        "group": group,
        "strategy": fault["strategy"],
        "strategies": ({"name": fault["strategy"], "score": 1.0},),
        "fault_file": fault.get("file") or "",
        "fault_line": fault.get("line"),
        "fault_function": fault.get("function") or "",
        "fault_note": fault.get("note") or "",
        "removed": removed,
        "added": added,
        "condition": json.dumps(condition, sort_keys=True) if condition else "",
        "python": ledger["python"],
        "harvest": HARVEST_VERSION,
    }


def _of_commit(kind: str, project: str, record: Mapping[str, Any], fix: Mapping[str, Any]) -> dict[str, Any]:
    """What the fixes of a history have in common. A commit is one cause, whether told or replayed."""
    commit = record["commit"]
    ranked = [{"name": name, "score": score} for name, score in fix["strategies"]]
    return {
        "version": commit[:12],
        "kind": kind,
        "group": f"{project}@{commit[:20]}",
        "strategy": ranked[0]["name"] if ranked else "",
        "strategies": ranked,
        "fault_file": fix.get("file") or "",
        "fault_function": fix.get("function") or "",
        "fault_note": "",
        "removed": _shapes(fix.get("removed", ())),
        "added": _shapes(fix.get("added", ())),
        "commit": commit,
        "time": record["time"],
        "harvest": HISTORY_VERSION,
    }


def _difference(faulty: Sequence[str], healthy: Sequence[str]) -> tuple[list[list[str]], list[list[str]]]:
    """The shapes of the lines that mending takes away and brings in."""
    old, new = ([line.strip() for line in lines] for lines in (faulty, healthy))
    removed, added = [], []
    for kind, start, end, low, high in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            removed += old[start:end]
            added += new[low:high]
    return _shapes(removed), _shapes(added)


def _shapes(lines: Sequence[str]) -> list[list[str]]:
    found = (list(shape(line.strip())) for line in lines)
    return [tokens for tokens in found if tokens][:MOST_CHANGED]


def _event(trace: Mapping[str, Any], seed: str, project: str, version: str) -> ErrorEvent:
    return ErrorEvent(
        id=digest({**trace, "message": f"{seed} {trace['message']}"}),
        error=_record(trace),
        chain=tuple(_record(cause) for cause in trace["chain"]),
        parser="harvest",
        project=project,
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
