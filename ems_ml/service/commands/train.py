"""`ems train`: fit the models on historical errors."""

from __future__ import annotations

from pathlib import Path

import click

from ems_ml.build import train_models
from ems_ml.service.commands.common import json_option, opened, print_json
from ems_ml.service.commands.evaluate import show


@click.command("train", short_help="Fit the models on historical errors.")
@click.option("--data", type=click.Path(path_type=Path), help="A Parquet file; default: the shipped errors.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Models folder; default: the data folder's own."
)
@click.option("--encoder", is_flag=True, help="Train the encoder too, instead of keeping the one in use.")
@click.option("--no-track", is_flag=True, help="Do without MLflow (the extra [train]).")
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def command(data: Path | None, out: Path | None, encoder: bool, no_track: bool, seed: int, as_json: bool) -> None:
    """Fit grouper and ranker, judge them on packages they never saw, and put them to use.

    The models go into the data folder, whose own are used before the shipped ones. Every run is tracked in MLflow.
    """
    with opened(process="train") as system:
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
        return
    show(made.evaluation)
    click.echo(f"{made.traces} traces of {made.causes} causes; models in {made.models}")
