"""What real, unmodified clients send: sentry-sdk over HTTP, pytest's report log, IPython's terminal."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ems_ml.ingest.envelope import parse_envelope, public_key
from ems_ml.ingest.reportlog import read_reportlog
from ems_ml.ingest.unpack import decompress
from ems_ml.parse import ParserChain, default_parsers
from ems_ml.types import ErrorEvent, RawReport, Role

Posted = list[tuple[dict[str, str], bytes]]


def parse(report: RawReport) -> ErrorEvent:
    return ParserChain(default_parsers()).parse(report)


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *argv], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def server() -> Iterator[tuple[int, Posted]]:
    posted: Posted = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            posted.append(({key.lower(): value for key, value in self.headers.items()}, self.rfile.read(length)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield http.server_port, posted
        http.shutdown()
        thread.join()


APP = """
import logging, sys, sentry_sdk
sentry_sdk.init(sys.argv[1], environment="test", release="shop@1.2", traces_sample_rate=0)

def price(item):
    return item["price"]

def total(items):
    try:
        return sum(price(item) for item in items)
    except KeyError as error:
        raise ValueError("a price is missing") from error

try:
    total([{"name": "tea"}])
except ValueError as error:
    sentry_sdk.capture_exception(error)
logging.getLogger("shop").error("stock of %s is %d", "tea", 0)
try:
    raise ExceptionGroup("several", [OSError(2, "gone"), TypeError("odd")])
except* OSError as group:
    sentry_sdk.capture_exception(group)
except* TypeError:
    pass
sentry_sdk.flush()
"""


def test_an_unmodified_sentry_sdk(tmp_path: Path, server: tuple[int, Posted]) -> None:
    port, posted = server
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    ran = run(tmp_path, "app.py", f"http://abc@127.0.0.1:{port}/prefix/42")
    assert ran.returncode == 0, ran.stderr
    events = []
    for headers, body in posted:
        assert public_key(header=headers.get("x-sentry-auth")) == "abc"
        envelope = parse_envelope(decompress(body, headers.get("content-encoding", ""), limit=1_000_000))
        events += [parse(report) for report in envelope.reports(project="42")]
    raised, logged, group = events

    assert (raised.error.type, raised.error.message) == ("ValueError", "a price is missing")
    assert [(record.relation, record.type, record.message) for record in raised.chain] == [
        ("cause", "KeyError", "'price'")
    ]
    assert [(frame.function, frame.code, frame.role) for frame in raised.error.frames] == [
        ("<module>", 'total([{"name": "tea"}])', Role.APP),
        ("total", 'raise ValueError("a price is missing") from error', Role.APP),
    ]
    assert raised.chain[0].frames[-1].function == "price"
    assert (raised.release, raised.attributes["environment"]) == ("shop@1.2", "test")
    assert "sentry-sdk" in raised.modules
    assert raised.time is not None
    assert len(raised.id) == 32

    assert (logged.error.type, logged.error.message, logged.template) == (
        "",
        "stock of tea is 0",
        "stock of %s is %d",
    )
    assert logged.attributes["logger"] == "shop"

    assert group.error.type == "ExceptionGroup"
    assert (group.chain[0].relation, group.chain[0].type) == ("member", "FileNotFoundError")


TESTS = """
import pytest
from cart import total

@pytest.fixture
def broken():
    raise RuntimeError("no database")

def test_total():
    total([{}])

def test_equal():
    assert total([{"price": 1}]) == 2

def test_setup(broken):
    pass

def test_passes():
    assert True
"""
CART = """
def total(items):
    try:
        return sum(item["price"] for item in items)
    except KeyError as error:
        raise ValueError("a price\\nis missing") from error
"""


@pytest.mark.parametrize("style", ["long", "short", "native"])
def test_failures_of_a_real_pytest_run(tmp_path: Path, style: str) -> None:
    (tmp_path / "test_cart.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "cart.py").write_text(CART, encoding="utf-8")
    (tmp_path / "test_broken.py").write_text("import nothing_like_this\n", encoding="utf-8")
    arguments = [f"--tb={style}", "--report-log=log.jsonl", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    ran = run(tmp_path, "-m", "pytest", *arguments)
    assert ran.returncode == 1, ran.stdout
    reports = [item for item in read_reportlog(tmp_path / "log.jsonl") if isinstance(item, RawReport)]
    collect, total, equal, setup = [parse(report) for report in reports]

    assert (collect.error.type, collect.attributes["test"]) == ("ModuleNotFoundError", "test_broken.py")
    assert (total.error.type, total.error.message) == ("ValueError", "a price\nis missing")
    assert [record.type for record in total.chain] == ["KeyError"]
    last = total.error.frames[-1]
    assert (Path(last.file).name, last.function, last.line, last.role) == ("cart.py", "total", 6, Role.APP)
    assert last.code == 'raise ValueError("a price\\nis missing") from error'
    assert [frame.role for frame in total.error.frames if frame.function == "test_total"] == [Role.TEST]
    assert (equal.error.type, equal.error.message.partition("\n")[0]) == ("AssertionError", "assert 1 == 2")
    assert (setup.error.type, setup.attributes["when"]) == ("RuntimeError", "setup")

    printed = parse(RawReport(text=ran.stdout))
    assert {event.error.type for event in (printed, *printed.more)} >= {"ValueError", "AssertionError", "RuntimeError"}


SESSION = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor", xmode="Context")
shell.run_cell("import json\\ndef read(text):\\n    return json.loads(text)\\n")
shell.run_cell("try:\\n    read('{')\\nexcept ValueError as error:\\n    raise LookupError('no price') from error")
"""


def test_a_real_ipython_session(tmp_path: Path) -> None:
    (tmp_path / "session.py").write_text(SESSION, encoding="utf-8")
    ran = run(tmp_path, "session.py")
    event = parse(RawReport(text=ran.stdout))
    assert (event.error.type, event.error.message) == ("LookupError", "no price"), ran.stdout + ran.stderr
    last = event.error.frames[-1]
    assert (last.line, last.code) == (4, "raise LookupError('no price') from error")
    assert [(record.relation, record.type) for record in event.chain] == [("cause", "JSONDecodeError")]
    assert event.chain[0].frames[-1].function.endswith("raw_decode")
    assert "read" in [frame.function for frame in event.chain[0].frames]
