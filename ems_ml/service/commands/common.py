"""What the commands share: opening the system, reading a report, printing JSON and small tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ems_ml.build import System, build
from ems_ml.service import logs
from ems_ml.settings import load_settings

store_option = click.option(
    "--store", "store", metavar="URL", default=None, help="SQLAlchemy URL instead of the data folder's database."
)
json_option = click.option("--json", "as_json", is_flag=True, help="The JSON contract instead of text.")


@contextmanager
def opened(*, store: str | None = None, process: str = "cli", **overrides: object) -> Iterator[System]:
    """The wired system with its log; closed, and its subscribers drained, at the end."""
    if store is not None:
        overrides["database_url"] = store
    settings = load_settings(**overrides)
    with build(settings) as system:
        logs.configure(settings, process=process, redact=system.redactor.redact_text)
        logs.follow(system.bus)
        yield system


def print_json(value: object) -> None:
    """`value` as one indented JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def read_bytes(path: str) -> bytes:
    """A file's bytes, or standard input's for "-". Raises `InputError` through `read_report` where it cannot."""
    if path == "-":
        if sys.stdin.isatty():
            click.echo("paste a report, then end it with Ctrl-D", err=True)
        return sys.stdin.buffer.read()
    return Path(path).read_bytes()


def table(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> None:
    """Columns as wide as their widest cell; the last one is not padded."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(heads), *cells]) for at in range(len(heads))]
    click.secho(_line(heads, widths), bold=True)
    for row in cells:
        click.echo(_line(row, widths))


def _line(cells: Sequence[Any], widths: Sequence[int]) -> str:
    return "  ".join([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]).rstrip()


def shorten(text: str, width: int) -> str:
    """`text` on one line, cut to `width` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def percent(probability: float) -> str:
    return f"{probability:.0%}"
