"""The log: JSON lines, redacted, with the ids they are about; one file for all processes."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ems_ml.events import Bus, EventDropped, EventReceived, FixTried, PatternChanged
from ems_ml.redact import SecretRedactor
from ems_ml.service import logs
from ems_ml.settings import Settings
from ems_ml.types import Outcome

SECRET = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    root = logging.getLogger()
    level = root.level
    settings = Settings(home=tmp_path / "home")
    logs.configure(settings, process="test", redact=SecretRedactor().redact_text)
    yield settings
    for handler in [one for one in root.handlers if one.name == logs.HANDLER]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def lines(settings: Settings) -> list[dict[str, object]]:
    return [json.loads(line) for line in settings.log_file.read_text().splitlines()]


def test_a_record_is_one_json_line_with_its_ids(settings: Settings) -> None:
    logging.getLogger("a.b").info("two\nlines", extra={"event": "e1", "pattern": "P-1", "number": 3})
    (line,) = lines(settings)
    assert line["message"] == "two\nlines"
    assert (line["level"], line["logger"], line["process"]) == ("INFO", "a.b", "test")
    assert (line["event"], line["pattern"], line["number"]) == ("e1", "P-1", 3)
    assert str(line["time"]).endswith("+00:00")


def test_nothing_secret_is_written_wherever_it_stands(settings: Settings) -> None:
    log = logging.getLogger("secrets")
    log.warning("key %s and password=%s", SECRET, "hunter2", extra={"note": f"mail ann@example.org {SECRET}"})
    try:
        raise ValueError(f"token={SECRET}")
    except ValueError:
        log.exception("it failed")
    text = settings.log_file.read_text()
    assert SECRET not in text
    assert "hunter2" not in text
    assert "ann@example.org" not in text
    assert "ValueError" in text, "the exception itself is told"


def test_ids_survive_redaction(settings: Settings) -> None:
    event = "0123456789abcdef0123456789abcdef"
    logging.getLogger("x").info("seen", extra={"event": event, "pattern": "P-abcdefghjk"})
    (line,) = lines(settings)
    assert (line["event"], line["pattern"]) == (event, "P-abcdefghjk")


def test_what_happens_on_the_bus_is_written_down(settings: Settings) -> None:
    bus = Bus()
    logs.follow(bus)
    bus.publish(EventReceived(event="e1", project="shop", source="api"))
    bus.publish(EventDropped(event="e2", project="shop", reason="failed"))
    bus.publish(PatternChanged(pattern="P-1", action="merge"))
    bus.publish(FixTried(event="e1", pattern="P-1", verdict=Outcome.REPAIRED, strategy="guard_none"))
    bus.close()
    told = [(line["event"], line["pattern"], line["message"]) for line in lines(settings)]
    assert told == [
        ("e1", None, "received"),
        ("e2", None, "dropped: failed"),
        (None, "P-1", "decided: merge"),
        ("e1", "P-1", "fix: repaired"),
    ]


def test_a_grown_file_is_turned_and_older_ones_are_kept(settings: Settings) -> None:
    log, path = logging.getLogger("grow"), settings.log_file
    for number in range(6):
        log.info("line %s %s", number, "x" * 100)
        assert logs.turn(path, max_bytes=50, keep=2)
        assert not logs.turn(path, max_bytes=50, keep=2), "there is nothing to turn now"
    log.info("the last")
    assert [line["message"] for line in lines(settings)] == ["the last"], "the handler found the new file by itself"
    kept = sorted(one.name for one in path.parent.glob("ems.jsonl*"))
    assert kept == ["ems.jsonl", "ems.jsonl.1", "ems.jsonl.2"]
    assert '"line 5 ' in path.with_name("ems.jsonl.1").read_text()


def test_several_processes_write_whole_lines_into_one_file(tmp_path: Path) -> None:
    script = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from ems_ml.service import logs\n"
        "from ems_ml.settings import Settings\n"
        "logs.configure(Settings(home=Path(sys.argv[1])), process=sys.argv[2], redact=str)\n"
        "for number in range(300): logging.getLogger('p').info('line %s %s', number, 'y' * 500)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), f"p{n}"]) for n in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    found = lines(Settings(home=tmp_path))
    assert len(found) == 900
    assert {line["process"] for line in found} == {"p0", "p1", "p2"}


def test_a_log_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("a file stands where the folder should be")
    before = list(logging.getLogger().handlers)
    logs.configure(Settings(home=tmp_path / "home"), process="test", redact=str)
    for handler in [one for one in logging.getLogger().handlers if one not in before]:
        logging.getLogger().removeHandler(handler)
    assert "cannot be written" in capsys.readouterr().err
