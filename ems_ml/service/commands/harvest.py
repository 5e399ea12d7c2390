"""`ems harvest`: training data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ems_ml.build import harvest
from ems_ml.service.commands.common import json_option, opened, print_json, table


@click.group("harvest", short_help="Make training data out of healthy packages.")
def command() -> None:
    """Make training data."""


@command.command("faults")
@click.argument("packages", metavar="PACKAGE[==VERSION]...", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the data set of the whole corpus there."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Packages at a time.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which faults are tried.")
@click.option("--per-package", type=click.IntRange(1), default=None, help="At most so many faults a package.")
@json_option
def faults(
    packages: tuple[str, ...], out: Path | None, jobs: int, seed: int, per_package: int | None, as_json: bool
) -> None:
    """Plant faults in packages from the index, run their own tests, keep the tracebacks of those that break.

    Every test runs in a sandbox. The corpus lies in the cache (EMS_CACHE); a run that was interrupted goes on.
    """
    with opened(process="harvest") as system:
        told = not as_json and sys.stderr.isatty()
        ledger, built = harvest(
            system, packages, out=out, jobs=jobs, seed=seed, per_package=per_package, progress=_told if told else _quiet
        )
    if told:
        click.echo(err=True)
    for package, why in ledger.problems.items():
        click.echo(f"ems: {package} is not harvested: {why}", err=True)
    if as_json:
        packages_ = [
            {"package": one.package, "version": one.version, "planted": one.planted, "outcomes": dict(one.outcomes)}
            for one in ledger.packages
        ]
        print_json(
            {
                "packages": packages_,
                "problems": dict(ledger.problems),
                "rows": built.rows if built else None,
                "out": str(built.path) if built else None,
            }
        )
        return
    table(
        [
            (one.package, one.version, one.planted, ", ".join(f"{n} {name}" for name, n in one.outcomes.items()))
            for one in ledger.packages
        ],
        ("package", "version", "planted", "outcomes"),
    )
    if built:
        click.echo(f"{built.rows} traces of {built.groups} faults in {built.path}")


def _told(package: str, planted: int, of: int, kept: int) -> None:
    click.echo(f"\r{package}: {planted} of {of} faults planted, {kept} kept   ", nl=False, err=True)


def _quiet(package: str, planted: int, of: int, kept: int) -> None:
    """Shows nothing."""
