"""The data set card: what the shipped data are, how they were made, and what they must not be used for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ems_ml import dataset
from ems_ml.dataset import ALL_SPLITS, COLUMNS, FILES, KINDS, RELEASE, project_name
from ems_ml.harvest.card_releases import released, releases_command, releases_table, without_table
from ems_ml.harvest.ledgers import Ledger, Ledgers
from ems_ml.harvest.markdown import NONE, table
from ems_ml.harvest.reasons import ENOUGH, why_few
from ems_ml.harvest.types import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd


_TEXT = """\
# Data: historical errors with known causes

{rows:,} rows of {groups:,} causes in {projects} projects, of three kinds that are never confused:

{kinds}

- **`fault`**: a fault was planted on purpose in a healthy, tested package; the traceback is a real one, of a test of
  that package which the fault broke. The cause is known, and so is what mends it: the reversal. A few have healthy code
  and a bad environment, made so while one statement ran: what was wrong with it is their `condition`.
- **`replay`**: a real crash. The new tests of a commit were run on the code before it; where they raised in the
  project's own code, and pass after it, that commit mended that crash. What mends it is what `recognise` reads in the
  diff.
- **`told`**: a fix whose message or changelog names the exception that it mends. Nothing was run: there is no stack and
  no message, only the exception's type, the place that was changed, and what changed. For priors and for studies; not a
  trace, and its type is as true as the message.

No line of anybody's source is in it: code appears as the shape of a line (syntax kinds, operators, builtin names,
placeholders) beside the sorted set of the words of its identifiers, and a commit's message as its sorted set of words.
File, module and function names, exception types and redacted messages stay; a line of code within a message is
replaced by `<code>`. A check in the tests reads every cell.

```python
import ems_ml

frame = ems_ml.load_data("fault")  # or "replay", "told", several of them, or all
```

Beside them, and only where it is asked for: `release`, the same faults in several versions of a package (below).

The wheel holds all of it ({megabytes:.1f} MB). `labels.csv`, where it is there, holds labels that were given by hand to
replayed fixes: commit, project, two independent readings (`pass1`, `pass2`) and what was settled on (`agreed`: the
primary strategy, then after a `|` each that is also true). `python -m tests.benchmarks labels` judges `recognise` by
it. `labels-train.csv` holds labels of one reading for the arbiter of `recognise` to learn from, of projects that
`labels.csv` has none of.

## How it was made, and how to rebuild it

```
{command}
{releases_command}
ems harvest history REPO...          # replays the fixes of git histories
ems harvest history --told REPO...   # reads what their messages tell
ems harvest build --out data
```

For each package: fetch its source distribution, run its tests on healthy code twice, note under coverage which test
reaches which line. Then plant one fault at a time on a reached line, run the tests that reach it in a sandbox
(limits on time and memory, no network, a read-only tree, an unprivileged user), and keep the tracebacks that were
raised in the package's own code or below it; at most 10 a fault, equal ones once. The raw corpora with real lines and
the changes themselves stay in the cache (`EMS_CACHE`), outside this repository; the last command makes the files and
this card of all that is in it, in one go; with `--add` what lies in `data` stays, but for the projects that the cache
holds. `ledgers.json` is what was counted. Versions change, so the first finds the same faults only for the versions
named in it.

## Splits

A project is in one split only, so a model is judged on projects that it has never seen; the table is
`ems_ml/dataset/splits.py`, and related projects stand together. Told fixes follow the same table, so a project that is
for tuning or judging has none of its told fixes in training; histories outside the table are for training.

**Every replayed crash is in the split `replay`**, and nothing is fitted, tuned or chosen on it. {overlap}

{splits}

## What each package gave

Every planted fault has exactly one outcome. "asserted" are faults that only failing assertions noticed; their traces
are not kept, because they tell of the test and not of the fault.

{ledger}

Isolation while harvesting: {isolation}.

## What each history gave

Replayed: every candidate (a commit that changes little source, and tests with it) has exactly one outcome.

