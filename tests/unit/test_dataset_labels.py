"""Hand labels are read as they were written, and a slip in them is told with its line."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ems_ml.dataset import data_folder, read_labels
from ems_ml.errors import InputError, StoreError
from ems_ml.strategies import STRATEGY_NAMES

HEAD = "commit,project,pass1,pass2,agreed\n"
GOOD = (
    HEAD
    + "0123abc,Jinja,guard_none,guard_empty,guard_empty|guard_none\n4567def,toolz,add_import,add_import,add_import\n"
)


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return read_labels(path, strategies=STRATEGY_NAMES)


def test_labels_come_in_order_with_the_primary_first(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(GOOD)
    first, second = read_labels(path, strategies=STRATEGY_NAMES)
    assert (first.commit, first.project, first.pass1, first.pass2) == ("0123abc", "jinja2", "guard_none", "guard_empty")
    assert first.agreed == ("guard_empty", "guard_none")
    assert (first.primary, second.primary) == ("guard_empty", "add_import")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("commit,project,label\n", "has the head", id="another head"),
        pytest.param("", "has the head", id="empty"),
        pytest.param(GOOD + "89ab,toolz,pray,guard_none,guard_none\n", "line 4: no strategy 'pray'", id="unknown name"),
        pytest.param(GOOD + "89ab,toolz,guard_none,guard_none,guard_none|\n", "no strategy ''", id="empty second name"),
        pytest.param(GOOD + "89ab,toolz,guard_none,guard_none\n", "line 4: a cell is missing", id="missing cell"),
        pytest.param(GOOD + "89ab,toolz,guard_none,guard_none,guard_none,x\n", "one too many", id="cell too many"),
        pytest.param(GOOD + GOOD.splitlines()[1] + "\n", "comes twice", id="twice"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(tmp_path, text)


def test_a_file_that_is_not_there_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_labels(tmp_path / "labels.csv", strategies=STRATEGY_NAMES)


def test_the_shipped_labels_can_be_read() -> None:
    path = data_folder() / "labels.csv"
    if not path.exists():
        pytest.skip("no hand labels yet")
    assert len(read_labels(path, strategies=STRATEGY_NAMES)) >= 1


def test_the_benchmark_judges_recognise_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "benchmarks")
    bench = importlib.import_module("bench_labels")
    fixes = pd.DataFrame(
        {
            "project": ["jinja2", "jinja2"],
            "commit": ["0123abc" + "0" * 33, "89ab000" + "0" * 33],
            "group": ["one", "two"],
            "strategies": [[{"name": "guard_none"}, {"name": "guard_empty"}], [{"name": "add_import"}]],
        }
    )
    monkeypatch.setattr(bench, "load_data", lambda kind: fixes)
    monkeypatch.setattr(bench, "data_folder", lambda: tmp_path)
    monkeypatch.setenv("EMS_BENCH_OUT", str(tmp_path / "out"))
    bench.main()
    assert "nothing to judge by" in capsys.readouterr().out
    (tmp_path / "labels.csv").write_text(GOOD)
    bench.main()
    told = capsys.readouterr().out
    assert "two readings agree          0.500" in told
    assert "first is the primary        0.000" in told, "of two fixes one is read otherwise, and one is not there"
    assert "first is one of the agreed  0.500" in told
    assert "primary in the first three  0.500" in told
    assert "counted as wrong: 1" in told


def test_the_benchmark_reads_the_commits_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "benchmarks")
    bench = importlib.import_module("bench_labels")
    project = tmp_path / "clones" / "jinja"
    project.mkdir(parents=True)

    def run(*arguments: str) -> str:
        named = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return subprocess.run(
            ("git", *named, *arguments), cwd=project, check=True, capture_output=True, text=True
        ).stdout

    run("init", "-q")
    for text in ("def f(x):\n    return x.y\n", "def f(x):\n    if x is None:\n        return None\n    return x.y\n"):
        (project / "f.py").write_text(text)
        run("add", ".")
        run("commit", "-qm", "a")
    (tmp_path / "labels.csv").write_text(
        HEAD + f"{run('rev-parse', 'HEAD')[:20]},jinja2,guard_none,guard_none,guard_none\n"
        "4567def,toolz,add_import,add_import,add_import\n"
    )
    monkeypatch.setattr(bench, "data_folder", lambda: tmp_path)
    monkeypatch.setenv("EMS_BENCH_OUT", str(tmp_path / "out"))
    bench.main(["--histories", str(tmp_path / "clones")])
    told = capsys.readouterr()
    assert "first is the primary        0.500" in told.out
    assert "counted as wrong: 1" in told.out
    assert "toolz 4567def" in told.err, "there is no clone of it"
