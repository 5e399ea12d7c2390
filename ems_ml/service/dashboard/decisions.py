"""What a person can decide about a pattern, as buttons. Each asks once more before it binds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ems_ml.errors import EmsError
from ems_ml.service import app
from ems_ml.service.dashboard.components import note, problem
from ems_ml.service.dashboard.links import PATTERN
from ems_ml.service.dashboard.phrases import browser_zone, moment
from ems_ml.service.dashboard.state import system
from ems_ml.service.views import EventRow, PatternRow, Suggestion
from ems_ml.types import PatternStatus

BY = "dashboard"
SAID = "ems-said"


def decide(action: str, pattern: str, *, said: str, other: str = "", events: Sequence[str] = ()) -> str | None:
    """Bind the decision; the id of the pattern that it is about afterwards, None where it was refused (and told).

    `said` is acknowledged on the next drawing; it is our own words, never an error's.
    """
    try:
        row = app.decide(system(), action, pattern, other=other, events=tuple(events), by=BY)
    except EmsError as error:
        problem(error)
        return None
    st.session_state[SAID] = said
    return str(row.id)


def acknowledge() -> None:
    """Tell once what was decided."""
    said = st.session_state.pop(SAID, None)
    if said:
        st.toast(said)


def show_pattern(pattern: str) -> None:
    """Go there; the rest of this drawing is left out."""
    st.switch_page(PATTERN, query_params={"pattern": pattern})


def suggestion_buttons(one: Suggestion) -> None:
    """Same or not the same: the answer to "is this the same as ...?"."""
    mine, other = one.pattern.id, one.other.id
    with st.container(horizontal=True, key=f"answer-{mine}"):
        with st.popover("Same cause", key=f"ask-same-{mine}"):
            note(f"{mine} is merged into {other}. All its events, and later ones like them, belong there.")
            if st.button("Merge them", key=f"same-{mine}", type="primary") and decide(
                "merge", mine, other=other, said=f"{mine} was merged into {other}"
            ):
                st.rerun()
        with st.popover("Not the same", key=f"ask-apart-{mine}"):
            note(f"{mine} and {other} stay apart, whatever the model says from now on.")
            if st.button("Keep them apart", key=f"apart-{mine}", type="primary") and decide(
                "apart", mine, other=other, said=f"{mine} and {other} are kept apart"
            ):
                st.rerun()


def status_buttons(row: PatternRow) -> None:
    """Resolve, ignore, or reopen."""
    if row.status is not PatternStatus.OPEN:
        _change("Reopen", "reopen", row, "It needs attention again.", "is open again")
        return
    _change("Resolve", "resolve", row, "It is mended. An event that comes later opens it again.", "is resolved")
    _change("Ignore", "ignore", row, "It needs nobody's attention; its events are still counted.", "is ignored")


def _change(label: str, action: str, row: PatternRow, means: str, said: str) -> None:
    with st.popover(label, key=f"ask-{action}-{row.id}"):
        note(means)
        if st.button(f"{label} this pattern", key=f"{action}-{row.id}", type="primary") and decide(
            action, row.id, said=f"{row.id} {said}"
        ):
            st.rerun()


def merge_button(row: PatternRow, others: Callable[[], Sequence[PatternRow]]) -> None:
    """Merge this pattern into another one. `others` is asked only when the button is opened."""
    asked = st.popover("Merge", key=f"ask-merge-{row.id}", on_change="rerun")
    if not asked.open:
        return
    with asked:
        note("This pattern has the same cause as another: its events, and later ones like them, belong there.")
        into = _choose("Merge into", row, others(), key=f"merge-into-{row.id}")
        if st.button("Merge", key=f"merge-{row.id}", type="primary", disabled=into is None) and into is not None:
            kept = decide("merge", row.id, other=into.id, said=f"{row.id} was merged into {into.id}")
            if kept:
                show_pattern(kept)


def apart_button(row: PatternRow, others: Callable[[], Sequence[PatternRow]]) -> None:
    """Say that this pattern and another are not the same. `others` is asked only when the button is opened."""
    asked = st.popover("Keep apart", key=f"ask-keep-{row.id}", on_change="rerun")
    if not asked.open:
        return
    with asked:
        note("This pattern and another have different causes, whatever the model says from now on.")
        other = _choose("Not the same as", row, others(), key=f"apart-from-{row.id}")
        if (
            st.button("Keep them apart", key=f"keep-apart-{row.id}", type="primary", disabled=other is None)
            and other is not None
            and decide("apart", row.id, other=other.id, said=f"{row.id} and {other.id} are kept apart")
        ):
            st.rerun()


def split_button(row: PatternRow, events: Sequence[EventRow]) -> None:
    """Give some of the events a pattern of their own."""
    with st.popover("Split", key=f"ask-split-{row.id}", disabled=row.count < 2):
        note("Some of the events have another cause: they become a pattern of their own.")
        by_id, zone = {event.id: event for event in events}, browser_zone()
        chosen = st.multiselect(
            "Events that leave",
            list(by_id),
            format_func=lambda one: f"{moment(by_id[one].time, zone)}  {by_id[one].message[:60]}",
            key=f"split-events-{row.id}",
        )
        ready = 0 < len(chosen) < row.count
        if chosen and not ready:
            note("At least one event has to stay.")
        if st.button("Split them off", key=f"split-{row.id}", type="primary", disabled=not ready):
            fresh = decide("split", row.id, events=chosen, said="The events became a pattern of their own")
            if fresh:
                show_pattern(fresh)


def _choose(label: str, row: PatternRow, others: Sequence[PatternRow], *, key: str) -> PatternRow | None:
    """One of the other patterns, the suggested one first; typing narrows the list."""
    suggested = row.suggestion.pattern if row.suggestion else None
    known = {one.id: one for one in sorted(others, key=lambda one: one.id != suggested) if one.id != row.id}
    chosen = st.selectbox(
        label,
        list(known),
        index=0 if suggested in known else None,
        placeholder="Choose a pattern, or type to search",
        format_func=lambda one: _option(known[one]),
        key=key,
    )
    return known.get(chosen) if chosen else None


def _option(row: PatternRow) -> str:
    """A pattern in a list of choices, which shows text as it stands."""
    where = f" in {row.function}" if row.function else ""
    return f"{row.type or 'No exception'}: {row.message[:60]}{where} ({row.count}, {row.id})"
