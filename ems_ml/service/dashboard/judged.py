"""The parts of the page Model health."""

from __future__ import annotations

import streamlit as st

from ems_ml.service.dashboard import charts
from ems_ml.service.dashboard.components import empty, heading, note, table
from ems_ml.service.dashboard.markup import Markup, join, show, tag
from ems_ml.service.dashboard.phrases import count, label, words
from ems_ml.service.views import Evaluation, Figure

OURS = "EMS"


def figures(seen: Evaluation) -> None:
    """The headline figures with their 95% intervals, the baseline's beside them."""
    show(tag("div", *(_figure(one) for one in seen.figures), cls="ems-tiles wide"))


def _figure(one: Figure) -> Markup:
    interval = f"95% interval {_number(one.low)} to {_number(one.high)}"
    beside = None
    if one.baseline is not None:
        beside = tag(
            "div",
            tag("b", _number(one.baseline)),
            f" {one.baseline_name or 'baseline'}",
            f" ({_number(one.baseline_low)} to {_number(one.baseline_high)})"
            if one.baseline_low is not None and one.baseline_high is not None
            else "",
            cls="n base",
        )
    return tag(
        "div",
        tag("div", one.name, cls="l"),
        tag("div", _number(one.value), cls="v"),
        tag("div", interval, cls="n"),
        beside,
        cls="ems-tile",
    )


def _number(value: float | None) -> str:
    """A figure in [0, 1] with three decimals, without the leading zero's noise: 0.412."""
    return "" if value is None else f"{value:.3f}"


def top_k(seen: Evaluation) -> None:
    """Top-k accuracy beside the baseline's."""
    with st.container(key="card-topk", height="stretch"):
        heading("The right strategy among the first k", "bars: 95% interval")
        if not seen.top_k:
            empty("The evaluation holds no top-k figures.")
            return
        rows = []
        for one in seen.top_k:
            rows.append((one.name, OURS, one.value, one.low, one.high))
            if one.baseline is not None:
                low = one.baseline if one.baseline_low is None else one.baseline_low
                high = one.baseline if one.baseline_high is None else one.baseline_high
                rows.append((one.name, one.baseline_name or "baseline", one.baseline, low, high))
        said = "; ".join(f"{name}, {who}: {value:.0%}" for name, who, value, _, _ in rows)
        charts.draw(charts.beside(rows, axis="share of errors", height=290), says=said)


def calibration(seen: Evaluation) -> None:
    """Stated probability against what came true."""
    with st.container(key="card-calibration", height="stretch"):
        heading("Do the probabilities hold?", "on the dashed line they would exactly")
        if not seen.calibration:
            empty("The evaluation holds no calibration.")
            return
        bins = [(one.stated, one.right, one.count) for one in seen.calibration if one.count]
        said = "; ".join(f"stated {stated:.0%}, right {right:.0%}" for stated, right, _ in bins)
        charts.draw(charts.reliability(bins, height=290), says=said)


def confusion(seen: Evaluation) -> None:
    """What was taken for what."""
    with st.container(key="card-confusion"):
        heading("What is taken for what", "rows: the true strategy; columns: the one ranked first")
        if not seen.labels:
            empty("The evaluation holds no confusion matrix.")
            return
        labels = [label(name) for name in seen.labels]
        charts.draw(charts.confusion(labels, seen.confusion), says="the table of strategies below says it in numbers")


def classes(seen: Evaluation) -> None:
    """Each strategy: how often it was true, and how it was found."""
    with st.container(key="card-classes", height="stretch"):
        heading("By strategy", "on the part held out")
        rows = [
            (label(one.name), count(one.support), _number(one.recall), _number(one.precision), _or_blank(one.trained))
            for one in sorted(seen.classes, key=lambda one: -one.support)
        ]
        show(table(("strategy", "errors", "found first", "right when first", "trained on"), rows, numeric=(1, 2, 3, 4)))


def _or_blank(number: int | None) -> str:
    return "" if number is None else count(number)


def provenance(seen: Evaluation) -> None:
    """Which models, judged when, on what, by which command."""
    with st.container(key="card-provenance", height="stretch"):
        heading("Where these figures come from")
        lines = [
            ("Judged", seen.when),
            *((f"{words(name)} packages", ", ".join(of)) for name, of in seen.packages.items()),
        ]
        lines += [(name, tag("span", version, cls="ems-mono")) for name, version in seen.versions.items()]
        show(
            tag(
                "div", *(tag("div", tag("b", name), tag("div", value), cls="k") for name, value in lines), cls="ems-why"
            )
        )
        note(join("The same figures again:"))
        st.code(seen.command, language="bash", wrap_lines=True)
