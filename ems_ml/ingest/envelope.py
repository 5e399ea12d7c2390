"""Sentry's envelope: what its clients post, read within limits that hold while it is unpacked.

The grammar is `Headers ("\\n" Item)* ["\\n"]`, an item is a JSON line and a payload. See develop.sentry.dev,
"Envelopes". Everything that is not an error is skipped by its type; what a client says it lost is kept.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ems_ml.errors import InputError, TooLarge
from ems_ml.types import Form, RawReport


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeLimits:
    """Sizes in bytes, after decompression. The defaults are those of Sentry's own relay."""

    envelope: int = 100_000_000
    event: int = 1_000_000
    header: int = 8_192
    items: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an envelope held that matters here.

    `lost` counts by reason what the client says it had to throw away; `skipped` counts by type the items
    that are no errors.
    """

    header: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The event's id: the envelope's header wins over the payload. "" where neither says."""
        return event_id(self.header.get("event_id")) or next(
            (found for event in self.events if (found := event_id(event.get("event_id")))), ""
        )

    def reports(self, *, project: str) -> tuple[RawReport, ...]:
        """The errors in it, as the line takes them."""
        return tuple(sentry_report(event, project=project, id=self.id) for event in self.events)


def sentry_report(event: Mapping[str, Any], *, project: str, id: str = "", source: str = "api") -> RawReport:
    """A decoded Sentry event as a report."""
    return RawReport(
        payload=event,
        form=Form.SENTRY,
        id=id or event_id(event.get("event_id")),
        project=project,
        source=source,
    )


def parse_envelope(body: bytes, *, limits: EnvelopeLimits = EnvelopeLimits()) -> Envelope:
    """Read an envelope that is unpacked already. Raises `InputError`, or its child `TooLarge`."""
    if len(body) > limits.envelope:
        raise TooLarge(
            f"the envelope has {len(body)} bytes, more than {limits.envelope}", hint="send fewer attachments"
        )
    header, at = _header(body, 0, limits, "the envelope's header")
    events: list[Mapping[str, Any]] = []
    lost: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    count = 0
    while at < len(body):
        if body[at : at + 1] == b"\n":  # blank lines between items and at the end
            at += 1
            continue
        count += 1
        if count > limits.items:
            raise TooLarge(f"the envelope has more than {limits.items} items", hint="send them in several envelopes")
        item, at = _header(body, at, limits, f"the header of item {count}")
        start, at = at, _payload_end(body, at, item, count)
        kind = item.get("type")
        if kind == "event":
            if at - start > limits.event:
                raise TooLarge(f"an event has {at - start} bytes, more than {limits.event}", hint="send less context")
            events.append(parse_event(body[start:at]))
        elif kind == "client_report" and at - start <= limits.event:
            lost += _lost(body[start:at])
        else:
            skipped[kind if isinstance(kind, str) else "unknown"] += 1
        at += 1
    return Envelope(header=header, events=tuple(events), lost=dict(lost), skipped=dict(skipped))


def parse_event(payload: bytes) -> Mapping[str, Any]:
    """One event's JSON, as in an item or in the body of the older `store` endpoint. Raises `InputError`."""
    value = _json(payload, "the event")
    if not isinstance(value, dict):
        raise InputError("the event is not a JSON object", hint="send an event as Sentry's clients write it")
    return value


def event_id(given: object) -> str:
    """32 hex digits out of an id with or without dashes; "" where it is none."""
    plain = given.replace("-", "").lower() if isinstance(given, str) else ""
    return plain if re.fullmatch(r"[0-9a-f]{32}", plain) else ""


def public_key(
    *, header: str | None = None, query: Mapping[str, str] | None = None, envelope: Mapping[str, Any] | None = None
) -> str:
    """The key that a request carries; "" where it carries none.

    It may stand in the header `X-Sentry-Auth`, in the query `sentry_key`, or in the `dsn` of the envelope's
    header. Raises `InputError` where two of them disagree.
    """
    found = {
        "X-Sentry-Auth": _auth_header(header or "").get("sentry_key", ""),
        "query": (query or {}).get("sentry_key", ""),
        "dsn": _dsn_key((envelope or {}).get("dsn")),
    }
    keys = {key for key in found.values() if key}
    if len(keys) > 1:
        places = " and ".join(place for place, key in found.items() if key)
        raise InputError(f"the keys in {places} are not the same", hint="send one key")
    return keys.pop() if keys else ""


def _auth_header(value: str) -> dict[str, str]:
    """`Sentry sentry_key=abc, sentry_version=7` as a mapping; the order of its parts is free."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "sentry":
        return {}
    pairs = (part.strip().partition("=") for part in rest.split(","))
    return {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs if name.strip()}


def _dsn_key(dsn: object) -> str:
    try:
        return urlsplit(dsn).username or "" if isinstance(dsn, str) else ""
    except ValueError:
        return ""


def _header(body: bytes, at: int, limits: EnvelopeLimits, what: str) -> tuple[Mapping[str, Any], int]:
    """The JSON line at `at`, and where its payload begins."""
    end = body.find(b"\n", at, at + limits.header + 1)
    if end < 0:
        if len(body) - at > limits.header:
            raise TooLarge(f"{what} is longer than {limits.header} bytes", hint="send an envelope of Sentry's form")
        end = len(body)
    value = _json(body[at:end], what)
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object", hint="send an envelope of Sentry's form")
    return value, end + 1


def _payload_end(body: bytes, at: int, item: Mapping[str, Any], count: int) -> int:
    """Where the payload that begins at `at` ends: after its length, or at the end of the line."""
    length = item.get("length")
    if length is None:
        end = body.find(b"\n", at)
        return max(at, len(body)) if end < 0 else end
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise InputError(f"item {count} has the length {length!r}", hint="give a length in bytes, or none")
    end = at + length
    if end > max(at, len(body)):
        raise InputError(f"item {count} is cut off: {len(body) - at} of {length} bytes", hint="send it again whole")
    if body[end : end + 1] not in (b"", b"\n"):
        raise InputError(f"item {count} is longer than its length says", hint="give the length in bytes")
    return end


def _lost(payload: bytes) -> Counter[str]:
    """What a client report says was discarded, by reason."""
    report = _json(payload, "the client report")
    counts: Counter[str] = Counter()
    discarded = report.get("discarded_events") if isinstance(report, dict) else None
    for entry in discarded if isinstance(discarded, list) else []:
        quantity = entry.get("quantity") if isinstance(entry, dict) else None
        if isinstance(quantity, int) and not isinstance(quantity, bool) and quantity > 0:
            counts[str(entry.get("reason", "unknown"))[:100]] += quantity
    return counts


def _json(data: bytes, what: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not JSON: {error}", hint="send an envelope of Sentry's form") from error
