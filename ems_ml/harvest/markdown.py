"""Tables of the data set's card."""

from __future__ import annotations

from collections.abc import Sequence

NONE = "(none in these data)"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown; a line that says so where there are no rows."""
    if not rows:
        return NONE
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
