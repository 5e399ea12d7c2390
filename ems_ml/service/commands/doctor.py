"""`ems doctor`: what is installed, reachable, healthy."""

from __future__ import annotations

import click

from ems_ml.service import app, exit_codes, present
from ems_ml.service.commands.common import json_option, print_json, store_option
from ems_ml.settings import load_settings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor", short_help="What is healthy, and the remedy for what is not.")
@store_option
@json_option
def command(store: str | None, as_json: bool) -> int:
    """Look at this installation: interpreter, models, store, disk, inbox, API, optional parts, outside tools.

    Each problem comes with its remedy. Exit code 1 where something that is needed does not work; a warning
    (an optional part that is missing, say) does not count.
    """
    settings = load_settings() if store is None else load_settings(database_url=store)
    health = app.doctor(settings)
    if as_json:
        print_json(present.health(health))
    else:
        width = max(len(check.name) for check in health.checks)
        for check in health.checks:
            state = click.style(check.state.value.ljust(4), fg=COLOURS[check.state.value])
            click.echo(f"{state}  {check.name.ljust(width)}  {check.detail}")
            if check.remedy:
                click.echo(f"      {' ' * width}  remedy: {check.remedy}")
    return exit_codes.OK if health.ok else exit_codes.PROBLEMS
