"""One data folder filled by real errors, one dashboard process, one browser; a fresh window a test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness import BROWSERS, DESKTOP, PHONE, Visitor, dashboard, launch
from playwright.sync_api import Browser, sync_playwright
from shop_errors import collect

from ems_ml.build import build
from ems_ml.service import app
from ems_ml.settings import load_settings
from ems_ml.types import RawReport


def fill(home: Path) -> list[str]:
    """Classify a day of the shop's real errors into the data folder `home`; their texts, in order."""
    folder = Path(tempfile.mkdtemp(prefix="shop-"))
    try:
        texts = [text.replace(str(folder), "/srv/shop") for text in collect(folder)]
    finally:
        shutil.rmtree(folder)
    now = datetime.now(UTC)
    with build(load_settings(home=home)) as system:
        for at, text in enumerate(texts):
            when = now - timedelta(minutes=61 * (len(texts) - at))
            app.classify_report(system, RawReport(text=text, time=when, release="shop@1.4.0", source="file"))
    return texts


@pytest.fixture(scope="session")
def browser(need: Callable[..., str]) -> Iterator[Browser]:
    executable = need(*BROWSERS)
    with sync_playwright() as playwright:
        browser = launch(playwright, executable)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def texts(home: Path) -> list[str]:
    """The tracebacks that the data folder was filled with, in order."""
    return fill(home)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard-home")


@pytest.fixture(scope="session")
def address(browser: Browser, home: Path, texts: list[str]) -> Iterator[str]:
    """Where the dashboard listens. Asked for after the browser, so that nothing is started where there is none."""
    with dashboard(home, home / "dashboard.txt") as address:
        yield address


@pytest.fixture
def visitor(browser: Browser, address: str) -> Iterator[Visitor]:
    yield from _visit(browser, address, DESKTOP)


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Visitor]:
    yield from _visit(browser, address, PHONE)


def _visit(browser: Browser, address: str, size: dict[str, int]) -> Iterator[Visitor]:
    context = browser.new_context(viewport=size, timezone_id="Europe/Lisbon", locale="en-GB")  # type: ignore[arg-type]
    visitor = Visitor(context.new_page(), address)
    yield visitor
    context.close()
    assert visitor.complaints == [], "the browser's console holds errors"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
