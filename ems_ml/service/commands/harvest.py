"""`ems harvest`: training data."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ems_ml.build import (
    Bars,
    Ledger,
    bring_reports,
    build_data,
    harvest,
    harvest_versions,
    replay_history,
    tell_history,
)
from ems_ml.errors import UsageError
from ems_ml.service import exit_codes
from ems_ml.service.commands.common import json_option, opened, print_json, store_option, table

MOST_REASONS = 5  # of each outcome that are printed; the ledger has all


@click.group("harvest", short_help="Make training data out of healthy packages.")
def command() -> None:
    """Make training data."""


@command.command("faults")
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the data set of the whole corpus there."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Packages at a time, on cores.")
@click.option("--dask", metavar="ADDRESS", help="Spread the packages over the workers of this Dask scheduler instead.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which faults are tried.")
@click.option("--per-package", type=click.IntRange(1), default=None, help="At most so many faults a package.")
@click.option("--seconds", type=click.FloatRange(1), default=None, help="At most so long a package, once it is ready.")
@json_option
def faults(
    packages: tuple[str, ...],
    out: Path | None,
    jobs: int,
    dask: str | None,
    seed: int,
    per_package: int | None,
    seconds: float | None,
    as_json: bool,
) -> int:
    """Plant faults in packages, run their own tests, keep the tracebacks of those that break.

    PACKAGE is NAME or NAME==VERSION from the index, or a folder with a project's source (./my-project), which is
    copied and never changed. Every test runs in a sandbox. The corpus lies in the cache (EMS_CACHE); a run that was
    interrupted goes on. The exit code is 15 where a package could not be harvested, and another was.
    """
    told = not as_json and sys.stderr.isatty()
    with opened(process="harvest") as system, Bars() as bars:
        ledger, built = harvest(
            system,
            packages,
            out=out,
            jobs=jobs,
            dask=dask,
            seed=seed,
            per_package=per_package,
            seconds=seconds,
            progress=bars if told else _quiet,
        )
    if as_json:
        print_json(
            {
                "packages": [asdict(one) for one in ledger.packages],
                "problems": dict(ledger.problems),
                "rows": built.rows if built else None,
                "out": str(built.path) if built else None,
            }
        )
    else:
        _print_ledger(ledger)
        if built:
            click.echo(f"{built.rows} traces of {built.groups} faults in {built.path}")
    for package, why in ledger.problems.items():
        click.echo(f"ems: {package} is not harvested: {why}", err=True)
    return exit_codes.SOME_FAILED if ledger.problems else exit_codes.OK


def _print_ledger(ledger: Ledger) -> None:
    """One line a package, every planted fault in exactly one of its outcomes."""
    outcomes = list(ledger.packages[0].outcomes)
    rows: list[tuple[object, ...]] = []
    for one in ledger.packages:
        each = f"{one.seconds / one.planted:.2f}" if one.planted else "-"
        counts = [one.outcomes[name] for name in outcomes]
        rows.append((one.package, one.version, one.tests, one.planted, *counts, one.traces, each))
    if len(rows) > 1:
        planted = sum(one.planted for one in ledger.packages)
        sums = [sum(one.outcomes[name] for one in ledger.packages) for name in outcomes]
        each = f"{sum(one.seconds for one in ledger.packages) / planted:.2f}" if planted else "-"
        rows.append(("all", "", sum(one.tests for one in ledger.packages), planted, *sums, ledger.traces, each))
    table(rows, ("package", "version", "tests", "planted", *outcomes, "traces", "s/fault"))


@command.command("releases")
@click.argument("package", metavar="PACKAGE")
@click.argument("versions", metavar="VERSION...", nargs=-1, required=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which faults are tried.")
@click.option("--per-package", type=click.IntRange(1), default=None, help="Draw at most so many faults.")
@click.option("--seconds", type=click.FloatRange(1), default=None, help="At most so long a version, once it is ready.")
@json_option
def releases(
    package: str, versions: tuple[str, ...], seed: int, per_package: int | None, seconds: float | None, as_json: bool
) -> int:
    """Plant the same faults in several versions of a package, the newest VERSION first.

    Faults are drawn and run in the first version as `ems harvest faults` does. Those that give a trace are sought in
    the others, also where their lines have shifted or their function has moved, and run there: one cause, told by the
    tests of several releases. The corpus lies in the cache (EMS_CACHE), apart from that of `ems harvest faults`; a
    run that was interrupted goes on. The exit code is 15 where an older version could not be harvested.
    """
    told = not as_json and sys.stderr.isatty()
    with opened(process="harvest") as system, Bars() as bars:
        ledger = harvest_versions(
            system,
            package,
            versions,
            seed=seed,
            per_package=per_package,
            seconds=seconds,
            progress=bars if told else _quiet,
        )
    if as_json:
        print_json({"versions": [asdict(one) for one in ledger.packages], "problems": dict(ledger.problems)})
    else:
        _print_releases(ledger)
    for version, why in ledger.problems.items():
        click.echo(f"ems: {version} is not harvested: {why}", err=True)
    return exit_codes.SOME_FAILED if ledger.problems else exit_codes.OK


def _print_releases(ledger: Ledger) -> None:
    """One line a version, then why faults were not found."""
    found = [asdict(one) for one in ledger.packages]
    head = ("package", "version", "tests", "sought", "planted", "moved", "traces")
    rows = [(*(one[name] for name in head), one["outcomes"]["kept"], sum(one["without"].values())) for one in found]
    table(rows, (*head, "kept", "no counterpart"))
    for one in found:
        for why, count in one["without"].items():
            click.echo(f"{one['package']} {one['version']}: {count} without a counterpart: {why}")


@command.command("history")
@click.argument("repos", metavar="REPO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--told", is_flag=True, help="Keep the fixes that commit messages tell; no test is run.")
@click.option("--name", default=None, help="The project's name, for one REPO; else its folder's name.")
@click.option("--since", metavar="DATE", default=None, help="Leave out what was committed before; else 2016 replays.")
@click.option("--seconds", type=click.FloatRange(1), default=None, help="Replay at most so long a history.")
@click.option("--python", default=None, help="Run the tests with this interpreter; else with the one that runs ems.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Histories at a time.")
@json_option
def history(
    repos: tuple[Path, ...],
    told: bool,
    name: str | None,
    since: str | None,
    seconds: float | None,
    python: str | None,
    jobs: int,
    as_json: bool,
) -> int:
    """Read real fixes out of git histories: folders with a clone, bare or not. Nothing in them is changed.

    Each commit that changes little code and its tests is replayed: its new tests run on the code before it, in a
    sandbox and an environment of its time. Where a test that passes after the fix raises in the project's code before
    it, that is a real crash with its real fix. With --told, no test is run: each commit counts that changes little
    code and says which exception it mends. What was found lies in the cache (EMS_CACHE), with a ledger of what was
    left out and why; a run that was interrupted goes on. The exit code is 15 where a REPO is no history, and the
    others were read.
    """
    showing = not as_json and sys.stderr.isatty()
    with opened(process="harvest") as system:
        if told:
            if seconds is not None or python is not None:
                raise UsageError("--told runs no test", hint="leave --seconds and --python out")
            by_message = tell_history(
                system, repos, name=name, since=since, jobs=jobs, progress=_read if showing else _quiet
            )
            ledgers, problems = [asdict(one) for one in by_message.ledgers], by_message.problems
        else:
            with Bars(unit="commit") as bars:
                replayed = replay_history(
                    system,
                    repos,
                    name=name,
                    since=since,
                    seconds=seconds,
                    python=python,
                    jobs=jobs,
                    progress=bars if showing else _quiet,
                )
            ledgers, problems = [asdict(one) for one in replayed.ledgers], replayed.problems
    if showing and told:
        click.echo(err=True)
    for repo, why in problems.items():
        click.echo(f"ems: {repo} is not read: {why}", err=True)
    if as_json:
        print_json({"histories": ledgers, "problems": dict(problems)})
    elif told:
        rows = [
            (one["project"], one["commits"], one["told"], one["licence"], "; ".join(one["notes"])) for one in ledgers
        ]
        table(rows, ("project", "commits", "told fixes", "licence", "notes"))
    else:
        _print_replays(ledgers)
    return exit_codes.SOME_FAILED if problems else exit_codes.OK


def _print_replays(ledgers: list[dict[str, Any]]) -> None:
    """One line a history, every candidate in exactly one of its outcomes; what never came is left out."""
    shown = [name for name in ledgers[0]["outcomes"] if any(one["outcomes"][name] for one in ledgers)]
    rows: list[tuple[object, ...]] = []
    for one in ledgers:
        tried = sum(one["outcomes"].values())
        each = f"{one['seconds'] / tried:.2f}" if tried else "-"
        counts = [one["outcomes"][name] for name in shown]
        rows.append((one["project"], one["commits"], tried, *counts, one["untried"], one["traces"], each))
    table(rows, ("history", "commits", "tried", *shown, "untried", "traces", "s each"))
    for one in ledgers:
        for note in one["notes"]:
            click.echo(f"{one['project']}: {note}")
        for outcome, reasons in one["reasons"].items():
            for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1])[:MOST_REASONS]:
                click.echo(f"{one['project']}: {outcome} ({count}): {reason}")
        if one["relabelled"]:
            click.echo(f"{one['project']}: {one['relabelled']} commits of earlier runs have other labels now")


@command.command("reports")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--project", default="default", show_default=True, help="Whose errors these are.")
@store_option
@json_option
def reports(files: tuple[Path, ...], project: str, store: str | None, as_json: bool) -> int:
    """Bring in the failures of past test runs: files of pytest --report-log or --junitxml, plain or compressed.

    Each is stored and grouped with the time of its run. A run that was read before adds nothing. What cannot be read
    is counted and told, and the exit code is then 15.
    """
    with opened(store=store) as system:
        found = bring_reports(system, files, project=project)
    for one in found:
        for problem in one.problems:
            click.echo(f"ems: {one.file}: {problem}", err=True)
        if one.broken > len(one.problems):
            click.echo(f"ems: {one.file}: and {one.broken - len(one.problems)} more of this kind", err=True)
    if as_json:
        print_json({"files": [asdict(one) for one in found]})
    else:
        table(
            [(one.failures, one.stored, one.again, one.patterns, one.broken, one.file) for one in found],
            ("failures", "stored", "again", "new patterns", "not read", "file"),
        )
    return exit_codes.SOME_FAILED if any(one.broken for one in found) else exit_codes.OK


@command.command("build")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="The folder that the files and their card are written into.",
)
@click.option("--add", is_flag=True, help="Keep what lies there of projects that the cache does not hold.")
@json_option
def build_(out: Path, add: bool, as_json: bool) -> None:
    """Write the data set of all that the cache (EMS_CACHE) holds: planted faults, replayed crashes, told fixes.

    Nothing is harvested, and no project's code is run. The same cache gives the same files; a kind that it does not
    hold is not in the folder afterwards, unless --add keeps it. What breaks a promise of the data set replaces nothing.
    """
    with opened(process="harvest") as system:
        built = build_data(system, out, add=add)
    if as_json:
        print_json(
            {
                "out": str(built.path),
                "rows": built.rows,
                "causes": built.groups,
                "projects": built.projects,
                "kinds": dict(built.kinds),
            }
        )
        return
    table([(kind, rows) for kind, rows in built.kinds.items()], ("kind", "rows"))
    click.echo(f"{built.rows} rows of {built.groups} causes in {built.path}")


def _read(project: str, done: int, of: int, told: int) -> None:
    click.echo(f"\r{project}: {done} of {of} commits read, {told} fixes told   ", nl=False, err=True)


def _quiet(package: str, planted: int, of: int, kept: int) -> None:
    """Shows nothing."""
