"""The parts of the page Classify: the form, and the answer."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ems_ml.service import app
from ems_ml.service.dashboard.components import badge, empty, heading, note, strategies
from ems_ml.service.dashboard.links import to_pattern
from ems_ml.service.dashboard.markup import join, show, tag
from ems_ml.service.dashboard.phrases import count, many
from ems_ml.service.dashboard.stack import trace
from ems_ml.service.dashboard.state import system
from ems_ml.service.dashboard.why import neighbours, why_card
from ems_ml.service.views import Classified
from ems_ml.types import Decision

EXAMPLE = """\
Traceback (most recent call last):
  File "/srv/shop/app.py", line 31, in web_checkout
    return orders.ship(order)
  File "/srv/shop/shop/orders.py", line 42, in ship
    return {"number": order.number, "city": shipping_city(order.customer)}
  File "/srv/shop/shop/customers.py", line 34, in shipping_city
    return customer.address.city.upper()
AttributeError: 'NoneType' object has no attribute 'city'
"""
ANSWER = "classified"
KINDS = {Decision.JOINED: "good", Decision.NEW: "accent", Decision.SUGGESTED: "warn"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was sent, once: `sent` is False on every later drawing."""

    text: str
    record: bool
    sent: bool


def form() -> Asked:
    """Draw the form."""
    with st.container(key="card-form"):
        text = st.text_area(
            "Error report",
            height=260,
            key="report",
            placeholder="Traceback (most recent call last):\n  ...",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True, vertical_alignment="center", key="send"):
            sent = st.button("Classify", type="primary")
            st.button("Use an example", on_click=_example)
            record = st.toggle(
                "Record it", value=True, help="A recorded error counts as an event of its pattern. Off: only an answer."
            )
    return Asked(text=text, record=record, sent=sent)


def _example() -> None:
    st.session_state["report"] = EXAMPLE
    st.session_state.pop(ANSWER, None)


def answer(asked: Asked) -> None:
    """Classify what was sent; draw the last answer. Raises the `EmsError` that says what is wrong with the text."""
    if asked.sent:
        st.session_state.pop(ANSWER, None)
        with st.spinner("Reading, grouping, ranking"):
            found = app.classify_text(system(), asked.text, record=asked.record)
        st.session_state[ANSWER] = (found, asked.record)
    if ANSWER in st.session_state:
        _answer(*st.session_state[ANSWER])


def _answer(one: Classified, recorded: bool) -> None:
    result = one.result
    assignment, event = result.assignment, result.event
    with st.container(key="card-answer"):
        heading(
            join(
                event.error.type or "No exception recognised",
                " ",
                badge(assignment.decision.value, KINDS[assignment.decision]),
            ),
            f"{result.ms:.0f} ms, read as {event.parser or event.language}",
        )
        if event.error.message:
            show(tag("div", event.error.message, cls="ems-message"))
        if one.pattern is not None and recorded:
            to_pattern(one.pattern.id, f"Open pattern {one.pattern.id}, {many(one.pattern.count, 'event')}")
        elif not recorded:
            note("It was not recorded; the patterns stay as they were.")
    left, right = st.columns([1.75, 1])
    with left:
        with st.container(key="card-why"):
            heading("Why")
            why_card(
                assignment.why,
                decision=assignment.decision,
                probability=assignment.probability,
                nearest=assignment.nearest,
                versions=result.versions,
            )
        with st.container(key="card-frames"):
            heading("What was read", many(len(event.error.frames), "frame"))
            trace(event)
            if event.more:
                note(f"{count(len(event.more))} more in the same text; the last one was classified.")
    with right:
        with st.container(key="card-strategies"):
            heading("What is likely to mend it", "calibrated probability")
            if result.strategies:
                strategies(result.strategies, shown=6)
            else:
                empty("No strategy was ranked.")
        with st.container(key="card-near"):
            heading("Nearest patterns", "before this one was added")
            neighbours(assignment.nearest[:5])
