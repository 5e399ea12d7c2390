"""Git repositories and folders of source: looked at freely, changed only by the branch that was asked for."""

from ems_ml.repo.git import GitFailed, git, git_bytes
from ems_ml.repo.history import GitHistory, NoHistory, is_shallow, main_line, undoes
from ems_ml.repo.repository import Repository
from ems_ml.repo.text import Decoded, decode
from ems_ml.repo.tree import DirectoryTree
from ems_ml.repo.worktree import Worktree

__all__ = [
    "Decoded",
    "DirectoryTree",
    "GitFailed",
    "GitHistory",
    "NoHistory",
    "Repository",
    "Worktree",
    "decode",
    "git",
    "git_bytes",
    "is_shallow",
    "main_line",
    "undoes",
]
