"""Repositories in every state: opened or refused with the remedy, and never changed but by the branch asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fix_projects import COUNTING, git, project, snapshot

from ems_ml.errors import RepositoryError
from ems_ml.repo import Repository

MENDED = COUNTING["counting.py"].replace("len(values)]", "-1]")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "a repo", COUNTING)


def test_it_opens_from_the_root_a_folder_and_a_file(root: Path) -> None:
    (root / "deep" / "er").mkdir(parents=True)
    for path in (root, root / "deep" / "er", root / "counting.py"):
        assert Repository.open(path).root == root.resolve()
    assert Repository.open(root).head == git(root, "rev-parse", "HEAD")


def test_what_cannot_be_worked_on_is_refused_with_the_remedy(tmp_path: Path, root: Path) -> None:
    (tmp_path / "plain").mkdir()
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    git(tmp_path, "init", "-q", "empty")
    cases = {
        tmp_path / "none": ("no folder", "give the folder"),
        tmp_path / "plain": ("not in a git repository", "git init"),
        tmp_path / "bare.git": ("bare", "clone"),
        tmp_path / "empty": ("no commits", "git commit"),
        root / ".git": ("inside a .git folder", "give the folder"),
    }
    for path, (said, remedy) in cases.items():
        with pytest.raises(RepositoryError, match=said) as caught:
            Repository.open(path)
        assert remedy in caught.value.hint
        assert caught.value.exit_code == 6


def test_variables_and_hooks_of_the_surroundings_change_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = project(tmp_path / "other", {"a": "b"})
    for name, value in {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": other / "x",
        "GIT_EXTERNAL_DIFF": "false",
    }.items():
        monkeypatch.setenv(name, str(value))
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "post-commit"):
        script = root / ".git" / "hooks" / hook
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran-{hook}'\nexit 1\n")
        script.chmod(0o755)
    config = root / ".git" / "config"
    config.write_text(config.read_text() + "[commit]\n\tgpgSign = true\n[diff]\n\tnoprefix = true\n")
    before = snapshot(root)

    repository = Repository.open(root)
    with repository.worktree() as worktree:
        worktree.write("counting.py", MENDED)
        diff = worktree.diff()
        repository.commit_on_branch(worktree, "ems/fix-x", "Mend\n")

    assert repository.root == root.resolve()
    assert diff.startswith("diff --git a/counting.py b/counting.py\n")
    assert list(tmp_path.glob("ran-*")) == []
    assert snapshot(root) == before


def test_a_worktree_leaves_nothing_behind_even_where_the_work_fails(root: Path) -> None:
    before = snapshot(root)
    objects = sorted((root / ".git" / "objects").rglob("*"))
    repository = Repository.open(root)
    folders = []

    def fail() -> None:
        with repository.worktree() as worktree:
            folders.append(worktree.folder)
            worktree.write("counting.py", MENDED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folders[0].exists()
    assert snapshot(root) == before
    assert sorted((root / ".git" / "objects").rglob("*")) == objects


def test_a_reset_undoes_changes_and_removes_what_tests_left(root: Path) -> None:
    with Repository.open(root).worktree() as worktree:
        times = set()
        for number in range(3):
            worktree.write("counting.py", MENDED.replace("-1", f"-{number}"))
            times.add(int((worktree.tree / "counting.py").stat().st_mtime))
            (worktree.tree / "left.txt").write_text("x")
            (worktree.tree / "test_counting.py").unlink()
            worktree.reset()
            times.add(int((worktree.tree / "counting.py").stat().st_mtime))
            assert worktree.diff() == ""
            assert not (worktree.tree / "left.txt").exists()
            assert worktree.read("counting.py") == COUNTING["counting.py"]
        assert len(times) == 6, "a compiled file would be taken for the other version's"


@pytest.mark.parametrize("path", ["../x.py", "/etc/passwd", "link.py", "no.py", "data.bin"])
def test_nothing_outside_the_worktree_is_written(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "x.py"
    outside.write_text("mine")
    root = project(tmp_path / "p", {**COUNTING, "data.bin": b"\xff\xfe\x00"})
    (root / "link.py").symlink_to(outside)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "link")
    with Repository.open(root).worktree() as worktree, pytest.raises(RepositoryError):
        worktree.write(path, "changed")
    assert outside.read_text() == "mine"


def test_a_commit_keeps_modes_and_has_an_author_where_the_user_has_none(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (root / "counting.py").chmod(0o755)
    git(root, "commit", "-q", "-a", "-m", "Make it run")
    repository = Repository.open(root)
    with repository.worktree() as worktree:
        assert os.access(worktree.tree / "counting.py", os.X_OK)
        worktree.write("counting.py", MENDED)
        commit = repository.commit_on_branch(worktree, "mend", "Mend\n")
        with pytest.raises(RepositoryError, match="exists already"):
            repository.commit_on_branch(worktree, "mend", "Mend\n")
    assert git(root, "log", "-1", "--format=%an %ae %cn", commit) == "EMS ems@localhost EMS"
    assert git(root, "ls-tree", commit, "counting.py").startswith("100755 ")
    git(root, "config", "user.name", "Grace")
    git(root, "config", "user.email", "grace@example.org")
    assert Repository.open(root).identity() == ("Grace", "grace@example.org")


def test_a_linked_worktree_and_a_detached_head_work_too(root: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(root, "worktree", "add", "-q", "--detach", str(linked))
    repository = Repository.open(linked)
    assert repository.root == linked.resolve()
    with repository.worktree() as worktree:
        worktree.write("counting.py", MENDED)
        commit = repository.commit_on_branch(worktree, "mend", "Mend\n")
    assert git(root, "rev-parse", "mend") == commit
    assert git(linked, "status", "--porcelain") == ""
    assert len(git(root, "worktree", "list").splitlines()) == 2


def test_a_name_that_git_must_quote_gives_a_diff_that_applies(tmp_path: Path) -> None:
    root = project(tmp_path / "p", {'odd "é" name.py': "a = 1\n", "end.py": "no_end = 1"})
    with Repository.open(root).worktree() as worktree:
        worktree.write('odd "é" name.py', "a = 2\n")
        worktree.write("end.py", "no_end = 2")
        (tmp_path / "patch.diff").write_text(worktree.diff())
    git(root, "apply", str(tmp_path / "patch.diff"))
    assert (root / 'odd "é" name.py').read_text() == "a = 2\n"
    assert (root / "end.py").read_text() == "no_end = 2"


def test_changes_are_seen_in_the_index_and_in_the_work_tree(root: Path) -> None:
    repository = Repository.open(root)
    assert repository.changed() == ()
    (root / "new file.py").write_text("x")
    assert repository.changed() == ()
    assert repository.untracked() == ("new file.py",)
    (root / "counting.py").unlink()
    (root / "test_counting.py").write_text("x")
    git(root, "add", "test_counting.py")
    assert sorted(repository.changed()) == ["counting.py", "test_counting.py"]
