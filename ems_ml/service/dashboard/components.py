"""Small pieces that every page is made of. They draw what they are given and decide nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ems_ml.errors import EmsError
from ems_ml.service.dashboard.markup import Markup, show, tag
from ems_ml.service.dashboard.phrases import label, percent
from ems_ml.types import RankedStrategy


def page_title(title: object, says: object = "") -> None:
    show(tag("div", tag("h1", title), tag("p", says) if says else None, cls="ems-page"))


def heading(title: object, aside: object = "") -> None:
    """The title of a card, with a quiet remark at its right."""
    show(tag("div", tag("h2", title), tag("span", aside) if aside else None, cls="ems-h"))


def note(text: object) -> None:
    show(tag("p", text, cls="ems-note"))


def empty(text: object) -> None:
    """What a card says when there is nothing to show yet, and how that changes."""
    show(tag("div", text, cls="ems-empty"))


def badge(text: object, kind: str = "") -> Markup:
    """`kind`: open, good, warn, bad, accent, or "" for a quiet one."""
    return tag("span", text, cls=f"ems-badge {kind}".strip())


def tiles(figures: Iterable[tuple[str, object, object]]) -> None:
    """Figures in a row: (label, value, remark)."""
    show(
        tag(
            "div",
            *(
                tag(
                    "div",
                    tag("div", label, cls="l"),
                    tag("div", value, cls="v"),
                    tag("div", remark, cls="n") if remark else None,
                    cls="ems-tile",
                )
                for label, value, remark in figures
            ),
            cls="ems-tiles",
        )
    )


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Names over values, side by side."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), cls="ems-facts")


def sparkline(counts: Sequence[int], label: str) -> Markup:
    """Counts over time as thin bars; `label` says what they are to who cannot see them."""
    top = max([*counts, 1])
    bars = [
        tag("i", cls="" if number else "z", style=f"height:{max(6, round(100 * number / top))}%", title=number)
        for number in counts
    ]
    return tag("div", *bars, cls="ems-spark", role="img", aria_label=label)


def strategies(ranked: Sequence[RankedStrategy], *, shown: int) -> None:
    """The likeliest strategies as bars, each with its calibrated probability and why."""
    show(tag("div", *(strategy_bar(one, first=not place) for place, one in enumerate(ranked[:shown])), cls="ems-bars"))


def strategy_bar(ranked: RankedStrategy, *, first: bool) -> Markup:
    return tag(
        "div",
        tag("div", tag("b", label(ranked.name)), tag("span", percent(ranked.probability)), cls="h"),
        tag("div", tag("i", style=f"width:{100 * ranked.probability:.1f}%"), cls="b"),
        tag("p", "; ".join(ranked.why), cls="w") if ranked.why else None,
        cls="ems-bar first" if first else "ems-bar",
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: Sequence[int] = ()) -> Markup:
    """A plain table that scrolls sideways where it is too wide. `numeric`: the columns set to the right."""
    head = tag("tr", *(tag("th", name, cls="n" if at in numeric else "") for at, name in enumerate(columns)))
    body = [
        tag("tr", *(tag("td", cell, cls="n" if at in numeric else "") for at, cell in enumerate(row))) for row in rows
    ]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body), cls="ems-table"), cls="ems-scroll")


def checks(rows: Iterable[tuple[str, str, object, object]]) -> None:
    """What was looked at: (state "ok", "warn" or "fail", name, detail, remedy)."""
    kinds = {"ok": "good", "warn": "warn", "fail": "bad"}
    show(
        tag(
            "ul",
            *(
                tag(
                    "li",
                    tag("div", badge(state, kinds.get(state, ""))),
                    tag(
                        "div",
                        tag("b", name),
                        tag("p", detail) if detail else None,
                        tag("p", "Remedy: ", remedy, cls="fix") if remedy else None,
                    ),
                )
                for state, name, detail, remedy in rows
            ),
            cls="ems-checks",
        )
    )


def meters(rows: Iterable[tuple[str, float, str]]) -> None:
    """Shares of something limited: (name, share in [0, 1], remark); nearly full is marked."""
    show(
        tag(
            "div",
            *(
                tag(
                    "div",
                    tag("div", tag("b", name), tag("span", remark), cls="h"),
                    tag("div", tag("i", style=f"width:{100 * min(1.0, share):.1f}%"), cls="b"),
                    cls="ems-bar full" if share > 0.9 else "ems-bar first",
                )
                for name, share, remark in rows
            ),
            cls="ems-bars ems-meter",
        )
    )


def problem(error: EmsError) -> None:
    """What is wrong, in one line, and what to do about it."""
    hint = tag("p", error.hint) if error.hint else None
    show(tag("div", tag("b", str(error)), hint, cls="ems-problem", role="alert"))
