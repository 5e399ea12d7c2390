"""Tables as teams have them: every form, delimiter and encoding; what cannot be read is told with its place."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import zstandard
from own_errors import errors

from ems_ml.errors import InputError, UsageError
from ems_ml.ingest.tables import EVENT, ROW, Remark, Row, guess, open_table
from ems_ml.ingest.tables.gather import sample_rows
from ems_ml.ingest.tables.text import NOT_UTF8
from ems_ml.ingest.tables.times import day_comes_first, time_of
from ems_ml.resources import shipped
from ems_ml.strategies.names import STRATEGY_NAMES

TRACE = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    return x["tea"]\nKeyError: \'tea\''
OTHER = 'Traceback (most recent call last):\n  File "b.py", line 9, in g\n    int("ä")\nValueError: ungültig: \'ä\''


def reads(value: Any) -> int:
    """What the parsers would say, without them."""
    text = str(value)
    return 2 if "Traceback" in text or isinstance(value, dict) else int("Error:" in text)


def split(path: Path, **more: Any) -> tuple[list[Row], list[Remark]]:
    rows: list[Row] = []
    remarks: list[Remark] = []
    for one in open_table(path, **more).rows():
        (rows if isinstance(one, Row) else remarks).append(one)  # type: ignore[arg-type]
    return rows, remarks


def columns(path: Path, **told: str | None) -> dict[str, str | None]:
    found = guess(sample_rows(open_table(path)), reads=reads, strategies=STRATEGY_NAMES, told=told).columns
    return {"trace": found.trace, "label": found.label, "time": found.time, "project": found.project}


def quoted(*cells: str, by: str) -> str:
    return by.join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"


@pytest.mark.parametrize("by", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le"])
def test_any_delimiter_and_encoding_is_read(tmp_path: Path, by: str, encoding: str) -> None:
    path = tmp_path / "störung.csv"
    body = quoted("Fehler", "Lösung", by=by) + "".join(
        quoted(TRACE if n % 2 else OTHER, "prüfen", by=by) for n in range(6)
    )
    path.write_bytes(body.encode(encoding))
    rows, remarks = split(path)
    assert [row.values for row in rows] == [{"Fehler": TRACE if n % 2 else OTHER, "Lösung": "prüfen"} for n in range(6)]
    assert rows[1].number == rows[0].number + 4  # the line it begins on, not its place among the rows
    told = {remark.reason for remark in remarks}
    assert told == ({NOT_UTF8} if encoding in ("latin-1", "cp1252") else set())
    assert not any(remark.lost for remark in remarks)


@pytest.mark.parametrize(
    ("pack", "ending"),
    [
        (gzip.compress, "gz"),
        (bz2.compress, "bz2"),
        (lzma.compress, "xz"),
        (lambda data: zstandard.ZstdCompressor().compress(data), "zst"),
    ],
)
def test_compressed_tables_are_read_by_their_content(
    tmp_path: Path, pack: Callable[[bytes], bytes], ending: str
) -> None:
    body = quoted("error", "label", by=",") + quoted(TRACE, "a", by=",") * 3
    path = tmp_path / f"export.csv.{ending}"
    path.write_bytes(pack(body.encode()))
    assert len(split(path)[0]) == 3
    long = "".join(quoted(one.trace, one.label, by=",") for one in errors(9000))
    path.write_bytes(pack((quoted("error", "label", by=",") + long).encode())[:-9000])
    rows, remarks = split(path)
    assert 50 < len(rows) < 9000
    assert any("damaged from here on" in one.reason and one.lost for one in remarks)


def test_one_file_may_hold_two_encodings(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    line = quoted(TRACE, "prüfen", by=";")
    path.write_bytes(b"trace;fix\n" + line.encode("utf-8") + line.encode("latin-1") + line.encode("utf-8"))
    rows, remarks = split(path)
    assert [row.values["fix"] for row in rows] == ["prüfen"] * 3
    assert [(one.number, one.reason, one.lost) for one in remarks] == [(9, NOT_UTF8, False)]


def test_a_told_encoding_is_obeyed_and_an_unknown_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "kyrillisch.csv"
    path.write_bytes((quoted("trace", "fix", by=";") + quoted(TRACE, "проверить", by=";")).encode("cp1251"))
    assert split(path, encoding="cp1251")[0][0].values["fix"] == "проверить"
    with pytest.raises(UsageError, match="klingon"):
        split(path, encoding="klingon")


def test_rows_that_do_not_fit_the_head_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    good = quoted(TRACE, "a", by=",")
    path.write_text("trace,label\n" + good + "only one field\n" + good + "a,b,c,d\n\n" + good)
    rows, remarks = split(path)
    assert len(rows) == 3
    assert [(one.number, one.lost) for one in remarks] == [(6, True), (11, True)]
    assert all("another number of fields" in one.reason for one in remarks)


def test_a_quote_that_is_never_closed_loses_no_more_than_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    path.write_text("trace,label\n" + quoted(TRACE, "a", by=",") * 3 + '"Traceback without an end,a\nmore\nand more\n')
    rows, remarks = split(path)
    assert len(rows) == 3
    assert len(remarks) == 1
    assert "open quote" in remarks[0].reason


def test_a_table_without_a_head_gets_numbered_columns(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text(quoted(TRACE, "guard_none", by=";") * 4)
    rows, _ = split(path)
    assert len(rows) == 4
    assert columns(path)["trace"] == "column 1"
    assert columns(path)["label"] == "column 2"


def test_nested_json_lines_get_dotted_columns(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    error = {"stack": TRACE.split("\n"), "meta": {"service": ""}}
    lines = [
        {"ts": 1760000000 + n, "error": error | {"meta": {"service": f"s{n % 2}"}}, "triage": {"fix": f"w{n % 3}"}}
        for n in range(12)
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n[1]\n\n")
    rows, remarks = split(path)
    assert rows[0].values["error.stack"] == TRACE
    assert [(one.number, one.reason) for one in remarks] == [(13, "no JSON"), (14, "JSON, but no object")]
    assert columns(path) == {
        "trace": "error.stack",
        "label": "triage.fix",
        "time": "ts",
        "project": "error.meta.service",
    }


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"took": 3, "data": rows}])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_document_is_read_by_its_list(tmp_path: Path, wrap: Callable[[Any], Any], indent: int | None) -> None:
    path = tmp_path / "all.json"
    path.write_text(json.dumps(wrap([{"trace": TRACE, "label": "a"}, {"trace": OTHER, "label": "b"}]), indent=indent))
    rows, _ = split(path)
    assert [row.values["label"] for row in rows] == ["a", "b"]
    assert open_table(path).kind == "JSON"


def sentry(n: int) -> dict[str, Any]:
    frames = [{"filename": "shop/a.py", "function": "f", "lineno": n, "context_line": "return x[k]", "in_app": True}]
    return {
        "event_id": f"{n:032x}",
        "timestamp": 1760000000 + n,
        "exception": {"values": [{"type": "KeyError", "value": "'tea'", "stacktrace": {"frames": frames}}]},
        "tags": [["resolution", f"fix {n % 2}"], ["level", "error"]],
        "breadcrumbs": {"values": [{"message": "x"}] * 3},
    }


@pytest.mark.parametrize("form", ["lines", "array", "nested", "one"])
def test_sentry_events_stand_whole_with_their_tags_as_columns(tmp_path: Path, form: str) -> None:
    path = tmp_path / "sentry.json"
    events = [sentry(n) for n in range(1 if form == "one" else 8)]
    if form == "lines":
        path.write_text("\n".join(map(json.dumps, events)))
    else:
        whole: Any = {"events": [{"event": one} for one in events]} if form == "nested" else events
        path.write_text(json.dumps(events[0] if form == "one" else whole, indent=1))
    rows, _ = split(path)
    assert len(rows) == len(events)
    found = columns(path)
    assert found["trace"] == ("event" if form == "nested" else EVENT)
    assert not any("breadcrumbs" in name for name in rows[0].values)
    if form != "one":
        assert found["label"] == ("event.tags.resolution" if form == "nested" else "tags.resolution")
        assert found["time"] == ("event.timestamp" if form == "nested" else "timestamp")


def web(n: int) -> dict[str, Any]:
    """The same event as Sentry's web API gives it out."""
    frame = {
        "absPath": "/srv/shop/a.py", "filename": "shop/a.py", "function": "f", "lineNo": n, "inApp": True,
        "context": [[n - 1, "def f(x):"], [n, "    return x[k]"]],
    }  # fmt: skip
    value = {"type": "KeyError", "value": "'tea'", "module": None, "stacktrace": {"frames": [frame]}}
    return {
        "eventID": f"{n:032x}",
        "dateCreated": f"2026-01-01T00:{n:02}:00Z",
        "platform": "python",
        "tags": [{"key": "resolution", "value": f"fix {n % 2}"}],
        "entries": [{"type": "exception", "data": {"values": [value]}}, {"type": "breadcrumbs", "data": None}],
    }


