"""A real dashboard process and a real browser, for the tests beside this file and for `screenshots.py`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

from ems_ml.service.dashboard import command

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@contextlib.contextmanager
def dashboard(home: Path, log: Path) -> Iterator[str]:
    """The dashboard over the data folder `home`, in a process of its own; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "EMS_HOME": str(home)}
    with log.open("wb") as out:
        process = subprocess.Popen(command(host="127.0.0.1", port=port), env=environment, stdout=out, stderr=out)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not start:\n{log.read_text(errors='replace')}")


def launch(playwright: Playwright, executable: str) -> Browser:
    return playwright.chromium.launch(executable_path=executable, args=FLAGS)


@dataclass
class Visitor:
    """One person at one browser window; `complaints` is what the console called an error."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        # On a deep link Streamlit's client first looks for its server below that path and is told 404.
        looking = "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not looking:
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        """Go to `path`, and wait until the page has drawn and rests."""
        self.page.goto(self.address + path)
        self.page.locator(".ems-page, .ems-problem, [data-testid=stException]").first.wait_for()
        return self.rest()

    def rest(self) -> Page:
        """Wait until the script has run."""
        self.page.wait_for_timeout(150)  # a click reaches the server, and the running state the page
        self.page.locator(IDLE).wait_for(state="attached")
        return self.page

    def overflow(self) -> int:
        """How many pixels the page is wider than its window; 0 is right."""
        return int(
            self.page.evaluate(
                "Math.max(...['[data-testid=stMain]', 'html'].map(name => document.querySelector(name))"
                ".map(one => one.scrollWidth - one.clientWidth))"
            )
        )

    def whole(self, path: Path, *, limit: int = 5000) -> None:
        """A picture of the page in its full height, up to `limit` pixels."""
        size = self.page.viewport_size or DESKTOP
        height = int(self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight"))
        self.page.set_viewport_size({"width": size["width"], "height": max(size["height"], min(height, limit))})
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=str(path), animations="disabled")
        self.page.set_viewport_size(size)
