"""The command line, called in this process: what it prints and what it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from said import Ems, Said

from ems_ml.errors import UsageError
from ems_ml.service import cli, exit_codes
from ems_ml.service.commands.fix import show
from ems_ml.types import Outcome, Verdict

TRACE = """Traceback (most recent call last):
  File "/srv/app/shop/orders.py", line 41, in total
    return prices[sku] * quantity
KeyError: 'tea-green'
"""
OTHER = """Traceback (most recent call last):
  File "/srv/app/shop/labels.py", line 7, in label
    return customer.name.upper()
AttributeError: 'NoneType' object has no attribute 'upper'
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.txt"
    path.write_text(TRACE)
    return path


def failed(said: Said, code: int, *words: str) -> None:
    """One clear line with a remedy, the right code, no traceback, nothing on standard output."""
    assert said.code == code, said.err
    problem, remedy = said.err.strip().splitlines()[-2:]
    assert problem.startswith("ems: ")
    assert remedy.startswith("  remedy: ")
    assert "Traceback" not in said.err
    assert said.out == ""
    for word in words:
        assert word in said.err


def test_help_names_every_command(ems: Ems) -> None:
    said = ems("--help")
    assert said.code == 0
    for name in cli.COMMANDS:
        assert f"  {name} " in said.out
    for name in cli.COMMANDS:
        assert ems(name, "--help").out.startswith(f"Usage: ems {name}")


def test_the_one_line_helps_are_those_of_the_commands(ems: Ems) -> None:
    for name, (_, help_) in cli.COMMANDS.items():
        command = cli.cli.get_command(None, name)  # type: ignore[arg-type]  # the context is not looked at
        assert command is not None
        assert command.short_help == help_


def test_an_unknown_command_or_option_is_a_usage_error(ems: Ems) -> None:
    failed(ems("frobnicate"), 2, "frobnicate")
    failed(ems("classify", "--frobnicate"), 2, "frobnicate", "ems classify --help")


def test_classify_answers_the_contract(ems: Ems, trace: Path) -> None:
    first = ems("classify", trace, "--json").json
    again = ems("classify", trace, "--json").json
    assert set(first) >= {"id", "versions", "error", "pattern", "strategies", "ms"}
    assert first["error"]["type"] == "KeyError"  # type: ignore[index]
    assert first["pattern"]["decision"] == "new"  # type: ignore[index]
    assert again["pattern"]["decision"] == "joined"  # type: ignore[index]
    assert again["pattern"]["id"] == first["pattern"]["id"]  # type: ignore[index]
    assert again["pattern"]["nearest"][0]["example"] == first["id"]  # type: ignore[index]
    assert sum(one["probability"] for one in first["strategies"]) == pytest.approx(1, abs=1e-3)  # type: ignore[attr-defined]


def test_classify_tells_a_person_what_it_found(ems: Ems, trace: Path) -> None:
    said = ems("classify", trace)
    assert "KeyError: 'tea-green'" in said.out
    assert "/srv/app/shop/orders.py:41 in total" in said.out
    assert "default_missing" in said.out


def test_a_dry_run_leaves_no_trace(ems: Ems, trace: Path) -> None:
    assert ems("classify", trace, "--dry-run", "--json").json["pattern"]["decision"] == "new"  # type: ignore[index]
    assert ems("pattern", "list", "--json").json == {"total": 0, "patterns": []}


def test_a_named_store_is_used_and_the_data_folder_left_alone(ems: Ems, trace: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'other.db'}"
    ems("classify", trace, "--store", store)
    assert ems("pattern", "list", "--json", "--store", store).json["total"] == 1
    assert ems("pattern", "list", "--json").json["total"] == 0


