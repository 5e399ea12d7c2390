"""Where the shipped models and data lie: inside the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from ems_ml.errors import StoreError

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder of what is shipped as `name` ("models" or "data").

    A wheel holds it in `ems_ml/_shipped/NAME`, a checkout at its root. Raises `StoreError` where neither has it.
    """
    inside, beside = PACKAGE / "_shipped" / name, PACKAGE.parent / name
    if inside.is_dir():
        return inside
    if beside.is_dir() and (PACKAGE.parent / "pyproject.toml").is_file():
        return beside
    raise StoreError(
        f"the shipped folder {name!r} is missing from this installation of ems-ml",
        hint="install it again: pip install --force-reinstall ems-ml",
    )
