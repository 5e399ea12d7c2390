"""Shipped folders are found in a checkout and in a wheel, and missed with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ems_ml import resources
from ems_ml.errors import StoreError


def test_a_checkout_ships_models_and_data_at_its_root(repo_root: Path) -> None:
    assert resources.shipped("models") == repo_root / "models"
    assert resources.shipped("data") == repo_root / "data"


def test_a_wheel_ships_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "ems_ml" / "_shipped" / "models"
    inside.mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "ems_ml")
    assert resources.shipped("models") == inside


def test_a_folder_that_only_looks_shipped_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()  # site-packages/models of some other package: no pyproject.toml beside it
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "ems_ml")
    with pytest.raises(StoreError) as caught:
        resources.shipped("models")
    assert "install" in caught.value.hint
