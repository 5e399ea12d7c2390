"""The past of real repositories: who wrote a line, a commit taken back, and what takes which commit back."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from fix_projects import git, project

from ems_ml.errors import RepositoryError
from ems_ml.ports import HasHistory, History
from ems_ml.repo import DirectoryTree, GitHistory, NoHistory, Repository, is_shallow, main_line, undoes
from ems_ml.types import Commit

LINES = "".join(f"v{number} = {number}\n" for number in range(1, 31))


def write(root: Path, subject: str, **files: str | bytes) -> Commit:
    for name, text in files.items():
        (root / f"{name}.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", subject)
    return main_line(root, "HEAD", most=1)[0]


def past(root: Path) -> GitHistory:
    return GitHistory(root=root, base=git(root, "rev-parse", "HEAD"), leave=lambda path: path.startswith("test_"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "a repo", {"a.py": LINES, "b.py": "x = 1\n", "test_a.py": "old\n"})


def test_trees_have_a_past_or_the_null_one(tmp_path: Path, root: Path) -> None:
    commit = Commit(id="a" * 40, subject="", time="", parents=("b" * 40,))
    tree = DirectoryTree(tmp_path)
    assert isinstance(tree, HasHistory)
    assert isinstance(tree.history, History)
    assert isinstance(past(root), History)
    for none in (NoHistory(), GitHistory(root=root, base="0" * 40), GitHistory(root=tmp_path, base="HEAD")):
        assert tuple(none.touched("a.py", 3, most=4)) == ()
        assert none.undone(commit).files == ()
        assert none.suspects == ()


def test_who_wrote_a_line_comes_before_its_neighbours_and_the_rest_of_the_file(root: Path) -> None:
    line = write(root, "The line", a=LINES.replace("v10 = 10", "v10 = 0"))
    near = write(root, "A neighbour", a=(root / "a.py").read_text().replace("v12 = 12", "v12 = 0"))
    far = write(root, "Far away", a=(root / "a.py").read_text().replace("v25 = 25\n", ""))
    write(root, "Elsewhere", b="x = 2\n")

    history = past(root)

    assert [one.subject for one in history.touched("a.py", 10, most=4)] == ["The line", "A neighbour", "Far away"]
    assert history.touched("a.py", 12, most=1) == (near,)
    assert history.touched("a.py", 20, most=2) == (far, near), "the first commit has nothing before it"
    assert history.touched("a.py", 400, most=3) == (far, near, line), "a line that is not there blames nobody"
    assert history.touched("no.py", 1, most=3) == ()


def test_a_commit_is_taken_back_from_below_later_ones(root: Path) -> None:
    bad = write(root, "Bad", a=LINES.replace("v10 = 10", "v10 = 0"), b="x = 2\n", test_a="new\n", new="n = 1\n")
    write(root, "Far", a="# new first line\n" + (root / "a.py").read_text().replace("v25 = 25", "v25 = 0"))

    undone = past(root).undone(bad)

    assert {file.path: file.text for file in undone.files} == {
        "a.py": "# new first line\n" + LINES.replace("v25 = 25", "v25 = 0"),
        "b.py": "x = 1\n",
    }
    assert undone.left == ()


def test_neighbours_that_changed_since_do_not_hinder(root: Path) -> None:
    bad = write(root, "Bad", a=LINES.replace("v10 = 10", "v10 = 0"))
    write(root, "Both sides", a=(root / "a.py").read_text().replace("v9 = 9", "v9 = 0").replace("v11 = 11", "v11 = 0"))

    (file,) = past(root).undone(bad).files

    assert file.text == LINES.replace("v9 = 9", "v9 = 0").replace("v11 = 11", "v11 = 0")


def test_what_was_only_removed_is_put_back_where_its_neighbours_stand(root: Path) -> None:
    bad = write(root, "Bad", a=LINES.replace("v10 = 10\n", ""))
    write(root, "Before", a="# one\n# two\n" + (root / "a.py").read_text().replace("v8 = 8", "v8 = 0"))
    assert past(root).undone(bad).files[0].text == "# one\n# two\n" + LINES.replace("v8 = 8", "v8 = 0")
    write(root, "Beside", a=(root / "a.py").read_text().replace("v9 = 9", "v9 = 0"))

    undone = past(root).undone(bad)

    assert undone.files == ()
    assert undone.left == ("a.py",)


def test_what_was_written_over_since_is_left(root: Path) -> None:
    bad = write(root, "Bad", a=LINES.replace("v10 = 10", "v10 = 0"), b="x = 2\n")
    write(root, "Over it", a=(root / "a.py").read_text().replace("v10 = 0", "v10 = 5"))

    undone = past(root).undone(bad)

    assert [(file.path, file.text) for file in undone.files] == [("b.py", "x = 1\n")]
    assert undone.left == ("a.py",)


def test_it_is_what_git_revert_gives_where_that_meets_no_conflict(root: Path) -> None:
    chance = random.Random(7)
    commits = []
    for number in range(30):
        lines = (root / "a.py").read_text().splitlines(keepends=True)
        at = chance.randrange(len(lines))
        lines[at : at + chance.randrange(3)] = [f"n{number}_{i} = 0\n" for i in range(chance.randrange(1, 3))]
        commits.append(write(root, f"Number {number}", a="".join(lines)))
    history, now = past(root), git(root, "rev-parse", "HEAD")
    clean = looser = 0
    for commit in commits:
        done = subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@x", "revert", "-n", commit.id],
            cwd=root,
            capture_output=True,
        )
        undone = history.undone(commit)
        if done.returncode == 0:
            (file,) = undone.files
            assert file.text == (root / "a.py").read_text()
            clean += 1
        else:
            looser += bool(undone.files)
        git(root, "reset", "-q", "--hard", now)
    assert clean > 5
    assert looser > 0, "lines that stand are taken back also where their neighbours changed"
    assert clean + looser < len(commits)


def test_what_was_removed_comes_back(root: Path) -> None:
    write(root, "Remove it", a=LINES.replace("v10 = 10", "v10 = 0"))
    git(root, "rm", "-q", "b.py", "test_a.py")
    git(root, "commit", "-q", "--amend", "-m", "Remove it")
    bad = main_line(root, "HEAD", most=1)[0]

    undone = past(root).undone(bad)

    assert {file.path: file.text for file in undone.files} == {"a.py": LINES, "b.py": "x = 1\n"}
    assert undone.restored == ("b.py",)
    write(root, "Write it anew", b="y = 1\n")
    assert [file.path for file in past(root).undone(bad).files] == ["a.py"], "what is there again is left alone"


def test_a_created_file_is_in_the_diff_and_in_the_commit_and_gone_after_a_reset(root: Path, tmp_path: Path) -> None:
    repository = Repository.open(root)
    with repository.worktree() as worktree:
        worktree.create("pkg/new [1].py", "new = 1\r\n")
        worktree.write("b.py", "x = 2\n")
        (tmp_path / "patch.diff").write_bytes(worktree.diff().encode())
        commit = repository.commit_on_branch(worktree, "made", "Make\n")
        worktree.reset()
        assert worktree.diff() == ""
        assert not (worktree.tree / "pkg" / "new [1].py").exists()
        for path in ("b.py", "../out.py", "/etc/out.py"):
            with pytest.raises(RepositoryError):
                worktree.create(path, "x")
    assert git(root, "diff", "--name-status", "main", commit).split("\n") == ["M\tb.py", "A\tpkg/new [1].py"]
    git(root, "apply", str(tmp_path / "patch.diff"))
    assert (root / "pkg" / "new [1].py").read_bytes() == b"new = 1\r\n"


def test_line_ends_and_encodings_are_kept(root: Path) -> None:
    old = "# -*- coding: latin-1 -*-\r\nname = 'für'\r\nx = 1\r\n".encode("latin-1")
    write(root, "Old", c=old)
    bad = write(root, "Bad", c=old.replace(b"x = 1", b"x = 2"))

    (file,) = past(root).undone(bad).files

    assert file.text.encode("latin-1") == old
    with Repository.open(root).worktree() as worktree:
        worktree.write(file.path, file.text)
        assert (worktree.tree / "c.py").read_bytes() == old


def test_a_merge_is_taken_back_against_its_first_parent(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "side")
    write(root, "One", a=LINES.replace("v10 = 10", "v10 = 0"))
    write(root, "Two", b="x = 2\n")
    git(root, "checkout", "-q", "main")
    write(root, "Own", a=LINES.replace("v25 = 25", "v25 = 0"))
    git(root, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    merge = main_line(root, "HEAD", most=1)[0]

    assert len(merge.parents) == 2
    assert {file.path: file.text for file in past(root).undone(merge).files} == {
        "a.py": LINES.replace("v25 = 25", "v25 = 0"),
        "b.py": "x = 1\n",
    }
    assert [one.subject for one in main_line(root, "HEAD", most=9)] == ["Merge", "Own", "Start"]
    assert [one.subject for one in main_line(root, merge.parents[1], most=9, until=merge.parents[0])] == ["Two", "One"]


def test_an_exact_undoing_is_found_and_no_other(root: Path) -> None:
    bad = write(root, "Bad", a=LINES.replace("v10 = 10", "v10 = 0"), b="x = 2\n")
    write(root, "Later", a="# shifted\n" + (root / "a.py").read_text())
    back = write(root, "Back", a="# shifted\n" + LINES, b="x = 1\n")
    half = write(root, "Another value", a="# shifted\n" + LINES.replace("v10 = 10", "v10 = 7"))

    assert undoes(root, back.id, back.parents[0], ["a.py", "b.py"]) == bad.id
    assert undoes(root, half.id, half.parents[0], ["a.py"]) is None
    assert undoes(root, bad.id, bad.parents[0], ["a.py", "b.py"]) is None
    assert undoes(root, back.id, back.parents[0], ["no.py"]) is None
    assert undoes(root, "0" * 40, back.id, ["a.py"]) is None


def test_a_shallow_clone_ends_where_it_ends(root: Path, tmp_path: Path) -> None:
    write(root, "One", b="x = 2\n")
    write(root, "Two", b="x = 3\n")
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{root}", "shallow")

    line = main_line(tmp_path / "shallow", "HEAD", most=9)

    assert [one.subject for one in line] == ["Two", "One"]
    assert line[-1].parents == ()
    assert is_shallow(tmp_path / "shallow")
    assert not is_shallow(root)


def test_a_worktree_takes_the_tests_of_another_commit(root: Path) -> None:
    (root / "tests").mkdir()
    old = write(root, "Old tests", **{"tests/test_old": "old\n", "tests/conftest": "old\n"})
    (root / "tests" / "test_old.py").unlink()
    (root / "tests" / "run.sh").write_text("#!/bin/sh\n")
    (root / "tests" / "run.sh").chmod(0o755)
    new = write(root, "New tests", a="changed = 1\n", **{"tests/test_new": "new\n", "tests/conftest": "new\n"})

    with Repository.open(root).worktree(old.id) as worktree:
        worktree.take(new.id, lambda path: path.startswith("tests/"))
        found = {path.name: path.read_text() for path in (worktree.tree / "tests").iterdir()}
        assert worktree.read("a.py") == LINES
        assert (worktree.tree / "tests" / "run.sh").stat().st_mode & 0o111
        worktree.reset()
        assert {path.name: path.read_text() for path in (worktree.tree / "tests").iterdir()} == found

    assert found == {"test_new.py": "new\n", "conftest.py": "new\n", "run.sh": "#!/bin/sh\n"}
