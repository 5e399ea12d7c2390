"""The page Train as a person uses it: upload, look, train, compare, put to use, go back; in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filling import TICKET_NOTE as HOSTILE
from filling import prepare, tickets
from harness import DESKTOP, PHONE, Visitor, dashboard
from own_errors import SECRET, errors
from playwright.sync_api import Browser, Page, expect

TRAINED = 120_000  # milliseconds that a training may take


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory, toy_models: Path) -> Path:
    home = tmp_path_factory.mktemp("train-home")
    shutil.copytree(toy_models, home / "models")
    prepare(home / "models")
    return home


@pytest.fixture(scope="module")
def own_address(browser: Browser, own_home: Path) -> Iterator[str]:
    """A dashboard of its own: these tests change which models are in use."""
    with dashboard(own_home, own_home / "dashboard.txt") as address:
        yield address


@pytest.fixture
def teacher(browser: Browser, own_address: str) -> Iterator[Visitor]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")  # type: ignore[arg-type]
    visitor = Visitor(context.new_page(), own_address)
    yield visitor
    context.close()
    assert visitor.complaints == [], "the browser's console holds errors"


def give(visitor: Visitor, name: str, content: bytes) -> Page:
    page = visitor.open("/train")
    clear = page.get_by_role("button", name=re.compile("Train on something else|^Clear$"))
    page.locator("input[type=file]").or_(clear).first.wait_for(state="attached")
    if clear.count():
        clear.click()
        visitor.rest()
    page.locator("input[type=file]").set_input_files([{"name": name, "mimeType": "text/csv", "buffer": content}])  # type: ignore[list-item]
    page.wait_for_timeout(500)
    return visitor.rest()


def healthy(page: Page) -> None:
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    expect(page.locator(".ems-problem")).to_have_count(0)


def test_a_teams_table_is_uploaded_looked_at_learnt_from_and_put_to_use(teacher: Visitor, own_home: Path) -> None:
    page = give(teacher, "störungen.csv", tickets())
    healthy(page)
    columns = page.locator("[class*=st-key-card-columns]")
    expect(columns).to_contain_text("separated by semicolons")
    expect(columns.get_by_role("combobox").nth(0)).to_have_value("Fehlermeldung")
    expect(columns.get_by_role("combobox").nth(1)).to_have_value("Lösung")
    expect(columns.get_by_role("combobox").nth(2)).to_have_value("Aufgetreten am")
    expect(columns).to_contain_text("The parsers read frames in")
    page.get_by_text("Use it if it is surely better").click()  # another drawing: nothing was chosen by that
    teacher.rest()
    page.get_by_text("Use it if it is surely better").click()
    teacher.rest()
    expect(columns).to_contain_text("The parsers read frames in")
    expect(columns).not_to_contain_text("You chose it.")
    seen = page.locator("[class*=st-key-card-read]")
    expect(seen.locator(".ems-facts")).to_contain_text("161")
    expect(seen).to_contain_text("no trace")
    expect(seen).to_contain_text("another number of fields")
    expect(seen).to_contain_text("Netz: später erneut")
    expect(page.locator("[class*=st-key-card-sample]")).to_contain_text("Traceback")
    expect(page.locator("body")).not_to_contain_text(SECRET)
    assert teacher.overflow() == 0
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("[class*=st-key-card-progress]")).to_contain_text("Training on störungen.csv")
    expect(page.get_by_role("progressbar")).to_be_visible()
    again = teacher.open("/train")  # another drawing, as of somebody else who looks: the training goes on
    expect(again.locator("[class*=st-key-card-progress], [class*=st-key-card-compare]").first).to_be_visible()
    compare = page.locator("[class*=st-key-card-compare]")
    expect(compare).to_contain_text("Better than the shipped model", timeout=TRAINED)
    teacher.rest()
    healthy(page)
    expect(compare.locator("canvas, svg.marks").first).to_be_visible()
    figures = page.locator("[class*=st-key-card-figures]")
    expect(figures.locator("tbody tr")).to_have_count(3)
    expect(figures).to_contain_text(re.compile(r"\d+%"))
    expect(figures).to_contain_text("v2 is in use")
    versions = page.locator("[class*=st-key-card-versions]")
    expect(versions.locator("tbody tr").first).to_contain_text("in use")
    assert teacher.overflow() == 0
    assert json.loads((own_home / "models" / "manifest.json").read_text())["_used"][-1] == "v2"
    assert not list((own_home / "training" / "uploads").iterdir())  # the upload, which held secrets, is gone
    kept = [one for one in own_home.rglob("*") if one.is_file() and SECRET.encode() in one.read_bytes()]
    assert kept == []


def test_the_other_pages_use_what_was_put_to_use_and_one_can_go_back(teacher: Visitor) -> None:
    page = teacher.open("/classify")
    page.get_by_label("Error report").fill(errors(1, seed=5)[0].trace)
    page.get_by_role("button", name="Classify", exact=True).click()
    bars = page.locator("[class*=st-key-card-strategies] .ems-bar")
    expect(bars.first).to_be_visible()
    words = ("Stammdaten pflegen", "Netz: später erneut", "Eingabe prüfen")
    assert any(word in text for text in bars.all_inner_texts() for word in words)
    page = teacher.open("/model-health")
    healthy(page)
    expect(page.locator("[class*=st-key-card-classes]")).to_contain_text("Netz: später erneut")
    page = teacher.open("/train")
    page.get_by_role("button", name="Go back to those before").click()
    expect(page.locator("[class*=st-key-card-figures]")).to_contain_text("v2 is not in use")
    page.get_by_role("button", name="Use v2").click()
    expect(page.locator("[class*=st-key-card-figures]")).to_contain_text("v2 is in use")
    page.get_by_role("button", name="Go back one").click()
    expect(page.locator("[class*=st-key-card-figures]")).to_contain_text("v2 is not in use")
    page = teacher.open("/classify")
    page.get_by_label("Error report").fill(errors(1, seed=6)[0].trace)
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(bars.first).to_be_visible()
    assert not any(word in text for text in bars.all_inner_texts() for word in words)


def test_a_guess_can_be_changed_and_what_is_foreign_is_shown_literally(teacher: Visitor) -> None:
    page = give(teacher, "t.csv", tickets(60))
    columns = page.locator("[class*=st-key-card-columns]")
    columns.get_by_role("combobox").nth(3).click()
    page.get_by_role("option", name="Bemerkung").click()
    teacher.rest()
    expect(columns).to_contain_text("You chose it.")
    expect(page.locator("[class*=st-key-card-sample]")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hurt") is None
    columns.get_by_role("combobox").nth(1).click()
    page.get_by_role("option", name="(none)").click()
    teacher.rest()
    expect(page.locator("[class*=st-key-card-read]")).to_contain_text("No row carries a label")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"name,price\ntea,3\noil,4\n", "no column holds error reports"),
        (bytes(range(256)) * 20, "binary"),
    ],
)
def test_a_file_that_is_no_table_of_errors_is_told(teacher: Visitor, content: bytes, says: str) -> None:
    page = give(teacher, "wrong.csv", content)
    expect(page.locator(".ems-problem")).to_contain_text(says)
    expect(page.locator(".ems-problem")).not_to_contain_text("uploads/")
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def test_too_few_errors_end_the_training_with_a_remedy(teacher: Visitor) -> None:
    page = give(teacher, "few.csv", tickets(9))
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".ems-problem")).to_contain_text("different labelled errors are left", timeout=TRAINED)
    expect(page.locator(".ems-problem")).to_contain_text("give at least 20")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".ems-problem")).to_have_count(0)


def test_a_training_can_be_stopped(teacher: Visitor) -> None:
    page = give(teacher, "many.csv", tickets(3000))
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[class*=st-key-card-progress]")).to_have_count(0)
    expect(page.locator("[class*=st-key-card-compare]")).to_have_count(0)
    healthy(teacher.rest())


def test_it_fits_a_phone(teacher: Visitor) -> None:
    page = give(teacher, "t.csv", tickets(60))
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    teacher.rest()
    healthy(page)
    assert teacher.overflow() == 0
