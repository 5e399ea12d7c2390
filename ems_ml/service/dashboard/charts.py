"""Charts: plain numbers in, Altair charts out. One accent, grey for the baseline, every axis named with its unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

ACCENT, GREY, SOFT, INK, WARN = "#0F766E", "#B3BCC8", "#566275", "#1A2233", "#B45309"


def draw(chart: Any, *, says: str) -> None:
    """Draw over the whole width; `says` is the chart in words, for who cannot see it."""
    st.altair_chart(chart, width="stretch", alt=says)


def over_time(points: Sequence[tuple[datetime, int]], *, what: str, height: int = 190) -> Any:
    """How many a period, as bars. `points`: start of each period, in order and evenly spaced, and its count.

    The browser shows the times in the reader's own time zone.
    """
    stamps = [int(start.timestamp() * 1000) for start, _ in points]
    step = stamps[1] - stamps[0] if len(stamps) > 1 else 3_600_000
    rows = [
        {"time": stamp, "end": stamp + round(step * 0.84), "count": number}
        for stamp, (_, number) in zip(stamps, points, strict=True)
    ]
    hours = step < 86_400_000
    short = hours and len(rows) <= 36
    return _plain(
        alt.Chart(pd.DataFrame(rows))
        .mark_rect(color=ACCENT, cornerRadiusTopLeft=2, cornerRadiusTopRight=2)  # a bar of its period's width
        .encode(
            x=alt.X(
                "time:T",
                title=None,
                axis=alt.Axis(
                    grid=False, format="%H:%M" if short else "%d %b", tickCount=8 if hours else 5, labelOverlap=True
                ),
            ),
            x2="end:T",
            y=alt.Y("count:Q", title=what, axis=alt.Axis(tickMinStep=1, tickCount=4, format="d")),
            y2=alt.datum(0),
            tooltip=[
                alt.Tooltip("time:T", title="from", format="%d %b %H:%M" if hours else "%d %b %Y"),
                alt.Tooltip("count:Q", title=what, format=",d"),
            ],
        )
        .properties(height=height)
    )


def _plain(chart: Any) -> Any:
    """On the card's own ground, with quiet axes."""
    return (
        chart.configure(background="transparent")
        .configure_axis(labelColor=SOFT, titleColor=SOFT, titleFontWeight="normal", gridColor="#EEF0F3")
        .configure_view(strokeWidth=0)
    )


def beside(
    rows: Iterable[tuple[str, str, float, float, float]],
    *,
    axis: str,
    height: int = 260,
    colours: Sequence[str] = (ACCENT, GREY, WARN),
) -> Any:
    """Our shares beside others': (group, whose, value, low, high), all in [0, 1]; of at most as many as `colours`."""
    values = [dict(zip(("group", "who", "value", "low", "high"), row, strict=True)) for row in rows]
    order = list(dict.fromkeys(value["group"] for value in values))
    names = list(dict.fromkeys(str(value["who"]) for value in values))
    base = alt.Chart(pd.DataFrame(values)).encode(
        x=alt.X("group:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, labelColor=INK, ticks=False)),
        xOffset=alt.XOffset("who:N", sort=names),
    )
    bars = base.mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2).encode(
        y=alt.Y("value:Q", title=axis, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5)),
        color=alt.Color(
            "who:N",
            sort=names,
            scale=alt.Scale(domain=names, range=list(colours)[: len(names)]),
            legend=alt.Legend(title=None, orient="top", symbolType="square"),
        ),
        tooltip=[
            alt.Tooltip("who:N", title="model"),
            alt.Tooltip("value:Q", title=axis, format=".1%"),
            alt.Tooltip("low:Q", title="95% from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    rules = base.mark_rule(color=INK, strokeWidth=1.2, opacity=0.65).encode(y="low:Q", y2="high:Q")
    return _plain(alt.layer(bars, rules).properties(height=height))


def reliability(bins: Iterable[tuple[float, float, int]], *, height: int = 300) -> Any:
    """Said against seen: (mean probability, share that was right, how many) of each bin; the diagonal is perfect."""
    values = [dict(zip(("said", "seen", "number"), row, strict=True)) for row in bins]
    share = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format="%", tickCount=5)}
    diagonal = (
        alt.Chart(pd.DataFrame({"said": [0.0, 1.0], "seen": [0.0, 1.0]}))
        .mark_line(color=GREY, strokeDash=[5, 4])
        .encode(x=alt.X("said:Q", **share), y=alt.Y("seen:Q", **share))
    )
    base = alt.Chart(pd.DataFrame(values)).encode(
        x=alt.X("said:Q", title="probability that was stated", **share),
        y=alt.Y("seen:Q", title="share that was right", **share),
    )
    dots = base.mark_circle(color=ACCENT, opacity=1).encode(
        size=alt.Size("number:Q", scale=alt.Scale(range=[40, 420]), legend=None),
        tooltip=[
            alt.Tooltip("said:Q", title="stated", format=".0%"),
            alt.Tooltip("seen:Q", title="right", format=".0%"),
            alt.Tooltip("number:Q", title="answers", format=",d"),
        ],
    )
    return _plain(alt.layer(diagonal, base.mark_line(color=ACCENT, strokeWidth=1.5), dots).properties(height=height))


def confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]], *, height: int | None = None) -> Any:
    """A heat map: rows the true strategy, columns the first one ranked; colour is the share of the row."""
    values = []
    for truth, row in zip(labels, matrix, strict=True):
        total = sum(row)
        for guess, number in zip(labels, row, strict=True):
            share = number / total if total else 0.0
            values.append({"truth": truth, "guess": guess, "number": number, "share": share})
    names = list(labels)
    axis = alt.Axis(labelLimit=170, labelColor=INK, grid=False, ticks=False, domain=False, labelOverlap=False)
    base = alt.Chart(pd.DataFrame(values)).encode(
        x=alt.X("guess:N", sort=names, title="ranked first", axis=alt.Axis(**{**axis.to_dict(), "labelAngle": -40})),
        y=alt.Y("truth:N", sort=names, title="true strategy", axis=axis),
    )
    cells = base.mark_rect(stroke="#ffffff", strokeWidth=1).encode(
        color=alt.Color(
            "share:Q",
            scale=alt.Scale(domain=[0, 1], range=["#F1F4F6", ACCENT]),
            legend=alt.Legend(title="share of the row", format="%", orient="top", gradientLength=140),
        ),
        tooltip=[
            alt.Tooltip("truth:N", title="true"),
            alt.Tooltip("guess:N", title="ranked first"),
            alt.Tooltip("number:Q", title="errors", format=",d"),
            alt.Tooltip("share:Q", title="share of the row", format=".0%"),
        ],
    )
    text = (
        base.mark_text(fontSize=10)
        .encode(
            text="number:Q",
            color=alt.condition("datum.share > 0.5", alt.value("#ffffff"), alt.value(INK)),
        )
        .transform_filter("datum.number > 0")
    )
    return _plain(alt.layer(cells, text).properties(height=height or 30 * len(names) + 190))
