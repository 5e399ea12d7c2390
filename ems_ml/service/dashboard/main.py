"""The router: `streamlit run` starts here. Each page is a script in `screens/` that only draws."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ems_ml.service.dashboard.links import CLASSIFY, HEALTH, OVERVIEW, PATTERN, PATTERNS, SYSTEM, TRAIN
from ems_ml.service.dashboard.state import guarded

HERE = Path(__file__).parent

st.set_page_config(page_title="EMS", page_icon=str(HERE / "mark.svg"), layout="wide", initial_sidebar_state="collapsed")
st.html(HERE / "style.css")
st.logo(str(HERE / "logo.svg"), size="large")
page = st.navigation(
    [
        st.Page(OVERVIEW, title="Overview", url_path="overview", default=True),
        st.Page(PATTERNS, title="Patterns", url_path="patterns"),
        st.Page(CLASSIFY, title="Classify", url_path="classify"),
        st.Page(TRAIN, title="Train", url_path="train"),
        st.Page(HEALTH, title="Model health", url_path="model-health"),
        st.Page(SYSTEM, title="System", url_path="system"),
        st.Page(PATTERN, title="Pattern", url_path="pattern", visibility="hidden"),  # reached by a link
    ],
    position="top",
)
with guarded():
    page.run()
