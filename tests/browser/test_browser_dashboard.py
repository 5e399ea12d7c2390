"""The dashboard as a person uses it, in a real browser, over real errors."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from harness import PHONE, Visitor
from playwright.sync_api import Page, expect
from shop_errors import HOSTILE

PAGES = ["/", "/patterns", "/classify", "/train", "/model-health", "/system"]
NEW = """Traceback (most recent call last):
  File "/srv/press/worker.py", line 12, in run
    plate = engrave(job)
  File "/srv/press/engraving.py", line 77, in engrave
    return plates[job.material]
KeyError: 'zinc'
"""


def healthy(page: Page) -> None:
    """No exception box, no refusal, and the menu of the router (not one that Streamlit makes up)."""
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    expect(page.locator(".ems-problem")).to_have_count(0)
    expect(page.locator(".ems-page h1").first).to_be_visible()


def rows(page: Page) -> list[str]:
    return page.locator(".ems-row .ems-what").all_inner_texts()


def open_first(visitor: Visitor, words: str) -> Page:
    """The page of the first pattern that a search finds."""
    page = visitor.open(f"/patterns?search={quote(words)}")
    page.get_by_role("link", name=re.compile("^Open pattern")).first.click()
    page.locator(".ems-detail").wait_for()
    return visitor.rest()


def pattern_id(page: Page) -> str:
    return page.locator(".ems-detail dd .ems-mono").inner_text()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_draws_and_fits_desk_and_phone(visitor: Visitor, path: str) -> None:
    page = visitor.open(path)
    healthy(page)
    expect(page.get_by_role("link", name="Model health")).to_be_visible()
    assert visitor.overflow() == 0
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    visitor.rest()
    healthy(page)
    assert visitor.overflow() == 0


def test_the_overview_tells_what_came_in(visitor: Visitor, texts: list[str]) -> None:
    page = visitor.open("/")
    received = page.locator(".ems-tile", has_text="Processed").locator(".v").inner_text()
    assert int(received.replace(",", "")) >= len(texts)
    expect(page.locator("[class*=st-key-card-events] canvas, [class*=st-key-card-events] svg").first).to_be_visible()
    expect(page.locator("[class*=st-key-card-top]")).to_contain_text("AttributeError")
    expect(page.locator("[class*=st-key-card-machine]")).to_contain_text("Memory")


def test_rows_of_the_list_do_not_look_alike(visitor: Visitor) -> None:
    page = visitor.open("/patterns")
    seen = rows(page)
    assert len(seen) > 5
    assert len(set(seen)) == len(seen), "two rows read the same"
    first = page.locator(".ems-row").first
    expect(first).to_contain_text(re.compile(r"\d+ events?"))
    expect(first).to_contain_text("likeliest fix")


def test_a_search_narrows_the_list(visitor: Visitor) -> None:
    page = visitor.open("/patterns")
    before = len(rows(page))
    page.get_by_placeholder("Type, message, file or function").fill("average_price")
    page.keyboard.press("Enter")
    expect(page.locator("[class*=st-key-card-patterns] h2")).to_have_text("1 pattern")
    found = rows(visitor.rest())
    assert len(found) < before
    assert all("ZeroDivisionError" in row for row in found)
    page.get_by_placeholder("Type, message, file or function").fill("nothing_is_called_so")
    page.keyboard.press("Enter")
    expect(page.locator(".ems-empty")).to_contain_text("Nothing matches")


def test_a_pattern_shows_trace_why_and_strategies(visitor: Visitor) -> None:
    page = open_first(visitor, "shipping_city")
    healthy(page)
    assert f"pattern={pattern_id(page)}" in page.url
    expect(page.locator(".ems-trace")).to_contain_text("return customer.address.city.upper()")
    expect(page.locator(".ems-trace li.app.raise")).to_contain_text("shipping_city")
    expect(page.locator("[class*=st-key-card-why]")).to_contain_text("Made by")
    bars = page.locator("[class*=st-key-card-strategies] .ems-bar")
    assert bars.count() >= 3
    expect(bars.first).to_contain_text("%")
    expect(page.locator("[class*=st-key-card-list] tbody tr")).to_have_count(3)
    expect(page.locator("[class*=st-key-card-why]")).to_contain_text("Joined")
    expect(page.locator("[class*=st-key-card-why] .ems-pairs")).to_contain_text("shipping_city")
    page.locator("[class*=st-key-card-list] tbody tr").last.get_by_role("link").click()  # the first event
    expect(page.locator("[class*=st-key-card-trace]")).to_contain_text("the first event")
    expect(page.locator("[class*=st-key-card-why]")).to_contain_text("A new pattern.")
    again = visitor.open(page.url.removeprefix(visitor.address))
    expect(again.locator(".ems-trace")).to_contain_text("shipping_city")


def test_a_pattern_fits_a_phone(phone: Visitor) -> None:
    open_first(phone, "shipping_city")
    assert phone.overflow() == 0


def test_frames_that_are_not_the_projects_recede(visitor: Visitor) -> None:
    page = open_first(visitor, "FileNotFoundError")
    expect(page.locator(".ems-trace li.other").first).to_contain_text("stdlib")
    expect(page.locator(".ems-trace li.app").first).to_contain_text("day.py")


def test_an_unknown_pattern_is_told(visitor: Visitor) -> None:
    page = visitor.open("/pattern?pattern=P-nothing")
    expect(page.locator(".ems-problem")).to_contain_text("P-nothing")
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def classify(visitor: Visitor, text: str, *, record: bool = True) -> Page:
    page = visitor.open("/classify")
    page.get_by_label("Error report").fill(text)
    if not record:
        page.get_by_text("Record it").click()
    page.get_by_role("button", name="Classify", exact=True).click()
    return visitor.rest()


def test_a_pasted_trace_is_answered_and_joined_the_second_time(visitor: Visitor) -> None:
    page = classify(visitor, NEW, record=False)
    answer = page.locator("[class*=st-key-card-answer]")
    expect(answer).to_contain_text("KeyError")
    expect(answer).to_contain_text("It was not recorded")
    page = classify(visitor, NEW)
    expect(answer).not_to_contain_text("joined")
    expect(answer).to_contain_text("1 event")
    expect(page.locator("[class*=st-key-card-why]")).to_contain_text("Made by")
    expect(page.locator("[class*=st-key-card-strategies] .ems-bar").first).to_contain_text("%")
    expect(page.locator("[class*=st-key-card-frames]")).to_contain_text("return plates[job.material]")
    page = classify(visitor, NEW)
    expect(answer).to_contain_text("joined")
    expect(answer).to_contain_text("2 events")
    page.get_by_role("link", name=re.compile("^Open pattern")).click()
    expect(page.locator(".ems-trace")).to_contain_text("'zinc'")


@pytest.mark.parametrize("text", ["", "   \n  "])
def test_an_empty_report_is_told(visitor: Visitor, text: str) -> None:
    page = classify(visitor, text)
    expect(page.locator(".ems-problem")).to_contain_text("the report is empty")
    expect(page.locator(".ems-problem")).to_contain_text("paste")


def test_text_without_an_error_is_answered_as_such(visitor: Visitor) -> None:
    page = classify(visitor, "the printer is out of paper again", record=False)
    expect(page.locator("[class*=st-key-card-answer]")).to_contain_text("the printer is out of paper again")


def test_hostile_messages_are_shown_literally(visitor: Visitor) -> None:
    page = visitor.open("/patterns?search=letter")
    expect(page.locator(".ems-row .m").first).to_have_text(HOSTILE)
    page = open_first(visitor, "letter")
    expect(page.locator(".ems-message")).to_have_text(HOSTILE)
    expect(page.locator(".ems-trace .x").last).to_contain_text(HOSTILE)
    expect(page.locator("[class*=st-key-card-list] tbody td", has_text="<script>").first).to_contain_text(HOSTILE)
    page.get_by_role("button", name="Split").wait_for()
    page = classify(visitor, f"ValueError: {HOSTILE}", record=False)
    expect(page.locator("[class*=st-key-card-answer] .ems-message")).to_have_text(HOSTILE)
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src=x]").count() == 0


def test_two_patterns_are_merged_by_clicks(visitor: Visitor) -> None:
    kept = pattern_id(open_first(visitor, "kettle"))
    page = open_first(visitor, "delivery-0417")
    gone = pattern_id(page)
    assert gone != kept
    page.get_by_role("button", name="Merge", exact=True).click()
    page.get_by_role("combobox", name=re.compile("Merge into")).fill(kept)
    page.get_by_role("option", name=re.compile(kept)).click()
    visitor.rest()
    page.locator("[data-testid=stPopoverBody]").get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator(".ems-detail")).to_contain_text(kept)
    expect(page.locator(".ems-detail")).to_contain_text(gone)  # under "Merged into it"
    expect(page.get_by_text(f"{gone} was merged into {kept}").first).to_be_visible()
    page = visitor.open(f"/pattern?pattern={gone}")
    expect(page.locator(".ems-said")).to_contain_text(f"{gone} was merged into {kept}")


def test_not_the_same_is_kept(visitor: Visitor) -> None:
    other = pattern_id(open_first(visitor, "average_price"))
    page = open_first(visitor, "tidy")
    page.get_by_role("button", name="Keep apart", exact=True).click()
    page.get_by_role("combobox", name=re.compile("Not the same as")).fill(other)
    page.get_by_role("option", name=re.compile(other)).click()
    visitor.rest()
    page.get_by_role("button", name="Keep them apart").click()
    expect(page.get_by_text("are kept apart").first).to_be_visible()


def test_the_questions_on_the_overview_are_answered_by_clicks(visitor: Visitor) -> None:
    page = visitor.open("/")
    questions = page.locator("[class*=st-key-question-]")
    expect(questions.nth(1)).to_be_visible()
    before = questions.count()
    for at, (button, confirm) in enumerate([("Same cause", "Merge them"), ("Not the same", "Keep them apart")], 1):
        questions.first.get_by_role("button", name=button).click()
        page.get_by_role("button", name=confirm).click()
        expect(questions).to_have_count(before - at)
    visitor.rest()
    healthy(page)


def test_an_event_is_split_off(visitor: Visitor) -> None:
    page = open_first(visitor, "print_labels")
    whole = pattern_id(page)
    page.get_by_role("button", name="Split", exact=True).click()
    page.get_by_role("combobox", name=re.compile("Events that leave")).click()
    page.get_by_role("option", name=re.compile("can only concatenate")).first.click()
    page.get_by_text("Some of the events have another cause").click()  # closes the list of options
    visitor.rest()
    page.get_by_role("button", name="Split them off").click()
    expect(page.locator(".ems-detail")).not_to_contain_text(whole)
    expect(page.locator(".ems-detail dd").first).to_have_text("1")
    page = visitor.open(f"/pattern?pattern={whole}")
    expect(page.locator(".ems-detail dd").first).to_have_text("1")


def test_a_pattern_is_resolved_and_reopened(visitor: Visitor) -> None:
    page = open_first(visitor, "parse_line")
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_role("button", name="Resolve this pattern").click()
    expect(page.locator(".ems-detail h1")).to_contain_text("resolved")
    page.get_by_role("button", name="Reopen", exact=True).click()
    page.get_by_role("button", name="Reopen this pattern").click()
    expect(page.locator(".ems-detail h1")).to_contain_text("open")


def test_model_health_shows_figures_beside_the_baseline(visitor: Visitor) -> None:
    page = visitor.open("/model-health")
    healthy(page)
    tile = page.locator(".ems-tile").first
    expect(tile.locator(".v")).to_have_text(re.compile(r"0\.\d{3}|1\.000"))
    expect(tile).to_contain_text("95% interval")
    expect(page.locator(".ems-tile .base").first).to_have_text(re.compile(r"0\.\d{3} "))
    for card in ("topk", "calibration", "confusion"):
        drawn = page.locator(f"[class*=st-key-card-{card}]").locator("canvas, svg.marks").first
        expect(drawn).to_be_visible()
    assert page.locator("[class*=st-key-card-classes] tbody tr").count() > 5
    expect(page.locator("[class*=st-key-card-provenance] code").first).to_contain_text("ems ")


def test_the_system_page_names_remedies(visitor: Visitor) -> None:
    page = visitor.open("/system")
    checks = page.locator(".ems-checks li")
    assert checks.count() > 3
    for at in range(checks.count()):
        text = checks.nth(at).inner_text()
        assert text.lower().startswith("ok") or "Remedy" in text
