"""System: what is installed, reachable and healthy, each problem with its remedy; the settings in force."""

from __future__ import annotations

import streamlit as st

from ems_ml.service.dashboard.components import badge, checks, heading, page_title
from ems_ml.service.dashboard.panel import machine, reachable, settings
from ems_ml.service.dashboard.state import health

page_title("System", "What is installed, reachable and healthy on this machine.")
left, right = st.columns([1.6, 1])
with left, st.container(key="card-checks"):
    seen = health()
    heading("Checks", badge("healthy", "good") if seen.ok else badge("something is to be mended", "bad"))
    checks((check.state.value, check.name, check.detail, check.remedy) for check in seen.checks)
    if st.button("Check again"):
        health.clear()
        st.rerun()
with right:
    machine(seen.resources)
    reachable()
with left:
    settings()
