"""Overview: what comes in, what becomes of it, what waits for a person. It refreshes by itself."""

from __future__ import annotations

import streamlit as st

from ems_ml.service import app
from ems_ml.service.dashboard.components import page_title
from ems_ml.service.dashboard.decisions import acknowledge
from ems_ml.service.dashboard.live import events, figures, machine, ranking, waiting
from ems_ml.service.dashboard.state import guarded, system

HOURS = {24: "24 hours", 72: "3 days", 168: "7 days"}

acknowledge()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    with st.container(width="content"):
        page_title("Overview", "Errors as they arrive, grouped by cause.")
    hours = st.segmented_control(
        "Period", list(HOURS), default=24, required=True, format_func=HOURS.__getitem__, label_visibility="collapsed"
    )


@st.fragment(run_every="5s")  # type: ignore[untyped-decorator]  # see pyproject
def live() -> None:
    with guarded():
        seen = app.overview(system(), hours=int(hours or 24))
        figures(seen)
        left, right = st.columns([2, 1])
        with left:
            events(seen)
        with right:
            machine(seen.resources)
        waiting(seen)
        left, right = st.columns(2)
        with left:
            ranking("Most events", seen.top, scope="top")
        with right:
            ranking("Newest patterns", seen.newest, scope="new")


live()
