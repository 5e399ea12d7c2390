"""The part of the page Train about what has come before: what other models would change, what was changed, the undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ems_ml.errors import EmsError
from ems_ml.service import regrouping
from ems_ml.service.dashboard.components import badge, heading, note, problem, table
from ems_ml.service.dashboard.decisions import BY, SAID
from ems_ml.service.dashboard.links import href
from ems_ml.service.dashboard.markup import Markup, show, tag
from ems_ml.service.dashboard.phrases import count, percent
from ems_ml.service.dashboard.state import system
from ems_ml.service.teaching import VersionRow

LOOKED = "ems-regroup-looked"
SHOWN = 10  # changes of a project
KINDS = (("merged", "merged"), ("split", "split off"), ("moved", "moved in part"))


def regroupings(rows: Sequence[VersionRow]) -> None:
    """Look what a set of models would change, and every regrouping with its undo."""
    with st.container(key="card-regroup"):
        heading("Regroup", "ids stay, decisions bind")
        note("Models decide about what comes. What has come stays where it is, until it is regrouped.")
        with st.container(horizontal=True, vertical_alignment="bottom", key="regroup-look"):
            names = [one.name for one in rows if one.used] + [one.name for one in reversed(rows) if not one.used]
            name = st.selectbox("By these models", names, width=180, label_visibility="collapsed")
            if st.button("Look what would change"):
                with st.spinner("Every error arrives once more; nothing is written"):
                    st.session_state[LOOKED] = regrouping.look(system(), models=name, limit=SHOWN)
        if LOOKED in st.session_state:
            _looked(st.session_state[LOOKED])
        _kept(regrouping.listing(system(), limit=SHOWN))


def _looked(told: Mapping[str, Any]) -> None:
    """A dry run: counts and cost of each project, the largest changes, and the command that does it."""
    changed = [one for one in told["projects"] if one["cost"]["rows_written"]]
    if not changed:
        note(f"The models {told['models']} change nothing.")
        return
    for one in changed:
        cost = one["cost"]
        said = ", ".join(f"{count(one[name])} {word}" for name, word in KINDS if one[name]) or "no pattern changes"
        show(tag("p", tag("b", one["project"]), f": {said} ({count(one['events'])} events)", cls="ems-lead"))
        show(
            table(
                ("", "events", "from", "to", "same cause", "an error, and the one beside it"), map(_row, one["changes"])
            )
        )
        note(
            f"{count(cost['rows_written'])} rows, {cost['seconds']:.1f} s. The models themselves expect "
            f"{cost['expected_wrong_merges']:.1f} wrong merges and {cost['expected_wrong_splits']:.1f} wrong splits."
        )
    named = "" if told["models"] == told["in_use"] else f" --models {told['models']}"
    note("Nothing was written. This does it, and can be undone:")
    st.code(f"ems regroup{named}", language="bash")


def _row(change: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        badge(change["kind"]),
        count(change["events"]),
        _link(change["pattern"]),
        _link(change["into"]) if change["into"] else "a new pattern",
        percent(change["probability"]),
        tag("div", tag("div", _error(change["example"])), tag("div", _error(change["beside"])), cls="ems-least"),
    )


def _link(pattern: str) -> Markup:
    return tag("a", pattern, href=href(pattern), target="_self", cls="ems-mono")


def _error(one: Mapping[str, Any]) -> str:
    at = one["raised_at"]
    where = f" at {at['file']} in {at['function']}" if at else ""
    return f"{one['type']}: {one['message'][:80]}{where}"


def _kept(told: Mapping[str, Any]) -> None:
    """How the transition goes, every regrouping, and the undo of the last run."""
    now = told["transition"]
    if now is not None:
        show(
            tag(
                "p",
                f"{now['after']} decides, {now['before']} is asked beside it until {now['until'][:10]}: they differ on "
                f"{count(now['differed'])} of {count(now['asked'])} events.",
                cls="ems-lead",
            )
        )
    if not told["regroupings"]:
        return
    body = [
        (
            tag("span", tag("b", one["id"]), " ", badge("undone") if one["undone"] else None, cls="ems-keep"),
            tag("span", one["time"][:16].replace("T", " "), cls="ems-keep"),
            one["project"],
            f"{one['models']} after {one['models_before']}",
            *(count(one[name]) for name in ("merged", "split", "moved", "events")),
        )
        for one in told["regroupings"]
    ]
    heads = ("id", "when (UTC)", "project", "models", "merged", "split", "moved", "events")
    show(table(heads, body, numeric=(4, 5, 6, 7)))
    last = next((one for one in told["regroupings"] if not one["undone"]), None)
    with st.container(horizontal=True, key="regroup-back"):
        if last is not None:
            with st.popover(f"Undo {last['id']}", key="ask-regroup-undo"):
                note(
                    f"Events of project {last['project']} go back to where they were before {last['id']}. What came "
                    "later, and what people have decided since, is kept."
                )
                if st.button("Undo it", key="regroup-undo", type="primary"):
                    _undo(last["id"])
        if now is not None and st.button(f"Ask {now['before']} no more", key="regroup-end"):
            regrouping.end(system())
            st.session_state[SAID] = f"{now['before']} is asked no more"
            st.rerun()


def _undo(id: str) -> None:
    try:
        regrouping.undo(system(), id, by=BY)
    except EmsError as error:
        problem(error)
        return
    st.session_state.pop(LOOKED, None)
    st.session_state[SAID] = f"{id} is undone"
    st.rerun()
