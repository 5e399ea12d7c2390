"""Making a package ready, without pip: what its tests need, what pip's errors say, what names a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ems_ml.errors import InputError, UsageError
from ems_ml.harvest.libraries import missing_libraries
from ems_ml.harvest.needs import test_needs
from ems_ml.harvest.package import is_folder, prepare
from ems_ml.harvest.pip import _reason

needs_of = test_needs
del test_needs  # pytest would take it for a test


@pytest.mark.parametrize(
    ("text", "own", "needed"),
    [
        ("import hypothesis\nfrom pytest import raises\n", (), []),
        ("import ddt\n", (), ["ddt"]),
        ("def test_a():\n    from webtest.app import TestApp\n", (), ["webtest"]),
        ("import ddt\n", ("ddt",), []),
        ("import some_name_that_anybody_may_hold\n", (), []),
        ("def test_a(mocker):\n    pass\n", (), ["pytest-mock"]),
        ("def helper(mocker):\n    pass\n", (), []),
    ],
)
def test_only_known_libraries_that_are_imported_and_lacking_are_needed(
    text: str, own: tuple[str, ...], needed: list[str], tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(text)
    assert missing_libraries(Path(sys.executable), [tmp_path], own) == needed


def test_a_single_test_file_is_a_place_too(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import ddt\n")
    assert missing_libraries(Path(sys.executable), [tmp_path / "test_it.py"], ()) == ["ddt"]


def test_needs_come_from_groups_then_files_then_less_likely_places(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[dependency-groups]\ndev = ["rich", "ruff"]\n[project.optional-dependencies]\ntest = ["ddt"]\n'
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "requirements.txt").write_text("webtest\n")
    (tmp_path / "requirements-dev.txt").write_text("tox\nmock>=1  # old\n")
    found = list(needs_of(tmp_path))
    assert [origin for origin, _ in found] == [
        "extra test",
        "tests/requirements.txt",
        "dependency group dev",
        "requirements-dev.txt",
    ]
    assert found[2][1] == ["rich"]
    assert found[3][1] == ["mock>=1"]


def test_a_broken_pyproject_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(InputError, match=r"pyproject\.toml"):
        list(needs_of(tmp_path))


@pytest.mark.parametrize(
    ("requirement", "folder"),
    [("toolz", False), ("toolz==1.0", False), ("./toolz", True), (".", True), ("../a", True), ("/src/a", True)],
)
def test_a_folder_is_what_pip_takes_for_one(requirement: str, folder: bool) -> None:
    assert is_folder(requirement) is folder


def test_a_folder_that_is_no_project_is_told(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with pytest.raises(InputError, match="neither") as caught:
        prepare(str(tmp_path / "project"), tmp_path / "cache")
    assert caught.value.hint
    with pytest.raises(InputError, match="no folder"):
        prepare(str(tmp_path / "nowhere"), tmp_path / "cache")


def test_a_folder_with_the_cache_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    with pytest.raises(UsageError, match="cache lies in"):
        prepare(str(tmp_path), tmp_path / "cache")


def test_the_reason_is_what_the_build_said() -> None:
    said = """
      error: subprocess-exited-with-error
      × Getting requirements to build wheel did not run successfully.
      │ exit code: 1
      ╰─> [5 lines of output]
          Traceback (most recent call last):
          RuntimeError: no compiler here
          [end of output]
      note: This error originates from a subprocess, and is likely not a problem with pip.
    """
    assert _reason(said) == "RuntimeError: no compiler here"
    assert _reason("") == "it ended without a reason"
