"""Patterns as rows of a list. Each leads to its page by a link that covers the row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import streamlit as st

from ems_ml.service.dashboard.components import badge, sparkline
from ems_ml.service.dashboard.links import to_pattern
from ems_ml.service.dashboard.markup import Markup, show, tag
from ems_ml.service.dashboard.phrases import ago, count, label, many, percent
from ems_ml.service.views import PatternRow
from ems_ml.types import PatternStatus


def pattern_list(rows: Iterable[PatternRow], *, now: datetime) -> None:
    """One row a pattern, each with all that tells it from its neighbours."""
    with st.container(key="rows-all", gap=None):
        for row in rows:
            _row(f"row-all-{row.id}", row, _full(row, now))


def short_list(rows: Iterable[PatternRow], *, scope: str, now: datetime) -> None:
    """A row of two lines, for a card; `scope` names the card."""
    with st.container(key=f"rows-{scope}", gap=None):
        for row in rows:
            _row(f"row-{scope}-{row.id}", row, _short(row, now))


def _row(key: str, row: PatternRow, drawn: Markup) -> None:
    with st.container(key=key, gap=None):
        show(drawn)
        to_pattern(row.id, f"Open pattern {row.id}")


def place(row: PatternRow) -> str:
    """The raise point: 'ship · shop/orders.py:42'."""
    where = f"{row.file}:{row.line}" if row.file and row.line is not None else row.file
    return " · ".join(part for part in (row.function, where) if part)


def status(row: PatternRow) -> Markup:
    kind = {PatternStatus.OPEN: "open", PatternStatus.RESOLVED: "good"}.get(row.status, "")
    return badge(row.status.value, kind)


def what(row: PatternRow) -> Markup:
    """Type with badges, message, raise point."""
    return tag(
        "div",
        tag(
            "div",
            row.type or "No exception recognised",
            status(row) if row.status is not PatternStatus.OPEN else None,
            badge("same as another?", "warn") if row.suggestion else None,
            badge(row.project) if row.project != "default" else None,
            cls="t",
        ),
        tag("div", row.message or row.title, cls="m"),
        tag("div", place(row), cls="p") if place(row) else None,
        cls="ems-what",
    )


def _full(row: PatternRow, now: datetime) -> Markup:
    top = row.top
    return tag(
        "div",
        what(row),
        tag("div", sparkline(row.counts, f"events a day over {len(row.counts)} days"), cls="g") if row.counts else None,
        tag(
            "div",
            many(row.count, "event"),
            tag("small", "last ", ago(row.last_seen, now)),
            tag("small", "first ", ago(row.first_seen, now)),
            cls="c",
        ),
        tag("div", tag("b", label(top.name)), tag("small", "likeliest fix, ", percent(top.probability)), cls="s")
        if top
        else tag("div", tag("small", "no fix ranked"), cls="s"),
        cls="ems-row wide" if row.counts else "ems-row",
    )


def _short(row: PatternRow, now: datetime) -> Markup:
    return tag(
        "div",
        what(row),
        tag("div", count(row.count), tag("small", ago(row.last_seen, now)), cls="c r"),
        cls="ems-row short",
    )
