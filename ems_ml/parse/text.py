"""Errors in a text, whatever languages they come from: each language reads its own, then they are put in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ems_ml.parse.base import event_of
from ems_ml.parse.blocks import Node
from ems_ml.parse.lines import clean
from ems_ml.types import ErrorEvent, Form, RawReport


class Reader(Protocol):
    """Finds the errors of one language."""

    def find(self, lines: Sequence[str]) -> list[Node]:
        """Every error in `lines`, with its causes, in order; each block knows where it stood. Never raises."""


class TextParser:
    """Reads `Form.TEXT` in every language that one of its readers knows. None where none finds a trace."""

    name = "text"

    def __init__(self, readers: Sequence[Reader]) -> None:
        self.readers = readers

    def parse(self, report: RawReport) -> ErrorEvent | None:
        return read_text(report, self.readers)


def read_text(report: RawReport, readers: Sequence[Reader]) -> ErrorEvent | None:
    """The errors that `readers` find in the text of `report`."""
    if report.form is not Form.TEXT:
        return None
    lines, left_out = clean(report.text)
    nodes = in_order([node for reader in readers for node in reader.find(lines)])
    if not nodes:
        return None
    return event_of(nodes, report, attributes={"characters_left_out": str(left_out)} if left_out else {})


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """The errors in the order of the text. One that begins within another is quoted by it, and is left out;
    so are mere stacks, where something says that it is an error.
    """
    strong = [node for node in nodes if not node.block.weak]
    placed = sorted(((*node.span(), node) for node in strong or nodes), key=lambda found: (found[0], -found[1]))
    kept: list[Node] = []
    end = -1
    for start, until, node in placed:
        if start >= end:
            kept.append(node)
            end = max(until, start + 1)
    return kept
