"""Model health: the last evaluation, beside its baseline, and the models in use."""

from __future__ import annotations

import streamlit as st

from ems_ml.service import app
from ems_ml.service.dashboard.components import empty, page_title
from ems_ml.service.dashboard.judged import calibration, classes, confusion, figures, provenance, top_k
from ems_ml.service.dashboard.state import system

page_title("Model health", "How well the models in use did on errors they had never seen, beside a simple baseline.")
seen = app.model_health(system())
if not seen.found:
    with st.container(key="card-none"):
        empty("These models have not been evaluated yet. Run this, then look again:")
        st.code("ems evaluate", language="bash")
    st.stop()

figures(seen)
left, right = st.columns(2)
with left:
    top_k(seen)
with right:
    calibration(seen)
confusion(seen)
left, right = st.columns([1.6, 1])
with left:
    classes(seen)
with right:
    provenance(seen)
