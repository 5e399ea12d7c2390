"""A user's git repository: looked at freely, changed only by the one branch that was asked for."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ems_ml.errors import RepositoryError
from ems_ml.repo.git import GitFailed, git, git_bytes
from ems_ml.repo.worktree import Worktree

OWN_NAME, OWN_EMAIL = "EMS", "ems@localhost"


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository with at least one commit and a work tree. Made by `Repository.open`."""

    root: Path  # top of the work tree
    git_dir: Path

    @classmethod
    def open(cls, path: Path | str) -> Repository:
        """The repository that `path` (its root, or any file or folder in it) belongs to.

        Raises `RepositoryError`, with the remedy, for what is no repository, a bare one, or one without commits.
        """
        place = Path(path).expanduser()
        if not place.exists():
            raise RepositoryError(f"no folder {path}", hint="give the folder of a git repository")
        folder = place if place.is_dir() else place.parent
        try:
            bare, git_dir = git("rev-parse", "--is-bare-repository", "--absolute-git-dir", cwd=folder).splitlines()
        except GitFailed as error:
            if "dubious ownership" in error.output:
                hint = f"git config --global --add safe.directory {folder.resolve()}"
                raise RepositoryError(f"{path} belongs to another user, so git does not open it", hint=hint) from error
            hint = "run `git init`, `git add` and `git commit` there first, or give another folder"
            raise RepositoryError(f"{path} is not in a git repository", hint=hint) from error
        if bare == "true":
            raise RepositoryError(f"{path} is a bare repository, without files to work on", hint="give a clone of it")
        if git("rev-parse", "--is-inside-work-tree", cwd=folder) != "true":
            raise RepositoryError(f"{path} is inside a .git folder", hint="give the folder that holds .git")
        top = git("rev-parse", "--show-toplevel", cwd=folder)
        repository = cls(Path(top).resolve(), Path(git_dir))
        if not git_bytes("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=repository.root, check=False):
            raise RepositoryError(f"{path} has no commits yet", hint="commit the code first: git add . && git commit")
        return repository

    @property
    def head(self) -> str:
        """The id of the commit that is checked out."""
        return git("rev-parse", "HEAD^{commit}", cwd=self.root)

    def branch_exists(self, name: str) -> bool:
        return bool(
            git_bytes("rev-parse", "--verify", "--quiet", f"refs/heads/{name}", cwd=self.root, check=False).strip()
        )

    def branch_obstacle(self, name: str) -> str | None:
        """Why a branch of this name cannot be made, or None."""
        if not git_bytes("check-ref-format", "--branch", name, cwd=self.root, check=False).strip():
            return f"{name!r} is not a name that git allows for a branch"
        if self.branch_exists(name):
            return f"the branch {name} exists already"
        refs = git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/", cwd=self.root).splitlines()
        for other in refs:
            if name.startswith(other + "/") or other.startswith(name + "/"):
                return f"the branch {other} exists, and git cannot keep {name} beside it"
        return None

    def changed(self) -> tuple[str, ...]:
        """Tracked files that differ from HEAD, in the index or in the work tree; unmerged ones too."""
        listed = git("status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", cwd=self.root)
        return tuple(entry[3:] for entry in listed.split("\0") if entry)

    def untracked(self) -> tuple[str, ...]:
        """Files that git neither tracks nor ignores."""
        listed = git("ls-files", "-z", "--others", "--exclude-standard", cwd=self.root)
        return tuple(sorted(entry for entry in listed.split("\0") if entry))

    @contextlib.contextmanager
    def worktree(self, commit: str | None = None) -> Iterator[Worktree]:
        """The files of a commit (HEAD where None) in a temporary folder, gone at the end whatever happens.

        Not `git worktree add`: that writes to the user's `.git`, stays there after a kill, and its `.git` file
        lets a test that calls git change the user's branches. Here the files come out through an index of their
        own beside them, so the repository itself is only read.
        """
        folder = Path(tempfile.mkdtemp(prefix="ems-fix-")).resolve()
        try:
            worktree = Worktree(folder=folder, git_dir=self.git_dir, base=commit or self.head, origin=self.root)
            worktree.fill()
            yield worktree
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def identity(self) -> tuple[str, str]:
        """Name and email for a commit: the user's, EMS's own where they have none."""
        name = git_bytes("config", "user.name", cwd=self.root, check=False).decode("utf-8", "replace").strip()
        email = git_bytes("config", "user.email", cwd=self.root, check=False).decode("utf-8", "replace").strip()
        return (name, email) if name and email else (OWN_NAME, OWN_EMAIL)

    def commit_on_branch(self, worktree: Worktree, branch: str, message: str) -> str:
        """Commit what differs in `worktree` from its base, on a new branch; answers the commit's id.

        The user's checkout, index and HEAD are not touched. Raises `RepositoryError` where the branch exists.
        """
        obstacle = self.branch_obstacle(branch)
        if obstacle:
            raise RepositoryError(obstacle, hint="give another name with --branch, or delete that branch")
        name, email = self.identity()
        who = {
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
        }
        tree = worktree.write_tree()
        text = message.encode("utf-8", "replace")
        commit = git("commit-tree", tree, "-p", worktree.base, "-F", "-", cwd=self.root, env=who, stdin=text)
        nothing = "0" * len(commit)  # only where the branch is not there
        git("update-ref", "-m", "ems fix", f"refs/heads/{branch}", commit, nothing, cwd=self.root, env=who)
        return commit
