"""Real fixes, told by their message: commits that say which exception they mend, with what they changed.

No test is run, so that what a message says is believed; `ems_ml.harvest.messages` decides how far. The corpus, with
the changed lines, stays in the cache.
"""

from __future__ import annotations

import difflib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ems_ml.errors import EmsError, UsageError
from ems_ml.harvest.commits import CHUNK, Candidate, Change, Entry, Walk, blobs, changes_of, check_history, is_source
from ems_ml.harvest.commits import numbers as sizes
from ems_ml.harvest.faults import Progress, silent
from ems_ml.harvest.licences import licence_of
from ems_ml.harvest.messages import Told, message_words, same_fix, told_by
from ems_ml.harvest.python2 import readable
from ems_ml.repo import git_bytes
from ems_ml.source.shapes import shape, words

log = logging.getLogger(__name__)

HISTORY_VERSION = "1"  # a change of the rules changes it, and with it where the corpus is kept
MOST_FILES = 2  # of source that a told fix changes
MOST_LINES = 60  # added and removed, over these files
MOST_PLACES = 12  # lines of the old code that are kept as shapes
_TELLING = 40  # characters; a longer subject that comes again is the same fix, wherever it is made
_LOGGED = 300  # commits whose sizes are read together
_HEADER = "%x00%H%x01%P%x01%cI"
_CHANGELOGS = (
    *(f":(icase,glob)**/{name}" for name in ("change*", "history*", "news*", "whatsnew*")),
    *(f":(icase,glob)**/{name}/**" for name in ("change*", "news*", "unreleased*")),
    ":(exclude)*.py",
)
_MAY_NAME = "(Error|Exit|Iteration|Interrupt)"
_ADDED = re.compile(r"\+(?!\+\+ )")
_DEFINED = re.compile(r"(?P<indent>\s*)(?:async\s+)?(?:def|class)\s+(?P<name>\w+)")

#: Each file of a change before and after -> strategies with scores, best first.
Recognise = Callable[[Sequence[tuple[str, str]]], Sequence[tuple[str, float]]]
RedactText = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of the old code where the change begins or that it takes away, without the line."""

    file: str
    function: str  # qualified; "" at module level
    line: int
    shape: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFix:
    """One commit that says what it mends. `removed` and `added` are source lines: they never leave the cache."""

    commit: str
    time: str
    type: str  # the exception, as a traceback prints it
    where: str  # it is said: in the message's "subject" or "body", or in what the commit adds to the "changelog"
    main: bool  # whether the commit belongs to the history of HEAD
    words: tuple[str, ...]
    strategies: tuple[tuple[str, float], ...]  # best first
    file: str
    function: str
    shapes: tuple[Place, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    digest: str


@dataclass(slots=True, kw_only=True)
class ToldLedger:
    """What was seen in one history. Every commit is told or left out for one reason."""

    project: str
    licence: str
    commits: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    told: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldHistories:
    """A ledger for each history that was walked, and a line for each that could not be."""

    ledgers: tuple[ToldLedger, ...]
    problems: Mapping[str, str] = field(default_factory=dict)


def history_folder(cache: Path, project: str) -> Path:
    """Where a project's told fixes are kept: `cache` is `Settings.cache`."""
    return cache / "history" / f"v{HISTORY_VERSION}" / project


