"""A trace, drawn: causes first, the exception raised last at the end; the project's own frames stand out."""

from __future__ import annotations

from ems_ml.service.dashboard.markup import Markup, show, tag
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame

JOINS = {
    "cause": "was the direct cause of:",
    "context": "while that was handled, this was raised:",
    "member": "belongs to the group:",
}
TEXT_JOINS = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
}
SHOWN = 60  # frames of one exception that are drawn; of a deeper stack the middle is left out, and told


def trace(event: ErrorEvent) -> None:
    """The causes, the oldest first, then the error itself; oldest call on top, raise point last."""
    parts: list[Markup] = []
    for record in (*reversed(event.chain), event.error):
        parts.append(_exception(record))
        if record.relation:
            parts.append(tag("div", JOINS.get(record.relation, record.relation), cls="r"))
    show(tag("div", *parts, cls="ems-trace"))


def _exception(record: ExceptionRecord) -> Markup:
    frames = list(record.frames)
    left_out = max(0, len(frames) - SHOWN)
    if left_out:
        half = SHOWN // 2
        items = [_frame(one, last=False) for one in frames[:half]]
        items.append(tag("li", f"... {left_out} frames are not shown ...", cls="other"))
        items += [_frame(one, last=one is frames[-1]) for one in frames[-half:]]
    else:
        items = [_frame(one, last=one is frames[-1]) for one in frames]
    said = record.message or ("" if record.type else "no exception was recognised in this text")
    head = tag("div", record.type, ": " if record.type and said else "", tag("span", said), cls="x")
    return tag("div", tag("ol", *items) if items else None, head)


def _frame(frame: Frame, *, last: bool) -> Markup:
    place = f"{frame.file or '?'}:{frame.line}" if frame.line is not None else frame.file or "?"
    kind = "app" if frame.in_app else "other"
    role = "" if frame.in_app else f" · {frame.role.value}"
    again = f" · repeated {frame.repeated} more times" if frame.repeated else ""
    return tag(
        "li",
        tag("div", tag("b", frame.function or "<unknown>"), tag("span", place, role, again), cls="f"),
        tag("pre", frame.code.strip()) if frame.code and (frame.in_app or last) else None,
        cls=f"{kind} raise" if last else kind,
    )


def as_text(event: ErrorEvent) -> str:
    """The error as Python prints it, with what the report told; `ems fix --trace` reads it."""
    parts = []
    for record in (*reversed(event.chain), event.error):
        lines = ["Traceback (most recent call last):"] if record.frames else []
        for frame in record.frames:
            lines.append(f'  File "{frame.file}", line {frame.line or 0}, in {frame.function or "<unknown>"}')
            lines += [f"    {frame.code.strip()}"] if frame.code else []
            lines += [f"  [Previous line repeated {frame.repeated} more times]"] if frame.repeated else []
        lines.append(
            f"{record.type}: {record.message}" if record.type and record.message else record.type or record.message
        )
        parts.append("\n".join(lines))
        if record.relation:
            parts.append(TEXT_JOINS.get(record.relation, TEXT_JOINS["context"]))
    return "\n\n".join(parts) + "\n"
