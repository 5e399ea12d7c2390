"""The data set is built of all that the cache holds, and each rule leaves out what it should and no more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ems_ml import dataset
from ems_ml.errors import InputError
from ems_ml.harvest import build_dataset, compose
from ems_ml.harvest.compose import Built
from ems_ml.harvest.markdown import table
from ems_ml.harvest.reasons import ENOUGH, REASONS, why_few
from ems_ml.redact import SecretRedactor
from ems_ml.service import cli
from ems_ml.strategies import STRATEGY_NAMES
from tests.toy_cache import fault, frame, replay, told, trace, write_cache, write_history, write_package, write_releases

RAISED = frame("shop/prices.py", "total", 3, "return row.price * count")


def build(cache: Path, out: Path, **options: Any) -> Built:
    return build_dataset(cache, redactor=SecretRedactor(), out=out, strategies=STRATEGY_NAMES, **options)


def read(out: Path) -> pd.DataFrame:
    return pd.concat([dataset.read_data(path) for path in sorted(out.glob("*.parquet"))], ignore_index=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    write_cache(cache)
    return cache


@pytest.fixture(scope="module")
def out(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    built = build(cache, out)
    assert dict(built.kinds) == {"fault": 6, "replay": 2, "told": 3, "release": 0}
    assert (built.rows, built.groups, built.projects) == (11, 11, 6)
    return out


def test_each_kind_has_its_file_and_its_splits(out: Path) -> None:
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "faults.parquet",
        "ledgers.json",
        "replay.parquet",
        "told.parquet",
    ]
    found = read(out)
    splits = found.groupby(["kind", "project"])["split"].unique().map(list).to_dict()
    assert splits == {
        ("fault", "toolz"): ["train"],
        ("fault", "packaging"): ["tune"],
        ("fault", "mistune"): ["test"],
        ("replay", "jinja2"): ["replay"],
        ("told", "jinja2"): ["train"],
        ("told", "jsonschema"): ["test"],
        ("told", "dask"): ["train"],
    }


def test_rows_say_what_the_cache_says(out: Path) -> None:
    found = read(out).set_index("group")
    real = found.loc["jinja2@" + "b" * 20]
    assert (real["type"], real["strategy"], real["fault_file"], real["fault_line"]) == (
        "TypeError",
        "convert_type",
        "shop/cart.py",
        7,
    )
    assert [one["name"] for one in real["strategies"]] == ["convert_type", "guard_none"]
    assert list(real["added"][0]) == ["if", "name", "in", "self", ".", "attr", ":"]
    assert real["commit"] == "b" * 40
    assert real["test"] == "tests/test_a.py::test_one"
    planted = found.loc[f"{0:020x}"]
    assert [list(line) for line in planted["removed"]] == []  # mending brings the test back, and indents the rest
    assert [list(line) for line in planted["added"]] == [["if", "name", "is", "not", "lit:none", ":"]]
    said = found.loc["dask@" + "2" * 20]
    assert (said["message"], len(said["frames"]), list(said["words"])) == ("", 1, ["fix", "typeerror"])
    assert dataset.event_from_row({**said, "group": "x"}).error.frames[0].function == "add"


def test_no_line_of_code_is_in_the_files(out: Path) -> None:
    cells = repr(read(out).to_dict("records"))
    for code in ("row.price", "self.rows[name]", "return rows", "use(row)"):
        assert code not in cells


def test_the_card_counts_and_compares(out: Path) -> None:
    card = (out / "README.md").read_text()
    assert "| toolz | 1.0 | MIT | train | 12 | 3 | 2 | 1 |" in card
    assert "| jinja | MIT | 4 | 3 | 1 | 0 | 2 | 2 |  |" in card
    assert "| `told` | replayed: the crash itself is there | 1 |" in card
    assert "| `replay` | no strategy recognised | 1 |" in card
    assert "Planted faults give **too much** of these errors: `AttributeError` (50% planted, 0% real)" in card
    assert "| `TypeError` | 0.0% | 50.0% | 33.3% |" in card
    assert "Of the 2 replayed causes, 0 are of projects with planted faults in training, and 2 of" in card
    assert f"| `handle_encoding` | 0 | {REASONS['handle_encoding']} |" in card


def test_the_card_tells_how_many_causes_look_the_same(tmp_path: Path) -> None:
    build_from(
        tmp_path,
        [
            fault(1, "guard_none", trace("KeyError", "'a'", RAISED)),
            fault(2, "guard_none", trace("KeyError", "'a'", RAISED)),
            fault(3, "guard_empty", trace("KeyError", "'b'", RAISED), trace("KeyError", "'c'", RAISED)),
            fault(4, "guard_none", trace("KeyError", "'b'", RAISED)),
            fault(5, "guard_none", trace("KeyError", "'d'", RAISED)),
        ],
    )
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Of the 5 causes that were run, 4 give a trace that another" in card
    assert "and 2 one that has another strategy there" in card


def test_the_same_cache_gives_the_same_files_and_what_it_lacks_goes(cache: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "replay.parquet").write_bytes(b"older")
    build(cache, tmp_path)
    for path in out.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    smaller = tmp_path / "cache"
    write_package(smaller, "toolz", [fault(1, "guard_none", trace("KeyError", "'a'", RAISED))])
    build(smaller, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "cache", "faults.parquet", "ledgers.json"}
    assert "There are no planted and replayed errors in these data to compare." in (tmp_path / "README.md").read_text()


def test_the_command_writes_it(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EMS_CACHE", str(cache))
    out = tmp_path / "data"
    assert cli.run(["harvest", "build", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kinds"] == {"fault": 6, "replay": 2, "told": 3, "release": 0}
    assert (told["rows"], told["causes"], told["out"]) == (11, 11, str(out))
    assert len(read(out)) == 11
    assert cli.run(["harvest", "build", "--out", str(out)]) == 0
    assert "11 rows of 11 causes" in capsys.readouterr().out
    monkeypatch.setenv("EMS_CACHE", str(tmp_path / "empty"))
    assert cli.run(["harvest", "build", "--out", str(out)]) == InputError.exit_code
    assert len(read(out)) == 11, "what was there stays"


def test_an_empty_cache_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing that counts") as caught:
        build(tmp_path, tmp_path / "out")
    assert "ems harvest faults" in caught.value.hint


def test_data_that_break_a_promise_replace_nothing(tmp_path: Path) -> None:
    build_from(tmp_path, [fault(1, "guard_none", trace("KeyError", "'a'", RAISED))])
    before = (tmp_path / "out" / "faults.parquet").read_bytes()
    bad = frame("/home/somebody/shop/prices.py", "total", 3, "return 1")
    with pytest.raises(InputError, match="path of some machine"):
        build_from(tmp_path, [fault(1, "guard_none", trace("KeyError", "'a'", bad))])
    assert (tmp_path / "out" / "faults.parquet").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "faults.parquet",
        "ledgers.json",
    ]


def test_a_data_set_grows_where_the_first_cache_is_gone(cache: Path, out: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(out, data)
    anew = [
        fault(1, "guard_empty", trace("IndexError", "list index out of range", RAISED)),
        fault(2, "guard_none", trace("TypeError", "'NoneType' object is not iterable", {**RAISED, "line": 5})),
    ]
    write_package(tmp_path / "cache", "toolz", anew)
    write_package(tmp_path / "cache", "attrs", [fault(3, "guard_none", trace("KeyError", "'d'", RAISED))])
    built = build(tmp_path / "cache", data, add=True)
    before, after = read(out), read(data)
    same = [name for name in after if name not in ("frames", "shapes")]
    stays = before[(before["project"] != "toolz") | (before["kind"] != "fault")].reset_index(drop=True)
    left = after[after["event"].isin(stays["event"])].reset_index(drop=True)
    assert repr(left[same].to_dict("records")) == repr(stays[same].to_dict("records"))
    assert sorted(after.loc[after["project"] == "toolz", "type"]) == ["IndexError", "TypeError"]
    assert built.rows == len(stays) + 3
    card = (data / "README.md").read_text()
    assert "| attrs | 1.0 | MIT | train |" in card
    assert "| mistune | 1.0 | MIT | test |" in card
    assert "| jinja | MIT | 4 | 3 | 1 | 0 | 2 | 2 |  |" in card
    again = (data / "faults.parquet").read_bytes()
    build(tmp_path / "cache", data, add=True)
    assert (data / "faults.parquet").read_bytes() == again, "adding the same again changes nothing"
    assert (data / "README.md").read_text() == card


def test_nothing_is_added_where_nothing_says_what_was_counted(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ledgers\.json cannot be read") as caught:
        build(cache, tmp_path, add=True)
    assert "without --add" in caught.value.hint


def build_from(folder: Path, records: list[dict[str, Any]], project: str = "toolz") -> pd.DataFrame:
    write_package(folder / "cache", project, records)
    build(folder / "cache", folder / "out")
    return read(folder / "out")


def test_code_in_a_message_is_masked(tmp_path: Path) -> None:
    message = "cannot build it:\n    result = make(row, strict=True)\nat return row.price * count\nOnly 3 of 4"
    found = build_from(tmp_path, [fault(1, "guard_none", trace("ValueError", message, RAISED))])
    assert found["message"].tolist() == ["cannot build it:\n<code>\n<code>\nOnly 3 of 4"]


def test_words_of_any_alphabet_are_words(tmp_path: Path) -> None:
    raised = frame("shop/prices.py", "total", 3, "İstanbul = größe.straße(名前)")
    found = build_from(tmp_path, [fault(1, "guard_none", trace("KeyError", "'a'", raised))])
    assert "größe" in found["frames"].iloc[0][-1]["words"]


def test_a_secret_in_a_message_is_redacted(tmp_path: Path) -> None:
    message = "no such user: ann.author@example.org"
    found = build_from(tmp_path, [fault(1, "guard_none", trace("ValueError", message, RAISED))])
    assert "ann.author" not in found["message"].iloc[0]


def test_a_fault_of_the_environment_keeps_its_condition(tmp_path: Path) -> None:
    record = fault(1, "create_path", trace("FileNotFoundError", "no such file", RAISED))
    told = {"kind": "hide_module", "target": "yaml", "value": "", "lines": 1}
    record["fault"] |= {"strategy": "install_dependency", "after": record["fault"]["before"], "condition": told}
    found = build_from(tmp_path, [record])
    assert json.loads(found["condition"].iloc[0]) == told
    assert (len(found["removed"].iloc[0]), len(found["added"].iloc[0])) == (0, 0)
    record["fault"] = {
        "id": f"{1:020x}",
        "strategy": "create_path",
        "condition": {"remove": "templates", "kind": "path"},
    }
    found = build_from(tmp_path, [record])
    assert found["condition"].tolist() == ['{"kind": "path", "remove": "templates"}']
    assert found["fault_file"].tolist() == [""]
    assert found["fault_line"].isna().all()


def test_an_error_of_the_run_is_no_error_of_the_faults(tmp_path: Path) -> None:
    own = [fault(n, "guard_none", trace("KeyError", str(n), RAISED), function=f"f{n}") for n in range(20)]
    broken = [fault(n, "guard_none", trace("OSError", "lost", RAISED), function=f"f{n}") for n in range(20, 31)]
    found = build_from(tmp_path, own + broken)
    assert set(found["type"]) == {"KeyError"}
    found = build_from(tmp_path, own + broken[: compose.ALIKE])
    assert set(found["type"]) == {"KeyError", "OSError"}, "so many may well be alike"


def test_no_function_and_no_file_swamps_the_set(tmp_path: Path) -> None:
    one = [fault(n, "guard_none", trace("KeyError", str(n), RAISED)) for n in range(12)]
    assert build_from(tmp_path, one)["group"].nunique() == compose.MOST_PER_FUNCTION
    names = sorted(set(STRATEGY_NAMES))
    many = [fault(n, names[n % 9], trace("KeyError", str(n), RAISED), function=f"f{n}") for n in range(90)]
    assert build_from(tmp_path, many)["group"].nunique() == compose.MOST_PER_FILE


def test_no_strategy_swamps_a_split(tmp_path: Path) -> None:
    names = ["guard_none"] * 70 + ["guard_empty"] * 10
    records = [
        fault(n, name, trace("KeyError", str(n), RAISED), function=f"f{n}", file=f"shop/m{n}.py")
        for n, name in enumerate(names)
    ]
    counts = build_from(tmp_path, records)["strategy"].value_counts().to_dict()
    assert counts == {"guard_none": compose.FEW, "guard_empty": 10}


def test_no_project_swamps_the_told_fixes(tmp_path: Path) -> None:
    tellings = [told(f"{n:040x}"[::-1], code=f"return rows[{'x' * (n + 1)}]") for n in range(compose.MOST_TOLD + 5)]
    write_history(tmp_path / "cache", "dask", tellings=tellings)
    assert build(tmp_path / "cache", tmp_path / "out").rows == compose.MOST_TOLD


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [("toolz", "mistune", "mistune"), ("toolz", "packaging", "packaging"), ("packaging", "mistune", "mistune")],
)
def test_a_trace_that_stands_in_two_splits_stays_where_it_judges(
    tmp_path: Path, first: str, second: str, stays: str
) -> None:
    for number, project in enumerate((first, second)):
        same = {**RAISED, "file": f"{project}/prices.py", "line": 10 + number}
        write_package(tmp_path / "cache", project, [fault(number, "guard_none", trace("KeyError", project, same))])
    build(tmp_path / "cache", tmp_path / "out")
    assert read(tmp_path / "out")["project"].tolist() == [stays]


def test_two_near_equal_traces_of_one_split_stay(tmp_path: Path) -> None:
    for number, project in enumerate(("toolz", "attrs")):
        write_package(tmp_path / "cache", project, [fault(number, "guard_none", trace("KeyError", project, RAISED))])
    assert build(tmp_path / "cache", tmp_path / "out").rows == 2


def test_a_fix_that_two_projects_share_is_not_learnt_where_it_was_replayed(tmp_path: Path) -> None:
    record = told("2" * 40)
    real = replay("1" * 40, trace("KeyError", "'tea'", RAISED))
    real["fix"] |= {"function": record["function"], "removed": record["removed"], "added": record["added"]}
    write_history(tmp_path / "cache", "jinja", replays=[real])
    write_history(tmp_path / "cache", "dask", tellings=[record, told("3" * 40, code="del rows[name], other[name]")])
    build(tmp_path / "cache", tmp_path / "out")
    assert sorted(read(tmp_path / "out")["commit"]) == ["1" * 40, "3" * 40]


def test_a_package_and_its_repository_are_one_project(tmp_path: Path) -> None:
    write_package(tmp_path / "cache", "tabulate", [fault(1, "guard_none", trace("KeyError", "'a'", RAISED))])
    write_history(tmp_path / "cache", "python-tabulate", tellings=[told("2" * 40)])
    build(tmp_path / "cache", tmp_path / "out")
    found = read(tmp_path / "out")
    assert set(zip(found["project"], found["split"], strict=True)) == {("tabulate", "tune")}


def several(project: str, versions: dict[str, list[dict[str, Any]]], cache: Path, **without: int) -> None:
    write_releases(cache, project, versions, without=without)


def test_faults_in_several_versions_have_a_file_of_their_own(cache: Path, out: Path, tmp_path: Path) -> None:
    data, grown = tmp_path / "data", tmp_path / "cache"
    shutil.copytree(out, data)
    shifted = {**RAISED, "line": 9}
    several(
        "mistune",
        {
            "2.0": [fault(20, "guard_none", trace("KeyError", "'a'", RAISED), trace("KeyError", "'b'", RAISED))],
            "1.0": [fault(99, "guard_none", trace("KeyError", "'a'", RAISED), trace("KeyError", "'b'", shifted))],
        },
        grown,
        **{"its lines are not there": 3},
    )
    built = build(grown, data, add=True)
    assert dict(built.kinds) == {"fault": 6, "replay": 2, "told": 3, "release": 4}
    for name in ("faults", "replay", "told"):
        assert (data / f"{name}.parquet").read_bytes() == (out / f"{name}.parquet").read_bytes()
    rows = dataset.read_data(data / "releases.parquet")
    assert rows[["kind", "split", "group"]].drop_duplicates().to_numpy().tolist() == [["release", "test", f"{20:020x}"]]
    assert rows["version"].tolist() == ["2.0", "2.0", "1.0", "1.0"]
    assert rows["event"].nunique() == 4, "the same trace in two versions is two events"
    before, card = ((folder / "README.md").read_text().split("\n## ") for folder in (out, data))
    changed = [old.split("\n")[0] for old, new in zip(before, card, strict=True) if old != new]
    assert changed[1:] == ["How it was made, and how to rebuild it", "The same fault in several versions"]
    assert before[0].partition("The wheel holds")[0] == card[0].partition("The wheel holds")[0]
    (section,) = [one for one in card if one.startswith("The same fault")]
    assert "4 traces of 1 causes in 1 packages, 1 causes of them with traces in two versions" in section
    assert "| mistune | 1.0 | test | 12 | 4 | 3 | 0 | 1 | 1 | 1 | 2 |" in section
    assert "| its lines are not there | 3 |" in section
    again = (data / "releases.parquet").read_bytes()
    write_package(tmp_path / "other", "attrs", [fault(3, "guard_none", trace("OSError", "lost", RAISED))])
    build(tmp_path / "other", data, add=True)
    assert (data / "releases.parquet").read_bytes() == again


def test_faults_in_several_versions_push_no_other_row_out(tmp_path: Path) -> None:
    write_package(tmp_path / "cache", "toolz", [fault(1, "guard_none", trace("KeyError", "'a'", RAISED))])
    several("mistune", {"2.0": [fault(2, "guard_none", trace("KeyError", "'a'", RAISED))]}, tmp_path / "cache")
    build(tmp_path / "cache", tmp_path / "out")
    assert read(tmp_path / "out")["project"].tolist() == ["toolz"]


def test_there_may_be_nothing_but_faults_in_several_versions(tmp_path: Path) -> None:
    several("mistune", {"2.0": [fault(2, "guard_none", trace("KeyError", "'a'", RAISED))]}, tmp_path / "cache")
    build(tmp_path / "cache", tmp_path / "out")
    assert read(tmp_path / "out")["kind"].tolist() == ["release"]


def test_every_strategy_has_a_reason_for_being_rare() -> None:
    assert set(REASONS) == set(STRATEGY_NAMES)
    assert set(why_few(dict.fromkeys(STRATEGY_NAMES, ENOUGH))) == set()
    assert "another package" in why_few({"pray": 3})["pray"]


def test_the_splits_are_about_65_12_and_23_percent() -> None:
    packages = {name: split for name, split in dataset.SPLITS.items() if name not in ("pip", "setuptools")}
    shares = pd.Series(packages).value_counts(normalize=True)
    assert len(packages) == 45
    assert 0.6 <= shares["train"] <= 0.7
    assert 0.1 <= shares["tune"] <= 0.15
    assert 0.2 <= shares["test"] <= 0.25
    for family in (
        ("attrs", "cattrs"), ("mistune", "markdown-it-py"), ("toolz", "more-itertools"),
        ("h11", "wsproto", "httpx", "starlette"), ("click", "jinja2", "itsdangerous", "wtforms"),
        ("prettytable", "tabulate", "wcwidth"), ("packaging", "pip", "setuptools"),
    ):  # fmt: skip
        assert len({dataset.SPLITS[name] for name in family}) == 1, family


def test_make_data_plants_in_every_package_of_the_table() -> None:
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text()
    named = makefile.partition("PACKAGES ?= ")[2].partition("\n\n")[0].replace("\\\n", " ").split("\n")[0].split()
    assert sorted(named) == sorted(set(dataset.SPLITS) - {"pip", "setuptools"})


def test_a_table_without_rows_says_so() -> None:
    assert table(("a",), []) == "(none in these data)"
