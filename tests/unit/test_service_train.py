"""`ems train --data` and `ems models`, called in this process, over files of other shapes than ours."""

from __future__ import annotations

import csv
import gzip
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from own_errors import SECRET, errors
from said import Ems

from ems_ml.build import MEMORY, build, read_jsonl, result_to_json
from ems_ml.service import app, exit_codes
from ems_ml.settings import load_settings
from ems_ml.strategies.names import STRATEGY_NAMES


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """A German ticket system's export: semicolons, Latin-1, with rows that nobody can use."""
    path = tmp_path / "störungen.csv"
    with path.open("w", encoding="latin-1", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["Nr", "Aufgetreten am", "Fehlermeldung", "Lösung", "Dienst"])
        for number, one in enumerate(errors(160)):
            trace = one.trace + (f"\nkey={SECRET}" if number == 5 else "")
            rows.writerow([number, f"{one.time:%d.%m.%Y %H:%M}", trace, one.label, one.project])
        rows.writerow([900, "01.02.2026 10:00", "Drucker brennt", "guard_none", "web"])
        rows.writerow([901, "gestern", errors(1)[0].trace, "guard_none", "web"])
        rows.writerow([902, "01.02.2026 10:00", "", "guard_none", "web"])
        rows.writerow([903, "01.02.2026 10:00", errors(1)[0].trace, "", "web"])
        rows.writerow([904, "01.02.2026 10:00", errors(1)[0].trace, "nur einmal", "web"])
        rows.writerow([905, "zu wenig"])
    return path


def test_a_teams_tickets_are_learnt_judged_and_put_to_use(ems: Ems, tickets: Path, toy_home: Path) -> None:
    told = ems("train", "--data", tickets, "--no-track", "--json")
    assert told.code == exit_codes.SOME_FAILED
    found = told.json
    assert found["columns"] == {
        "trace": "Fehlermeldung",
        "label": "Lösung",
        "time": "Aufgetreten am",
        "project": "Dienst",
    }
    assert found["rows"] == {
        "read": 165, "labelled": 163, "unlabelled": 1, "not_in_the_sample": 0, "understood": 162, "not_used": 3,
    }  # fmt: skip
    reasons = {one["reason"]: one for one in found["reasons"]}
    assert reasons["no trace"]["places"] == ["line 970"]
    assert reasons["no exception was recognised in the trace"]["count"] == 1
    assert reasons["a time that cannot be read"]["lost"] is False
    assert any("another number of fields" in reason for reason in reasons)
    assert found["split"]["by"] == "time"
    assert found["split"]["labels_left_out"] == ["nur einmal"]
    assert {one["name"]: one["learnt"] for one in found["labels"]}["Netz: später erneut"] is True
    first = found["scores"][0]
    assert first["low"] <= first["value"] <= first["high"]
    assert first["value"] > first["baseline"] > first["shipped"]  # the shipped model cannot know the team's own words
    assert found["better"] is True
    assert found["adopted"] is True
    again = json.loads((toy_home / "models" / "versions" / "v2" / "evaluation.json").read_text())["command"]
    asked = shlex.split(again)[3:]
    assert asked[0] == tickets.name
    assert ems("train", "--data", tickets, *asked[1:], "--check", "--json").json["columns"] == found["columns"]
    assert SECRET not in told.out
    assert not any(SECRET.encode() in path.read_bytes() for path in toy_home.rglob("*") if path.is_file())
    listed = {one["name"]: one for one in ems("models", "list", "--json").json}
    assert listed["v2"]["used"]
    assert listed["v2"]["score"]["value"] == first["value"]
    assert "before versions" in listed["v1"]["data"]  # what the data folder held before


def test_the_own_words_are_ranked_beside_the_strategies(ems: Ems, tickets: Path, tmp_path: Path) -> None:
    assert ems("train", "--data", tickets, "--no-track").code == exit_codes.SOME_FAILED
    trace = tmp_path / "t.txt"
    trace.write_text(errors(1, seed=99)[0].trace)
    answer = ems("classify", trace, "--json").json
    names = [one["name"] for one in answer["strategies"]]
    assert {"Netz: später erneut", "Stammdaten pflegen", "Eingabe prüfen"} <= set(names)
    assert set(STRATEGY_NAMES) <= set(names)
    assert sum(one["probability"] for one in answer["strategies"]) == pytest.approx(1, abs=0.01)
    assert answer["versions"]["ranker"].startswith("linear-own-")
    assert ems("models", "use", "shipped").code == 0
    shipped = ems("classify", trace, "--json").json
    assert not {"Stammdaten pflegen"} & {one["name"] for one in shipped["strategies"]}
    assert "v2" in ems("models", "rollback").out
    assert ems("classify", trace, "--json").json["versions"] == answer["versions"]


