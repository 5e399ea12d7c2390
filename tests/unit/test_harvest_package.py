"""Making a package ready, without pip: what its tests need, what pip's errors say, what names a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ems_ml.errors import InputError, UsageError
from ems_ml.harvest import pip
from ems_ml.harvest.libraries import lacking_library, missing_libraries
from ems_ml.harvest.needs import older_needs, test_needs
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


def test_requirement_files_are_read_with_what_they_name(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/base.txt").write_text(
        "attrs==21.4 \\\n  --hash=sha256:00\nsphinx-rtd-theme\n-r ../dev.txt\n"
    )
    (tmp_path / "dev.txt").write_text("-r requirements/base.txt\ntrio>=0.19  # async\n")
    (tmp_path / "requirements.txt").write_text(
        "-e .[full]\n-r requirements/base.txt\n-c constraints.txt\ngit+https://example.org/x.git\n"
        "--extra-index-url https://example.org\n/etc/passwd\n-r ../outside.txt\n"
        "mypy==1.0\nidna ; python_version > '3'\n"
    )
    (tmp_path.parent / "outside.txt").write_text("stolen\n")
    ((origin, needs),) = older_needs(tmp_path)
    assert origin == "requirements.txt"
    assert list(dict.fromkeys(needs)) == [
        f"{tmp_path}[full]",
        "attrs==21.4",
        "trio>=0.19",
        "idna ; python_version > '3'",
    ]


def test_older_customs_name_requirement_files_too(tmp_path: Path) -> None:
    (tmp_path / "tox.ini").write_text("[testenv]\ndeps =\n  py37: ddt\n  -r{toxinidir}/more.txt\n  tox\n")
    (tmp_path / "more.txt").write_text("mock\n")
    (tmp_path / "setup.cfg").write_text("[options.extras_require]\ntesting =\n  six\n")
    assert list(older_needs(tmp_path)) == [
        ("tox.ini testenv deps", ["ddt", "mock"]),
        ("setup.cfg options.extras_require testing", ["six"]),
    ]


@pytest.mark.parametrize(
    ("said", "needs"),
    [
        ('[tool.poetry.dev-dependencies]\npython = "^3.8"\nddt = "^1.2"\nmypy = "*"\n', ["ddt>=1.2,<2"]),
        ('[tool.poetry.group.dev.dependencies]\nddt = "^0.2.3"\n', ["ddt>=0.2.3,<0.3"]),
        ('[tool.poetry.dev-dependencies]\nddt = "~1.2"\nsix = ">=1,<2"\n', ["ddt>=1.2,<1.3", "six>=1,<2"]),
        ('[tool.poetry.dev-dependencies]\nddt = "1.2"\nsix = {git = "x"}\n', ["ddt==1.2"]),
        ('[tool.poetry.dev-dependencies]\nddt = {version = "*", extras = ["a"]}\n', ["ddt[a]"]),
        ('[tool.pdm.dev-dependencies]\ndev = ["ddt>1"]\n', ["ddt>1"]),
        ('[tool.uv]\ndev-dependencies = ["ddt>1"]\n', ["ddt>1"]),
        ('[tool.hatch.envs.dev]\ndependencies = ["ddt>1"]\n', ["ddt>1"]),
    ],
)
def test_tools_keep_needs_in_tables_of_their_own(said: str, needs: list[str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(said)
    ((_, found),) = needs_of(tmp_path)
    assert found == needs


@pytest.mark.parametrize(
    ("said", "library"),
    [
        ("ModuleNotFoundError: No module named 'yaml'", "pyyaml"),
        ("No module named 'yaml.nodes'", "pyyaml"),
        ("PytestConfigWarning: Failed to import filter module 'trio': ignore", "trio"),
        ("the httpx package is needed.\nE  $ pip install httpx", "httpx"),
        ("No module named 'some_name_that_anybody_may_hold'", None),
        ("No module named 'attr'", None),
        ("pip install some-name-that-anybody-may-hold", None),
        ("KeyError: 'yaml'", None),
    ],
)
def test_only_a_known_library_is_added_for_what_an_error_says(said: str, library: str | None) -> None:
    assert lacking_library(said, own=("attr",)) == library


def test_on_a_day_pip_asks_indexes_that_know_days(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "global.index-url='https://index.example/simple'\nglobal.find-links='/opt/wheels'\n"
        "install.extra-index-url='file:///opt/simple https://more.example/simple'\n:env:.cert='/etc/certs.crt'\n"
    )
    monkeypatch.setattr(pip, "_configured", lambda: said)
    told = {name: value for name, value in pip._dated_configuration().items() if not name.lower().endswith("_proxy")}
    assert told == {
        "PIP_INDEX_URL": "https://index.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://more.example/simple",
        "PIP_CERT": "/etc/certs.crt",
        "PIP_CONFIG_FILE": os.devnull,
    }


@pytest.mark.parametrize(("arguments", "configured"), [(("--no-index",), ""), ((), "global.no-index='true'\n")])
def test_without_an_index_there_is_no_day(
    arguments: tuple[str, ...], configured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pip, "_configured", lambda: configured)
    with pytest.raises(InputError, match="no index"):
        pip.dated_pip(tmp_path, arguments)
