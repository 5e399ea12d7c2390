"""The HTTP API in this process: what Sentry's clients send, keys, limits, patterns and decisions, metrics."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
import zstandard
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from ems_ml.build import System, build
from ems_ml.service import keys
from ems_ml.service.api import create_app
from ems_ml.service.worker import work_off
from ems_ml.settings import Settings

EVENT = {
    "event_id": "a" * 32,
    "timestamp": "2026-11-24T03:00:00Z",
    "exception": {
        "values": [
            {
                "type": "KeyError",
                "value": "'tea-green'",
                "stacktrace": {
                    "frames": [
                        {"filename": "shop/web.py", "function": "checkout", "lineno": 12, "in_app": True},
                        {"filename": "shop/orders.py", "function": "total", "lineno": 41, "in_app": True},
                    ]
                },
            }
        ]
    },
}
TRACE = """Traceback (most recent call last):
  File "shop/a.py", line 3, in first
    return rows[0]
IndexError: list index out of range
"""


@pytest.fixture
def system(toy_home: Path) -> Iterator[System]:
    with build(Settings(home=toy_home, max_request_bytes=200_000, max_backlog=3)) as system:
        yield system


@pytest.fixture
def client(system: System) -> Iterator[TestClient]:
    with TestClient(create_app(system)) as client:
        yield client


@pytest.fixture
def key(system: System) -> keys.NewKey:
    return keys.add(system, "shop")


def bearer(system: System, scope: str, project: str = "shop") -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.add(system, project, scope).key}"}


def envelope(event: dict[str, Any], **header: Any) -> bytes:
    item = json.dumps(event).encode()
    head = json.dumps({"event_id": event["event_id"], **header}).encode()
    return head + b'\n{"type":"event","length":' + str(len(item)).encode() + b"}\n" + item


def auth(key: keys.NewKey) -> dict[str, str]:
    return {"X-Sentry-Auth": f"Sentry sentry_key={key.key}, sentry_version=7, sentry_client=test/1"}


def counts(client: TestClient) -> dict[str, float]:
    """What /metrics says; dropped by reason as `dropped:REASON`."""
    found = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            name = sample.name.removeprefix("ems_events_").removesuffix("_total")
            found[f"{name}:{sample.labels['reason']}" if sample.labels else name] = sample.value
    return found


def test_an_envelope_is_accepted_durably_then_processed(client: TestClient, system: System, key: keys.NewKey) -> None:
    answer = client.post(f"/api/{key.number}/envelope/", content=envelope(EVENT), headers=auth(key))
    assert (answer.status_code, answer.json()) == (200, {"id": "a" * 32})
    assert answer.headers["access-control-allow-origin"] == "*"
    with build(system.settings) as other:
        assert [one.event.id for one in other.store.inbox.take(9)] == ["a" * 32], "another process sees it"
    assert counts(client) == {"received": 1, "processed": 0, "ems_inbox_waiting": 1}
    assert work_off(system) == 1
    assert counts(client) == {"received": 1, "processed": 1, "ems_inbox_waiting": 0}
    (row,) = client.get("/api/v1/patterns", headers=bearer(system, "read")).json()["patterns"]
    assert row["type"] == "KeyError"
    assert row["raised_at"] == {"file": "shop/orders.py", "function": "total", "line": 41}


@pytest.mark.parametrize("path", ["/api/{}/envelope/", "/api/{}/envelope", "/some/prefix/api/{}/envelope/"])
def test_every_way_to_name_key_and_project(client: TestClient, key: keys.NewKey, path: str) -> None:
    named = [
        ({"headers": auth(key)}, {}),
        ({"params": {"sentry_key": key.key, "sentry_version": "7"}}, {}),
        ({}, {"dsn": key.dsn}),
    ]
    for number, (extra, header) in enumerate(named):
        event = {**EVENT, "event_id": f"{number}" * 32}
        for project in (key.number, "shop"):
            answer = client.post(path.format(project), content=envelope(event, **header), **extra)  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text
        break_after = client.get("/metrics")
        assert break_after.status_code == 200


def test_keys_that_are_missing_wrong_or_in_conflict_are_refused(
    client: TestClient, system: System, key: keys.NewKey
) -> None:
    other = keys.add(system, "other")
    reader = keys.add(system, "shop", "read")
    url, body = f"/api/{key.number}/envelope/", envelope(EVENT)
    unknown = replace(key, key="f" * 32)
    for headers in ({}, auth(unknown), auth(other), auth(reader)):
        answer = client.post(url, content=body, headers=headers)
        assert answer.status_code == 403, headers
        assert answer.headers["x-sentry-error"] == answer.json()["detail"]
    conflict = client.post(url, content=body, headers=auth(key), params={"sentry_key": other.key})
    assert conflict.status_code == 400
    within = client.post(url, content=envelope(EVENT, dsn=other.dsn), headers=auth(key))
    assert within.status_code == 400
    assert client.post("/api/999/envelope/", content=body, headers=auth(key)).status_code == 403
    system.store.keys.revoke(key.key)
    assert client.post(url, content=body, headers=auth(key)).status_code == 403
    assert system.store.inbox.waiting() == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw-deflate", "br", "zstd", "identity", ""])
def test_every_content_encoding(client: TestClient, system: System, key: keys.NewKey, encoding: str) -> None:
    body = envelope(EVENT)
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw-deflate": raw.compress(body) + raw.flush(),
        "br": brotli.compress(body),
        "zstd": zstandard.compress(body),
    }.get(encoding, body)
    headers = auth(key) | ({"Content-Encoding": encoding.removeprefix("raw-")} if encoding else {})
    answer = client.post(f"/api/{key.number}/envelope/", content=packed, headers=headers)
    assert answer.status_code == 200, answer.text
    assert system.store.inbox.waiting() == 1


@pytest.mark.parametrize("kind", ["application/x-sentry-envelope", "text/plain", "multipart/form-data", None])
def test_any_content_type_is_read_as_an_envelope(client: TestClient, key: keys.NewKey, kind: str | None) -> None:
    headers = auth(key) | ({"Content-Type": kind} if kind else {})
    assert client.post(f"/api/{key.number}/envelope/", content=envelope(EVENT), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"", "", 400),
        (b"not an envelope", "", 400),
        (b'{}\n{"type":"event","length":500}\n{}', "", 400),
        (b'{}\n{"type":"event"}\n[1]', "", 400),
        (b"\x1f\x8bbroken", "gzip", 400),
        (b"{}", "rot13", 400),
        (b"x" * 200_001, "", 413),
        (gzip.compress(b"0" * 101_000_000), "gzip", 413),
        (b'{}\n{"type":"event"}\n{"message":"' + b"x" * 150_000, "gzip", 400),
    ],
    ids=["empty", "text", "cut", "list", "broken", "unknown", "large", "bomb", "not-gzip"],
)
def test_bad_bodies_are_refused_in_words_and_counted(
    client: TestClient, key: keys.NewKey, body: bytes, encoding: str, status: int
) -> None:
    headers = auth(key) | ({"Content-Encoding": encoding} if encoding else {})
    answer = client.post(f"/api/{key.number}/envelope/", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert answer.headers["x-sentry-error"]
    assert answer.headers["access-control-allow-origin"] == "*"
    after = counts(client)
    reason = "too_large" if status == 413 else "unreadable"
    assert (after["received"], after[f"dropped:{reason}"]) == (1, 1)


def test_nobody_without_a_key_moves_a_counter(client: TestClient, key: keys.NewKey) -> None:
    assert client.post(f"/api/{key.number}/envelope/", content=b"rubbish").status_code in (400, 403)
    assert counts(client)["received"] == 0


def test_the_older_store_endpoint(client: TestClient, system: System, key: keys.NewKey) -> None:
    answer = client.post(f"/api/{key.number}/store/", json=EVENT, headers=auth(key))
    assert (answer.status_code, answer.json()) == (200, {"id": "a" * 32})
    assert client.post(f"/api/{key.number}/store/", json=[1], headers=auth(key)).status_code == 400


def test_what_a_client_lost_is_counted_as_lost(client: TestClient, key: keys.NewKey) -> None:
    report = {"discarded_events": [{"reason": "ratelimit_backoff", "category": "error", "quantity": 4}]}
    body = b'{}\n{"type":"client_report"}\n' + json.dumps(report).encode()
    answer = client.post(f"/api/{key.number}/envelope/", content=body, headers=auth(key))
    assert answer.status_code == 200
    after = counts(client)
    assert (after["received"], after["dropped:client_ratelimit_backoff"]) == (0, 4)


def test_items_that_are_no_errors_are_skipped(client: TestClient, system: System, key: keys.NewKey) -> None:
    body = b'{}\n{"type":"session"}\n{"sid":1}\n{"type":"of the future","length":3}\nabc\n'
    assert client.post(f"/api/{key.number}/envelope/", content=body, headers=auth(key)).status_code == 200
    assert system.store.inbox.waiting() == 0


def test_too_much_waiting_pauses_errors_on_a_200(system: System, key: keys.NewKey) -> None:
    for number in range(3):  # the limit of this system
        system.store.inbox.put([system.understand(_report(number))])
    with TestClient(create_app(system)) as client:
        answer = client.post(f"/api/{key.number}/envelope/", content=envelope(EVENT), headers=auth(key))
        assert answer.status_code == 200
        assert answer.headers["x-sentry-rate-limits"] == "30:error:project:overloaded"
        after = counts(client)
        assert (after["received"], after["dropped:overloaded"], after["ems_inbox_waiting"]) == (4, 1, 3)
        report = {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 1}]}
        told = b'{}\n{"type":"client_report"}\n' + json.dumps(report).encode()
        answer = client.post(f"/api/{key.number}/envelope/", content=told, headers=auth(key))
        assert "x-sentry-rate-limits" not in answer.headers, "the client's own reports keep flowing"


def _report(number: int) -> Any:
    from ems_ml.types import RawReport

    return RawReport(text=TRACE.replace("first", f"f{number}"), project="shop")


def test_secrets_never_reach_the_disk(client: TestClient, system: System, key: keys.NewKey, toy_home: Path) -> None:
    secret = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    event = json.loads(json.dumps(EVENT))
    event["exception"]["values"][0]["value"] = f"refused {secret}"
    client.post(f"/api/{key.number}/envelope/", content=envelope(event), headers=auth(key))
    work_off(system)
    assert secret.encode() not in b"".join(path.read_bytes() for path in toy_home.glob("ems.db*"))


def test_a_browser_may_send_from_any_page(client: TestClient) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-sentry-auth, content-type",
    }
    answer = client.options("/api/1/envelope/", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-sentry-auth" in answer.headers["access-control-allow-headers"]


def test_the_read_api_is_closed_to_other_pages_unless_named(toy_home: Path) -> None:
    asked = {"Origin": "https://ems.example", "Access-Control-Request-Method": "GET"}
    for origins, allowed in (((), None), (("https://ems.example",), "https://ems.example")):
        with build(Settings(home=toy_home, cors_origins=origins)) as system, TestClient(create_app(system)) as client:
            answer = client.options("/api/v1/patterns", headers=asked)
            assert answer.headers.get("access-control-allow-origin") == allowed
            ingest = client.options("/api/1/envelope/", headers={**asked, "Access-Control-Request-Method": "POST"})
            assert ingest.headers.get("access-control-allow-origin") == "*"


def test_a_pytest_report_log_is_taken_in(client: TestClient, system: System, key: keys.NewKey) -> None:
    record = {
        "$report_type": "TestReport",
        "nodeid": "tests/test_shop.py::test_total",
        "when": "call",
        "outcome": "failed",
        "longrepr": "shop/orders.py:41: in total\n    return prices[sku]\nE   KeyError: 'tea'",
    }
    lines = "\n".join(
        json.dumps(one)
        for one in ({"pytest_version": "9", "$report_type": "SessionStart"}, record, {**record, "outcome": "passed"})
    )
    answer = client.post("/api/shop/pytest/", content=gzip.compress(f"{lines}\nnot json".encode()), headers={
        "Authorization": f"Bearer {key.key}", "Content-Encoding": "gzip"})  # fmt: skip
    assert answer.status_code == 200
    assert (len(answer.json()["accepted"]), len(answer.json()["problems"])) == (1, 1)
    work_off(system)
    (row,) = client.get("/api/v1/patterns", headers=bearer(system, "read")).json()["patterns"]
    assert row["type"] == "KeyError"


def test_classify_answers_the_contract_and_records_if_wished(client: TestClient, system: System) -> None:
    writer = bearer(system, "write")
    dry = client.post("/api/v1/classify", json={"text": TRACE, "record": False}, headers=writer).json()
    assert dry["pattern"]["decision"] == "new"
    first = client.post("/api/v1/classify", json={"text": TRACE, "id": "r1"}, headers=writer).json()
    assert (first["id"], first["pattern"]["decision"]) == ("r1", "new"), "the dry run has left nothing"
    again = client.post("/api/v1/classify", json={"text": TRACE}, headers=writer).json()
    assert again["pattern"] | {"why": 0} == again["pattern"] | {
        "why": 0,
        "decision": "joined",
        "id": first["pattern"]["id"],
    }
    assert client.get(f"/api/v1/patterns/{first['pattern']['id']}", headers=writer).json()["count"] == 2
    for body in ({}, {"text": 1}, {"text": " "}, [1], {"text": TRACE, "record": "no"}):
        assert client.post("/api/v1/classify", json=body, headers=writer).status_code == 400, body
    assert client.post("/api/v1/classify", content=b"{", headers=writer).status_code == 400
    assert client.post("/api/v1/classify", json={"text": TRACE}, headers=bearer(system, "read")).status_code == 403


def test_decisions_over_http_bind_at_once(client: TestClient, system: System) -> None:
    writer = bearer(system, "write")
    other = 'Traceback (most recent call last):\n  File "lib/z.py", line 9, in label\n    return a + b\nTypeError: no\n'

    def classify(text: str) -> str:
        found: str = client.post("/api/v1/classify", json={"text": text}, headers=writer).json()["pattern"]["id"]
        return found

    one, two = classify(TRACE), classify(other)
    assert one != two
    assert client.post(f"/api/v1/patterns/{two}/resolve", headers=writer).json()["status"] == "resolved"
    merged = client.post(f"/api/v1/patterns/{two}/merge", json={"into": one}, headers=writer).json()
    assert (merged["id"], merged["count"]) == (one, 2)
    assert classify(other) == one, "what comes later follows the decision"
    events = client.get(f"/api/v1/patterns/{one}", headers=writer).json()["events"]
    moved = [event["id"] for event in events if event["message"] == "no"]
    fresh = client.post(f"/api/v1/patterns/{one}/split", json={"events": moved}, headers=writer).json()
    assert (fresh["count"], fresh["id"] != one) == (2, True)
    assert client.post(f"/api/v1/patterns/{one}/apart", json={"other": fresh["id"]}, headers=writer).status_code == 200
    assert client.post(f"/api/v1/patterns/{one}/frobnicate", headers=writer).status_code == 404
    assert client.post(f"/api/v1/patterns/{one}/merge", json={}, headers=writer).status_code == 400
    assert client.post("/api/v1/patterns/P-none/resolve", headers=writer).status_code == 404
    assert client.post(f"/api/v1/patterns/{one}/ignore", headers=bearer(system, "read")).status_code == 403
    assert [kept.action for kept in system.store.decisions.log()] == ["resolved", "merge", "split", "apart"]


def test_a_key_reads_only_its_own_project(client: TestClient, system: System) -> None:
    mine = client.post("/api/v1/classify", json={"text": TRACE}, headers=bearer(system, "write")).json()["pattern"][
        "id"
    ]
    stranger = bearer(system, "read", "other")
    assert client.get("/api/v1/patterns", headers=stranger).json() == {"total": 0, "patterns": []}
    assert client.get(f"/api/v1/patterns/{mine}", headers=stranger).status_code == 404
    assert client.get(f"/api/v1/patterns/{mine}", headers=bearer(system, "read")).status_code == 200
    assert client.get("/api/v1/patterns").status_code == 403
    assert client.get("/api/v1/patterns", params={"limit": 0}, headers=stranger).status_code == 400


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/healthz", "/metrics", "/api/v1/patterns", "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-ems"]


def test_what_breaks_inside_is_not_shown_outside(system: System, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(create_app(system), raise_server_exceptions=False) as client:
        system.store.database.engine.dispose()
        (system.settings.home / "ems.db").write_bytes(b"this is no database" * 500)
        for wal in system.settings.home.glob("ems.db-*"):
            wal.unlink()
        for path in ("/healthz", "/metrics"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "sqlite" not in answer.text.lower()
            assert "Traceback" not in answer.text
    assert "database" in caplog.text, "the log says what the client is not told"


def test_events_of_every_kind_add_up(client: TestClient, system: System, key: keys.NewKey) -> None:
    """received = processed + dropped here + waiting, whatever happened."""
    url = f"/api/{key.number}/envelope/"
    for body in (envelope(EVENT), envelope(EVENT), b"rubbish", envelope({**EVENT, "event_id": "b" * 32})):
        client.post(url, content=body, headers=auth(key))
    work_off(system)
    after = counts(client)
    dropped = sum(value for name, value in after.items() if name.startswith("dropped:"))
    assert after["received"] == 4
    assert after["processed"] == 2
    assert after["processed"] + dropped + after["ems_inbox_waiting"] == 4


def test_the_transport_of_httpx_sees_the_same(system: System) -> None:
    """An ASGI application and no server: `create_app` is all there is."""
    import asyncio

    async def ask() -> int:
        transport = httpx.ASGITransport(app=create_app(system))
        async with httpx.AsyncClient(transport=transport, base_url="http://ems") as client:
            return (await client.get("/healthz")).status_code

    assert asyncio.run(ask()) == 200
