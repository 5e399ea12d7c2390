"""Nothing is loaded but what a manifest names: missing, truncated, altered, and whose comes first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ems_ml.build.models import load_encoder, load_grouper, load_ranker, told_version
from ems_ml.errors import ModelError
from ems_ml.manifest import NAME, entry_for, find_model, read_manifest, verified, write_manifest
from ems_ml.settings import load_settings


@pytest.fixture
def models(toy_models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_models, tmp_path / "models"))


def test_what_was_written_is_found_and_read_back(models: Path) -> None:
    entry, folder = find_model("grouper", [models])
    assert (entry.kind, entry.version, entry.about["join"]) == ("pairs", "toy-grouper", 0.8)
    assert folder == models / "grouper"
    assert set(read_manifest(models)) == {"encoder", "grouper", "ranker"}


@pytest.mark.parametrize("harm", ["missing", "truncated", "altered"])
@pytest.mark.parametrize("name", ["encoder", "grouper", "ranker"])
def test_a_file_that_is_not_as_the_manifest_says_is_refused(models: Path, name: str, harm: str) -> None:
    entry = read_manifest(models)[name]
    victim = models / entry.folder / sorted(entry.files)[0]
    content = victim.read_bytes()
    match harm:
        case "missing":
            victim.unlink()
        case "truncated":
            victim.write_bytes(content[:-1])
        case "altered":
            victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="missing" if harm == "missing" else "checksum") as told:
        find_model(name, [models])
    assert str(victim) in str(told.value)
    assert "ems train" in told.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ranker": {}}', '{"ranker": {"name": "ranker"}}', '{"ranker": 3}'])
def test_a_broken_manifest_is_an_error_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ModelError, match="broken") as told:
        find_model("ranker", [tmp_path])
    assert "ems train" in told.value.hint


def test_no_manifest_and_no_such_model_say_where_was_looked(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model manifest"):
        read_manifest(tmp_path / "empty")
    with pytest.raises(ModelError, match="no model 'other'") as told:
        find_model("other", [tmp_path / "empty", models])
    assert str(tmp_path / "empty") in str(told.value)
    assert str(models) in str(told.value)


def test_own_models_come_before_the_shipped_and_a_broken_own_one_is_not_passed_over(toy_home: Path) -> None:
    settings = load_settings()
    assert load_encoder(settings).version == told_version("encoder", settings) == "toy-encoder"
    load_grouper(settings)
    load_ranker(settings)
    (toy_home / "models" / "ranker" / "ranker.json").unlink()
    with pytest.raises(ModelError, match="missing"):
        load_ranker(settings)
    shutil.rmtree(toy_home / "models")
    assert load_encoder(settings).version.startswith("static-")


def test_an_own_model_of_one_name_leaves_the_others_to_the_shipped(toy_home: Path) -> None:
    path = toy_home / "models" / NAME
    told = json.loads(path.read_text())
    path.write_text(json.dumps({"encoder": told["encoder"]}))
    settings = load_settings()
    assert load_encoder(settings).version == "toy-encoder"
    assert load_ranker(settings).version.startswith("linear-")


def test_writing_keeps_other_entries_and_the_readme_is_no_model_file(models: Path) -> None:
    folder = models / "extra"
    folder.mkdir()
    (folder / "README.md").write_text("words")
    (folder / "weights").write_bytes(b"\x00" * 9)
    write_manifest(models, [entry_for(folder, name="extra", kind="toy", version="1", about={})])
    entries = read_manifest(models)
    assert set(entries) == {"encoder", "extra", "grouper", "ranker"}
    assert set(entries["extra"].files) == {"weights"}
    assert verified(models, entries["extra"]) == folder
    assert not (models / f"{NAME}.partial").exists()
