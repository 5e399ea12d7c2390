"""Sentry's envelopes: what is read, what is skipped, what is refused, and within which limits."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ems_ml.errors import InputError, TooLarge
from ems_ml.ingest.envelope import Envelope, EnvelopeLimits, event_id, parse_envelope, public_key
from ems_ml.ingest.unpack import decompress
from ems_ml.types import Form


def told(refused: InputError) -> None:
    """Each refusal names its remedy."""
    assert refused.hint


ID = "9ec79c33ec9942ab8353589fcb2e04dc"
HEADER = f'{{"event_id":"{ID}"}}\n'


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def encoding(name: str) -> str:
    return name.rpartition(" ")[2]


def test_items_with_and_without_a_length_and_unknown_types() -> None:
    body = (
        HEADER
        + '{"type":"attachment","length":10,"filename":"a"}\n0123\n56789\n'
        + '{"type":"something_new","colour":"red"}\nwhatever this is\n'
        + '{"type":"event","length":17}\n{"level":"error"}\n'
        + '{"type":"client_report"}\n{"discarded_events":[{"reason":"queue","category":"error","quantity":3}]}'
    )
    envelope = parse_envelope(body.encode())
    assert envelope.events == ({"level": "error"},)
    assert envelope.skipped == {"attachment": 1, "something_new": 1}
    assert envelope.lost == {"queue": 3}
    (report,) = envelope.reports(project="shop")
    assert (report.id, report.project, report.form) == (ID, "shop", Form.SENTRY)


def test_a_client_report_needs_no_event_id() -> None:
    body = b'{}\n{"type":"client_report"}\n{"discarded_events":[{"reason":"ratelimit_backoff","quantity":1}]}\n'
    envelope = parse_envelope(body)
    assert (envelope.id, envelope.events, envelope.lost) == ("", (), {"ratelimit_backoff": 1})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the envelope's header is not JSON"),
        (b"[]\n", "not a JSON object"),
        (b"not json\n", "the envelope's header is not JSON"),
        (b'{}\n{"type":"event","length":5}\n{}', "cut off"),
        (b'{}\n{"type":"event","length":1}\n{}\n', "longer than its length"),
        (b'{}\n{"type":"event","length":-1}\n{}\n', "has the length -1"),
        (b'{}\n{"type":"event"}\n{"a":\n', "the event is not JSON"),
        (b'{}\n{"type":"event"}\n[1]\n', "the event is not a JSON object"),
        (b"{}\n[" + b"[" * 7_000 + b"\n", "not JSON"),
    ],
)
def test_a_broken_envelope_is_refused_with_the_reason(body: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_envelope(body)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (b"{}\n" + b" " * 100, EnvelopeLimits(envelope=50)),
        (b'{}\n{"type":"event"}\n{"a":"' + b"x" * 100 + b'"}\n', EnvelopeLimits(event=50)),
        (b'{"a":"' + b"x" * 100 + b'"}\n', EnvelopeLimits(header=50)),
        (b"{}\n" + b'{"type":"x"}\n\n' * 5, EnvelopeLimits(items=3)),
    ],
)
def test_limits_hold(body: bytes, limits: EnvelopeLimits) -> None:
    with pytest.raises(TooLarge):
        parse_envelope(body, limits=limits)


@given(body=st.binary(max_size=300) | st.lists(st.sampled_from(
    [b"{}", b"\n", b'{"type":"event"}', b'{"type":"event","length":2}', b'{"length":9999}', b"x", b'{"type":1}', b"[]"]
), max_size=10).map(b"".join))  # fmt: skip
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        assert isinstance(parse_envelope(body), Envelope)
    except InputError as refused:
        told(refused)


@given(
    event=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4),
    junk=st.binary(max_size=50),
    packer=st.sampled_from(sorted(PACKERS)),
)
def test_what_was_packed_comes_back(event: dict[str, str], junk: bytes, packer: str) -> None:
    payload = json.dumps(event).encode()
    body = HEADER.encode() + b'{"type":"attachment","length":%d}\n%b\n' % (len(junk), junk)
    body += b'{"type":"event","length":%d}\n%b\n' % (len(payload), payload)
    unpacked = decompress(PACKERS[packer](body), encoding(packer), limit=10_000)
    envelope = parse_envelope(unpacked)
    assert (envelope.events, envelope.id) == ((event,), ID)


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_a_bomb_stops_at_the_limit(packer: str) -> None:
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        decompress(PACKERS[packer](b"\x00" * 10_000_000), encoding(packer), limit=1_000)


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_a_body_that_is_cut_off_is_refused(packer: str) -> None:
    packed = PACKERS[packer](bytes(range(256)) * 50)
    with pytest.raises(InputError):
        decompress(packed[: len(packed) // 2], encoding(packer), limit=100_000)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
@given(body=st.binary(min_size=1, max_size=60))
def test_any_bytes_are_unpacked_or_refused(name: str, body: bytes) -> None:
    try:
        decompress(body, name, limit=10_000)
    except InputError as refused:
        told(refused)


def test_encodings_in_a_row_none_and_unknown() -> None:
    assert decompress(brotli.compress(gzip.compress(b"abc")), "gzip, br", limit=100) == b"abc"
    assert decompress(b"abc", "", limit=100) == decompress(b"abc", "identity", limit=100) == b"abc"
    with pytest.raises(InputError, match="unknown content encoding"):
        decompress(b"abc", "lzw", limit=100)


def test_the_key_of_a_request() -> None:
    header = "Sentry sentry_version=7, sentry_client=x/1, sentry_key=abc, sentry_secret=zzz"
    assert public_key(header=header) == "abc"
    assert public_key(query={"sentry_key": "abc"}) == "abc"
    assert public_key(envelope={"dsn": "https://abc@host/prefix/42"}) == "abc"
    assert public_key(header=header, query={"sentry_key": "abc"}, envelope={"dsn": "https://abc@h/1"}) == "abc"
    assert public_key() == public_key(header="Bearer x", envelope={"dsn": 5}) == ""
    with pytest.raises(InputError, match="X-Sentry-Auth and query"):
        public_key(header=header, query={"sentry_key": "other"})


def test_an_event_id_with_dashes_or_none() -> None:
    assert event_id("9ec79c33-ec99-42ab-8353-589fcb2e04dc") == ID
    assert event_id("nothing") == event_id(None) == ""
