"""One pattern: its trace, why it stands alone or together, what is likely to mend it, its events, and decisions."""

from __future__ import annotations

import streamlit as st

from ems_ml.service.dashboard.components import empty, heading, page_title, strategies
from ems_ml.service.dashboard.decisions import acknowledge
from ems_ml.service.dashboard.detail import actions, event_table, fixes, head, how_to_fix, look, over_time, which
from ems_ml.service.dashboard.links import PATTERNS, asked_event, asked_pattern
from ems_ml.service.dashboard.markup import show, tag
from ems_ml.service.dashboard.stack import trace
from ems_ml.service.dashboard.why import why_card

acknowledge()
st.page_link(PATTERNS, label="All patterns", icon=":material/arrow_back:")
wanted = asked_pattern()
if not wanted:
    page_title("No pattern was asked for", "Choose one in the list of patterns.")
    st.stop()

seen = look(wanted, asked_event())
if wanted != seen.row.id:
    show(tag("div", f"{wanted} was merged into {seen.row.id}, which stands here.", cls="ems-said"))
head(seen)
actions(seen)
left, right = st.columns([1.75, 1])
with left:
    with st.container(key="card-trace"):
        heading("Trace", which(seen))
        trace(seen.event)
    with st.container(key="card-why"):
        heading("Why it stands here")
        why_card(
            seen.why,
            decision=seen.decision,
            probability=seen.probability,
            nearest=seen.nearest,
            versions=seen.versions,
        )
with right:
    with st.container(key="card-strategies"):
        heading("What is likely to mend it", "calibrated probability")
        if seen.row.strategies:
            strategies(seen.row.strategies, shown=5)
        else:
            empty("No strategy was ranked for it.")
    with st.container(key="card-time"):
        heading("Events a day")
        over_time(seen)
    with st.container(key="card-fix"):
        heading("Repair it")
        how_to_fix(seen)
        fixes(seen)
with st.container(key="card-list"):
    event_table(seen)
