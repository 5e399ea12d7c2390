"""The cards of the overview."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from ems_ml.service.dashboard import charts
from ems_ml.service.dashboard.components import badge, empty, heading, meters, tiles
from ems_ml.service.dashboard.decisions import suggestion_buttons
from ems_ml.service.dashboard.links import PATTERNS, SYSTEM
from ems_ml.service.dashboard.markup import join, show, tag
from ems_ml.service.dashboard.phrases import count, many, percent, size, words
from ems_ml.service.dashboard.rows import short_list, what
from ems_ml.service.dashboard.state import health
from ems_ml.service.views import Overview, PatternRow, Resources, Suggestion


def figures(seen: Overview) -> None:
    """Received, processed, dropped, and what is open."""
    reasons = ", ".join(f"{words(reason)} {count(number)}" for reason, number in seen.dropped.items() if number)
    tiles(
        [
            ("Received", count(seen.received), "events since the start"),
            ("Processed", count(seen.processed), f"{count(seen.waiting)} waiting" if seen.waiting else "none waiting"),
            ("Dropped", count(seen.lost), reasons or "nothing was lost"),
            ("Open patterns", count(seen.open_patterns), f"{count(seen.new_patterns)} new in {_period(seen.hours)}"),
        ]
    )


def _period(hours: int) -> str:
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"


def events(seen: Overview) -> None:
    """Events over time."""
    total = sum(bucket.count for bucket in seen.over_time)
    with st.container(key="card-events", height="stretch"):
        heading("Events over time", f"{many(total, 'event')} in {_period(seen.hours)}")
        if not total:
            empty("No event in this period. Paste a trace on the page Classify, or point a Sentry client at the API.")
            return
        charts.draw(
            charts.over_time([(bucket.start, bucket.count) for bucket in seen.over_time], what="events an hour"),
            says=f"{total} events over the last {_period(seen.hours)}, an hour a bar",
        )


def machine(use: Resources) -> None:
    """The machine, and what the doctor found."""
    checks = health().checks
    bad = [check for check in checks if not check.ok]
    with st.container(key="card-machine", height="stretch"):
        heading("System", badge("healthy", "good") if not bad else badge(f"{len(bad)} to mend", "bad"))
        meters(
            [
                ("Processor", use.cpu, percent(use.cpu)),
                ("Memory", use.memory_used / use.memory_total, f"{size(use.memory_used)} of {size(use.memory_total)}"),
                ("Disk", use.disk_used / use.disk_total, f"{size(use.disk_free)} free"),
            ]
        )
        for check in bad:
            show(join(tag("b", check.name), ": ", check.detail))
        st.page_link(SYSTEM, label=f"All {len(checks)} checks")


def waiting(seen: Overview) -> None:
    """The questions that only a person can answer."""
    if not seen.suggestions:
        return
    with st.container(key="card-questions"):
        heading("Is this the same?", f"{many(len(seen.suggestions), 'pattern')} that may belong to another")
        for one in seen.suggestions:
            _question(one)


def _question(one: Suggestion) -> None:
    with st.container(key=f"question-{one.pattern.id}"):
        show(
            tag(
                "div",
                what(one.pattern),
                tag("div", tag("b", percent(one.probability)), tag("small", "the same cause"), cls="mid"),
                what(one.other),
                cls="ems-two",
            )
        )
        suggestion_buttons(one)


def ranking(title: str, rows: Sequence[PatternRow], *, scope: str) -> None:
    """A short list of patterns."""
    with st.container(key=f"card-{scope}", height="stretch"):
        heading(title)
        if not rows:
            empty("No pattern yet.")
            return
        short_list(rows, scope=scope, now=datetime.now(UTC))
        st.page_link(PATTERNS, label="All patterns")
