"""`ems pattern`: look at patterns and decide about them. A decision binds at once and is training data."""

from __future__ import annotations

import click

from ems_ml.service import acting, present, reading
from ems_ml.service.commands.classify import SHOWN, reasons
from ems_ml.service.commands.common import json_option, opened, percent, print_json, shorten, store_option, table
from ems_ml.service.views import PatternRow
from ems_ml.types import PatternStatus


@click.group("pattern", short_help="List, show, merge, split, resolve patterns.")
def command() -> None:
    """Look at patterns and decide about them. A decision binds at once and is training data."""


@command.command("list")
@click.option("--search", default="", help="Words in type, message, file or function.")
@click.option("--status", type=click.Choice([status.value for status in PatternStatus]), help="Only these.")
@click.option("--project", default=None, help="Only this project's.")
@click.option("--sort", type=click.Choice(["last_seen", "first_seen", "count"]), default="last_seen", show_default=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@store_option
@json_option
def list_(
    search: str, status: str | None, project: str | None, sort: str, limit: int, store: str | None, as_json: bool
) -> None:
    """The patterns, the last seen first."""
    with opened(store=store) as system:
        page = reading.list_patterns(
            system,
            search=search,
            status=PatternStatus(status) if status else None,
            project=project,
            sort=sort,
            limit=limit,
        )
    if as_json:
        print_json({"total": page.total, "patterns": [present.row(row) for row in page.rows]})
        return
    if not page.rows:
        click.echo("no patterns yet: ems classify FILE records the first" if not search else "nothing found")
        return
    table(
        [
            (
                row.id,
                row.count,
                row.status.value,
                row.last_seen.strftime("%Y-%m-%d %H:%M"),
                f"{row.top.name} {percent(row.top.probability)}" if row.top else "",
                shorten(row.title, 80),
            )
            for row in page.rows
        ],
        ("pattern", "events", "status", "last seen", "likeliest fix", "error"),
    )
    if page.total > len(page.rows):
        click.echo(f"{page.total - len(page.rows)} more: --limit {page.total}")


@command.command("show")
@click.argument("pattern", metavar="ID")
@click.option(
    "--events", type=click.IntRange(0, 10_000), default=10, show_default=True, help="How many events to list."
)
@store_option
@json_option
def show(pattern: str, events: int, store: str | None, as_json: bool) -> None:
    """One pattern: its first error, why it stands alone or together, its events, the repairs that were tried."""
    with opened(store=store) as system:
        detail = reading.pattern_detail(system, pattern, events=events)
    if as_json:
        print_json(present.detail(detail))
        return
    row = detail.row
    click.secho(row.title, bold=True)
    click.echo(f"pattern     {row.id}  {row.status.value}  {row.count} events  project {row.project}")
    click.echo(f"seen        {row.first_seen:%Y-%m-%d %H:%M} to {row.last_seen:%Y-%m-%d %H:%M} UTC")
    if row.file:
        click.echo(f"raised at   {row.file}{'' if row.line is None else f':{row.line}'} in {row.function}")
    for reason in reasons(dict(detail.why)):
        click.echo(f"why         {shorten(reason, 160)}")
    for ranked in row.strategies[:SHOWN]:
        click.echo(
            f"strategy    {ranked.name:<20} {percent(ranked.probability):>4}  {shorten('; '.join(ranked.why), 90)}"
        )
    if row.suggestion:
        likely = f"{row.suggestion.pattern} ({percent(row.suggestion.probability)})"
        click.echo(f"suggestion  the same as {likely}? ems pattern merge {row.id} {row.suggestion.pattern}, or apart")
    for fix in detail.fixes:
        click.echo(
            f"fix         {fix.time:%Y-%m-%d %H:%M}  {fix.verdict}  {fix.strategy or ''}  {fix.branch or ''}".rstrip()
        )
    if detail.events:
        click.echo()
        table(
            [
                (event.id, f"{event.time:%Y-%m-%d %H:%M:%S}", event.source, shorten(event.message, 80))
                for event in detail.events
            ],
            ("event", "time", "source", "message"),
        )


def _decided(row: PatternRow, said: str, as_json: bool) -> None:
    if as_json:
        print_json(present.row(row))
    else:
        click.echo(f"{said}: {row.id}  {row.status.value}  {row.count} events  {shorten(row.title, 80)}")


@command.command("merge")
@click.argument("pattern", metavar="ID")
@click.argument("into", metavar="INTO")
@store_option
@json_option
def merge(pattern: str, into: str, store: str | None, as_json: bool) -> None:
    """ID has the same cause as INTO: its events, and every later one like them, belong to INTO."""
    with opened(store=store) as system:
        _decided(acting.decide(system, "merge", pattern, other=into, by="cli"), "merged into", as_json)


@command.command("split")
@click.argument("pattern", metavar="ID")
@click.argument("events", metavar="EVENT...", nargs=-1, required=True)
@store_option
@json_option
def split(pattern: str, events: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """The events have another cause than the rest of ID: they become a pattern of their own."""
    with opened(store=store) as system:
        _decided(acting.decide(system, "split", pattern, events=events, by="cli"), "split into", as_json)


@command.command("apart")
@click.argument("pattern", metavar="ID")
@click.argument("other", metavar="OTHER")
@store_option
@json_option
def apart(pattern: str, other: str, store: str | None, as_json: bool) -> None:
    """ID and OTHER are not the same, whatever the model says from now on."""
    with opened(store=store) as system:
        _decided(acting.decide(system, "apart", pattern, other=other, by="cli"), "kept apart", as_json)


def _status(action: str, help_: str, said: str) -> None:
    """Add the command for a change of status."""

    @command.command(action, help=help_)
    @click.argument("pattern", metavar="ID")
    @store_option
    @json_option
    def change(pattern: str, store: str | None, as_json: bool) -> None:
        with opened(store=store) as system:
            _decided(acting.decide(system, action, pattern, by="cli"), said, as_json)


_status("resolve", "ID is mended; an event that comes later opens it again.", "resolved")
_status("ignore", "ID needs nobody's attention.", "ignored")
_status("reopen", "ID needs attention again.", "open again")