def test_text_says_what_was_read_and_how_it_compares(ems: Ems, tickets: Path) -> None:
    told = ems("train", "--data", tickets, "--no-track", "--no-adopt")
    assert "165 rows read, 163 labelled, 162 worked with" in told.out
    assert "not used: 1 x no trace (line 970)" in told.out
    assert "left out, since they occur once: nur einmal (1)" in told.out
    assert "better than the shipped model" in told.out
    assert "is kept, but not in use" in told.out
    assert "understanding the labelled errors" in told.err


def test_a_running_system_takes_up_what_is_put_to_use(ems: Ems, tickets: Path, toy_home: Path) -> None:
    line = json.dumps({"id": "1", "text": errors(1)[0].trace})
    with build(load_settings(database_url=MEMORY)) as system:

        def asked(id: str) -> dict[str, Any]:
            (answer,) = system.line().process_many(read_jsonl([line.replace('"1"', f'"{id}"')]))
            return result_to_json(answer)  # type: ignore[arg-type]

        before = asked("1")
        assert ems("train", "--data", tickets, "--no-track", "--adopt").code == exit_codes.SOME_FAILED
        after = asked("2")
        assert after["versions"]["ranker"] != before["versions"]["ranker"]
        assert after["versions"]["grouper"] == before["versions"]["grouper"]
        assert after["pattern"]["decision"] == "joined"
        ems("models", "use", "shipped")
        shipped = asked("3")
        assert shipped["versions"]["encoder"] != before["versions"]["encoder"]
        ems("models", "rollback")
        assert asked("4")["versions"] == after["versions"]
        assert asked("5")["pattern"]["id"] == before["pattern"]["id"]
        assert app.model_health(system).raw["own"]["said"].startswith("better")


def test_a_model_that_is_not_better_is_said_so_and_not_used(ems: Ems, tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["trace", "fix"])
        for number, one in enumerate(errors(120)):
            rows.writerow([one.trace, ("guard_none", "default_missing", "add_import")[number * 7 % 3]])
    found = ems("train", "--data", path, "--no-track", "--json").json
    assert found["better"] is False
    assert found["adopted"] is False
    assert any(word in found["said"] for word in ("not surely better", "worse", "no better"))
    assert not any(one["used"] for one in ems("models", "list", "--json").json if one["name"] == found["version"])
    again = ems("train", "--data", path, "--no-track", "--adopt")
    assert "is in use now" in again.out


def nested(path: Path) -> None:
    path.write_text(
        "\n".join(
            json.dumps({"ticket": {"raw": {"dump": one.trace.split("\n")}, "answer": {"kind": one.label}}})
            for one in errors(80)
        )
    )


def sentry(path: Path) -> None:
    found = []
    for number, one in enumerate(errors(80)):
        head, *_, said = one.trace.split("\n")
        kind, _, message = said.partition(": ")
        lines = one.trace.split("\n")
        frames = [
            {
                "filename": lines[at].split('"')[1].removeprefix("/srv/"),
                "function": lines[at].rsplit(" ", 1)[1],
                "lineno": at,
                "context_line": lines[at + 1].strip(),
                "in_app": True,
            }
            for at in (1, 3)
        ]
        found.append(
            {
                "event_id": f"{number:032x}",
                "timestamp": one.time.timestamp(),
                "exception": {"values": [{"type": kind, "value": message, "stacktrace": {"frames": frames}}]},
                "tags": {"resolution": one.label, "level": "error"},
                "extra": {"head": head},
            }
        )
    path.write_text(json.dumps(found))


def parquet(path: Path) -> None:
    made = errors(80)
    frame = pd.DataFrame({"q1": [one.trace for one in made], "q2": [one.label for one in made], "n": range(len(made))})
    frame["q2"] = frame["q2"].astype("category")
    frame.to_parquet(path, row_group_size=17)


def tree(path: Path) -> None:
    for number, one in enumerate(errors(80)):
        folder = path / one.label.replace(":", "").replace("/", "")
        folder.mkdir(parents=True, exist_ok=True)
        text = f"{one.time:%Y-%m-%d %H:%M:%S} ERROR failed\n{one.trace}\n"
        if number % 3 == 0:
            (folder / f"{number}.log.gz").write_bytes(gzip.compress(text.encode()))
        else:
            with (folder / f"app.log.{number % 2}").open("a", encoding="utf-8") as file:
                file.write(text)


@pytest.mark.parametrize(
    ("name", "write", "more", "trace"),
    [
        ("nested.jsonl", nested, (), "ticket.raw.dump"),
        ("sentry.json", sentry, (), "(event)"),
        ("other.parquet", parquet, (), "q1"),
        ("logs", tree, ("--label-column", "folder"), "text"),
    ],
)
def test_every_shape_trains(
    ems: Ems, tmp_path: Path, name: str, write: Callable[[Path], None], more: tuple[str, ...], trace: str
) -> None:
    path = tmp_path / name
    write(path)
    told = ems("train", "--data", path, "--no-track", "--json", *more)
    assert told.code == exit_codes.OK, told.err
    assert told.json["columns"]["trace"] == trace
    assert told.json["rows"]["understood"] == 80
    assert told.json["scores"][0]["value"] > told.json["scores"][0]["shipped"]