{replays}

{replay_outcomes}

Told: every commit is told, or left out for one reason.

{told}

{told_reasons}

## The same fault in several versions

`ems_ml.load_data("release")` (`releases.parquet`):
{released}.

Faults are drawn in the newest version as above (their ids are those of `fault`, so a cause may be in both files); each
that gives a trace is sought in older ones: the same strategy that replaces the same lines by the same, layout aside, in
the function of the same file and name, or where there is none, in the one whose text is nearest. Its cause is the fault
in the newest version. To judge whether errors of one cause are still one pattern when lines shift and functions move;
models learn nothing from these rows, and the counts and shares elsewhere on this card leave them out.

{releases}

Faults without a counterpart in an older version, by reason:

{without}

## What was left out in building

So that no function, file, strategy or project swamps the set, nothing near-equal stands in two splits, and no label
stands beside an error that came of the run and not of the fault:

{left_out}

Two traces are near-equal when they have the same type and the same functions with the same lines in the project's own
part of the stack; two real fixes, when they change the same shapes in functions of one name. Of such a pair the row in
the split that judges less strictly goes (train before tune before test before replay).

## Causes by strategy

{strategies}

Those with fewer than {enough} causes that were run (`fault` and `replay`), and why:

{few}

## Known biases: planted and real, side by side

Shares of causes. "planted" is `fault`, "real" is `replay`; `told` are fixes that somebody found worth naming.

{lopsided}

### Exception types

{types}

### Strategies

{strategy_shares}

### Shape of the traces

{depths}

{ambiguous}

### And

- The faults are planted, one at a time, by rules: real mistakes are messier, come several at once, and more often
  change behaviour without an exception. The share of a planted strategy says how often it could be planted and broke a
  test loudly, not how often people need it; figures on planted faults are not a promise about other errors.
- Replayed crashes are those that came with a test: mended with care, by projects that test, and still runnable on
  today's interpreter. Older commits, compiled code and crashes in production that nobody wrote a test for are missing.
- Told fixes are those whose author named the exception, by its exact name. The strategy of both is read by a
  program: hand labels say how often it is right.
- Well tested open-source Python, mostly libraries. Every trace was raised under pytest on Python {python}; test frames
  are marked by `role` and are never a feature.
- Faults that no test notices, or only assertions, are not here; deep faults in well asserted code are rarer than
  in life.
- Strategies overlap; two thirds of real fixes have a fair second name (`strategies`). Of `fault` only the planted
  one is told.

## Columns

{columns}

## Licences

The rows hold facts about errors and abstractions of lines, no text of the projects' code. The projects' own licences,
as they declare them: {licences}.

## Not to be used for

- Rating packages, projects or their authors: the planted faults are ours, and a mended crash speaks for a project.
- Ranking test suites, or saying how often an error happens in life: the counts are those of our rules.
- Reconstructing source, or finding out who wrote what: there are no authors in it, and the commits are only named so
  that a fix can be looked up where it is published.
