"""The data set card: what the shipped data are, how they were made, and what they must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ems_ml.dataset import COLUMNS
from ems_ml.harvest.types import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

_TEXT = """\
# Data: historical errors with known causes

`faults.parquet` holds {rows:,} tracebacks of {groups:,} faults in {projects} Python packages. Each fault was planted on
purpose in healthy, tested code; each traceback is a real one, of a test of that package that the fault broke. So the
cause is known (`group`: traces of one fault), and so is the kind of fix (`strategy`: whose absence was planted).
No line of the packages' source is in it: code appears as the shape of a line (syntax kinds, operators, builtin names,
placeholders) beside the sorted set of the words of its identifiers. File, module and function names, exception types
and redacted messages stay.

```python
import ems_ml

frame = ems_ml.load_data()
```

## How it was made, and how to rebuild it

```
{command}
```

For each package: fetch its source distribution, run its tests on healthy code twice, note under coverage which test
reaches which line. Then plant one fault at a time on a reached line, run the tests that reach it in a sandbox
(limits on time and memory, no network, a read-only tree, an unprivileged user), and keep the tracebacks that were
raised in the package's own code or below it; at most 10 a fault, equal ones once. The raw corpus with real lines and
the changes themselves stays in the cache (`EMS_CACHE`), outside this repository. Versions change, so the same command
finds the same faults only for the versions named in it.

## What each package gave

Every planted fault has exactly one outcome. "asserted" are faults that only failing assertions noticed; their traces
are not kept, because they tell of the test and not of the fault.

{ledger}

Isolation while harvesting: {isolation}.

## Faults and traces by split and strategy

A package is in one split only, so a model is judged on packages that it has never seen.

{strategies}

## Columns

{columns}

## Known biases

- The faults are planted, one at a time, by rules: real mistakes are messier, come several at once, and more often
  change behaviour without an exception. The share of each strategy says how often it could be planted and broke a
  test loudly, not how often people need it; `ranker` figures on these data are not a promise about other errors.
- Well tested pure-Python libraries of text, data structures and command lines. No database, network, async service
  or numerical code; no environment errors.
- Every trace was raised under pytest on Python {python}; test frames are marked by `role` and are never a feature.
- Faults that no test notices, or only assertions, are not here; deep faults in well asserted code are rarer than
  in life.
- Strategies overlap; two thirds of real fixes have a fair second name. `strategy` is the planted one only.

## Not to be used for

Rating the packages or their authors (they are healthy; we broke them), ranking test suites, or reconstructing source.
"""

_HEADS = ("kept", "survived", "asserted", "elsewhere", "import", "timeout", "memory", "crashed")


def write_card(path: Path, frame: pd.DataFrame, ledgers: Sequence[Mapping[str, Any]]) -> None:
    """Write the card for `frame`, which these ledgers gave."""
    path.write_text(
        _TEXT.format(
            rows=len(frame),
            groups=frame["group"].nunique(),
            projects=frame["project"].nunique(),
            command=rebuild_command(ledgers),
            ledger=_ledger_table(ledgers, frame),
            isolation=", ".join(sorted({ledger["isolation"] for ledger in ledgers})),
            strategies=_strategy_table(frame),
            columns=_table(("column", "meaning"), [(f"`{name}`", text) for name, text in COLUMNS.items()]),
            python=", ".join(sorted(set(frame["python"]))),
        ),
        encoding="utf-8",
    )


def rebuild_command(ledgers: Sequence[Mapping[str, Any]]) -> str:
    """The one command that makes these data again."""
    names = " ".join(f"{ledger['package']}=={ledger['version']}" for ledger in ledgers)
    most = max(ledger["per_package"] for ledger in ledgers)
    return f"ems harvest faults --per-package {most} --out data {names}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _ledger_table(ledgers: Sequence[Mapping[str, Any]], frame: pd.DataFrame) -> str:
    traces = frame["project"].value_counts()
    splits = frame.groupby("project")["split"].first()
    rows = [
        (
            ledger["package"],
            ledger["version"],
            ledger["licence"],
            splits.get(ledger["package"], "-"),
            ledger["tests"],
            ledger["planted"],
            *(ledger["outcomes"][name] for name in OUTCOMES),
            traces.get(ledger["package"], 0),
        )
        for ledger in ledgers
    ]
    return _table(("package", "version", "licence", "split", "tests", "planted", *_HEADS, "traces"), rows)


def _strategy_table(frame: pd.DataFrame) -> str:
    faults = frame.drop_duplicates("group").groupby(["strategy", "split"]).size().unstack(fill_value=0)
    splits = [split for split in ("train", "tune", "test") if split in faults.columns]
    totals = faults[splits].sum(axis=1).sort_values(ascending=False, kind="stable")
    traces = frame["strategy"].value_counts()
    rows = [
        (f"`{name}`", *(faults.loc[name, split] for split in splits), totals[name], traces[name])
        for name in totals.index
    ]
    sums = ("all", *(faults[split].sum() for split in splits), totals.sum(), len(frame))
    return _table(("strategy", *(f"{split}: faults" for split in splits), "faults", "traces"), [*rows, sums])