def test_events_of_sentrys_web_api_are_brought_into_the_form_of_its_clients(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(json.dumps([web(n) for n in range(1, 9)]))
    rows, _ = split(path)
    found = columns(path)
    assert (found["trace"], found["label"], found["time"]) == (EVENT, "tags.resolution", "dateCreated")
    (value,) = rows[2].values[EVENT]["exception"]["values"]
    (frame,) = value["stacktrace"]["frames"]
    assert (frame["lineno"], frame["in_app"], frame["context_line"]) == (3, True, "    return x[k]")


def test_parquet_with_other_columns_and_ours_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "team.parquet"
    pd.DataFrame(
        {
            "when": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"], utc=True),
            "stack_dump": [TRACE, OTHER, None, TRACE],
            "root_cause": ["net", "input", "net", "net"],
        }
    ).to_parquet(path)
    assert columns(path) == {"trace": "stack_dump", "label": "root_cause", "time": "when", "project": None}
    assert len(split(path)[0]) == 4
    ours = shipped("data") / "replay.parquet"
    assert columns(ours) == {"trace": ROW, "label": "strategy", "time": "time", "project": "project"}
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="Parquet"):
        open_table(tmp_path / "cut.parquet")


def test_a_parquet_row_that_is_no_utf8_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mixed.parquet"
    frame = pd.DataFrame({"trace": [TRACE, OTHER, TRACE], "label": ["one", "zwei", "drei"]})
    frame.to_parquet(path, compression=None, use_dictionary=False)
    path.write_bytes(path.read_bytes().replace("ungültig".encode(), "ungültig".encode("latin-1") + b"g"))
    rows, remarks = split(path)
    assert [row.values["label"] for row in rows] == ["one", "drei"]
    assert [(one.number, one.reason) for one in remarks] == [(2, "text in it is not UTF-8")]


