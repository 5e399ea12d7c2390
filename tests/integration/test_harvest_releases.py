"""Two versions of a toy package from a local folder: faults of the newer one are found and run in the older one."""

from __future__ import annotations

import json
import tarfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from harvest_toys import lay, toy

from ems_ml import dataset
from ems_ml.errors import InputError, UsageError
from ems_ml.harvest import Bounds, Ledger, ReleaseLedger, build_dataset, harvest_releases
from ems_ml.harvest.corpus import releases_folder
from ems_ml.harvest.counterparts import NO_FUNCTION, NO_LINE, NOT_REACHED
from ems_ml.harvest.faults import read_corpus
from ems_ml.ports import SourceTree
from ems_ml.redact import NullRedactor
from ems_ml.types import ErrorEvent, Injection, Proposal

pytestmark = pytest.mark.slow

BOUNDS = Bounds(per_package=20, fault_seconds=5.0, baseline_seconds=60)
EXTRA = 'def seldom(row):\n    return row["seldom"]\n'
NEW = """
    from relpkg.extra import seldom


    def price(row):
        width = row["width"]
        return width * 2


    def depth(row):
        return row["depth"]


    def weight(row):
        found = row["weight"]
        return found


    def fresh(row):
        return row["fresh"]
"""
OLD = """
    # Lines above, a function renamed, one that said another thing, and one that was not there yet.
    import os


    def cost(row):
        width = row["width"]
        return width * 2


    def depth(row):
        return row.get("depth", 0)


    def weight(row):
        found = row["weight"]
        return found
"""
TESTS = """
    import relpkg

    ROW = {{"width": 2, "depth": 1, "weight": 3, "fresh": 4, "seldom": 5}}
    ANSWERS = {answers}


    def test_all():
        for name, answer in ANSWERS.items():
            assert getattr(relpkg, name)(dict(ROW)) == answer
"""


class Misspell:
    """Asks a mapping for a key that is not in it."""

    name = "misspell"

    def recognise(self, before: str, after: str) -> float:
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        lines, function = source.splitlines(keepends=True), ""
        for at, line in enumerate(lines):
            if line.startswith("def "):
                function = line[4:].partition("(")[0]
            if 'row["' in line:
                text = "".join([*lines[:at], line.replace('"]', 's"]'), *lines[at + 1 :]])
                yield Injection(strategy=self.name, source=text, line=at + 1, function=function, note="another key")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        return iter(())


def pack(folder: Path, version: str, text: str, answers: dict[str, int]) -> None:
    files = toy("relpkg", functions=0)
    for old in ('"1.0"', "\\nVersion: 1.0", "\nVersion: 1.0"):  # not the version of the wheel's own form
        files = {path: content.replace(old, old.replace("1.0", version)) for path, content in files.items()}
    files["src/relpkg/__init__.py"] = text
    files["src/relpkg/extra.py"] = EXTRA
    files["src/relpkg/old.py"] = "print 'no Python of today'\n"
    files["tests/test_relpkg.py"] = textwrap.dedent(TESTS).format(answers=repr(answers))
    root = lay(folder / f"relpkg-{version}", files)
    with tarfile.open(folder / f"relpkg-{version}.tar.gz", "w:gz") as archive:
        archive.add(root, arcname=root.name)
    folder.chmod(0o755)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    pack(folder, "2.0", NEW, {"price": 4, "depth": 1, "weight": 3, "fresh": 4, "seldom": 5})
    pack(folder, "1.0", OLD, {"cost": 4, "depth": 1, "weight": 3})
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def go(cache: Path, index: Path, *versions: str) -> Ledger:
    return harvest_releases(
        "relpkg",
        versions,
        strategies=[Misspell()],
        cache=cache,
        bounds=BOUNDS,
        pip_arguments=["--find-links", str(index)],
    )


@pytest.fixture(scope="module")
def ledger(cache: Path, index: Path) -> Ledger:
    return go(cache, index, "2.0", "1.0", "0.5")


def records(cache: Path) -> list[dict[str, object]]:
    return [dict(one) for one in read_corpus(releases_folder(cache) / "relpkg-2.0.jsonl")]


def test_each_fault_of_the_newer_version_is_found_or_its_lack_is_told(ledger: Ledger, cache: Path) -> None:
    newer, older = ledger.packages
    assert isinstance(newer, ReleaseLedger)
    assert isinstance(older, ReleaseLedger)
    assert (newer.version, newer.sought, newer.without, older.newest) == ("2.0", 0, {}, "2.0")
    assert (newer.planted, newer.outcomes["kept"]) == (5, 5)
    assert (older.sought, older.planted, older.outcomes["kept"], older.moved) == (5, 2, 2, 1)
    assert older.without == {NO_LINE: 1, NO_FUNCTION: 1, NOT_REACHED: 1}
    places: dict[object, dict[str, str]] = {}
    for one in records(cache):
        if one["outcome"] == "kept":
            places.setdefault(one["group"], {})[str(one["version"])] = one["fault"]["function"]  # type: ignore[index]
    both = {(found["2.0"], found["1.0"]) for found in places.values() if len(found) == 2}
    assert both == {("price", "cost"), ("weight", "weight")}


def test_a_version_that_cannot_be_had_stops_no_other(ledger: Ledger, index: Path, tmp_path: Path) -> None:
    assert list(ledger.problems) == ["relpkg==0.5"]
    with pytest.raises(InputError):
        go(tmp_path, index, "0.5", "1.0")
    with pytest.raises(InputError):
        go(tmp_path, index, "1.0", "0.5")
    assert not list(releases_folder(tmp_path).glob("*.json")), "one version alone tells nothing"
    with pytest.raises(UsageError, match="two versions"):
        go(tmp_path, index, "1.0", "1.0")


def test_a_second_run_does_nothing_twice(ledger: Ledger, cache: Path, index: Path) -> None:
    before = records(cache)
    again = go(cache, index, "2.0", "1.0")
    assert [one.outcomes for one in again.packages] == [one.outcomes for one in ledger.packages]
    assert records(cache) == before
    corpus = releases_folder(cache) / "relpkg-2.0.jsonl"
    whole = corpus.read_text()
    corpus.write_text("".join(line + "\n" for line in whole.splitlines() if '"version": "1.0"' not in line))
    anew = go(cache, index, "2.0", "1.0")
    assert [one.outcomes for one in anew.packages] == [one.outcomes for one in ledger.packages]
    places = [{name: one[name] for name in ("version", "group", "moved", "fault")} for one in records(cache)]
    assert places == [{name: one[name] for name in ("version", "group", "moved", "fault")} for one in before]


def test_the_rows_of_one_cause_have_two_versions_and_no_source(ledger: Ledger, cache: Path, tmp_path: Path) -> None:
    build_dataset(cache, redactor=NullRedactor(), out=tmp_path, splits={"relpkg": "test"})
    rows = dataset.read_data(tmp_path / "releases.parquet")
    assert set(rows["split"]) == {"test"}
    assert rows.groupby("group")["version"].nunique().max() == 2
    assert 'row["weight"]' not in json.dumps(rows.to_dict("records"), default=str)
    assert not (tmp_path / "faults.parquet").exists(), "they are no planted faults of the training ground"