def test_our_own_rows_train_too_where_they_have_no_splits(ems: Ems, tmp_path: Path) -> None:
    from ems_ml.dataset import load_data, write_rows

    path = tmp_path / "ours.parquet"
    replay = load_data("replay").to_dict("records")
    write_rows([{str(key): value for key, value in row.items()} for row in replay], path)
    told = ems("train", "--data", path, "--no-track", "--json")
    assert told.code == exit_codes.OK, told.err
    assert told.json["rows"]["understood"] == len(replay)
    assert told.json["split"]["by"] == "time"


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        (b"", (), 3, "empty"),
        (b"name,price\ntea,3\noil,4\n", (), 3, "no column holds error reports"),
        (b"trace,fix\nKeyError: 'a',x\n", ("--label-column", "cause"), 2, "no column 'cause'"),
        (b"trace,fix\nKeyError: 'a',x\n", ("--encoding", "klingon"), 2, "klingon"),
        (b"trace,fix\nKeyError: 'a',x\n", ("--out", "x"), 2, "--out"),
        (b"trace,fix\nKeyError: 'a',x\nKeyError: 'b',x\n", (), 3, "only"),
        (b"trace,level\nKeyError: 'a',ERROR\nKeyError: 'b',ERROR\n", (), 3, "no column holds labels"),
        (b"trace,fix\nKeyError: 'a',\nKeyError: 'b',\n", ("--label-column", "fix"), 3, "none is a labelled error"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_names_its_remedy(
    ems: Ems, tmp_path: Path, content: bytes, options: tuple[str, ...], code: int, says: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    told = ems("train", "--data", path, "--no-track", *options)
    assert told.code == code
    assert says in told.err
    assert "remedy:" in told.err


def test_a_column_of_free_text_is_no_label(ems: Ems, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["trace", "note"])
        rows.writerows([["KeyError: 'a'", f"note number {number}"] for number in range(5_100)])
    told = ems("train", "--data", path, "--no-track", "--label-column", "note")
    assert told.code == 3
    assert "these are no labels" in told.err


def test_without_mlflow_it_is_told_before_anything_is_trained(
    ems: Ems, tickets: Path, toy_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ems_ml.build.own.can_track", lambda: False)
    told = ems("train", "--data", tickets)
    assert told.code == 9
    assert "--no-track" in told.err
    assert "[train]" in told.err
    assert not (toy_home / "models" / "versions").exists()


def test_checking_only_tells_the_columns(ems: Ems, tickets: Path) -> None:
    told = ems("train", "--data", tickets, "--check")
    assert told.code == 0
    assert "separated by semicolons" in told.out
    assert "Fehlermeldung" in told.out
    assert "the parsers read frames" in told.out
    found = ems("train", "--data", tickets, "--check", "--json", "--time-column", "-").json
    assert found["columns"]["time"] is None
    assert len(found["sample"]) == 5
    assert "Traceback" in found["sample"][0]["Fehlermeldung"]
    assert [one["name"] for one in ems("models", "list", "--json").json] == ["shipped", "(unnamed)"]


def test_a_table_larger_than_the_sample_keeps_rare_labels(ems: Ems, tmp_path: Path) -> None:
    """A scaled two-million-row table: one label floods it, a rare one keeps every row."""
    path = tmp_path / "big.csv"
    made = errors(300)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["trace", "fix"])
        for number in range(20_000):
            one = made[number % 300]
            rows.writerow([one.trace, "flood" if number % 200 else one.label])
    found = ems("train", "--data", path, "--no-track", "--sample", 500, "--json").json
    assert found["rows"]["read"] == 20_000
    assert found["rows"]["understood"] <= 500
    assert found["rows"]["understood"] + found["rows"]["not_in_the_sample"] == 20_000
    kept = {one["name"]: one["rows"] for one in found["labels"]}
    assert kept["flood"] == 19_900
    assert sum(kept.values()) == 20_000


def test_models_list_and_its_mistakes(ems: Ems) -> None:
    told = ems("models", "list")
    assert told.code == 0
    assert "shipped" in told.out
    assert ems("models", "use", "v7").code == 10
    assert ems("models", "rollback").code == 2
    assert "is in use now" in ems("models", "use", "shipped").out
    assert "is in use already" in ems("models", "use", "shipped").out
    assert ems("models", "rollback").out.startswith("v1 is in use now")  # the data folder's own, kept as a version