def test_a_folder_of_logs_gives_each_traceback_a_row(tmp_path: Path) -> None:
    chained = f"{TRACE}\n\nDuring handling of the above exception, another exception occurred:\n\n{OTHER}"
    log = "2026-03-01 10:00:00,123 INFO web up\n2026-03-01 10:00:01 ERROR web failed\n"
    log += f"{TRACE}\n2026-03-01 10:05:00 ERROR\n{chained}\nbye\n"
    folder = tmp_path / "logs" / "web"
    folder.mkdir(parents=True)
    (folder / "app.log").write_text(log)
    (folder / "app.log.1").write_bytes(log.encode("latin-1"))
    (folder / "app.log.2.gz").write_bytes(gzip.compress(log.encode()))
    (folder / "core.bin").write_bytes(bytes(range(256)) * 20)
    (folder / "empty.log").write_text("")
    (folder / "quiet.log").write_text("2026-03-01 10:00:00 INFO nothing happened\n" * 3)
    (folder.parent / "pack.zip").write_bytes(b"PK\x03\x04rest")
    rows, remarks = split(tmp_path / "logs")
    framed = [row for row in rows if "Traceback" in row.values["text"]]
    assert [row.file for row in framed] == ["web/app.log"] * 2 + ["web/app.log.1"] * 2 + ["web/app.log.2.gz"] * 2
    assert [row.values["time"] for row in framed[:2]] == ["2026-03-01 10:00:01", "2026-03-01 10:05:00"]
    assert "ValueError: ungültig" in framed[1].values["text"]
    assert framed[0].values["folder"] == "web"
    lost = {one.file: one.reason for one in remarks if one.lost}
    assert set(lost) == {"pack.zip", "web/core.bin", "web/empty.log"}
    assert "binary" in lost["web/core.bin"]
    assert "archive" in lost["pack.zip"]


