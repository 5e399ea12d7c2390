"""Pictures of the dashboard over real errors: `python tests/browser/screenshots.py OUT [--phone] [PAGE...]`.

Fills a data folder of its own with the demo shop's errors, starts the dashboard, and writes a PNG for each page
(`overview`, `patterns`, `pattern`, `classify`, `train`, `health`, `system`; `pattern` alone is what the README shows).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from filling import fill, prepare, tickets
from harness import BROWSERS, DESKTOP, PHONE, Visitor, dashboard, launch
from playwright.sync_api import Page, sync_playwright

PATHS = {
    "overview": "/",
    "patterns": "/patterns",
    "pattern": "/patterns?search=shipping_city",
    "classify": "/classify",
    "train": "/train",
    "health": "/model-health",
    "system": "/system",
}


def go(visitor: Visitor, name: str) -> Page:
    """Open a page and bring it into the state worth a picture."""
    page = visitor.open(PATHS[name])
    if name == "pattern":
        page.locator(".ems-row").first.wait_for()
        page.locator("[class*=st-key-row-] a").first.click()
        page.locator(".ems-detail").wait_for()
    if name == "classify":
        page.get_by_role("button", name="Use an example").click()
        visitor.rest()
        page.get_by_role("button", name="Classify", exact=True).click()
        page.locator("[class*=st-key-card-near]").wait_for()
    if name == "train":
        page.locator("input[type=file]").set_input_files(
            [{"name": "tickets.csv", "mimeType": "text/csv", "buffer": tickets(400)}]
        )
        page.get_by_role("button", name="Train", exact=True).click()
        page.locator("[class*=st-key-card-compare]").wait_for(timeout=180_000)
    visitor.rest()
    page.wait_for_timeout(700)  # charts draw after the script has ended
    return page


def main() -> None:
    reads = argparse.ArgumentParser(description=__doc__)
    reads.add_argument("out", type=Path)
    reads.add_argument("pages", nargs="*", default=["pattern"], help=f"of {', '.join(PATHS)}; default: pattern")
    reads.add_argument("--all", action="store_true", help="every page")
    reads.add_argument("--phone", action="store_true", help="390 pixels wide instead of 1440")
    reads.add_argument("--toy-models", action="store_true", help="the tests' tiny models instead of the shipped ones")
    given = reads.parse_args()
    executable = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if executable is None:
        sys.exit(f"needs {' or '.join(BROWSERS)}, which is not installed")
    given.out.mkdir(parents=True, exist_ok=True)
    sys.path.append(str(Path(__file__).parents[1]))  # toy_models, own_errors
    with tempfile.TemporaryDirectory(prefix="ems-pictures-") as home:
        if given.toy_models:
            import toy_models

            toy_models.write(Path(home) / "models")
            prepare(Path(home) / "models")
        fill(Path(home), days=3)
        with dashboard(Path(home), Path(home) / "dashboard.txt") as address, sync_playwright() as playwright:
            browser = launch(playwright, executable)
            context = browser.new_context(viewport=PHONE if given.phone else DESKTOP)  # type: ignore[arg-type]
            visitor = Visitor(context.new_page(), address)
            for name in PATHS if given.all else given.pages:
                go(visitor, name)
                target = given.out / f"{name}{'-phone' if given.phone else ''}.png"
                visitor.whole(target, limit=1400 if name == "pattern" else 5000)
                print(f"{target}  {target.stat().st_size // 1024} KiB")
            browser.close()


if __name__ == "__main__":
    main()
