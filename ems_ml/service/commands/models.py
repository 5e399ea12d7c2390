"""`ems models`: every trained set of models, which one is in use, and the way back."""

from __future__ import annotations

from dataclasses import asdict

import click

from ems_ml.service import teaching
from ems_ml.service.commands.common import json_option, opened, percent, print_json, shorten, table


@click.group("models", short_help="Which models are in use, and the way back.")
def command() -> None:
    """Every trained set is kept as a version. One is in use, or the shipped one is; processes that run notice a change
    with their next answer."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The shipped models and every trained set, with the score beside the shipped models' and which is in use."""
    with opened() as system:
        rows = teaching.list_versions(system)
    if as_json:
        print_json([asdict(one) for one in rows])
        return
    table(
        [
            (
                "*" if one.used else "",
                one.name,
                one.when[:16].replace("T", " "),
                percent(one.score["value"]) if one.score else "",
                percent(one.score["shipped"]) if one.score else "",
                {True: "yes", False: "no", None: ""}[one.better],
                shorten(one.data, 60),
            )
            for one in rows
        ],
        ("", "version", "when (UTC)", "top 1", "shipped", "better", "data"),
    )


@command.command()
@click.argument("version", metavar="VERSION|shipped")
@json_option
def use(version: str, as_json: bool) -> None:
    """Put a version to use, or the shipped models. Its files are checked first."""
    with opened() as system:
        now, before = teaching.use_version(system, version)
    _told(now, before, as_json)


@command.command()
@json_option
def rollback(as_json: bool) -> None:
    """Go back to the models that were in use before."""
    with opened() as system:
        now, before = teaching.roll_back(system)
    _told(now, before, as_json)


def _told(now: str, before: str, as_json: bool) -> None:
    if as_json:
        print_json({"used": now, "before": before})
    elif now == before:
        click.echo(f"{now} is in use already")
    else:
        click.echo(f"{now} is in use now, {before or 'own models'} was before")
