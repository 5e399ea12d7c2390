"""`ems train`: fit the models on historical errors, the shipped ones or a team's own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ems_ml.build import is_own_data, train_models
from ems_ml.errors import UsageError
from ems_ml.service import exit_codes, teaching
from ems_ml.service.commands.common import json_option, opened, percent, print_json, shorten, store_option, table
from ems_ml.service.commands.evaluate import show

STEPS = {
    "reading": "reading the table",
    "understanding": "understanding the labelled errors",
    "learning": "learning which label they need",
    "judging": "judging on the part that was held out",
    "tracking": "tracking the run in MLflow",
}


@click.command("train", short_help="Fit the models on historical errors, or on your own.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Your own errors: a file or folder; default: the shipped."
)
@click.option("--decisions", is_flag=True, help="What people merged, split and told apart, instead of data.")
@click.option("--trace-column", metavar="NAME", help="Where the trace stands; default: guessed.")
@click.option("--label-column", metavar="NAME", help="Where the label stands; default: guessed.")
@click.option("--time-column", metavar="NAME", help="When it happened; - for none; default: guessed.")
@click.option("--project-column", metavar="NAME", help="Whose error it is; - for none; default: guessed.")
@click.option("--encoding", metavar="NAME", help="Of the text; default: told by its content.")
@click.option("--sample", type=click.IntRange(min=100), help="Labelled rows that are worked with.  [default: 20000]")
@click.option("--check", is_flag=True, help="Only tell what the columns are taken for.")
@click.option("--adopt/--no-adopt", default=None, help="Put to use, or not; default: where surely better.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Models folder; default: the data folder's own."
)
@click.option("--encoder", is_flag=True, help="Train the encoder too, instead of keeping the one in use.")
@click.option("--no-track", is_flag=True, help="Do without MLflow (the extra [train]).")
@click.option("--seed", type=int, default=0, show_default=True)
@store_option
@json_option
def command(
    data: Path | None,
    decisions: bool,
    trace_column: str | None,
    label_column: str | None,
    time_column: str | None,
    project_column: str | None,
    encoding: str | None,
    sample: int | None,
    check: bool,
    adopt: bool | None,
    out: Path | None,
    encoder: bool,
    no_track: bool,
    seed: int,
    store: str | None,
    as_json: bool,
) -> int:
    """Fit the models and judge them on what they never saw. Every run is tracked in MLflow.

    Without --data, or with a data file of our own form, grouper and ranker are trained on it and put to use. With
    --data FILE, a table (CSV, JSON lines, JSON, Parquet), logs, Sentry events, or a folder of them, the ranker learns
    your own labels, the strategies' names or words of yours; it is compared with the shipped one on the same held-out
    part, and put to use where it is surely better. Every set is kept: ems models list.

    With --decisions the grouper learns what people merged, split and told apart in each project; it is put to use where
    it foretells their decisions better.

    The exit code is 15 where some rows could not be read; the report says which.
    """
    given = {"trace": trace_column, "label": label_column, "time": time_column, "project": project_column}
    columns = teaching.column_options(given)
    own = data is not None and (any(given.values()) or encoding or check or not is_own_data(data))
    if decisions and (data is not None or any(given.values()) or encoding or check or encoder or out or sample):
        raise UsageError(
            "--decisions learns from the store", hint="leave out --data and what belongs to it, --encoder and --out"
        )
    if store is not None and not decisions:
        raise UsageError("--store is for --decisions", hint="ems train --decisions --store URL")
    if decisions:
        with opened(process="train", store=store) as system:
            answer = teaching.learn_decisions(system, adopt=adopt, track=not no_track)
        print_json(answer) if as_json else show_decisions(answer)
        return exit_codes.OK
    if own and (encoder or out is not None):
        raise UsageError("--encoder and --out are for training on data of our own form", hint="leave them out")
    if not own and (adopt is not None or sample is not None or check or any(given.values())):
        raise UsageError(
            "columns, --sample, --check and --adopt are for your own data and decisions",
            hint="name them: ems train --data FILE, or ems train --decisions",
        )
    with opened(process="train") as system:
        if data is not None and own:
            if check:
                _show_look(teaching.look(system, data, columns=columns, encoding=encoding), as_json=as_json)
                return exit_codes.OK
            answer = teaching.train(
                system,
                data,
                columns=columns,
                encoding=encoding,
                adopt=adopt,
                track=not no_track,
                sample=sample,
                seed=seed,
                progress=_Telling(),
            )
            print_json(answer) if as_json else show_own(answer)
            return exit_codes.SOME_FAILED if answer["rows"]["not_used"] else exit_codes.OK
        made = train_models(
            system,
            data=data,
            out=out,
            encoder=encoder,
            track=not no_track,
            seed=seed,
            told=lambda line: click.echo(line, err=True),
        )
    if as_json:
        print_json(
            {
                "models": str(made.models),
                "run": made.run.id if made.run else None,
                "traces": made.traces,
                "causes": made.causes,
                "packages": list(made.packages),
                "evaluation": made.evaluation,
            }
        )
        return exit_codes.OK
    show(made.evaluation)
    click.echo(f"{made.traces} traces of {made.causes} causes; models in {made.models}")
    return exit_codes.OK


class _Telling:
    """A line for each step on standard error; on a terminal the step's line counts."""

    def __init__(self) -> None:
        self.step = ""
        self.live = sys.stderr.isatty()

    def __call__(self, what: str, done: int, total: int) -> None:
        words = STEPS.get(what)
        if what != self.step:
            if self.step and self.live:
                click.echo(err=True)
            self.step = what
            if words and not self.live:
                click.echo(words, err=True)
        if self.live and words:
            of = f" of {total:,}" if total else ""
            click.echo(f"\r{words}" + (f": {done:,}{of}" if total != 1 else ""), nl=False, err=True)


