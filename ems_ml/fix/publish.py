"""Puts a proven patch on a branch of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace

from ems_ml.repo import Repository, Worktree
from ems_ml.types import ErrorEvent, Patch, Proposal, Verdict

WIDTH = 72


def branch_name(repository: Repository, event: ErrorEvent, strategy: str) -> str:
    """`ems/fix-STRATEGY-ID`, with a number behind it where that exists."""
    digest = hashlib.sha256(f"{event.id}\0{event.error.type}\0{event.error.message}".encode("utf-8", "replace"))
    stem = f"ems/fix-{re.sub(r'[^A-Za-z0-9]+', '-', strategy).strip('-')}-{digest.hexdigest()[:8]}"
    name, number = stem, 1
    while repository.branch_exists(name):
        number += 1
        name = f"{stem}-{number}"
    return name


def commit_message(event: ErrorEvent, verdict: Verdict) -> str:
    """Subject: what the patch does. Body: the error, how it was proven, the strategy."""
    evidence = verdict.evidence
    message = event.error.message.splitlines()[0] if event.error.message else ""
    subject = verdict.patch.summary.strip() if verdict.patch else "Repair an error"
    lines = [
        subject.splitlines()[0][:WIDTH],
        "",
        f"Error: {event.error.type}{': ' if message else ''}{message[:200]}",
        *(f"  in {frame.function or '?'} ({frame.file})" for frame in event.error.frames[-1:]),
        "",
        f"Proven by: {evidence.get('command', '')}",
        *(f"  red before, green after: {test}" for test in evidence.get("red", [])[:5]),
        f"  before: {_counts(evidence.get('before', {}))}",
        f"  after: {_counts(evidence.get('after', {}))}",
        "",
        f"Strategy: {verdict.strategy}",
        *_guilty(evidence.get("guilty")),
    ]
    return "\n".join(lines) + "\n"


def put(worktree: Worktree, proposal: Proposal) -> None:
    """Write every file of the proposal. Raises `RepositoryError` where one cannot hold its new text."""
    for file in proposal.files:
        if file.path in proposal.creates:
            worktree.create(file.path, file.text)
        else:
            worktree.write(file.path, file.text)


def patch_of(worktree: Worktree, proposal: Proposal) -> Patch:
    """The proposal as a patch for the repository's root; the worktree is reset afterwards.

    Raises `RepositoryError` where the file's encoding cannot hold the new text.
    """
    try:
        put(worktree, proposal)
        diff = worktree.diff()
    finally:
        worktree.reset()
    files = tuple(file.path for file in proposal.files)
    return Patch(strategy=proposal.strategy, diff=diff, summary=proposal.summary, files=files)


def publish(
    repository: Repository,
    worktree: Worktree,
    event: ErrorEvent,
    proposal: Proposal,
    verdict: Verdict,
    branch: str | None,
) -> Verdict:
    """Commit `proposal` on a new branch; `verdict` with branch and commit filled in.

    Raises `RepositoryError` where the branch cannot be made. The user's checkout, index and HEAD stay as they are.
    """
    name = branch or branch_name(repository, event, proposal.strategy)
    try:
        put(worktree, proposal)
        commit = repository.commit_on_branch(worktree, name, commit_message(event, verdict))
    finally:
        worktree.reset()
    return replace(verdict, branch=name, commit=commit)


def _guilty(guilty: Mapping[str, str] | None) -> list[str]:
    return [f"Brought in by: {guilty['commit']} {guilty['subject'][:WIDTH]}"] if guilty else []


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items()) or "nothing"
