"""The parts of a pattern's page that are its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from ems_ml.service import app
from ems_ml.service.dashboard import charts
from ems_ml.service.dashboard.components import badge, facts, heading, note, table
from ems_ml.service.dashboard.decisions import (
    apart_button,
    merge_button,
    split_button,
    status_buttons,
    suggestion_buttons,
)
from ems_ml.service.dashboard.links import href
from ems_ml.service.dashboard.markup import Markup, join, show, tag
from ems_ml.service.dashboard.phrases import ago, browser_zone, count, label, moment, percent, words
from ems_ml.service.dashboard.rows import place, status, what
from ems_ml.service.dashboard.stack import as_text
from ems_ml.service.dashboard.state import system
from ems_ml.service.views import PatternDetail, PatternRow, Suggestion

SHOWN = 50  # events in the table
CHOICES = 500  # patterns that merge and "not the same" offer


def look(pattern: str, event: str) -> PatternDetail:
    """The pattern with the trace and the reason of `event`; of its newest one where none is asked for."""
    seen = app.pattern_detail(system(), pattern, events=SHOWN, event=event)
    if event or not seen.events or seen.events[0].id == seen.event.id:
        return seen
    return app.pattern_detail(system(), pattern, events=SHOWN, event=seen.events[0].id)


def which(seen: PatternDetail) -> str:
    """Which of the events is shown, in words."""
    ids = [event.id for event in seen.events]
    if len(ids) < 2:
        return "its raise point stands last"
    if seen.event.id == ids[0]:
        return "the newest event; its raise point stands last"
    first = seen.event.id == seen.row.example
    return f"{'the first' if first else 'an earlier'} event; its raise point stands last"


def head(seen: PatternDetail) -> None:
    """Type, message, raise point, and the counts."""
    row, now, zone = seen.row, datetime.now(UTC), browser_zone()
    numbers = [
        ("Events", count(row.count)),
        ("Last seen", tag("span", ago(row.last_seen, now), title=moment(row.last_seen, zone))),
        ("First seen", tag("span", ago(row.first_seen, now), title=moment(row.first_seen, zone))),
        ("Project", row.project),
        ("Pattern", tag("span", row.id, cls="ems-mono")),
    ]
    if seen.merged:
        numbers.append(("Merged into it", ", ".join(seen.merged)))
    show(
        tag(
            "div",
            tag("h1", row.type or "No exception recognised", " ", status(row)),
            tag("div", row.message or row.title, cls="ems-message"),
            tag("div", place(row), cls="ems-mono ems-soft") if place(row) else None,
            facts(numbers),
            cls="ems-page ems-detail",
        )
    )


def actions(seen: PatternDetail) -> None:
    """The question that waits, where there is one, and what can be decided."""
    row = seen.row
    if row.suggestion is not None:
        other = app.pattern_detail(system(), row.suggestion.pattern, events=0).row
        with st.container(key="card-question"):
            heading("Is this the same?", f"{percent(row.suggestion.probability)} the same cause as {other.id}")
            show(what(other))
            suggestion_buttons(Suggestion(pattern=row, other=other, probability=row.suggestion.probability))

    def others() -> Sequence[PatternRow]:
        return app.list_patterns(system(), project=row.project, sort="last_seen", limit=CHOICES).rows

    with st.container(horizontal=True, key="actions"):
        status_buttons(row)
        merge_button(row, others)
        apart_button(row, others)
        split_button(row, seen.events)


def over_time(seen: PatternDetail) -> None:
    points = [(bucket.start, bucket.count) for bucket in seen.over_time]
    charts.draw(
        charts.over_time(points, what="events", height=130),
        says=f"{sum(number for _, number in points)} events over {len(points)} days",
    )


def how_to_fix(seen: PatternDetail) -> None:
    """The command that looks for a repair; it is run where the code is."""
    note("Save the trace, then run this where the project's code lies. What is found is proven by its own tests.")
    st.code(f"ems fix . --trace {seen.row.id}.txt", language="bash")
    st.download_button(
        "Save the trace", as_text(seen.event), file_name=f"{seen.row.id}.txt", mime="text/plain", on_click="ignore"
    )


def fixes(seen: PatternDetail) -> None:
    """The attempts, the newest first."""
    now = datetime.now(UTC)
    for fix in seen.fixes:
        kind = "good" if fix.verdict == "repaired" else "warn"
        show(
            tag(
                "div",
                tag("div", badge(words(fix.verdict), kind), " ", tag("b", label(fix.strategy or "")), cls="t"),
                tag("p", fix.reason, cls="ems-note") if fix.reason else None,
                tag("p", f"{ago(fix.time, now)}, {fix.seconds:.0f} s", cls="ems-note"),
                tag("p", "branch ", tag("span", fix.branch, cls="ems-mono"), cls="ems-note") if fix.branch else None,
                cls="ems-fix",
            )
        )
        if fix.diff:
            with st.expander("The change"):
                st.code(fix.diff, language="diff")


def event_table(seen: PatternDetail) -> None:
    """The events, the newest first."""
    zone = browser_zone()
    shown = len(seen.events)
    heading("Events", f"the newest {shown} of {count(seen.row.count)}" if shown < seen.row.count else "")
    rows = [
        (
            tag("a", moment(event.time, zone), href=href(seen.row.id, event.id), target="_self", cls="ems-num"),
            _message(event.message, event.test),
            _decided(event.decision.value if event.decision else "", event.probability),
            event.source,
            event.release or "",
        )
        for event in seen.events
    ]
    show(table(("time", "message", "decision", "source", "release"), rows))
    if len(rows) > 1:
        note("The time leads to that event's own trace, and to why it stands here.")


def _message(message: str, test: str) -> Markup:
    return join(tag("div", message), tag("div", test, cls="ems-mono ems-soft") if test else None)


def _decided(decision: str, probability: float) -> str:
    return f"{decision}, {percent(probability)}" if decision and probability else decision