def tell_histories(
    repositories: Sequence[Path],
    *,
    recognise: Recognise,
    redact_text: RedactText,
    cache: Path,
    name: str | None = None,
    since: str | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> ToldHistories:
    """Write `told.jsonl` and `told-ledger.json` for each history, over what an earlier run has written.

    name: the project's, where there is one repository; else each folder's name counts. since: a day (ISO, or whatever
    git takes). jobs: repositories at a time. A folder that cannot be walked is a line in `problems` and stops no
    other; where none can, its error is raised. Raises `UsageError` where the names of projects are not clear.
    """
    projects = projects_of(repositories, name)
    problems: dict[str, EmsError] = {}

    def one(project: str, repository: Path) -> ToldLedger | None:
        try:
            return _tell(repository, project, recognise, redact_text, history_folder(cache, project), since, progress)
        except EmsError as error:
            log.warning("%s is not walked: %s", repository, error)
            problems[str(repository)] = error
            return None

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        ledgers = [one for one in pool.map(one, projects, projects.values()) if one is not None]
    if not ledgers:
        raise next(iter(problems.values()))
    return ToldHistories(ledgers=tuple(ledgers), problems={path: str(error) for path, error in problems.items()})


def projects_of(repositories: Sequence[Path], name: str | None) -> dict[str, Path]:
    """Each repository by its project's name: `name` for a single one, else what its folder is called."""
    if not repositories:
        raise UsageError("no repository is named", hint="name folders with a git history")
    if name is not None:
        if len(repositories) > 1 or not re.fullmatch(r"\w[\w.+-]*", name):
            raise UsageError("--name is a plain name for one repository", hint="call it for one repository at a time")
        return {name: repositories[0]}
    found: dict[str, Path] = {}
    for repository in repositories:
        whole = repository.resolve()
        project = (whole.parent.name if whole.name == ".git" else whole.name).removesuffix(".git")
        if project in found:
            raise UsageError(
                f"two repositories are called {project}: {found[project]} and {repository}",
                hint="walk them one at a time, each with --name",
            )
        found[project] = repository
    return found


def _tell(
    repository: Path,
    project: str,
    recognise: Recognise,
    redact_text: RedactText,
    folder: Path,
    since: str | None,
    progress: Progress,
) -> ToldLedger:
    walk = Walk()

    def seen(done: int, of: int, told: int) -> None:
        progress(project, done, of, told)

    fixes = list(
        told_fixes(repository, recognise=recognise, redact_text=redact_text, since=since, walk=walk, seen=seen)
    )
    ledger = ToldLedger(
        project=project,
        licence=licence_of(repository),
        commits=walk.commits,
        left_out=dict(walk.left_out.most_common()),
        told=len(fixes),
        notes=walk.notes,
    )
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(asdict(fix), ensure_ascii=True) + "\n" for fix in fixes)
    for path, text in (
        (folder / "told.jsonl", lines),
        (folder / "told-ledger.json", json.dumps(asdict(ledger), indent=1)),
    ):
        staged = path.with_name(path.name + ".new")
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    return ledger


def told_fixes(
    repository: Path,
    *,
    recognise: Recognise,
    redact_text: RedactText,
    since: str | None = None,
    walk: Walk,
    seen: Callable[[int, int, int], None] = lambda done, of, told: None,
) -> Iterator[ToldFix]:
    """The told fixes of a history, newest first: those of HEAD, then those that only other branches hold.

    A fix that comes again (cherry-picked, backported, rebased) counts once. Raises `InputError` where `repository` is
    no git history with commits.
    """
    check_history(repository, walk)
    chosen: dict[str, tuple[Told, str, bool]] = {}
    notes = dict(_notes(repository, since))
    for commit, message, main in _messages(repository, since, walk):
        said = told_by(message, notes.get(commit, ""))
        if isinstance(said, Told):
            chosen[commit] = (said, message, main)
        else:
            walk.left_out[said or "names no exception"] += 1
    entries = list(_fitting(repository, list(chosen), walk))
    digests: set[object] = set()
    count = 0
    for start in range(0, len(entries), CHUNK):
        part = entries[start : start + CHUNK]
        texts = blobs(
            repository,
            [
                f"{at}:{path}"
                for one in part
                for path, _ in one.files
                if is_source(path)
                for at in (one.parent, one.commit)
            ],
        )
        for entry in part:
            said, message, main = chosen[entry.commit]
            changes = changes_of(entry, texts)
            if isinstance(changes, str):
                walk.left_out[changes] += 1
                continue
            candidate = Candidate(
                commit=entry.commit, parent=entry.parent, time=entry.time, sources=changes, tests=(), test_files=()
            )
            subject = same_fix(message)
            again = {
                (said.type, tuple(line.strip() for line in (*candidate.removed, "", *candidate.added))),
                (said.type, subject, changes[0].path if len(subject) < _TELLING else ""),
            }
            if again & digests:
                walk.left_out["the same change again"] += 1
                continue
            digests |= again
            found = _fix(candidate, said, message, main, recognise, redact_text)
            if isinstance(found, str):
                walk.left_out[found] += 1
                continue
            count += 1
            yield found
        seen(start + len(part), len(entries), count)


def _messages(repository: Path, since: str | None, walk: Walk) -> Iterator[tuple[str, str, bool]]:
    """Commit, message, and whether HEAD's history has it; merges are left out."""
    for main, what in ((True, ["HEAD"]), (False, ["--all", "--not", "HEAD"])):
        log_ = git_bytes(
            "log", "--no-merges", "--encoding=UTF-8", *_days(since), "--format=%x00%H%x01%B", *what, cwd=repository
        )
        for block in log_.decode("utf-8", "replace").split("\0")[1:]:
            commit, _, message = block.partition("\x01")
            walk.commits += 1
            yield commit, message, main


