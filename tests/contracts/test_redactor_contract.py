"""What every redactor promises: the same event comes back, and a second time changes nothing more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.ports import Redactor
from ems_ml.redact import NullRedactor, SecretRedactor
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame

REDACTORS = [SecretRedactor(), NullRedactor()]
NAMES = [type(redactor).__name__ for redactor in REDACTORS]

PIECES = st.sampled_from(
    ["password", "token", "api_key", "=", ": ", "'", '"', "\\", ", ", "{", "}", "[", "]", "(", ")", "hunter2", " ",
     "\n", "ann@example.org", "10.1.2.3", "://", "u:p@h", "Bearer ", "abcdefgh1234567890abcdef", "[secret]",
     "/home/", "ann",
     "C:\\Users\\", "4111111111111111", "+49 30 1234567890", "--", "-----BEGIN RSA PRIVATE KEY-----", "Cookie", "=>",
     "2001:db8::8a2e:370:7334", "authorization", "sk_live_" + "a" * 24]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=20).map("".join))


@pytest.mark.parametrize("redactor", REDACTORS, ids=NAMES)
def test_is_a_redactor(redactor: Redactor) -> None:
    assert isinstance(redactor, Redactor)


@pytest.mark.parametrize("redactor", REDACTORS, ids=NAMES)
@given(text=TEXTS)
def test_a_second_time_changes_nothing_more(redactor: Redactor, text: str) -> None:
    once = redactor.redact_text(text)
    assert redactor.redact_text(once) == once


@pytest.mark.parametrize("redactor", REDACTORS, ids=NAMES)
@given(text=TEXTS)
def test_an_event_keeps_its_structure(redactor: Redactor, text: str) -> None:
    frame = Frame(file="app.py", function="login", line=3, code=text)
    record = ExceptionRecord(type="a.Refused", message=text, frames=(frame,))
    event = ErrorEvent(
        id="1", error=record, chain=(record,), more=(ErrorEvent(id="1-1", error=record),), template=text,
        fingerprint=(text,), attributes={"where": text}, modules={"pkg": text},
    )  # fmt: skip
    once = redactor.redact(event)
    assert redactor.redact(once) == once
    assert (once.id, once.error.type, len(once.chain), len(once.more)) == ("1", "a.Refused", 1, 1)
    assert [(frame.file, frame.function, frame.line) for frame in once.error.frames] == [("app.py", "login", 3)]
    assert set(once.attributes) == {"where"}
