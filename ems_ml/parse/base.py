"""The chain of parsers: the first that knows the form of a report answers, and the last one always does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from ems_ml.parse.blocks import Node
from ems_ml.parse.bounds import in_bounds
from ems_ml.parse.frames import left_out_note
from ems_ml.ports import Parser
from ems_ml.types import ErrorEvent, ExceptionRecord, RawReport


@dataclass(frozen=True, slots=True)
class ParserChain:
    """Asks its parsers in order. The last one must be one that always answers, such as `PlainParser`."""

    parsers: Sequence[Parser]

    def parse(self, report: RawReport) -> ErrorEvent:
        """The error in `report`, within the bounds of `ems_ml.parse.bounds`; never raises on what a report holds."""
        for parser in self.parsers:
            if (event := parser.parse(report)) is not None:
                return in_bounds(event)
        raise LookupError("the last parser of a chain must always answer")


def event_id(report: RawReport) -> str:
    """The client's id where it gave one, else a fresh one."""
    return report.id or uuid4().hex


def make_event(
    report: RawReport,
    error: ExceptionRecord,
    *,
    parser: str,
    language: str = "python",
    chain: tuple[ExceptionRecord, ...] = (),
    more: tuple[ErrorEvent, ...] = (),
    attributes: dict[str, str] | None = None,
    id: str = "",
) -> ErrorEvent:
    """An event of `report` with what every parser takes over from it."""
    return ErrorEvent(
        id=id or event_id(report),
        error=error,
        chain=chain,
        more=more,
        language=language,
        parser=parser,
        project=report.project,
        time=report.time,
        release=report.release,
        source=report.source,
        attributes=attributes or {},
    )


def event_of(
    nodes: Sequence[Node], report: RawReport, *, attributes: dict[str, str], parser: str | None = None
) -> ErrorEvent:
    """The event of the errors that stood in one text: the last is `error`, the others are `more`.

    `parser`: who read it; None: each is named after its language.
    """
    id = event_id(report)
    more = tuple(
        _event_of_node(node, report, parser, f"{id}-{number}", {})
        for number, node in enumerate(nodes[:-1][-MORE_ERRORS:], 1)
    )
    if len(nodes) - 1 > MORE_ERRORS:
        attributes = attributes | {"errors_left_out": str(len(nodes) - 1 - MORE_ERRORS)}
    return _event_of_node(nodes[-1], report, parser, id, attributes).with_(more=more)


#: Of the errors before the last one in a text, the nearest so many are kept.
MORE_ERRORS = 50


def _event_of_node(
    node: Node, report: RawReport, parser: str | None, id: str, attributes: dict[str, str]
) -> ErrorEvent:
    return make_event(
        report,
        node.block.record(None),
        parser=parser or node.block.language,
        language=node.block.language,
        chain=tuple(block.record(relation) for relation, block in node.chain()),
        attributes=attributes | node.block.notes | left_out_note(len(node.block.frames)),
        id=id,
    )
