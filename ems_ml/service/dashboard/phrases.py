"""Numbers, shares and times as a person says them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ems_ml.build import STRATEGY_NAMES


def count(number: int) -> str:
    """1234567 -> '1,234,567'."""
    return f"{number:,}"


def many(number: int, word: str, plural: str = "") -> str:
    """'1 event', '3 events'."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def percent(share: float) -> str:
    """A probability as a whole percentage; what is neither certain nor impossible is not shown as if it were.

    >>> [percent(p) for p in (0.0, 0.002, 0.314, 0.997, 1.0)]
    ['0%', '<1%', '31%', '>99%', '100%']
    """
    if 0.0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1.0:
        return ">99%"
    return f"{share:.0%}"


def size(octets: float) -> str:
    """Bytes with a binary unit: 1536 -> '1.5 KiB'."""
    for unit in ("B", "KiB", "MiB"):
        if abs(octets) < 1024:
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1024
    return f"{octets:.1f} GiB"


def ago(moment: datetime, now: datetime) -> str:
    """How long before `now`: 'just now', '4 min ago', '3 h ago', '2 days ago', then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 36 * 3600:
        return f"{int(seconds // 3600)} h ago"
    if seconds < 30 * 86400:
        return f"{many(int(seconds // 86400), 'day')} ago"
    return f"{moment:%d %b %Y}"


def moment(when: datetime, zone: tzinfo) -> str:
    """A full date and time in `zone`: '24 Nov 2026, 03:14:07'."""
    return f"{when.astimezone(zone):%d %b %Y, %H:%M:%S}"


def words(name: str) -> str:
    """A strategy's or setting's name as words: 'guard_none' -> 'guard none'."""
    return name.replace("_", " ")


def label(name: str) -> str:
    """A strategy's name as words; a word of the team's own as it stands."""
    return words(name) if name in STRATEGY_NAMES else name


def browser_zone() -> tzinfo:
    """The time zone of the person who looks; UTC where the browser does not tell."""
    try:
        name = st.context.timezone
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