def test_a_log_whose_lines_all_hold_one_comma_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "server"
    line = "2026-03-01 10:00:00,123 INFO up\n"
    path.write_text(line * 300 + f"2026-03-01 10:00:01,007 ERROR failed\n{TRACE}\n")
    assert open_table(path).kind == "log"
    rows, _ = split(path)
    assert [row.values["time"] for row in rows] == ["2026-03-01 10:00:01,007"]
    path.write_text("2026-03-01 10:00:01,007 ERROR failed\n" + TRACE)
    assert split(path)[0][0].values["time"] == "2026-03-01 10:00:01,007"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "empty"),
        ("blank.csv", b"  \n \n", "empty"),
        ("one.csv", b"just words\nand more\n", "no columns"),
        ("book.xlsx", b"PK\x03\x04" + b"x" * 50, "Excel"),
        ("image.csv", bytes(range(256)) * 9, "binary"),
        ("cut.json", b'[{"a": 1}, {"a"', "no JSON"),
    ],
)
def test_what_cannot_be_a_table_is_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        split(path)
    assert caught.value.hint


def test_a_missing_file_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="empty"):
        open_table(tmp_path)


def test_the_label_is_guessed_by_content_before_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    body = "category,what,spalte,body\n"
    for n, one in enumerate(errors(30)):
        body += quoted(f"c{n % 3}", ["Guard None", "retry-transient"][n % 2], f"{n}", one.trace, by=",")
    path.write_text(body)
    assert columns(path)["label"] == "what"
    assert columns(path, label="category")["label"] == "category"
    assert columns(path, label="")["label"] is None
    with pytest.raises(UsageError, match="'kind'") as caught:
        columns(path, label="kind")
    assert "spalte" in caught.value.hint


def test_levels_and_hosts_are_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "level,host,text\n" + quoted("ERROR", "web1", TRACE, by=",") * 5 + quoted("WARN", "web2", OTHER, by=",") * 5
    )
    assert columns(path)["label"] is None


def test_a_column_named_like_a_label_whose_words_never_come_again_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("trace,label\n" + "".join(quoted(TRACE, f"only {n}", by=",") for n in range(30)))
    table = open_table(path)
    found = guess([row for row in table.rows() if isinstance(row, Row)], reads=reads, strategies=())
    assert found.columns.label is None
    assert found.why["label"] == "label is named like one, but of its 30 values 30 are different"


def test_no_column_with_errors_is_told_with_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,price\n" + "tea,3\n" * 9)
    with pytest.raises(InputError, match="no column holds error reports") as caught:
        columns(path)
    assert "name, price" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "day_first", "iso"),
    [
        ("2026-11-24T13:05:00Z", False, "2026-11-24T13:05:00+00:00"),
        ("2026-11-24 13:05:00+02:00", False, "2026-11-24T11:05:00+00:00"),
        ("24.11.2026 13:05", True, "2026-11-24T13:05:00+00:00"),
        ("03/04/2026", True, "2026-04-03T00:00:00+00:00"),
        ("03/04/2026", False, "2026-03-04T00:00:00+00:00"),
        ("Tue, 24 Nov 2026 13:05:00 GMT", False, "2026-11-24T13:05:00+00:00"),
        (1_764_000_000, False, "2025-11-24T16:00:00+00:00"),
        ("1764000000000", False, "2025-11-24T16:00:00+00:00"),
        (True, False, None),
        ("KeyError: 7", False, None),
        ("17", False, None),
        ("99999999999999999999999999", False, None),
        ("2026-99-99 10:00", False, None),
        ("x" * 5000, False, None),
    ],
)
def test_times_in_every_writing(value: object, day_first: bool, iso: str | None) -> None:
    found = time_of(value, day_first=day_first)
    assert (found.isoformat() if found else None) == iso


def test_which_of_two_numbers_is_the_day() -> None:
    assert day_comes_first(["03.04.2026"])
    assert day_comes_first(["03/04/2026", "25/04/2026"])
    assert not day_comes_first(["03/25/2026"])
    assert not day_comes_first(["03/04/2026"])
    assert not day_comes_first(["2026-03-04"])
