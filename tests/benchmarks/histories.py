"""Commits that hand labels name, read afresh out of clones: each source file's text before and after."""

from __future__ import annotations

from pathlib import Path

from ems_ml.dataset.splits import project_name
from ems_ml.errors import InputError
from ems_ml.harvest.commits import Entry, blobs, changes_of, is_source, numbers
from ems_ml.harvest.python2 import readable
from ems_ml.repo import git, git_bytes


def clones(folder: Path) -> dict[str, Path]:
    """The repositories of a folder, bare or not, by the project's name."""
    return {project_name(path.name): path for path in sorted(folder.iterdir()) if path.is_dir()}


def texts_of(repository: Path, commit: str) -> list[tuple[str, str]]:
    """Before and after of each source file that a commit changes, as the harvest reads them; a merge against its first
    parent. Raises `InputError` for a commit whose change counts for nothing there."""
    full = git("rev-parse", "--verify", f"{commit}^{{commit}}", cwd=repository)
    parent = git("rev-parse", "--verify", f"{full}^1", cwd=repository)
    stat = git_bytes("diff", "--no-renames", "--numstat", parent, full, cwd=repository)
    files = tuple(numbers(stat.decode("utf-8", "surrogateescape")))
    names = [f"{at}:{path}" for path, _ in files if is_source(path) for at in (parent, full)]
    changes = changes_of(Entry(full, parent, "", files), blobs(repository, names))
    if isinstance(changes, str):
        raise InputError(f"{repository.name} {commit}: {changes}", hint="label a commit that changes source code")
    texts = []
    for change in changes:
        before, after = readable(change.before or ""), readable(change.after or "")
        if before is not None and after is not None:
            texts.append((before, after))
    return texts