def _show_look(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    said = f" ({found['data']['said']})" if found["data"]["said"] else ""
    click.echo(f"{found['data']['kind']}{said}, {len(found['names'])} columns: {', '.join(found['names'][:20])}")
    table(
        [(kind, found["columns"][kind] or "-", found["why"].get(kind, "")) for kind in teaching.KINDS],
        ("", "column", "why"),
    )


def show_own(answer: Mapping[str, Any]) -> None:
    """A training on own data as a person reads it."""
    rows, split = answer["rows"], answer["split"]
    _show_look(answer, as_json=False)
    click.echo()
    click.echo(
        f"{rows['read']:,} rows read, {rows['labelled']:,} labelled, {rows['understood']:,} worked with"
        + (f", {rows['not_in_the_sample']:,} labelled ones not in the sample" if rows["not_in_the_sample"] else "")
    )
    for one in answer["reasons"]:
        lost = "not used" if one["lost"] else "noted"
        more = ", ..." if one["count"] > len(one["places"]) else ""
        click.echo(f"  {lost}: {one['count']:,} x {one['reason']} ({', '.join(one['places'])}{more})")
    named = [f"{one['name']} {one['rows']:,}" for one in answer["labels"]]
    click.echo(f"{len(named)} labels: {shorten(', '.join(named), 300)}")
    if split["labels_left_out"]:
        click.echo(
            f"  left out, since they occur once: {shorten(', '.join(split['labels_left_out']), 200)}"
            f" ({len(split['labels_left_out'])})"
        )
    causes = ", ".join(f"{name} {count:,}" for name, count in split["causes"].items())
    click.echo(f"split {split['said']}; causes: {causes}")
    for count, words in (
        (split["repeats_left_out"], "further traces of a cause left out"),
        (split["later_left_out"], "later repeats of causes that were learnt from left out"),
        (split["causes_with_several_labels"], "causes carry more than one label"),
    ):
        if count:
            click.echo(f"  {count:,} {words}")
    click.echo()
    table(teaching.said_scores(answer), ("", "yours (95%)", "shipped (95%)", "baseline (95%)"))
    click.echo(f"baseline: {answer['baseline']}")
    if answer["scores_on_strategies"]:
        first = answer["scores_on_strategies"][0]
        click.echo(
            f"where the label is a strategy's name ({first['causes']} causes): top 1 {percent(first['value'])}, "
            f"shipped {percent(first['shipped'])}"
        )
    click.echo()
    click.secho(answer["said"], bold=True, fg="green" if answer["better"] else "yellow")
    if answer["adopted"]:
        click.echo(f"{answer['version']} is in use now; ems models rollback goes back")
    else:
        click.echo(f"{answer['version']} is kept, but not in use; ems models use {answer['version']} puts it to use")


def show_decisions(answer: Mapping[str, Any]) -> None:
    """What decisions taught, as a person reads it."""
    table(
        [
            (
                one["project"],
                one["decisions"],
                one["same"],
                f"{one['loss_before']:.3f}",
                f"{one['loss']:.3f}",
                "yes" if one["used"] else "no",
            )
            for one in answer["projects"]
        ],
        ("project", "decisions", "the same", "loss before", "loss", "better"),
    )
    click.echo("loss: mean -log p of what was decided, each decision foretold from the others of its project")
    click.echo()
    click.secho(answer["said"], bold=True, fg="green" if answer["adopted"] else "yellow")
    if answer["adopted"]:
        click.echo(f"{answer['version']} is in use now; ems models rollback goes back")
    elif answer["version"]:
        click.echo(f"{answer['version']} is kept, but not in use; ems models use {answer['version']} puts it to use")