def test_source_lines_come_from_the_folder_that_is_named(ems: Ems, tmp_path: Path) -> None:
    (tmp_path / "code" / "shop").mkdir(parents=True)
    (tmp_path / "code" / "shop" / "orders.py").write_text("\n" * 40 + "    return prices[sku] * quantity\n")
    bare = tmp_path / "bare.txt"
    bare.write_text(TRACE.replace("    return prices[sku] * quantity\n", ""))
    answer = ems("classify", bare, "--source", tmp_path / "code", "--json").json
    shown = ems("pattern", "show", answer["pattern"]["id"], "--json").json  # type: ignore[index]
    assert shown["error"]["frames"][-1]["code"] == "return prices[sku] * quantity"  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"  \n\t\n", "empty"), (bytes(range(256)) * 40, "binary")],
    ids=["empty", "blank", "binary"],
)
def test_what_is_no_text_is_refused_with_a_remedy(ems: Ems, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    failed(ems("classify", path), 3, words)
    assert ems("pattern", "list", "--json").json["total"] == 0


def test_no_such_file_and_a_folder_are_refused(ems: Ems, tmp_path: Path) -> None:
    failed(ems("classify", tmp_path / "nothing"), 3, "cannot read")
    failed(ems("classify", tmp_path), 3, "folder")


def test_fifty_megabytes_are_cut_and_told(ems: Ems, tmp_path: Path) -> None:
    path = tmp_path / "huge.log"
    path.write_bytes(b"2026-11-24 INFO all is well\n" * 1_900_000 + TRACE.encode())
    said = ems("classify", path, "--json")
    assert said.code == 0
    assert said.json["error"]["type"] == "KeyError"  # type: ignore[index]
    assert "left out" in said.err


def test_a_missing_truncated_or_altered_model_is_named(ems: Ems, toy_home: Path, trace: Path) -> None:
    model = toy_home / "models" / "ranker" / "ranker.npz"
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    failed(ems("classify", trace), 4, "ranker.npz", "checksum")
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    failed(ems("classify", trace), 4, "ranker.npz", "checksum")
    model.unlink()
    failed(ems("classify", trace), 4, "ranker.npz", "missing")
    assert ems("pattern", "list").code == 0, "what is stored can still be read"
    said = ems("doctor", "--json")
    assert said.code == 1
    (finding,) = [check for check in said.json["checks"] if check["name"] == "model: ranker"]  # type: ignore[attr-defined]
    assert finding["state"] == "fail"
    assert finding["remedy"]


@pytest.mark.parametrize("url", ["not a url", "nosuch://x", "sqlite:////proc/nowhere/ems.db"])
def test_a_store_that_cannot_be_opened_is_told(ems: Ems, trace: Path, url: str) -> None:
    said = ems("classify", trace, "--store", url)
    failed(said, said.code)
    assert said.code in (2, 5)


def test_a_setting_that_makes_no_sense_is_named(ems: Ems, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMS_PORT", "eighty")
    failed(ems("classify", trace), 2, "EMS_PORT")
    monkeypatch.setenv("EMS_PORT", "8400")
    monkeypatch.setenv("EMS_LOG_LEVEL", "loud")
    failed(ems("classify", trace), 2, "EMS_LOG_LEVEL")


def test_a_batch_is_answered_line_by_line_in_order(ems: Ems, tmp_path: Path) -> None:
    batch, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = [TRACE, OTHER, TRACE.replace("line 41", "line 43"), "something odd went wrong"]
    batch.write_text("".join(json.dumps({"id": f"r{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    assert ems("classify", "--jsonl", batch, "--out", out).code == 0
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["id"] for one in answers] == ["r0", "r1", "r2", "r3"]
    assert answers[2]["pattern"]["id"] == answers[0]["pattern"]["id"] != answers[1]["pattern"]["id"]
    assert answers[2]["pattern"]["nearest"][0]["example"] == "r0"
    assert ems("pattern", "list", "--json").json["total"] == 0, "a batch has a store of its own"
    assert ems("classify", "--jsonl", batch, "--out", "-").out.count("\n") == 4


def test_a_batch_goes_on_after_a_bad_line_and_says_so(ems: Ems, tmp_path: Path) -> None:
    batch, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    good = json.dumps({"id": "good", "text": TRACE})
    batch.write_text(f'{good}\n{{"id": "bad"}}\nnot json\n{good}\n{{"id": "last", "text": "x"}}\n')
    said = ems("classify", "--jsonl", batch, "--out", out)
    assert said.code == exit_codes.SOME_FAILED
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [("problem" in one, one["id"]) for one in answers] == [
        (False, "good"),
        (True, "bad"),
        (True, ""),
        (True, "good"),
        (False, "last"),
    ], "a second report of the same id is a problem too"


def test_a_batch_and_a_single_report_answer_the_same(ems: Ems, trace: Path, tmp_path: Path) -> None:
    batch, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    batch.write_text(json.dumps({"id": "r", "text": TRACE}) + "\n")
    ems("classify", "--jsonl", batch, "--out", out)
    one = json.loads(out.read_text())
    other = ems("classify", trace, "--json").json
    for answer in (one, other):
        answer.pop("id")
        answer.pop("ms")
        answer["pattern"].pop("id")
    assert one == other


def test_batch_options_that_do_not_fit_are_refused(ems: Ems, trace: Path, tmp_path: Path) -> None:
    failed(ems("classify", "--jsonl", trace), 2, "--out")
    failed(ems("classify", trace, "--out", "x"), 2, "--jsonl")
    failed(ems("classify", "--jsonl", tmp_path / "none", "--out", "-"), 3, "cannot read")
    failed(ems("classify", "--jsonl", trace, "--out", tmp_path / "no" / "folder"), 3, "cannot write")


def test_patterns_are_listed_shown_and_decided_about(ems: Ems, trace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(OTHER)
    one = ems("classify", trace, "--json").json["pattern"]["id"]  # type: ignore[index]
    ems("classify", trace)
    two = ems("classify", other, "--json").json["pattern"]["id"]  # type: ignore[index]
    listed = ems("pattern", "list", "--sort", "count", "--json").json
    assert [row["id"] for row in listed["patterns"]] == [one, two]  # type: ignore[attr-defined]
    assert "tea-green" in ems("pattern", "list").out
    assert ems("pattern", "list", "--search", "orders KeyError", "--json").json["total"] == 1
    shown = ems("pattern", "show", one)
    assert "orders.py:41 in total" in shown.out
    assert ems("pattern", "resolve", one, "--json").json["status"] == "resolved"
    assert ems("pattern", "ignore", one, "--json").json["status"] == "ignored"
    assert ems("pattern", "reopen", one, "--json").json["status"] == "open"
    assert ems("pattern", "apart", one, two).code == 0
    merged = ems("pattern", "merge", two, one, "--json").json
    assert (merged["id"], merged["count"]) == (one, 3)
    assert ems("pattern", "show", two, "--json").json["id"] == one, "a merged id leads to its pattern"
    events = ems("pattern", "show", one, "--json").json["events"]
    apart = next(event["id"] for event in events if "NoneType" in event["message"])  # type: ignore[attr-defined]
    assert ems("pattern", "split", one, apart, "--json").json["count"] == 1
    failed(ems("pattern", "show", "P-nothing"), 10, "P-nothing")
    failed(ems("pattern", "merge", one, one), 2)


def test_a_key_is_shown_once_and_only_its_hash_kept(ems: Ems, toy_home: Path) -> None:
    made = ems("key", "add", "shop", "--json").json
    assert str(made["dsn"]) == f"http://{made['key']}@127.0.0.1:8400/{made['number']}"
    assert str(made["key"]).encode() not in b"".join(path.read_bytes() for path in toy_home.glob("ems.db*"))
    assert str(made["key"]) in (said := ems("key", "add", "shop", "--scope", "read")).out or said.code == 0
    failed(ems("key", "add", "no/such name"), 2, "name")
    assert ems("key", "add", "shop", "--scope", "all").code == 2


def test_doctor_is_content_with_a_healthy_installation(ems: Ems) -> None:
    said = ems("doctor")
    assert said.code == 0, said.out
    for name in ("python", "model: encoder", "store", "git", "api"):
        assert name in said.out
    assert "remedy: start it: ems serve" in said.out


def test_debug_shows_the_traceback_of_an_error(ems: Ems, tmp_path: Path) -> None:
    said = ems("--debug", "classify", tmp_path / "nothing")
    assert said.code == 3
    assert "Traceback" in said.err


@pytest.mark.parametrize("told", [True, False])
def test_a_fix_names_the_commit_that_brought_the_error_in(told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    guilty = {"commit": "d1871e7587" + "0" * 30, "subject": "Use stars", "time": "2026-11-25T11:00:00+00:00"}
    evidence = {"guilty": guilty if told else None}
    show(Verdict(verdict=Outcome.NOT_REPAIRED, reason="so", evidence=evidence))
    out = capsys.readouterr().out
    assert ("guilty    d1871e7587  2026-11-25  Use stars\n" in out) is told
    assert ("guilty" in out) is told


def test_a_projects_in_app_rules_are_obeyed_and_a_broken_one_is_told(ems: Ems, toy_home: Path, trace: Path) -> None:
    plain = json.loads(ems("classify", trace, "--json", "--dry-run").out)
    (toy_home / "ems.toml").write_text('[in_app]\ndefault = "stack.abs_path:**/shop/orders.py -app"\n')
    ruled = json.loads(ems("classify", trace, "--json").out)
    assert [frame["in_app"] for frame in plain["error"]["frames"]] == [True]
    assert [frame["in_app"] for frame in ruled["error"]["frames"]] == [False]
    assert plain["versions"]["normalizer"] == "v1"
    assert ruled["versions"]["normalizer"].startswith("v1+")
    (toy_home / "ems.toml").write_text('[in_app]\ndefault = "stack.path:** -app"\n')
    failed(ems("classify", trace), UsageError.exit_code, "line 1 of the in-app rules", "ems.toml")
    assert "in-app rules" in ems("doctor").out
