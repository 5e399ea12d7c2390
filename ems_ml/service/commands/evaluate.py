"""`ems evaluate`: the models in use, beside their baselines, on packages that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ems_ml.build import evaluate_grouping, evaluate_models
from ems_ml.service.commands.common import json_option, opened, print_json, table

BESIDE = ("joined", "known joined")  # figures that stand in the JSON only


@click.group("evaluate", invoke_without_command=True, short_help="Judge the models beside their baselines.")
@click.option("--data", type=click.Path(path_type=Path), help="A Parquet file; default: the shipped errors.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write evaluation.json there.")
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
@click.pass_context
def command(ctx: click.Context, data: Path | None, out: Path | None, seed: int, as_json: bool) -> None:
    """Judge the models in use on the test split: each figure with its 95% interval, beside its baseline."""
    if ctx.invoked_subcommand is not None:
        given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if given:
            raise click.UsageError(f"options of `ems evaluate` stand before `{ctx.invoked_subcommand}`; put them after")
        return
    with opened(process="evaluate") as system:
        judged = evaluate_models(system, data=data, out=out, seed=seed)
    if as_json:
        print_json(judged)
    else:
        show(judged)


@command.command("grouping", short_help="Judge grouping beside rules and methods of others.")
@click.option(
    "--data",
    type=click.Choice(("fault", "replay", "release", "both", "all")),
    default="both",
    show_default=True,
    help="Planted faults of unseen packages, replayed crashes, faults in several releases; both: the first two.",
)
@click.option(
    "--language-traces",
    "languages",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help='Traces as text, one a line: {"text", "cause", "project"}; a table of its own.',
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the JSON there.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the order of arrival and the intervals.")
@json_option
def grouping(data: str, languages: Path | None, out: Path | None, seed: int, as_json: bool) -> None:
    """Judge grouping as errors arrive, beside trackers' rules and the literature's methods, and a reader's ceiling.

    All are tuned on the tune split and judged on the same streams; intervals are over projects.
    """
    with opened(process="evaluate") as system:
        judged = evaluate_grouping(
            system,
            data=data,
            languages=languages,
            out=out,
            seed=seed,
            told=lambda step: click.echo(step, err=True),
        )
    if as_json:
        print_json(judged)
    else:
        show_grouping(judged)


def show_grouping(judged: Mapping[str, Any]) -> None:
    """Each table of the grouping evaluation, then our own in more detail."""
    for one in judged["tables"]:
        equal = one["equal to another cause's"]
        click.echo(
            f"\n{one['name']}: {one['traces']} traces of {one['causes']} causes in {len(one['projects'])} projects; "
            f"equal to a trace of another cause: {equal['as grouped']}, with line numbers {equal['as read']}"
        )
        names = [name for name in one["methods"][0]["figures"] if name not in BESIDE]
        table(
            [(row["method"], *(_ranged(row["figures"][name]) for name in names)) for row in one["methods"]],
            ("method", *names),
        )
        click.echo(f"\n{one['name']}: ours with other join thresholds")
        curve = one["join thresholds"]
        table([["-" if value is None else f"{value:.3f}" for value in row.values()] for row in curve], list(curve[0]))
        told = one["calibration"]
        click.echo(f"expected calibration error at arrival: {told['ece']:.3f} over {told['arrivals']} arrivals")


def _ranged(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def show(judged: Mapping[str, Any]) -> None:
    """The figures of an evaluation as a table."""
    table(
        [
            (
                one["name"],
                f"{one['value']:.3f}",
                f"{one['low']:.3f} to {one['high']:.3f}",
                "" if one.get("baseline") is None else f"{one['baseline']:.3f}",
                one.get("baseline_name", ""),
            )
            for one in [*judged["top_k"], *(one for one in judged["figures"] if one not in judged["top_k"])]
        ],
        ("figure", "value", "95%", "baseline", "which is"),
    )
