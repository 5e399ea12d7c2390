"""Where the pages are, and the links between them. The paths are relative to `main.py`."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

OVERVIEW = "screens/overview.py"
PATTERNS = "screens/patterns.py"
PATTERN = "screens/pattern.py"
CLASSIFY = "screens/classify.py"
HEALTH = "screens/health.py"
TRAIN = "screens/train.py"
SYSTEM = "screens/machine.py"


def to_pattern(pattern: str, label: str = "Open pattern") -> None:
    """A link to a pattern's page. `label` is read as Markdown: it must be our own words, not an error's."""
    st.page_link(PATTERN, label=label, query_params={"pattern": pattern})


def asked_pattern() -> str:
    """The id in the address (`?pattern=ID`), or ""."""
    return str(st.query_params.get("pattern", ""))


def asked_event() -> str:
    """The id of one of its events in the address (`&event=ID`), or ""."""
    return str(st.query_params.get("event", ""))


def href(pattern: str, event: str = "") -> str:
    """The address of a pattern's page, of one of its events there."""
    return "pattern?" + urlencode({"pattern": pattern} | ({"event": event} if event else {}))
