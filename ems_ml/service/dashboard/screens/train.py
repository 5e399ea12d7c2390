"""Train: a team's own errors uploaded, looked at, learnt from, compared, put to use; and the way back."""

from __future__ import annotations

import streamlit as st

from ems_ml.service import schooling, teaching
from ems_ml.service.dashboard.components import page_title
from ems_ml.service.dashboard.decisions import acknowledge
from ems_ml.service.dashboard.regrouped import regroupings
from ems_ml.service.dashboard.state import guarded, system
from ems_ml.service.dashboard.taught import answer, versions
from ems_ml.service.dashboard.teach import begin, columns, look, progress, read, sample, upload

acknowledge()
page_title("Train", "Learn from your team's past errors, and see whether that ranks better than the shipped models.")
now = schooling.state(system().settings)
if now.status == "running":
    progress()
elif now.status in ("done", "failed"):
    answer(now)
if now.status in ("none", "failed"):
    with guarded():
        data = upload()
        if data is not None:
            found = look(data)
            left, right = st.columns([1, 1.6])
            with left:
                chosen = columns(data, found)
            with right:
                read(found)
            sample(found)
            begin(data, chosen, enough=len(found["labels"]) > 1)
with guarded():
    rows = teaching.list_versions(system())
    versions(rows)
    regroupings(rows)
