"""A harvest's cache with a few made rows of each kind, for what builds or shows the data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
TIME = "2020-09-30T15:15:56+02:00"


def frame(file: str, function: str, line: int, code: str, role: str = "app") -> Record:
    module = file.removesuffix(".py").replace("/", ".")
    return {
        "file": file,
        "function": function,
        "line": line,
        "module": module,
        "code": code,
        "role": role,
        "repeated": 0,
    }


def trace(kind: str, message: str, *frames: Record, test: str = "tests/test_a.py::test_one[3]") -> Record:
    called = frame("tests/test_a.py", "test_one", 5, "assert call(3)", "test")
    return {
        "test": test,
        "when": "call",
        "text": f"{kind}: {message}\n",
        "type": kind,
        "message": message,
        "relation": None,
        "frames": [called, *frames],
        "chain": [],
    }


def fault(number: int, strategy: str, *traces: Record, function: str = "total", **changes: Any) -> Record:
    told = {
        "id": f"{number:020x}",
        "strategy": strategy,
        "file": "shop/prices.py",
        "line": 3,
        "function": function,
        "note": "drops a test for None",
        "start": 2,
        "before": ["    if row is not None:\n", "        use(row)\n"],
        "after": ["    use(row)\n"],
        **changes,
    }
    return {
        "fault": told,
        "outcome": "kept" if traces else "survived",
        "traces": list(traces),
        "asserted": 0,
        "seconds": 1,
    }


def replay(commit: str, *traces: Record, strategies: Sequence[tuple[str, float]] = (("guard_none", 0.9),)) -> Record:
    return {
        "commit": commit,
        "parent": "f" * 40,
        "time": TIME,
        "outcome": "kept" if traces else "feature",
        "fix": {
            "file": "shop/cart.py",
            "line": 7,
            "function": "Cart.add",
            "strategies": [list(pair) for pair in strategies],
            "removed": ["    self.rows[name].count += count"],
            "added": ["    if name in self.rows:", "        self.rows[name].count += count"],
        },
        "tests": ["tests/test_cart.py::test_add"],
        "traces": list(traces),
        "seconds": 1.0,
    }


def told(
    commit: str, kind: str = "KeyError", strategy: str = "default_missing", code: str = "return rows[name]"
) -> Record:
    from ems_ml.source.shapes import shape, words

    place = {
        "file": "shop/cart.py",
        "function": "Cart.add",
        "line": 9,
        "shape": list(shape(code)),
        "words": list(words(code)),
    }
    return {
        "commit": commit,
        "time": TIME,
        "type": kind,
        "where": "subject",
        "main": True,
        "words": ["fix", kind.lower()],
        "strategies": [[strategy, 0.8], ["catch_exception", 0.2]],
        "file": place["file"],
        "function": place["function"],
        "shapes": [place],
        "removed": [f"    {code}"],
        "added": [f"    {code} if name in rows else None"],
        "digest": commit,
    }


def write_package(cache: Path, package: str, records: Sequence[Record], licence: str = "MIT") -> None:
    from ems_ml.harvest.types import OUTCOMES

    folder = cache / "harvest" / "v1" / f"{package}-1.0"
    ledger = {
        "package": package,
        "version": "1.0",
        "licence": licence,
        "python": "3.11.7",
        "per_package": 250,
        "isolation": "full",
        "tests": 12,
        "planted": len(records),
        "outcomes": {name: sum(one["outcome"] == name for one in records) for name in OUTCOMES},
    }
    _write(folder, "corpus.jsonl", records, "ledger.json", ledger)


def write_history(
    cache: Path, project: str, *, replays: Sequence[Record] = (), tellings: Sequence[Record] = (), licence: str = "MIT"
) -> None:
    folder = cache / "history" / "v1" / project
    if replays:
        outcomes = {name: sum(one["outcome"] == name for one in replays) for name in ("kept", "feature")}
        ledger = {"project": project, "licence": licence, "python": "3.11.7", "outcomes": outcomes, "notes": []}
        _write(folder, "replay.jsonl", replays, "replay-ledger.json", ledger)
    if tellings:
        ledger = {"project": project, "licence": licence, "commits": 90, "left_out": {"reverts": 2}}
        ledger |= {"told": len(tellings), "notes": []}
        _write(folder, "told.jsonl", tellings, "told-ledger.json", ledger)


def write_releases(
    cache: Path, package: str, versions: Mapping[str, Sequence[Record]], without: Mapping[str, int]
) -> None:
    """Faults in several versions, the newest first; each list holds those of the newest in the same order."""
    from ems_ml.harvest.types import OUTCOMES

    newest = next(iter(versions))
    causes = [one["fault"]["id"] for one in versions[newest]]
    corpus, ledgers = [], []
    for version, records in versions.items():
        missing = {} if version == newest else dict(without)
        ledgers.append(
            {
                "package": package,
                "version": version,
                "newest": newest,
                "licence": "MIT",
                "python": "3.11.7",
                "per_package": 80,
                "isolation": "full",
                "tests": 12,
                "planted": len(records),
                "moved": 0,
                "outcomes": {name: sum(one["outcome"] == name for one in records) for name in OUTCOMES},
                "sought": 0 if version == newest else len(records) + sum(missing.values()),
                "without": missing,
            }
        )
        corpus += [{"version": version, "group": group, **one} for group, one in zip(causes, records, strict=True)]
    folder = cache / "harvest" / "v1" / "releases"
    name = f"{package}-{newest}"
    _write(folder, f"{name}.jsonl", corpus, f"{name}.json", ledgers)


def _write(folder: Path, corpus: str, records: Sequence[Record], name: str, ledger: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / corpus).write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / name).write_text(json.dumps(ledger))


def write_cache(cache: Path) -> None:
    """Three packages, one for each split, and two histories: six planted causes, two replayed, three told."""
    for start, package in ((0, "toolz"), (10, "packaging"), (20, "mistune")):
        raised = frame("shop/prices.py", f"total_{package}", 3, "return row.price * count")
        below = frame("lib/python3.11/json/decoder.py", "decode", 337, "obj, end = self.raw_decode(s)", "stdlib")
        write_package(
            cache,
            package,
            [
                fault(
                    start, "guard_none", trace("AttributeError", "'NoneType' object has no attribute 'price'", raised)
                ),
                fault(start + 1, "default_missing", trace("KeyError", f"'{package}'", raised, below)),
                fault(start + 2, "initialise"),
            ],
        )
    raised = frame("shop/cart.py", "add", 7, "self.rows[name].count += count")
    write_history(
        cache,
        "jinja",
        replays=[
            replay("a" * 40, trace("KeyError", "'tea'", raised)),
            replay("b" * 40, trace("TypeError", "no", raised), strategies=(("convert_type", 0.7), ("guard_none", 0.3))),
            replay("c" * 40),
            replay("d" * 40, trace("TypeError", "never", raised), strategies=()),
        ],
        tellings=[told("a" * 40), told("e" * 40)],
    )
    write_history(cache, "jsonschema", tellings=[told("1" * 40, "IndexError", "guard_empty", "return rows[0]")])
    write_history(cache, "dask", tellings=[told("2" * 40, "TypeError", "convert_type", "return names + other")])
