"""A client's own fingerprint in a Sentry event: as it is sent, and as the grouper obeys it."""

from __future__ import annotations

from typing import Any

import pytest

from ems_ml.parse import SentryParser
from ems_ml.parse.fingerprint import MOST_PARTS
from ems_ml.types import ErrorEvent, Form, RawReport

FRAMES = [
    {"filename": "shop/cart.py", "function": "total", "module": "shop.cart", "in_app": True},
    {"filename": "io.py", "function": "read", "module": "io", "in_app": False},
]
EVENT = {
    "exception": {"values": [{"type": "Bad", "module": "app", "value": "no tea", "stacktrace": {"frames": FRAMES}}]},
    "transaction": "/pay",
    "level": "error",
    "tags": {"tenant": "ana"},
}


def parsed(fingerprint: Any) -> ErrorEvent:
    event = SentryParser().parse(RawReport(payload=EVENT | {"fingerprint": fingerprint}, form=Form.SENTRY))
    assert event is not None
    return event


@pytest.mark.parametrize(
    ("sent", "obeyed"),
    [
        (None, ()),
        ("checkout", ()),
        ([], ()),
        (["{{ default }}"], ()),
        (["{{default}}", "{{ default }}"], ()),
        (["checkout"], ("checkout",)),
        (["checkout", 7, "", None, {}], ("checkout", "7")),
        (["{{default}}", "ana"], ("{{ default }}", "ana")),
        (["{{ type }}", "{{ error.type }}"], ("Bad", "Bad")),
        (["{{ value }}", "{{message}}"], ("no tea", "no tea")),
        (["{{ function }}", "{{ stack.function }}"], ("total", "total")),
        (["{{ module }}", "{{ stack.abs_path }}"], ("shop.cart", "shop/cart.py")),
        (["{{ transaction }}", "{{ level }}", "{{ logger }}"], ("/pay", "error", "<no-logger>")),
        (["{{ tags.tenant }}", "{{ tags.none }}"], ("ana", "<no-tags.none>")),
        (["{{ unheard.of }}", "a {{ type }}"], ("{{ unheard.of }}", "a {{ type }}")),
    ],
)
def test_a_fingerprint_is_read(sent: Any, obeyed: tuple[str, ...]) -> None:
    assert parsed(sent).fingerprint == obeyed


@pytest.mark.parametrize(
    ("sent", "own", "by_default"),
    [
        ([], (), True),
        (["{{ default }}"], (), True),
        (["{{ default }}", "ana"], ("ana",), True),
        (["ana"], ("ana",), False),
    ],
)
def test_an_event_knows_who_groups_it(sent: list[str], own: tuple[str, ...], by_default: bool) -> None:
    event = parsed(sent)
    assert (event.own_fingerprint, event.by_default) == (own, by_default)


def test_variables_without_frames_are_told_as_missing_and_a_long_fingerprint_is_bounded() -> None:
    bare = {"exception": {"values": [{"type": "Bad"}]}, "fingerprint": ["{{ function }}", *("x",) * 1000]}
    event = SentryParser().parse(RawReport(payload=bare, form=Form.SENTRY))
    assert event is not None
    assert event.fingerprint[0] == "<no-function>"
    assert len(event.fingerprint) == MOST_PARTS
