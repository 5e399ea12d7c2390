"""`ems evaluate`: the models in use, beside their baselines, on packages that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ems_ml.build import evaluate_models
from ems_ml.service.commands.common import json_option, opened, print_json, table


@click.command("evaluate", short_help="Judge the models beside their baselines.")
@click.option("--data", type=click.Path(path_type=Path), help="A Parquet file; default: the shipped errors.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write evaluation.json there.")
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def command(data: Path | None, out: Path | None, seed: int, as_json: bool) -> None:
    """Judge the models in use on the test split: each figure with its 95% interval, beside its baseline."""
    with opened(process="evaluate") as system:
        judged = evaluate_models(system, data=data, out=out, seed=seed)
    if as_json:
        print_json(judged)
    else:
        show(judged)


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
