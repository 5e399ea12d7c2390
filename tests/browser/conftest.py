"""One data folder filled by real errors, one dashboard process, one browser; a fresh window a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filling import fill, prepare
from harness import BROWSERS, DESKTOP, PHONE, Visitor, dashboard, launch
from playwright.sync_api import Browser, sync_playwright


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
def home(tmp_path_factory: pytest.TempPathFactory, toy_models: Path) -> Path:
    """A data folder with tiny models of its own: what the tests see does not change with the shipped ones."""
    home = tmp_path_factory.mktemp("dashboard-home")
    shutil.copytree(toy_models, home / "models")
    prepare(home / "models")
    return home


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
