"""`ems regroup`: what other models would merge, split and move; the change itself; the way back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from ems_ml.errors import UsageError
from ems_ml.service import regrouping
from ems_ml.service.commands.common import json_option, opened, percent, print_json, shorten, store_option, table

SHOWN = 10  # changes of a project that are told as text
LAST = "last"


@click.command("regroup", short_help="What other models would change, the change, and the way back.")
@click.option("--dry-run", is_flag=True, help="Only tell what would change and what it costs; write nothing.")
@click.option("--models", metavar="VERSION|shipped", help="By these models; default: those in use.")
@click.option("--project", help="Only this project.")
@click.option(
    "--days", type=click.FloatRange(0), help="How long the models before are asked too.  [default: EMS_TRANSITION_DAYS]"
)
@click.option(
    "--undo", is_flag=False, flag_value=LAST, metavar="[ID]", help="Take back a regrouping, or all of the last run."
)
@click.option("--list", "listing", is_flag=True, help="The regroupings, and how often old and new models differ.")
@click.option("--end", is_flag=True, help="Ask the models before no more.")
@click.option("--limit", type=click.IntRange(0), help="How many changes a project.  [default: 10; as JSON all]")
@store_option
@json_option
def command(
    dry_run: bool,
    models: str | None,
    project: str | None,
    days: float | None,
    undo: str | None,
    listing: bool,
    end: bool,
    limit: int | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Group what has come once more, by the models in use or by others, which are then put to use.

    Ids stay: the larger part of a pattern keeps its id, the id of one that ends leads to where its events are. What
    people decided binds. Each regrouping can be undone; the models before are asked beside the new ones for some time.
    """
    if sum([dry_run, undo is not None, listing, end]) > 1:
        raise UsageError("--dry-run, --undo, --list and --end exclude each other", hint="give one of them")
    with opened(store=store) as system:
        if undo is not None:
            _show_undone(regrouping.undo(system, "" if undo == LAST else undo), as_json)
        elif listing:
            _show_listing(regrouping.listing(system), as_json)
        elif end:
            _show_end(regrouping.end(system), as_json)
        else:
            some = limit if limit is not None or as_json else SHOWN
            if dry_run:
                told = regrouping.look(system, project=project, models=models, limit=some, progress=_Telling())
            else:
                told = regrouping.regroup(
                    system, project=project, models=models, days=days, limit=some, progress=_Telling()
                )
            if as_json:
                print_json(told)
            else:
                _show(told)


class _Telling:
    """How far a project is, on a terminal's own line."""

    def __call__(self, what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{what}: {done} of {total}\x1b[K", err=True, nl=done >= total)


def _show(told: Mapping[str, Any]) -> None:
    changed = [one for one in told["projects"] if one["cost"]["rows_written"]]
    for one in changed:
        click.secho(f"project {one['project']}: {_counts(one, applied=told['applied'])}", bold=True)
        for change in one["changes"]:
            _show_change(change)
        left = one["merged"] + one["split"] + one["moved"] - len(one["changes"])
        if left:
            click.echo(f"  and {left} more: --limit {left + len(one['changes'])}")
        _show_cost(one)
    if not changed:
        click.echo(f"the models {told['models']} change nothing")
    if not told["applied"]:
        named = "" if told["models"] == told["in_use"] else f" --models {told['models']}"
        click.echo(f"nothing was written; ems regroup{named} does it" if changed else "nothing was written")
        return
    for one in changed:
        click.echo(f"{one['id']} was written; ems regroup --undo {one['id']} takes it back")
    if told["models"] != told["before"]:
        click.echo(f"{told['models']} is in use now, {told['before'] or 'own models'} was before")
    _show_transition(told["transition"])


def _counts(one: Mapping[str, Any], *, applied: bool) -> str:
    said = [
        f"{one[name]} {word}"
        for name, word in (("merged", "merged"), ("split", "split off"), ("moved", "moved in part"))
        if one[name]
    ]
    would = "patterns" if applied else "patterns that would change"
    return f"{would}: {', '.join(said) or 'none'} ({one['events']} events)"


def _show_change(change: Mapping[str, Any]) -> None:
    into = change["into"] or "a new pattern"
    events = f"{change['events']} event" + ("" if change["events"] == 1 else "s")
    said = {
        "merged": f"{change['pattern']} ({events}) into {into}",
        "split": f"{events} off {change['pattern']} into {into}",
        "moved": f"{events} from {change['pattern']} to {into}",
    }[change["kind"]]
    click.echo(f"  {change['kind']:<6} {said}: the same cause with {percent(change['probability'])}")
    for one in (change["example"], change["beside"]):
        click.echo(f"         {shorten(_error(one), 110)}")
    for name, words in (("alike", change["matched"]), ("not", change["differed"])):
        if words:
            click.echo(f"         {name}: {shorten('; '.join(words), 104)}")


def _error(one: Mapping[str, Any]) -> str:
    at = one["raised_at"]
    line = "" if at is None or at["line"] is None else f":{at['line']}"
    where = "" if at is None else f"  at {at['file']}{line} in {at['function']}"
    return f"{one['event']}  {one['type']}: {one['message'][:60]}{where}"


def _show_cost(one: Mapping[str, Any]) -> None:
    cost = one["cost"]
    encoded = f"{cost['events_encoded']} events encoded, " if "events_encoded" in cost else ""
    click.echo(
        f"  cost: {encoded}{cost['rows_written']} rows, {cost['seconds']:.1f} s; expected by the models themselves: "
        f"{cost['expected_wrong_merges']:.1f} wrong merges, {cost['expected_wrong_splits']:.1f} wrong splits"
    )


def _show_transition(told: Mapping[str, Any] | None) -> None:
    if told is None:
        return
    click.echo(
        f"{told['after']} decides, {told['before']} is asked beside it until {told['until'][:10]}: "
        f"they differ on {told['differed']} of {told['asked']} events"
    )


def _show_listing(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    if not told["regroupings"]:
        click.echo("nothing was regrouped yet: ems regroup --dry-run shows what the models in use would change")
    else:
        heads = ("id", "when (UTC)", "project", "models", "before", "merged", "split", "moved", "events", "undone")
        table(
            [
                (
                    one["id"],
                    one["time"][:16].replace("T", " "),
                    one["project"],
                    one["models"],
                    one["models_before"],
                    *(one[name] for name in ("merged", "split", "moved", "events")),
                    (one["undone"] or "")[:16].replace("T", " "),
                )
                for one in told["regroupings"]
            ],
            heads,
        )
    _show_transition(told["transition"])
    for one in (told["transition"] or {}).get("last", ()):
        other = one["other"] or "a new pattern"
        click.echo(
            f"  {one['event']}  {one['project']}  in {one['pattern']}, before: {other} {percent(one['probability'])}"
        )


def _show_undone(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for one in told["undone"]:
        click.echo(f"{one['id']} of project {one['project']} is undone")
    click.echo(f"{told['in_use'] or 'own models'} is in use")


def _show_end(told: Mapping[str, Any] | None, as_json: bool) -> None:
    if as_json:
        print_json({"ended": told})
    elif told is None:
        click.echo("no models are asked beside those in use")
    else:
        click.echo(f"{told['before']} is asked no more; it differed on {told['differed']} of {told['asked']} events")
