"""The parts of the page Train that come before an answer: the file, its columns, what was read, and the progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from ems_ml.build import can_track
from ems_ml.errors import EmsError
from ems_ml.service import schooling, teaching
from ems_ml.service.dashboard.components import badge, facts, heading, note, problem, table
from ems_ml.service.dashboard.markup import Markup, show, tag
from ems_ml.service.dashboard.phrases import count, many
from ems_ml.service.dashboard.state import system
from ems_ml.service.schooling import Training

UPLOAD = 200  # MB
NONE = "(none)"
FORMS = (
    "CSV, JSON lines, JSON, Parquet, a log, or Sentry events as JSON; gzip, bzip2, xz or zstd too. For a folder of "
    f"logs, or a file of more than {UPLOAD} MB, use ems train --data on the machine itself."
)
WORDS = {
    "trace": "Trace",
    "label": "Label: what mended it",
    "time": "Time",
    "project": "Project",
}
STEPS = {
    "reading": ("Reading the table", 0.0, 0.15),
    "understanding": ("Understanding the labelled errors", 0.15, 0.5),
    "learning": ("Learning which label they need", 0.5, 0.9),
    "judging": ("Judging on what was held out", 0.9, 0.94),
    "tracking": ("Tracking the run in MLflow", 0.94, 0.99),
}
LOOKED = "train-looked"


def upload() -> Path | None:
    """Ask for a file; where it was kept, or None. Raises `EmsError` where it cannot be kept."""
    with st.container(key="card-upload"):
        heading("Your past errors", "with what mended each of them")
        given = st.file_uploader("A table of errors", key="table", max_upload_size=UPLOAD, label_visibility="collapsed")
        note(FORMS)
    if given is None:
        st.session_state.pop(LOOKED, None)
        return None
    kept = st.session_state.get(given.file_id)
    if kept is None or not kept.exists():
        kept = st.session_state[given.file_id] = schooling.receive(system().settings, given.name, given)
    return Path(kept)


def look(data: Path) -> dict[str, Any]:
    """What the file holds, by the columns that are chosen now; read again only where these have changed.

    A column that stands as it was guessed is not told to be chosen.
    """
    told = {kind: st.session_state.get(f"column-{kind}-{data.parent.name}") for kind in teaching.KINDS}
    chosen = {kind: "" if name == NONE else name for kind, name in told.items()}
    name, guessed, found = st.session_state.get(LOOKED, ("", {}, {}))
    if name != str(data) or (None not in chosen.values() and chosen != _used(found)):
        with st.spinner("Reading the table"):
            try:
                found = teaching.look(system(), data, columns=chosen, count=True)
            except EmsError as error:  # it names the file as it lies in the data folder
                raise EmsError(str(error).replace(str(data), data.name), hint=error.hint) from error
        if name != str(data):
            guessed = found
        same = [kind for kind in teaching.KINDS if _used(found)[kind] == _used(guessed)[kind]]
        found["why"] = {**found["why"], **{kind: guessed["why"].get(kind, "") for kind in same}}
        st.session_state[LOOKED] = (str(data), guessed, found)
    return dict(found)


def _used(found: Mapping[str, Any]) -> dict[str, str]:
    """kind -> column, "" where there is none."""
    return {kind: found["columns"][kind] or "" for kind in teaching.KINDS}


def columns(data: Path, found: Mapping[str, Any]) -> dict[str, str | None]:
    """Show the columns as they were guessed, to be changed; answers what is chosen, "" for none."""
    chosen: dict[str, str | None] = {}
    with st.container(key="card-columns", height="stretch"):
        heading("Which column is which", _form(found["data"]))
        for kind, words in WORDS.items():
            names = [*found["names"]] if kind == "trace" else [NONE, *found["names"]]
            key = f"column-{kind}-{data.parent.name}"
            guessed = found["columns"][kind] or NONE
            name = st.selectbox(words, names, index=names.index(guessed), key=key)
            chosen[kind] = "" if name == NONE else name
            note(_why(found["why"].get(kind, ""), found["columns"][kind]))
    return chosen


def _form(data: Mapping[str, Any]) -> str:
    return f"{data['kind']}, {data['said']}" if data["said"] else str(data["kind"])


def _why(why: str, column: str | None) -> str:
    if why == "told":
        return "You chose it."
    if not column:
        return f"No column was taken for it{': ' + why if why and not why.startswith('told') else ''}."
    return why[:1].upper() + why[1:] + "." if why else ""


def read(found: Mapping[str, Any]) -> None:
    """What was read, and what not and why."""
    rows = found["rows"]
    with st.container(key="card-read", height="stretch"):
        heading("What was read")
        show(
            facts(
                [
                    ("Rows", count(rows["read"])),
                    ("With a label", count(rows["labelled"])),
                    ("Without one", count(rows["unlabelled"])),
                    ("Not usable", count(rows["not_used"])),
                    ("Labels", count(len(found["labels"]))),
                ]
            )
        )
        reasons(found["reasons"], none="Nothing is wrong so far; training tells which rows hold no error.")
        labels(found["labels"])


def sample(found: Mapping[str, Any]) -> None:
    """A few rows, in the columns that are chosen."""
    with st.container(key="card-sample"):
        heading("The first rows", "cut, and without secrets")
        used = [found["columns"][kind] for kind in teaching.KINDS if found["columns"][kind]]
        show(
            table(
                used,
                [[tag("div", row.get(name, ""), cls="ems-cell") for name in used] for row in found["sample"][:3]],
            )
        )


def reasons(given: Sequence[Mapping[str, Any]], *, none: str = "Every row could be read.") -> None:
    """Why rows are not used, or what is noted about them, with the first places of each; none: said without any."""
    if not given:
        note(none)
        return
    body: list[Sequence[object]] = []
    for one in given:
        more = " ..." if one["count"] > len(one["places"]) else ""
        mark = badge("not used", "warn") if one["lost"] else badge("noted")
        body.append(
            (mark, one["reason"], count(one["count"]), tag("span", ", ".join(one["places"]), more, cls="ems-soft"))
        )
    show(table(("", "what", "rows", "where"), body, numeric=(2,)))


def labels(given: Sequence[Mapping[str, Any]], *, most: int = 12) -> None:
    """The labels with their rows, the most frequent first."""
    if not given:
        note(
            "No row carries a label, so there is nothing to learn. Choose the column that says what mended each error."
        )
        return
    chips: list[Markup] = [
        tag("span", one["name"], " ", tag("b", count(one["rows"])), cls="ems-chip") for one in given[:most]
    ]
    rest = tag("span", f"and {many(len(given) - most, 'more label')}", cls="ems-soft") if len(given) > most else None
    show(tag("div", *chips, rest, cls="ems-chips"))


def begin(data: Path, chosen: Mapping[str, str | None], *, enough: bool) -> None:
    """The button that starts it."""
    with st.container(horizontal=True, vertical_alignment="center", key="begin"):
        pressed = st.button("Train", type="primary", disabled=not enough)
        adopt = st.toggle(
            "Use it if it is surely better",
            value=True,
            help="Off: the new models are only kept, and you decide when you have seen how they compare.",
        )
    if pressed:
        try:
            settings, track = system().settings, can_track()
            schooling.start(settings, data, columns=chosen, adopt=None if adopt else False, track=track)
        except EmsError as error:
            problem(error)
            return
        st.rerun()


@st.fragment(run_every="1s")  # type: ignore[untyped-decorator]  # see pyproject
def progress() -> None:
    """How far it is; it looks again each second, and draws the whole page when it is over."""
    now = schooling.state(system().settings)
    if now.status != "running":
        st.rerun()
    with st.container(key="card-progress"):
        heading(f"Training on {now.data}", f"{now.seconds:.0f} s")
        share, words = how_far(now)
        st.progress(share, text=words)
        note("You may leave this page: it goes on by itself, and the answer will stand here.")
        if st.button("Stop"):
            schooling.stop(system().settings)
            st.rerun()


def how_far(now: Training) -> tuple[float, str]:
    """The share of the whole, and where it is in words."""
    words, start, end = STEPS.get(now.step, ("Starting", 0.02, 0.02))
    if now.step == "reading" and not now.total:
        return (start + end) / 2, f"{words}: {many(now.done, 'row')}" if now.done else words
    if now.total > 1:
        return start + (end - start) * min(
            1.0, now.done / now.total
        ), f"{words}: {count(now.done)} of {count(now.total)}"
    return start, words
