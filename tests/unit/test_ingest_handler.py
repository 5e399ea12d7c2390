"""The logging handler: whole errors arrive, the application never waits and never sees our own failures."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ems_ml.errors import UsageError
from ems_ml.ingest.envelope import parse_envelope
from ems_ml.ingest.handler import Dsn, EmsHandler
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.types import ErrorEvent, RawReport


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    log = logging.getLogger(f"shop.{request.node.name}")
    log.propagate = False
    yield log
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()


def parse(report: RawReport) -> ErrorEvent:
    return ParserChain(default_parsers()).parse(report)


def fail(items: list[str]) -> None:
    try:
        items[3]
    except IndexError as error:
        raise ValueError("no third") from error


def test_an_exception_arrives_whole_with_its_template(logger: logging.Logger) -> None:
    got: list[RawReport] = []
    handler = EmsHandler(got.append, environment="test", release="1.2")
    logger.addHandler(handler)
    try:
        fail([])
    except ValueError:
        logger.exception("order %s failed", 7)
    logger.info("not an error")
    handler.flush()
    (report,) = got
    event = parse(report)
    assert (event.error.type, event.error.message, event.template) == ("ValueError", "no third", "order %s failed")
    assert [record.type for record in event.chain] == ["IndexError"]
    assert event.error.frames[-1].function == "fail"
    assert event.error.frames[-1].code == 'raise ValueError("no third") from error'
    assert (event.release, event.attributes["environment"], event.source) == ("1.2", "test", "logging")
    assert handler.lost == 0


def test_an_error_without_exception_says_where_it_was_logged(logger: logging.Logger) -> None:
    got: list[RawReport] = []
    handler = EmsHandler(got.append)
    logger.addHandler(handler)
    logger.error("stock of %(name)s is %(count)d", {"name": "tea", "count": 0})
    handler.flush()
    event = parse(got[0])
    assert (event.error.message, event.template) == ("stock of tea is 0", "stock of %(name)s is %(count)d")
    (frame,) = event.error.frames
    assert frame.function == "test_an_error_without_exception_says_where_it_was_logged"


def test_what_cannot_be_sent_is_counted_and_not_raised(logger: logging.Logger) -> None:
    def refuse(report: RawReport) -> None:
        raise RuntimeError("down")

    handler = EmsHandler(refuse)
    logger.addHandler(handler)
    logger.error("a")
    handler.flush()
    assert handler.lost == 1


def test_arguments_that_do_not_fit_leave_the_template(logger: logging.Logger) -> None:
    got: list[RawReport] = []
    handler = EmsHandler(got.append)
    handler.handle(logger.makeRecord("shop", logging.ERROR, "a.py", 1, "%d items", ("many",), None))
    handler.close()
    assert parse(got[0]).error.message == "%d items"


def test_a_full_queue_loses_and_counts_but_never_waits(logger: logging.Logger) -> None:
    gate, begun = threading.Event(), threading.Event()
    got: list[RawReport] = []

    def slow(report: RawReport) -> None:
        begun.set()
        gate.wait()
        got.append(report)

    handler = EmsHandler(slow, capacity=2)
    logger.addHandler(handler)
    logger.error("0")
    begun.wait()
    for number in range(1, 6):
        logger.error("%d", number)
    assert handler.lost == 3
    gate.set()
    handler.flush()
    assert len(got) == 3


class Receiver(BaseHTTPRequestHandler):
    status = 200
    got: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["X-Sentry-Auth"], body))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[Receiver]]]:
    kind = type("OwnReceiver", (Receiver,), {"got": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://abc@127.0.0.1:{http.server_port}/prefix/shop", kind
        http.shutdown()
        thread.join()


def test_envelopes_are_posted_to_a_dsn(logger: logging.Logger, server: tuple[str, type[Receiver]]) -> None:
    dsn, kind = server
    handler = EmsHandler(dsn)
    logger.addHandler(handler)
    logger.error("first %s", "x")
    handler.close()
    ((path, auth, body),) = kind.got
    assert path == "/prefix/api/shop/envelope/"
    assert "sentry_key=abc" in auth
    (event,) = parse_envelope(body).events
    assert event["logentry"] == {"message": "first %s", "params": ["x"], "formatted": "first x"}
    assert json.dumps(event)
    assert handler.lost == 0


def test_after_a_429_nothing_is_sent_and_all_is_counted(
    logger: logging.Logger, server: tuple[str, type[Receiver]]
) -> None:
    dsn, kind = server
    kind.status = 429
    handler = EmsHandler(dsn)
    logger.addHandler(handler)
    for number in range(3):
        logger.error("%d", number)
    handler.flush()
    assert len(kind.got) == 1
    assert handler.lost == 3


@pytest.mark.parametrize("dsn", ["", "nothing", "http://host/1", "http://key@/1", "http://key@host", "http://k@h:x/1"])
def test_what_is_no_dsn_is_refused(dsn: str) -> None:
    with pytest.raises(UsageError, match="not a DSN") as caught:
        EmsHandler(dsn)
    assert "http://KEY@" in caught.value.hint


def test_a_dsn_names_its_endpoint() -> None:
    assert Dsn.parse("https://k:old@[::1]:8400/shop").url == "https://[::1]:8400/api/shop/envelope/"