- A figure "on real errors" from `fault` rows, or from `replay` rows of which anything was learnt.
"""

_HEADS = ("kept", "survived", "asserted", "elsewhere", "import", "timeout", "memory", "disk", "crashed")
_PLAIN_LICENCE = re.compile(r"[\w.+-]+(?: (?:OR|AND|WITH) [\w.+-]+)*")
_OF_A_FOLDER = re.compile("[0-9a-f]{12}")  # a folder's version is what it holds
_TOP = 18  # rows of a table of shares


def write_card(path: Path, frame: pd.DataFrame, ledgers: Ledgers) -> None:
    """Write the card for `frame`, which these ledgers gave."""
    several, frame = frame[frame["kind"] == RELEASE], frame[frame["kind"] != RELEASE]
    causes = frame.drop_duplicates("group")
    run = frame[frame["kind"] != "told"]
    licences = {str(one["licence"]) for one in (*ledgers.replays, *ledgers.told)}
    licences |= {_licence(one, ledgers) for one in ledgers.faults}
    size = sum(file.stat().st_size for name in FILES.values() if (file := path.with_name(name)).exists())
    path.write_text(
        _TEXT.format(
            rows=len(frame),
            groups=len(causes),
            projects=frame["project"].nunique(),
            kinds=_kinds(frame),
            megabytes=size / 1e6,
            command=rebuild_command(ledgers.faults),
            releases_command=releases_command(ledgers.releases),
            released=released(several),
            releases=releases_table(ledgers.releases, several),
            without=without_table(ledgers.releases),
            overlap=_overlap(frame),
            splits=_splits(causes),
            ledger=_packages(ledgers, frame),
            isolation=", ".join(sorted({one["isolation"] for one in ledgers.faults})) or NONE,
            replays=_replays(ledgers.replays, frame),
            replay_outcomes=_reasons("outcome", [one["outcomes"] for one in ledgers.replays]),
            told=_told(ledgers.told, frame),
            told_reasons=_reasons("left out", [one["left_out"] for one in ledgers.told]),
            left_out=table(
                ("kind", "reason", "rows"), [(f"`{kind}`", why, rows) for kind, why, rows in ledgers.reasons()]
            ),
            strategies=_strategies(causes),
            enough=ENOUGH,
            few=_few(causes),
            lopsided=_lopsided(causes),
            types=_shares(causes.assign(type=causes["type"].str.split(".").str[-1]), "type"),
            strategy_shares=_shares(causes, "strategy"),
            depths=_depths(run),
            ambiguous=_ambiguous(run),
            columns=table(("column", "meaning"), [(f"`{name}`", text) for name, text in COLUMNS.items()]),
            python=", ".join(sorted(set(run["python"]))),
            licences=", ".join(sorted(licences)),
        ),
        encoding="utf-8",
    )


def rebuild_command(ledgers: Sequence[Ledger]) -> str:
    """The one command that makes the planted faults again."""
    if not ledgers:
        return "ems harvest faults PACKAGE..."
    names = " ".join(
        f"./{ledger['package']}"
        if _OF_A_FOLDER.fullmatch(ledger["version"])
        else f"{ledger['package']}=={ledger['version']}"
        for ledger in ledgers
    )
    most = max(ledger["per_package"] for ledger in ledgers)
    return f"ems harvest faults --per-package {most} {names}"


def _kinds(frame: pd.DataFrame) -> str:
    parts = {kind: frame[frame["kind"] == kind] for kind in KINDS}
    return table(
        ("kind", "file", "rows", "causes", "projects"),
        [
            (
                f"`{kind}`",
                f"`{FILES[kind]}`",
                f"{len(part):,}",
                f"{part['group'].nunique():,}",
                part["project"].nunique(),
            )
            for kind, part in parts.items()
            if len(part)
        ],
    )


def _overlap(frame: pd.DataFrame) -> str:
    """How many of the replayed crashes are of projects that models learn from."""
    replayed = frame[frame["kind"] == "replay"].drop_duplicates("group")
    if replayed.empty:
        return "There is none in these data yet."
    learnt = {
        kind: replayed["project"]
        .isin(frame.loc[(frame["kind"] == kind) & (frame["split"] == "train"), "project"])
        .sum()
        for kind in ("fault", "told")
    }
    return (
        f"Of the {len(replayed)} replayed causes, {learnt['fault']} are of projects with planted faults in training, "
        f"and {learnt['told']} of projects with told fixes in training; a figure for unseen projects leaves those "
        "out, of the crashes or of what was learnt."
    )


def _splits(causes: pd.DataFrame) -> str:
    rows = []
    for split in ALL_SPLITS:
        part = causes[causes["split"] == split]
        for kind in KINDS:
            some = part[part["kind"] == kind]
            if len(some):
                rows.append(
                    (split, f"`{kind}`", some["project"].nunique(), len(some), ", ".join(sorted(set(some["project"]))))
                )
    return table(("split", "kind", "projects", "causes", "which"), rows)


def _licence(ledger: Ledger, ledgers: Ledgers) -> str:
    """As the package declares it; where it does not name one plainly, as the files of its history say."""
    declared = str(ledger["licence"])
    histories = {project_name(one["project"]): str(one["licence"]) for one in (*ledgers.replays, *ledgers.told)}
    return declared if _PLAIN_LICENCE.fullmatch(declared) else histories.get(project_name(ledger["package"]), declared)


def _packages(ledgers: Ledgers, frame: pd.DataFrame) -> str:
    planted = frame[frame["kind"] == "fault"]
    rows = []
    for ledger in ledgers.faults:
        part = planted[
            (planted["project"] == project_name(ledger["package"])) & (planted["version"] == ledger["version"])
        ]
        outcomes = [ledger["outcomes"].get(name, 0) for name in OUTCOMES]
        split = part["split"].iloc[0] if len(part) else "-"
        about = (
            ledger["package"],
            ledger["version"],
            _licence(ledger, ledgers),
            split,
            ledger["tests"],
            ledger["planted"],
        )
        rows.append((*about, *outcomes, part["group"].nunique(), len(part)))
    head = ("package", "version", "licence", "split", "tests", "planted", *_HEADS, "causes here", "traces here")
    return table(head, rows)


def _replays(ledgers: Sequence[Ledger], frame: pd.DataFrame) -> str:
    real = frame[frame["kind"] == "replay"]
    rows = []
    for ledger in ledgers:
        part, outcomes = real[real["project"] == project_name(ledger["project"])], ledger["outcomes"]
        rest = sum(outcomes.values()) - outcomes.get("kept", 0) - outcomes.get("feature", 0)
        rows.append(
            (ledger["project"], ledger["licence"], sum(outcomes.values()), outcomes.get("kept", 0),
             outcomes.get("feature", 0), rest, part["group"].nunique(), len(part), "; ".join(ledger.get("notes", ())))
        )  # fmt: skip
    head = ("history", "licence", "candidates", "kept", "feature only", "other", "causes here", "traces here", "notes")
    return table(head, rows)


def _told(ledgers: Sequence[Ledger], frame: pd.DataFrame) -> str:
    fixes = frame.loc[frame["kind"] == "told", "project"].value_counts()
    return table(
        ("history", "licence", "commits", "told", "here", "notes"),
        [
            (one["project"], one["licence"], one["commits"], one["told"], fixes.get(project_name(one["project"]), 0),
             "; ".join(one.get("notes", ())))
            for one in ledgers
        ],
    )  # fmt: skip


def _reasons(name: str, counts: Sequence[Mapping[str, int]]) -> str:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return table((name, "commits"), total.most_common())


def _strategies(causes: pd.DataFrame) -> str:
    columns = [(kind, split) for kind in KINDS for split in ALL_SPLITS]
    counts = causes.groupby(["strategy", "kind", "split"]).size()
    columns = [pair for pair in columns if pair in {key[1:] for key in counts.index}]
    totals = causes["strategy"].value_counts()
    rows = [
        (f"`{name}`", *(counts.get((name, *pair), 0) for pair in columns), totals[name])
        for name in sorted(totals.index, key=lambda name: (-totals[name], name))
    ]
    sums = ("all", *(sum(row[place] for row in rows) for place in range(1, len(columns) + 2)))
    return table(
        ("strategy", *(f"{kind}: {split}" if kind != split else kind for kind, split in columns), "all"), [*rows, sums]
    )


def _few(causes: pd.DataFrame) -> str:
    counts = Counter(causes[causes["kind"] != "told"]["strategy"])
    return table(
        ("strategy", "causes", "why there are not more"),
        [(f"`{name}`", counts.get(name, 0), why) for name, why in why_few(counts).items()],
    )


def _shares_by_kind(causes: pd.DataFrame, column: str) -> pd.DataFrame:
    """Share of causes for each value of a column (rows) in each kind that is there (columns), largest first."""
    import pandas as pd

    shares = pd.crosstab(causes[column], causes["kind"], normalize="columns")
    shares = shares[[kind for kind in KINDS if kind in shares]]
    return (
        shares.assign(most=shares.max(axis=1)).sort_values("most", ascending=False, kind="stable").drop(columns="most")
    )


def _shares(causes: pd.DataFrame, column: str) -> str:
    shares = _shares_by_kind(causes, column)
    shown = shares.head(_TOP)
    rows = [
        (f"`{name}`", *(f"{share:.1%}" for share in row))
        for name, row in zip(shown.index, shown.to_numpy(), strict=True)
    ]
    if len(shares) > _TOP:
        rows.append((f"{len(shares) - _TOP} others", *(f"{share:.1%}" for share in shares.iloc[_TOP:].sum())))
    return table((column, *shares.columns), rows)


def _lopsided(causes: pd.DataFrame) -> str:
    """What planted faults have too much and too little of, in words, by the two distributions."""
    if not {"fault", "replay"} <= set(causes["kind"]):
        return "There are no planted and replayed errors in these data to compare."
    lines = []
    plain = causes.assign(type=causes["type"].str.rpartition(".")[2])
    for column, what in (("type", "errors"), ("strategy", "strategies")):
        shares = _shares_by_kind(plain, column)
        gap = shares["fault"] - shares["replay"]
        for words, some in (("too much", gap.sort_values(ascending=False)), ("too little", gap.sort_values())):
            names = [
                name for name in some.index if abs(some[name]) >= 0.02 and (some[name] > 0) == (words == "too much")
            ]
            told = ", ".join(
                f"`{name}` ({shares['fault'][name]:.0%} planted, {shares['replay'][name]:.0%} real)"
                for name in names[:6]
            )
            lines.append(f"- Planted faults give **{words}** of these {what}: {told or 'none by two points or more'}.")
    return "\n".join(lines)


def _depths(run: pd.DataFrame) -> str:
    """Medians and tenths of what a stack is made of, by kind."""
    rows = []
    for kind in KINDS:
        part = run[run["kind"] == kind]
        if part.empty:
            continue
        own = part["frames"].map(lambda stack: sum(frame["role"] == "app" for frame in stack))
        below = part["frames"].map(lambda stack: stack[-1]["role"] != "app")
        per_cause = part.groupby("group").size()
        low, middle, high = own.quantile([0.1, 0.5, 0.9])
        chained = (part["chain"].map(len) > 0).mean()
        silent = (part["message"] == "").mean()
        rows.append(
            (f"`{kind}`", f"{middle:.0f} ({low:.0f} to {high:.0f})", f"{below.mean():.1%}", f"{chained:.1%}",
             f"{silent:.1%}", f"{per_cause.mean():.1f}")
        )  # fmt: skip
    head = (
        "kind",
        "own frames: median (tenths)",
        "raised below own code",
        "with a cause",
        "no message",
        "traces a cause",
    )
    return table(head, rows)


def _ambiguous(run: pd.DataFrame) -> str:
    """How many causes no reader of the trace could tell apart: another cause of the project gives the same trace."""
    owners: dict[object, set[str]] = {}
    keys = []
    for row in run.to_dict("records"):
        key = (row["project"], dataset.trace_key({**row, "group": ""}))
        owners.setdefault(key, set()).add(str(row["group"]))
        keys.append((key, str(row["group"]), str(row["strategy"])))
    strategy = {group: name for _, group, name in keys}
    shared = {group for key, group, _ in keys if len(owners[key]) > 1}
    other = {group for key, group, name in keys if any(strategy[one] != name for one in owners[key])}
    return (
        f"Of the {len(strategy):,} causes that were run, {len(shared):,} give a trace that another cause of the "
        f"project gives, too, to the line, and {len(other):,} one that has another strategy there: nobody can tell "
        "these by reading, so no figure on these data can reach 1."
    )
