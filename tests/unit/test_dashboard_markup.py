"""What the dashboard draws out of foreign text: it is shown as it stands, never obeyed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ems_ml.service.dashboard import MAIN, command, streamlit_flags
from ems_ml.service.dashboard.markup import Markup, join, show, tag
from ems_ml.service.dashboard.phrases import ago, many, percent, size

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@given(some.text())
def test_text_is_never_markup(text: str) -> None:
    drawn = str(tag("b", text, title=text))
    inner = drawn.removeprefix("<b").removesuffix("</b>")
    assert inner.count("<") == 0, "a character of the text opened a tag"
    assert inner.count(">") == 1, "only the opening tag is closed here"
    assert inner.count('"') == 2, "the text left its attribute"
    assert Markup(drawn).striptags().split() == text.split() or "<" in text or "&" in text


def test_tags_nest_and_leave_out_what_is_none() -> None:
    assert tag("p", tag("b", "a<b"), None, cls="x", data_at=1) == '<p class="x" data-at="1"><b>a&lt;b</b></p>'
    assert join("a", None, Markup("<br>")) == "a<br>"


def test_a_plain_string_is_not_drawn() -> None:
    with pytest.raises(TypeError, match="build it with tag"):
        show("<b>nobody escaped this</b>")  # type: ignore[arg-type]


@pytest.mark.parametrize(("share", "said"), [(0, "0%"), (0.002, "<1%"), (0.314, "31%"), (0.995, ">99%"), (1, "100%")])
def test_percent_does_not_round_to_certainty(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(hours=30), "30 h ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=80), "05 Sep 2026"),
    ],
)
def test_ago(before: timedelta, said: str) -> None:
    assert ago(NOW - before, NOW) == said


def test_counted_words_and_sizes() -> None:
    assert many(1, "event") == "1 event"
    assert many(1200, "event") == "1,200 events"
    assert [size(n) for n in (12, 1536, 5 * 2**20, 3 * 2**30)] == ["12 B", "1.5 KiB", "5.0 MiB", "3.0 GiB"]


def test_the_server_is_started_with_its_guards_up() -> None:
    flags = dict(flag.split("=", 1) for flag in streamlit_flags())
    assert flags["--server.enableXsrfProtection"] == "true"
    assert flags["--server.enableCORS"] == "true"
    assert flags["--browser.gatherUsageStats"] == "false"
    assert flags["--client.toolbarMode"] == "minimal"
    assert flags["--theme.primaryColor"].startswith("#")
    line = command(host="127.0.0.1", port=8501)
    assert line[1:4] == ["-m", "streamlit", "run"]
    assert {"--server.address=127.0.0.1", "--server.port=8501"} <= set(line)


def test_no_folder_called_pages_stands_beside_the_router() -> None:
    """Streamlit would serve its files by itself, without router, theme and menu, to whoever comes by a deep link."""
    assert MAIN.is_file()
    assert not MAIN.with_name("pages").exists()
