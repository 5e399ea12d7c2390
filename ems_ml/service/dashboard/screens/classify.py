"""Classify: a trace in any form, its pattern, why, and what is likely to mend it."""

from __future__ import annotations

from ems_ml.service.dashboard.asking import answer, form
from ems_ml.service.dashboard.components import page_title
from ems_ml.service.dashboard.state import guarded

page_title(
    "Classify",
    "Paste an error in any form: a traceback, a log with one in it, or one line.",
)
asked = form()
with guarded():
    answer(asked)
