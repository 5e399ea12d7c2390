"""`ems classify`: one report, or a batch of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import click

from ems_ml.build import MEMORY, System, read_file, read_jsonl, read_stream
from ems_ml.errors import InputError, UsageError
from ems_ml.service import acting, exit_codes
from ems_ml.service.commands.common import json_option, opened, percent, print_json, shorten, store_option

SHOWN = 3  # strategies and neighbours of a result in text


@click.command("classify", short_help="An error report in, its pattern and ranked fixes out.")
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("--jsonl", "batch", metavar="IN", help='A batch: one {"id", "text"} a line; - is standard input.')
@click.option(
    "--out", metavar="OUT", help="Where the batch's answers go, one line each, in order; - is standard output."
)
@click.option("--project", default="default", show_default=True, help="Whose errors these are.")
@click.option(
    "--source", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with the code of the trace."
)
@click.option("--dry-run", is_flag=True, help="Answer without recording the error.")
@store_option
@json_option
def command(
    file: str | None,
    batch: str | None,
    out: str | None,
    project: str,
    source: Path | None,
    dry_run: bool,
    store: str | None,
    as_json: bool,
) -> int:
    """Read an error report in any form: a traceback, a log, a Sentry event, pytest's report log.

    Answers its pattern, why it was put there, and the fix strategies, the likeliest first. The error is recorded
    in the data folder's database (EMS_HOME), so that patterns grow; --dry-run leaves the database as it is.

    A batch (--jsonl IN --out OUT) is worked through in order against a fresh store in memory, unless --store names
    one. A line that cannot be answered gives {"id", "problem"}, the batch goes on, and the exit code is 15.
    """
    if batch is not None:
        if file is not None or out is None or dry_run:
            raise UsageError(
                "a batch takes --jsonl IN and --out OUT, and no FILE", hint="ems classify --jsonl in.jsonl --out -"
            )
        with opened(store=store or MEMORY) as system:
            return classify_batch(system, batch, out, project, source)
    if out is not None:
        raise UsageError("--out belongs to a batch", hint="ems classify --jsonl in.jsonl --out out.jsonl")
    with opened(store=store) as system:
        return classify_one(system, file or "-", project, source, record=not dry_run, as_json=as_json)


def classify_one(system: System, file: str, project: str, source: Path | None, *, record: bool, as_json: bool) -> int:
    """Print the answer for each report of a file; most files hold one."""
    limit = system.settings.max_report_bytes
    if file == "-":
        if sys.stdin.isatty():
            click.echo("paste a report, then end it with Ctrl-D", err=True)
        reading = read_stream(sys.stdin.buffer, project=project, limit=limit)
    else:
        reading = read_file(Path(file), project=project, limit=limit)
    if reading.cut:
        click.echo(f"ems: the report is long; {reading.cut} characters in its middle were left out", err=True)
    if not reading.reports and not reading.problems:
        raise InputError(f"{file} holds no error", hint="give a report of something that failed")
    answers = [acting.classify_report(system, report, source=source, record=record).json for report in reading.reports]
    for problem in reading.problems:
        click.echo(f"ems: {problem.problem}", err=True)
    if as_json:
        print_json(answers[0] if len(answers) == 1 else answers)
    else:
        for place, answer in enumerate(answers):
            if place:
                click.echo()
            show(answer)
    return exit_codes.SOME_FAILED if reading.problems else exit_codes.OK


def classify_batch(system: System, batch: str, out: str, project: str, source: Path | None) -> int:
    """One line in, one line out, in order. The exit code tells whether some could not be answered."""
    failed = 0
    with ExitStack() as files:
        lines = _reading(batch, files)
        sink = _writing(out, files)
        reports = read_jsonl(lines, project=project, limit=system.settings.max_report_bytes)
        for answer in acting.classify_batch(system, reports, source=source):
            failed += "problem" in answer
            sink.write(acting.json_line(answer))
    if failed:
        click.echo(f"ems: {failed} reports could not be answered; their lines say why", err=True)
    return exit_codes.SOME_FAILED if failed else exit_codes.OK


def _reading(name: str, files: ExitStack) -> TextIO:
    if name == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # a real stream here
        return sys.stdin
    try:
        return files.enter_context(open(name, encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}", hint="name a file of JSON lines") from error


def _writing(name: str, files: ExitStack) -> TextIO:
    if name == "-":
        return sys.stdout
    try:
        return files.enter_context(open(name, "w", encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot write {name}: {error.strerror}", hint="name a file that you may write") from error


def show(answer: Mapping[str, Any]) -> None:
    """A result as a person reads it."""
    error, pattern = answer["error"], answer["pattern"]
    head = error["type"] or "(no exception recognised)"
    click.secho(f"{head}: {shorten(error['message'], 200)}" if error["message"] else head, bold=True)
    if error["frames"]:
        last = error["frames"][-1]
        line = f":{last['line']}" if last["line"] is not None else ""
        click.echo(f"  at {last['file']}{line}" + (f" in {last['function']}" if last["function"] else ""))
    for cause in error.get("chain", []):
        click.echo(f"  from {cause['type']}: {shorten(cause['message'], 120)}")
    click.echo(f"pattern     {click.style(pattern['id'], fg='cyan')}  {said(pattern)}")
    for reason in reasons(pattern["why"]):
        click.echo(f"            {shorten(reason, 160)}")
    click.echo("strategies  " + ("" if answer["strategies"] else "none ranked"))
    for place, ranked in enumerate(answer["strategies"][:SHOWN], 1):
        why = "; ".join(ranked["why"]) if isinstance(ranked["why"], list) else str(ranked["why"])
        name = click.style(ranked["name"].ljust(20), bold=place == 1)
        click.echo(f"  {place}. {name} {percent(ranked['probability']):>4}  {shorten(why, 100)}".rstrip())


def said(pattern: Mapping[str, Any]) -> str:
    """The decision in words."""
    nearest = pattern["nearest"][0] if pattern["nearest"] else None
    sure = percent(pattern["probability"])
    if pattern["decision"] == "joined":
        return f"joined ({sure} the same cause)"
    if pattern["decision"] == "suggested" and nearest:
        return f"new, maybe the same as {nearest['pattern']} ({sure}): ems pattern merge, or apart"
    if nearest:
        return f"new (nearest: {nearest['pattern']}, {sure} the same cause)"
    return "new (the first of its kind)"


def reasons(why: Mapping[str, Any]) -> list[str]:
    """A why-card in lines: the rule, what matched, what differed."""
    told = [f"by {why['rule']}"] if why.get("rule") else []
    for word in ("matched", "differed"):
        if why.get(word):
            told.append(f"{word}: {', '.join(why[word])}")
    if why.get("but"):
        told.append(f"asked about, not joined: {why['but']}")
    return told
