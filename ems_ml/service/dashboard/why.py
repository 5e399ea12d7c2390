"""The why-card: what grouping decided about an error, and everything that it went by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ems_ml.service.dashboard.components import empty, table
from ems_ml.service.dashboard.links import href
from ems_ml.service.dashboard.markup import Markup, join, show, tag
from ems_ml.service.dashboard.phrases import percent, words
from ems_ml.types import Decision, Neighbour


def why_card(
    why: Mapping[str, Any],
    *,
    decision: Decision | None,
    probability: float,
    nearest: Sequence[Neighbour],
    versions: Mapping[str, str],
) -> None:
    """The decision in a sentence, then what matched, what differed, the frames side by side, the rival, the models."""
    show(tag("p", *sentence(decision, probability, nearest, str(why.get("rule", ""))), cls="ems-lead"))
    rows = [
        ("What matched", _listed(why.get("matched"))),
        ("What differed", _listed(why.get("differed"))),
        ("Asked about, not joined", why.get("but")),
        ("The client's fingerprint", _listed(why.get("fingerprint"))),
        ("Frames", _pairs(why.get("frames"))),
        ("What weighed most", _moved(why.get("moved"))),
        ("Nearest rival", _rival(why.get("rival"))),
        ("Thresholds", _thresholds(why.get("thresholds"))),
        ("Made by", tag("span", ", ".join(f"{name} {of}" for name, of in versions.items()), cls="ems-mono ems-soft")),
    ]
    lines = [tag("div", tag("b", name), tag("div", value), cls="k") for name, value in rows if value]
    show(tag("div", *lines, cls="ems-why"))
    features = why.get("features")
    if features:
        with st.expander("What the model saw"):
            show(table(("feature", "value"), [(words(name), value) for name, value in features.items()], numeric=(1,)))


def sentence(decision: Decision | None, probability: float, nearest: Sequence[Neighbour], rule: str) -> list[object]:
    """What was decided, as a sentence in pieces."""
    other = nearest[0].pattern if nearest else ""
    sure = percent(probability)
    if decision is Decision.JOINED:
        if rule == "exact signature":
            return [tag("b", "Joined"), " ", _id(other), ": an error with exactly this signature was seen before."]
        if rule == "fingerprint":
            return [tag("b", "Joined"), " ", _id(other), ": the client's own fingerprint says so."]
        return [tag("b", "Joined"), " ", _id(other), ": with ", tag("b", sure), " the same cause."]
    if decision is Decision.SUGGESTED:
        return [
            tag("b", "A new pattern, for now."),
            *(" It has with ", tag("b", sure), " the same cause as ", _id(other), "; a person is asked."),
        ]
    if other:
        return [tag("b", "A new pattern."), " The nearest, ", _id(other), ", has the same cause with only ", sure, "."]
    return [tag("b", "A new pattern."), " There was nothing before that it could be compared with."]


def _id(pattern: str) -> Markup:
    """A pattern's id as a link; ids are our own, and `tag` escapes whatever else stands there."""
    return tag("a", pattern, href=href(pattern), target="_self", cls="ems-mono") if pattern else Markup("")


def _listed(items: Any) -> Markup | None:
    if not items:
        return None
    return tag("ul", *(tag("li", item) for item in items), cls="ems-list")


def _pairs(pairs: Any) -> Markup | None:
    if not pairs:
        return None
    lines = [
        tag(
            "div",
            *(tag("span", pair.get("here") or ""), tag("i", _sign(pair)), tag("span", pair.get("there") or "")),
            cls="pair" if pair.get("here") and pair.get("there") else "pair off",
        )
        for pair in pairs
    ]
    head = tag("div", tag("span", "this error"), tag("i"), tag("span", "the nearest"), cls="pair head")
    return tag("div", head, *lines, cls="ems-pairs")


def _sign(pair: Mapping[str, Any]) -> str:
    return "=" if pair.get("here") and pair.get("there") else "·"


def _moved(moved: Any) -> Markup | None:
    """The features that moved the probability most, and which way."""
    if not moved:
        return None
    return _listed([f"{name}: {'for' if by > 0 else 'against'} the same cause" for name, by in moved.items()])


def _rival(rival: Any) -> Markup | None:
    if not rival:
        return None
    return join(_id(str(rival["pattern"])), f", {percent(float(rival['probability']))} the same cause")


def _thresholds(thresholds: Any) -> Markup | None:
    if not thresholds:
        return None
    return join(f"joins from {percent(float(thresholds['join']))}, asks from {percent(float(thresholds['suggest']))}")


def neighbours(nearest: Sequence[Neighbour]) -> None:
    """The patterns that came nearest, best first."""
    if not nearest:
        empty("No earlier pattern to compare with.")
        return
    rows = [(_id(one.pattern), percent(one.probability)) for one in nearest]
    show(table(("pattern", "same cause"), rows, numeric=(1,)))
