"""The parts of the page Train that come after: how the new models compare, and the versions with the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from ems_ml.errors import EmsError
from ems_ml.service import schooling, teaching
from ems_ml.service.dashboard import charts
from ems_ml.service.dashboard.components import badge, facts, heading, note, problem, table
from ems_ml.service.dashboard.decisions import SAID
from ems_ml.service.dashboard.markup import Markup, join, show, tag
from ems_ml.service.dashboard.phrases import count, percent
from ems_ml.service.dashboard.state import system
from ems_ml.service.dashboard.teach import labels, reasons
from ems_ml.service.schooling import Training
from ems_ml.service.teaching import VersionRow

SHADES = (charts.ACCENT, charts.SOFT, charts.GREY)
YOURS, SHIPPED, FREQUENT = "yours", "shipped", "most frequent"
PARTS = {"train": "Learnt from", "tune": "Tuned on", "test": "Judged on"}


def answer(done: Training) -> None:
    """What came of the last training."""
    if done.status == "failed":
        problem(EmsError(f"{done.data}: {done.problem}", hint=done.remedy))
        if st.button("Clear"):
            schooling.forget(system().settings)
            st.rerun()
        return
    result = done.result
    left, right = st.columns([1.2, 1])
    with left, st.container(key="card-compare", height="stretch"):
        mark = badge("better", "good") if result["better"] else badge("not surely better", "warn")
        heading(join("How it compares ", mark), f"{done.data}, {done.seconds:.0f} s")
        show(tag("p", _sentence(result["said"]), cls="ems-lead"))
        _chart(result["scores"])
    with right, st.container(key="card-figures", height="stretch"):
        heading("On errors that neither had seen", "in brackets: 95% interval")
        show(table(("", YOURS, SHIPPED, FREQUENT), [_row(one) for one in result["scores"]]))
        if result["scores_on_strategies"]:
            first = result["scores_on_strategies"][0]
            note(
                "The shipped models cannot know your own words. Where the label is a strategy's name "
                f"({count(first['causes'])} causes), yours are right at once in {percent(first['value'])}, "
                f"the shipped ones in {percent(first['shipped'])}."
            )
        split = result["split"]
        show(facts([(PARTS[name], f"{count(number)} causes") for name, number in split["causes"].items()]))
        note(f"Split {split['said']}.")
        _adopt(result)
    with st.container(key="card-used"):
        heading("What was read", f"{count(result['rows']['understood'])} errors worked with")
        reasons(result["reasons"])
        labels(result["labels"])
        if split["labels_left_out"]:
            note(f"Left out, since they occur once: {', '.join(split['labels_left_out'][:20])}.")
        if result["rows"]["not_in_the_sample"]:
            note(f"{count(result['rows']['not_in_the_sample'])} labelled rows were left out of the sample.")


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:] + "."


def _chart(scores: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for one in scores:
        rows.append((one["name"], YOURS, one["value"], one["low"], one["high"]))
        rows.append((one["name"], SHIPPED, one["shipped"], one["shipped_low"], one["shipped_high"]))
        rows.append((one["name"], FREQUENT, one["baseline"], one["baseline_low"], one["baseline_high"]))
    said = "; ".join(f"{name}, {who}: {value:.0%}" for name, who, value, _, _ in rows)
    charts.draw(charts.beside(rows, axis="right label among the first k", height=300, colours=SHADES), says=said)


def _row(one: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        tag("span", one["name"], cls="ems-keep"),
        *(
            _figure(one[name], one[f"{before}low"], one[f"{before}high"])
            for name, before in (("value", ""), ("shipped", "shipped_"), ("baseline", "baseline_"))
        ),
    )


def _figure(value: float, low: float, high: float) -> Markup:
    interval = tag("span", f" ({percent(low)} to {percent(high)})", cls="ems-soft")
    return tag("span", tag("b", percent(value)), interval, cls="ems-keep")


def _adopt(result: Mapping[str, Any]) -> None:
    """In use or not, and the button for the other."""
    name = result["version"]
    used = next((one.used for one in teaching.list_versions(system()) if one.name == name), False)
    with st.container(horizontal=True, vertical_alignment="center", key="adopt"):
        if used:
            show(tag("div", badge(f"{name} is in use", "good")))
            if st.button("Go back to those before"):
                _switch(lambda: teaching.roll_back(system()))
        else:
            show(tag("div", badge(f"{name} is not in use")))
            if st.button(f"Use {name}", type="primary"):
                _switch(lambda: teaching.use_version(system(), name))
        if st.button("Train on something else"):
            schooling.forget(system().settings)
            st.rerun()


def versions(rows: Sequence[VersionRow]) -> None:
    """Every set of models that can be used, and the switch."""
    with st.container(key="card-versions"):
        heading("Models", "worker and API take a change up by themselves")
        body = [
            (
                tag("span", tag("b", one.name), " ", badge("in use", "good") if one.used else None, cls="ems-keep"),
                tag("span", one.when[:16].replace("T", " "), cls="ems-keep"),
                _figure(one.score["value"], one.score["low"], one.score["high"]) if one.score else "",
                percent(one.score["shipped"]) if one.score else "",
                tag("div", one.data, cls="ems-least"),
            )
            for one in reversed(rows)
        ]
        show(table(("version", "made (UTC)", "top 1", "shipped, on the same", "from"), body))
        others = [one.name for one in reversed(rows) if not one.used]
        if not others:
            note("These are the installed models. Each training adds a version beside them.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom", key="switch"):
            name = st.selectbox("Other models", others, width=180, label_visibility="collapsed")
            if st.button("Use these"):
                _switch(lambda: teaching.use_version(system(), name))
            if st.button("Go back one"):
                _switch(lambda: teaching.roll_back(system()))


def _switch(step: Callable[[], tuple[str, str]]) -> None:
    """Do it, and tell it on the next drawing; or tell why not."""
    try:
        now, before = step()
    except EmsError as error:
        problem(error)
        return
    st.session_state[SAID] = f"{now} in use now, {before or 'older models'} before"
    st.rerun()
