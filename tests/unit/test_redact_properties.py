"""A secret that is planted anywhere in an event does not survive; text without one stays as it is."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from ems_ml.redact import SecretRedactor
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame

ALNUM = string.ascii_letters + string.digits


def of(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, min_size=size, max_size=size)


VENDOR_KEYS = st.one_of(
    of(string.ascii_uppercase + string.digits, 16).map("AKIA".__add__),
    of(ALNUM, 36).map("ghp_".__add__),
    of(ALNUM, 24).map(("sk_" + "live_").__add__),
    of(ALNUM + "-_", 35).map("AIza".__add__).filter(lambda key: key[-1] not in "-_"),
    of(ALNUM, 30).map(lambda text: f"xoxb-123456789012-{text}"),
    st.tuples(of(ALNUM, 20), of(ALNUM, 30), of(ALNUM, 30)).map(lambda parts: "eyJ" + ".".join(parts)),
)
#: With a digit, as most rules for passwords ask.
PASSWORDS = st.tuples(of(ALNUM, 4), of(string.digits, 2), of(ALNUM, 4)).map("".join)
NAMES = st.sampled_from(["password", "DB_PASSWORD", "api_key", "apiKey", "client_secret", "access_token", "passwd"])
CARRIERS = st.sampled_from(
    ["{name}={value}", "{name}: {value}", "{{'{name}': '{value}'}}", '{{"{name}": "{value}"}}', "--{name} {value}",
     "{{'a': {{'{name}': '{value}', 'b': 1}}}}", "('{name}', '{value}')", '{{\\"{name}\\": \\"{value}\\"}}',
     "https://x.example/?{name}={value}&page=2", "{name} = '{value}'", "{{'{name}': b'{value}'}}"]
)  # fmt: skip
AROUND = st.sampled_from(["", "could not connect: ", "Login failed (", "x\n", "\u00e9 "])


def event_with(text: str) -> ErrorEvent:
    frame = Frame(file="app.py", function="login", line=3, code=f"connect({text!r})")
    record = ExceptionRecord(type="Refused", message=text, frames=(frame,))
    return ErrorEvent(
        id="1", error=record, chain=(record,), more=(ErrorEvent(id="2", error=record),), template=text,
        fingerprint=(text,), attributes={"extra": text}, modules={"pkg": text},
    )  # fmt: skip


@given(before=AROUND, key=VENDOR_KEYS, after=st.sampled_from(["", " refused", ")", "\n"]))
def test_a_vendors_key_leaves_every_part_of_an_event(before: str, key: str, after: str) -> None:
    assert key not in repr(SecretRedactor().redact(event_with(f"{before}{key}{after}")))


@given(before=AROUND, carrier=CARRIERS, name=NAMES, value=PASSWORDS)
def test_a_named_secret_leaves_a_text(before: str, carrier: str, name: str, value: str) -> None:
    text = before + carrier.format(name=name, value=value)
    assert value not in SecretRedactor().redact_text(text)


@given(carrier=CARRIERS, value=PASSWORDS)
def test_an_attribute_that_is_named_like_a_secret_keeps_none(carrier: str, value: str) -> None:
    event = event_with("").with_(attributes={"tag.api_key": value})
    assert SecretRedactor().redact(event).attributes == {"tag.api_key": "[secret]"}


WORDS = st.lists(
    st.sampled_from(
        ["'NoneType'", "object", "has", "no", "attribute", "'password'", "'token'", "list", "index", "out", "of",
         "range", "line", "3", "0x7f3a", "3.14", "expected", "2", "arguments,", "got", "1", "(most", "recent", "call",
         "invalid", "literal", "for", "int()", "with", "base", "10:", "'x'", "path/to/file.py", "2024-01-31", "12:30"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip


@given(text=WORDS)
def test_a_harmless_message_stays(text: str) -> None:
    assert SecretRedactor().redact_text(text) == text
