"""Versions of models: kept side by side, switched in one step, and the way back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ems_ml import versions
from ems_ml.errors import ModelError, NotFound, UsageError
from ems_ml.manifest import Entry, entry_for, find_model, read_manifest, write_manifest

Make = Callable[..., versions.Version]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def make(models: Path, tmp_path: Path) -> Make:
    def call(content: str, *, names: tuple[str, ...] = ("ranker",), over: bool = False) -> versions.Version:
        made = tmp_path / f"made-{content}"
        entries: list[Entry] = []
        for name in names:
            (made / name).mkdir(parents=True)
            (made / name / "weights").write_text(f"{name} {content}")
            entries.append(entry_for(made / name, name=name, kind="linear", version=content, about={}))
        (made / versions.EVALUATION).write_text(json.dumps({"when": content}))
        version = versions.Version(name="", when="2026-01-01T00:00:00+00:00", data=content)
        return versions.keep(models, made, entries, version, with_those_in_use=over)

    return call


def served(models: Path, name: str = "ranker") -> str:
    _, folder = find_model(name, [models])
    return (folder / "weights").read_text()


def test_a_kept_version_is_not_in_use_until_it_is_put_to_use(models: Path, make: Make) -> None:
    first = make("one")
    assert first.name == "v1"
    assert versions.in_use(models) == versions.SHIPPED
    assert versions.use(models, "v1") == versions.SHIPPED
    assert versions.in_use(models) == "v1"
    assert served(models) == "ranker one"
    evaluation = versions.evaluation_of(models)
    assert evaluation is not None
    assert json.loads(evaluation.read_text()) == {"when": "one"}


def test_going_back_and_back_again(models: Path, make: Make) -> None:
    for content in ("one", "two", "three"):
        versions.use(models, make(content).name)
    assert [one.name for one in versions.versions(models)] == ["v1", "v2", "v3"]
    assert versions.rollback(models) == ("v2", "v3")
    assert versions.rollback(models) == ("v1", "v2")
    assert versions.rollback(models) == (versions.SHIPPED, "v1")
    assert versions.evaluation_of(models) is None
    with pytest.raises(ModelError):
        served(models)
    with pytest.raises(UsageError, match="no other models"):
        versions.rollback(models)
    versions.use(models, "3")  # the number alone will do
    assert served(models) == "ranker three"


def test_with_nothing_kept_there_is_no_way_back(models: Path) -> None:
    with pytest.raises(UsageError):
        versions.rollback(models)
    assert versions.versions(models) == []
    with pytest.raises(NotFound, match="v9"):
        versions.use(models, "v9")
    for name in ("../../etc", "v", "", "vx"):
        with pytest.raises(NotFound):
            versions.use(models, name)


def test_the_shipped_set_is_used_again(models: Path, make: Make) -> None:
    versions.use(models, make("one").name)
    assert versions.use(models, versions.SHIPPED) == "v1"
    assert read_manifest(models) == {}
    assert versions.rollback(models) == ("v1", versions.SHIPPED)


def test_models_that_are_not_made_anew_are_taken_over_from_those_in_use(models: Path, make: Make) -> None:
    versions.use(models, make("all", names=("encoder", "grouper", "ranker")).name)
    later = make("own", over=True)
    assert set(later.entries) == {"encoder", "grouper", "ranker"}
    versions.use(models, later.name)
    assert served(models, "grouper") == "grouper all"
    assert served(models) == "ranker own"
    assert versions.in_use(models) == "v2"
    versions.use(models, versions.SHIPPED)
    assert set(make("bare", over=True).entries) == {"ranker"}  # the shipped ones serve beside it


def test_a_damaged_version_is_not_put_to_use(models: Path, make: Make) -> None:
    versions.use(models, make("one").name)
    second = make("two")
    (models / second.entries["ranker"].folder / "weights").write_text("altered")
    with pytest.raises(ModelError, match="altered"):
        versions.use(models, second.name)
    assert versions.in_use(models) == "v1"
    (models / versions.FOLDER / "v2" / versions.ABOUT).write_text("{")
    with pytest.raises(ModelError, match="broken"):
        versions.versions(models)


def test_own_models_of_an_older_installation_become_a_version(models: Path, make: Make) -> None:
    (models / "ranker-20260101").mkdir(parents=True)
    (models / "ranker-20260101" / "weights").write_text("old")
    entry = entry_for(models / "ranker-20260101", name="ranker", kind="linear", version="old", about={})
    write_manifest(models, [entry])
    assert versions.in_use(models) == ""
    second = make("new")
    assert (second.name, versions.in_use(models)) == ("v2", "v1")
    versions.use(models, "v2")
    versions.rollback(models)
    assert served(models) == "old"


def test_writing_a_manifest_keeps_the_way_back(models: Path, make: Make, tmp_path: Path) -> None:
    versions.use(models, make("one").name)
    (models / "grouper").mkdir()
    write_manifest(models, [entry_for(models / "grouper", name="grouper", kind="pairs", version="g", about={})])
    assert versions.rollback(models) == (versions.SHIPPED, "v1")


def test_who_reads_while_sets_are_switched_sees_one_or_the_other(models: Path, make: Make) -> None:
    for content in ("one", "two"):
        versions.use(models, make(content).name)
    seen: set[str] = set()
    problems: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen.add(served(models))
            except Exception as error:
                problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(60):
        versions.use(models, "v1")
        versions.use(models, "v2")
    stop.set()
    reader.join()
    assert problems == []
    assert seen == {"ranker one", "ranker two"}


def test_two_trainings_at_once_get_two_names(models: Path, make: Make) -> None:
    names: list[str] = []
    threads = [threading.Thread(target=lambda n=n: names.append(make(f"t{n}").name)) for n in range(6)]  # type: ignore[misc]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(names) == [f"v{n}" for n in range(1, 7)]
