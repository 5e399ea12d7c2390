"""`ems index`: what finds the nearest errors of large projects; made anew from the database where that is wanted."""

from __future__ import annotations

import time

import click

from ems_ml.errors import UsageError
from ems_ml.service.commands.common import json_option, opened, print_json, store_option, table


@click.group("index", short_help="Make the index of the errors anew.")
def command() -> None:
    """What finds the errors that are nearest to a new one. It follows the database by itself, through restarts too."""


@command.command("rebuild")
@click.option("--project", default=None, help="Only this project's; default: each project's.")
@store_option
@json_option
def rebuild(project: str | None, store: str | None, as_json: bool) -> None:
    """Make the index anew from the database, which is the truth. Nothing is lost where it is stopped.

    A project of a million patterns takes many minutes, a small one no time. Running processes take it up.
    """
    made = []
    with opened(store=store) as system:
        known = system.store.projects()
        if project is not None and project not in known:
            raise UsageError(
                f"there is no project {project}", hint="`ems pattern list` shows patterns with their projects"
            )
        for name in known if project is None else [project]:
            started = time.perf_counter()
            count = system.store.events.rebuild_index(name)
            made.append({"project": name, "exemplars": count, "seconds": round(time.perf_counter() - started, 3)})
    if as_json:
        print_json(made)
        return
    table(
        [(one["project"], one["exemplars"], f"{one['seconds']:.1f}") for one in made], ("project", "errors", "seconds")
    )
