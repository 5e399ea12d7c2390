"""`ems key`: who may send errors, and read them."""

from __future__ import annotations

import click

from ems_ml.build import SCOPES
from ems_ml.service import keys
from ems_ml.service.commands.common import json_option, opened, print_json, store_option


@click.group("key", short_help="Make a project and a key to send errors with.")
def command() -> None:
    """Keys: who may send errors, and who may read them. Only a key's hash is stored."""


@command.command("add")
@click.argument("project")
@click.option("--scope", type=click.Choice(SCOPES), default="ingest", show_default=True)
@click.option("--host", default=None, help="Host in the DSN; default: the API's own address.")
@store_option
@json_option
def add(project: str, scope: str, host: str | None, store: str | None, as_json: bool) -> None:
    """Make PROJECT where it is new, and a key for it. Prints the DSN and the key, this once.

    \b
    ingest  send errors to this project (what an SDK needs)
    read    read its patterns
    write   send, read, classify and decide
    admin   everything
    """
    with opened(store=store) as system:
        made = keys.add(system, project, scope, host=host)
    if as_json:
        print_json(
            {"project": made.project, "number": made.number, "scope": made.scope, "key": made.key, "dsn": made.dsn}
        )
        return
    click.echo(f"project  {made.project} (number {made.number})")
    click.echo(f"scope    {made.scope}")
    click.echo(f"key      {made.key}")
    if made.scope != "read":
        click.echo(f"dsn      {made.dsn}")
    click.echo("keep it: it is shown only now, and stored only as its hash", err=True)