def _days(since: str | None) -> tuple[str, ...]:
    return (f"--since={since}",) if since else ()


def _notes(repository: Path, since: str | None) -> Iterator[tuple[str, str]]:
    """Commit, and the lines that it adds to the changelog, of those that may name an exception there."""
    log_ = git_bytes(
        *("log", "--all", "HEAD", "--no-merges", *_days(since), "--format=%x00%H", f"-G{_MAY_NAME}", "--patch"),
        *("--unified=0", "--no-renames", "--no-ext-diff", "--no-textconv", "--", *_CHANGELOGS),
        cwd=repository,
    )
    for block in log_.decode("utf-8", "replace").split("\0")[1:]:
        commit, _, patch = block.partition("\n")
        yield commit, "\n".join(line[1:] for line in patch.splitlines() if _ADDED.match(line))


def _fitting(repository: Path, commits: Sequence[str], walk: Walk) -> Iterator[Entry]:
    """Those of the commits that change few lines of few source files."""
    for start in range(0, len(commits), _LOGGED):
        log_ = git_bytes(
            "log", "--no-walk=unsorted", "--stdin", "--no-renames", "--numstat", f"--format={_HEADER}",
            cwd=repository, stdin="\n".join(commits[start : start + _LOGGED]).encode(),
        )  # fmt: skip
        for block in log_.decode("utf-8", "surrogateescape").split("\0")[1:]:
            head, _, body = block.partition("\n")
            commit, parents, time = head.split("\x01")
            entry = Entry(commit, parents.split(" ")[0], time, tuple(sizes(body)))
            why = _unfit(entry)
            if why:
                walk.left_out[why] += 1
            else:
                yield entry


def _unfit(entry: Entry) -> str | None:
    if not entry.parent:
        return "no parent in this history"
    sources = [lines for path, lines in entry.files if is_source(path)]
    if not sources:
        return "no source changed"
    if len(sources) > MOST_FILES or sum(sources) > MOST_LINES or min(sources) < 0:
        return "too large"
    return None


def _fix(
    candidate: Candidate, said: Told, message: str, main: bool, recognise: Recognise, redact_text: RedactText
) -> ToldFix | str:
    texts: list[tuple[str, str]] = []
    places: list[Place] = []
    for change in candidate.sources:
        if change.before is None or change.after is None:
            continue
        before, after = readable(change.before), readable(change.after)
        places += changed_places(change)
        if before is None or after is None:
            return "not readable as Python"
        texts.append((before, after))
    strategies = tuple(recognise(texts))
    if not strategies:
        return "no strategy recognised"
    subject = message.strip().partition("\n")[0]
    first = places[0] if places else None
    return ToldFix(
        commit=candidate.commit,
        time=candidate.time,
        type=said.type,
        where=said.where,
        main=main,
        words=message_words(*(redact_text(text) for text in dict.fromkeys((subject, said.sentence)))),
        strategies=strategies,
        file=first.file if first else candidate.sources[0].path,
        function=first.function if first else "",
        shapes=tuple(places[:MOST_PLACES]),
        removed=candidate.removed,
        added=candidate.added,
        digest=candidate.digest,
    )


def changed_places(change: Change) -> Iterator[Place]:
    """The lines of the old code that the change takes away, or before which it puts others."""
    old, new = (change.before or "").splitlines(), (change.after or "").splitlines()
    for kind, start, end, _, _ in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        wanted = range(start, end) if kind != "insert" else range(start, min(start + 3, len(old)))
        for index in wanted:
            tokens = shape(old[index])
            if tokens:
                yield Place(
                    file=change.path,
                    function=_function(old, index),
                    line=index + 1,
                    shape=tokens,
                    words=words(old[index]),
                )
                if kind == "insert":
                    break


def _function(lines: Sequence[str], index: int) -> str:
    """The qualified name of what surrounds a line, by its indentation: also for code that no parser reads."""
    names: list[str] = []
    limit = len(lines[index]) - len(lines[index].lstrip())
    if found := _DEFINED.match(lines[index]):
        names.append(found["name"])
    for line in reversed(lines[:index]):
        if limit == 0:
            break
        stripped = line.lstrip()
        indent = len(line) - len(stripped)
        if not stripped or stripped[0] in "#)]}" or indent >= limit:
            continue
        limit = indent
        if found := _DEFINED.match(line):
            names.append(found["name"])
    return ".".join(reversed(names))


def read_told(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `told.jsonl`."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
