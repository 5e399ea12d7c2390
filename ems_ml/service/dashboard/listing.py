"""The controls of the list of patterns: search, status, order, and the page one is on. They stand in the address."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ems_ml.types import PatternStatus

SIZE = 25  # rows a page
STATUS = {
    "open": PatternStatus.OPEN,
    "resolved": PatternStatus.RESOLVED,
    "ignored": PatternStatus.IGNORED,
    "all": None,
}
ORDER = {"Last seen first": "last_seen", "Most events first": "count", "Newest first": "first_seen"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reader wants to see."""

    search: str
    status: PatternStatus | None
    sort: str
    page: int  # 0-based

    @property
    def offset(self) -> int:
        return self.page * SIZE

    @property
    def said(self) -> str:
        """The search in words, for the head of the list."""
        return f"matching “{self.search}”" if self.search else ""

    @property
    def nothing(self) -> str:
        """What an empty list says."""
        if self.search:
            return "Nothing matches. Try a word of the type, the message, a file or a function."
        if self.status is PatternStatus.OPEN:
            return "No open pattern. Paste a trace on the page Classify, or point a Sentry client at the API."
        return "No pattern here."


def filters() -> Asked:
    """Draw the controls; what they are set to."""
    with st.container(horizontal=True, key="filters", vertical_alignment="center"):
        search = st.text_input(
            "Search",
            placeholder="Type, message, file or function",
            key="search",
            bind="query-params",
            icon=":material/search:",
            label_visibility="collapsed",
            on_change=_first_page,
        )
        status = st.segmented_control(
            "Status",
            list(STATUS),
            default="open",
            required=True,
            key="status",
            on_change=_first_page,
            label_visibility="collapsed",
        )
        order = st.selectbox(
            "Order", list(ORDER), key="order", on_change=_first_page, width=170, label_visibility="collapsed"
        )
    return Asked(
        search=(search or "").strip(),
        status=STATUS[status or "open"],
        sort=ORDER[order],
        page=int(st.session_state.get("page", 0)),
    )


def pager(asked: Asked, total: int) -> None:
    """Earlier and later pages, where one page does not hold all."""
    last = max(0, (total - 1) // SIZE)
    if not last:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="pager"):
        st.button("Earlier", disabled=asked.page == 0, on_click=_turn, args=(asked.page - 1,))
        st.caption(f"{asked.page + 1} of {last + 1}", width="content")
        st.button("Later", disabled=asked.page >= last, on_click=_turn, args=(asked.page + 1,))


def _turn(page: int) -> None:
    st.session_state["page"] = page


def _first_page() -> None:
    st.session_state["page"] = 0
