"""Patterns: the list, searched and filtered."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from ems_ml.service import app
from ems_ml.service.dashboard.components import empty, heading, page_title
from ems_ml.service.dashboard.decisions import acknowledge
from ems_ml.service.dashboard.listing import SIZE, filters, pager
from ems_ml.service.dashboard.phrases import many
from ems_ml.service.dashboard.rows import pattern_list
from ems_ml.service.dashboard.state import system

acknowledge()
page_title("Patterns", "Errors with the same cause stand together. Open one to see why, and what is likely to mend it.")
asked = filters()
found = app.list_patterns(
    system(), search=asked.search, status=asked.status, sort=asked.sort, limit=SIZE, offset=asked.offset, counts=True
)
with st.container(key="card-patterns"):
    heading(many(found.total, "pattern"), asked.said)
    if found.rows:
        pattern_list(found.rows, now=datetime.now(UTC))
    else:
        empty(asked.nothing)
    pager(asked, found.total)
