"""The demo's parts that need no server: its repository is a fresh one, and it says early what is in its way."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ems_ml.errors import ServiceError, UsageError
from ems_ml.service import demo


def test_the_shop_is_an_ordinary_project_whose_errors_are_its_own(tmp_path: Path) -> None:
    shop = demo.make_shop(tmp_path / "demo")
    log = subprocess.run(["git", "log", "--oneline"], cwd=shop.root, capture_output=True, text=True, check=True)
    assert len(log.stdout.splitlines()) == 1

    def failing() -> set[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
            cwd=shop.root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return {line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")}

    before = failing()
    assert len(before) >= 3
    catalogue = shop.root / "shop" / "catalogue.py"
    catalogue.write_text(catalogue.read_text().replace("DISCOUNTS[level]", "DISCOUNTS.get(level, 0)"))
    assert before - failing() == {"FAILED tests/test_catalogue.py::test_basic_customers_pay_the_full_price"}


def test_an_earlier_shop_makes_room_and_a_foreign_folder_does_not(tmp_path: Path) -> None:
    shop = demo.make_shop(tmp_path / "demo")
    (shop.root / "left.txt").write_text("from the last time")
    assert not (demo.make_shop(tmp_path / "demo").root / "left.txt").exists()
    (tmp_path / "mine" / "shop").mkdir(parents=True)
    with pytest.raises(UsageError, match="not the demo's"):
        demo.make_shop(tmp_path / "mine")
    assert (tmp_path / "mine" / "shop").is_dir()


def test_a_port_in_use_is_told_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("EMS_PORT", str(taken.getsockname()[1]))
        monkeypatch.setattr(demo, "_train", lambda system: pytest.fail("it trained"))
        with pytest.raises(ServiceError, match="in use") as caught:
            demo.run(once=False)
    assert "EMS_PORT" in caught.value.hint
