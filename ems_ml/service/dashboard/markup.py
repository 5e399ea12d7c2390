"""HTML out of data, safely: whatever is not `Markup` is escaped.

An error's message is foreign text. It reaches a page only through `tag` (or as literal text of a widget that
interprets nothing), so a message that holds `<script>` or Markdown is shown as it stands.
"""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup, escape

__all__ = ["Markup", "escape", "join", "show", "tag"]


def tag(name: str, *children: object, cls: str = "", **attributes: object) -> Markup:
    """`<name class=cls ...>children</name>`; children and attributes that are not `Markup` are escaped.

    None and "" are left out. Underscores in attribute names become hyphens (`aria_label`).

    >>> tag("b", "<script>", cls="x")
    Markup('<b class="x">&lt;script&gt;</b>')
    """
    given = {"class": cls or None, **attributes}
    text = Markup("").join(
        Markup(' {}="{}"').format(key.replace("_", "-"), value) for key, value in given.items() if value is not None
    )
    inner = join(*children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), text, inner)


def join(*children: object) -> Markup:
    """The children one after the other, each escaped unless it is `Markup`."""
    return Markup("").join(escape(child) for child in children if child is not None)


def show(markup: Markup) -> None:
    """Draw `markup`. Raises TypeError for a plain string, which nobody has escaped."""
    if not isinstance(markup, Markup):
        raise TypeError("show takes Markup; build it with tag()")
    st.html(str(markup))
