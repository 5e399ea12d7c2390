"""`ems demo`: everything at once on embedded defaults."""

from __future__ import annotations

import click


@click.command("demo", short_help="See everything at once on embedded defaults.")
@click.option("--once", is_flag=True, help="Show it all, then stop, instead of staying up.")
def command(once: bool) -> int:
    """Train on the shipped errors, run a small application into real ones, group, rank and repair them."""
    from ems_ml.service.demo import run

    return run(once=once)
