"""`ems fix`: find a repair and prove it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ems_ml.build import EXIT_CODES, read_file, read_stream, verdict_to_json
from ems_ml.errors import InputError
from ems_ml.service import acting
from ems_ml.service.commands.common import json_option, opened, print_json, store_option
from ems_ml.types import Outcome, Verdict


@click.command("fix", short_help="Find a repair, and prove it with your own tests.")
@click.argument("repo", type=click.Path(path_type=Path))
@click.option("--trace", required=True, metavar="FILE", help="The error report; - is standard input.")
@click.option("--test", "test_command", metavar="CMD", help="How the tests are run; default: pytest, else unittest.")
@click.option("--budget", type=click.FloatRange(min=1), default=300, show_default=True, help="Seconds for all of it.")
@click.option("--python", metavar="BIN", help="The interpreter; default: the repository's own environment.")
@click.option("--branch", metavar="NAME", help="The branch to make; default: ems/fix-STRATEGY-ID.")
@click.option("--no-branch", is_flag=True, help="Only answer the patch; leave the repository as it is.")
@click.option("--project", default="default", show_default=True)
@store_option
@json_option
def command(
    repo: Path,
    trace: str,
    test_command: str | None,
    budget: float,
    python: str | None,
    branch: str | None,
    no_branch: bool,
    project: str,
    store: str | None,
    as_json: bool,
) -> int:
    """Find a change in the git repository REPO that makes an error go away, and prove it with REPO's own tests.

    The error has to be red before and green after, with nothing else broken; the change is then committed on a
    branch of its own. Work tree, index and HEAD are never written.

    \b
    Exit codes: 0 repaired, 20 not repaired, 21 not reproduced, 22 flaky, 23 refused, 24 unproven.
    """
    with opened(store=store) as system:
        limit = system.settings.max_report_bytes
        reading = (
            read_stream(sys.stdin.buffer, project=project, limit=limit)
            if trace == "-"
            else read_file(Path(trace), project=project, limit=limit)
        )
        if not reading.reports:
            raise InputError(f"{trace} holds no error", hint="give a report of something that failed")
        if not as_json and sys.stderr.isatty():
            click.echo(f"looking for a repair, for at most {budget:.0f} seconds ...", err=True)
        verdict = acting.fix(
            system,
            repo,
            reading.reports[-1],
            test_command=test_command,
            budget=budget,
            python=python,
            branch=branch,
            publish=not no_branch,
        )
    if as_json:
        print_json(verdict_to_json(verdict))
    else:
        show(verdict)
    return EXIT_CODES[verdict.verdict]


COLOURS = {Outcome.REPAIRED: "green", Outcome.UNPROVEN: "yellow", Outcome.FLAKY: "yellow"}


def show(verdict: Verdict) -> None:
    """A verdict as a person reads it."""
    word = verdict.verdict.value.replace("_", " ")
    click.secho(f"{word}: {verdict.reason}", bold=True, fg=COLOURS.get(verdict.verdict, "red"))
    if verdict.strategy:
        click.echo(f"strategy  {verdict.strategy}")
    if verdict.branch:
        click.echo(f"branch    {verdict.branch}  {verdict.commit or ''}".rstrip())
    guilty = verdict.evidence.get("guilty")
    if guilty:
        click.echo(f"guilty    {guilty['commit'][:10]}  {guilty['time'][:10]}  {guilty['subject']}")
    for attempt in verdict.tried:
        click.echo(f"tried     {attempt.strategy}: {attempt.summary}: {attempt.result}")
    click.echo(f"took      {verdict.seconds:.1f} s")
    if verdict.patch:
        click.echo()
        for line in verdict.patch.diff.splitlines():
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            click.secho(line, fg=colour)
