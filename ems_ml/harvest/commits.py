"""The commits of a history that may be fixes: they change little code, and its tests with it."""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ems_ml.errors import InputError
from ems_ml.repo import GitFailed, decode, git, git_bytes

MOST_FILES = 3  # of source that a candidate changes
MOST_LINES = 60  # added and removed, over these files
CHUNK = 40  # commits whose files are read together
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|tests?|conftest)\.py$")
_TEST_FOLDER = re.compile(r"(?:^|/)(?:tests?|testing)/")
_NO_SOURCE = re.compile(
    r"(?:^|/)(?:docs?|examples?|benchmarks?|scripts?|tools|_?vendor(?:ed)?|third_party|extern(?:al)?)/"
    r"|^(?:setup|noxfile|tasks|fabfile)\.py$"
)
_HEADER = "%x00%H%x01%P%x01%cI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One source file that a commit changes; None: it was not there before, or is not there after."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit that may fix a crash."""

    commit: str
    parent: str
    time: str  # of the commit, ISO 8601
    sources: tuple[Change, ...]
    tests: tuple[str, ...]  # test files, as arguments for pytest: only what changed in them, where that can be told
    test_files: tuple[str, ...]

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(line for change in self.sources for line in _lines(change, "-"))

    @property
    def added(self) -> tuple[str, ...]:
        return tuple(line for change in self.sources for line in _lines(change, "+"))

    @property
    def digest(self) -> str:
        """Equal for two commits that change the same lines of the same files: a fix and its cherry-pick."""
        said = repr(([change.path for change in self.sources], self.removed, self.added))
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(slots=True)
class Walk:
    """What was seen on the way through a history."""

    commits: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """A commit with the sizes of what it changes."""

    commit: str
    parent: str
    time: str
    files: tuple[tuple[str, int], ...]  # path, lines added and removed (-1: binary)


def is_test(path: str) -> bool:
    """Whether a Python file belongs to the tests."""
    return bool(_TEST_FILE.search(path) or _TEST_FOLDER.search(path))


def is_source(path: str) -> bool:
    """Whether a file is the project's own code that users run."""
    return path.endswith(".py") and not is_test(path) and not _NO_SOURCE.search(path)


def candidates(repository: Path, *, since: str, walk: Walk) -> Iterator[Candidate]:
    """The commits since a day (ISO, or whatever git takes), newest first, that may be fixes; the others are counted.

    The main line is walked with each merge as one commit, then what was merged commit by commit; what changes the
    same lines twice comes once. Raises `InputError` where `repository` is no git history with commits.
    """
    entries = list(_entries(repository, since, walk))
    chosen = []
    for entry in entries:
        why = _unfit(entry)
        if why:
            walk.left_out[why] += 1
        else:
            chosen.append(entry)
    seen: set[str] = set()
    for start in range(0, len(chosen), CHUNK):
        for entry, candidate in _read(repository, chosen[start : start + CHUNK], walk):
            if candidate.digest in seen:
                walk.left_out["the same change again"] += 1
                continue
            seen.add(candidate.digest)
            assert entry.commit == candidate.commit
            yield candidate


def check_history(repository: Path, walk: Walk) -> None:
    """Note what is missing of the history. Raises `InputError` where `repository` is no git history with commits."""
    try:
        shallow = git("rev-parse", "--is-shallow-repository", cwd=repository) == "true"
        git("rev-parse", "--verify", "HEAD^{commit}", cwd=repository)
    except (GitFailed, OSError) as error:
        raise InputError(f"{repository} is no git history with commits: {error}", hint="name a clone") from error
    if shallow:
        walk.notes.append("the history is shallow: older commits are missing (git fetch --unshallow)")


def _entries(repository: Path, since: str, walk: Walk) -> Iterator[Entry]:
    check_history(repository, walk)
    seen: set[str] = set()
    for way in (("--first-parent", "-m"), ("--no-merges",)):
        log = git_bytes(
            "log", *way, f"--since={since}", "--no-renames", "--numstat", f"--format={_HEADER}", "HEAD", cwd=repository
        )
        for block in log.decode("utf-8", "surrogateescape").split("\0")[1:]:
            head, _, body = block.partition("\n")
            commit, parents, time = head.split("\x01")
            if commit in seen:
                continue
            seen.add(commit)
            walk.commits += 1
            yield Entry(commit, parents.split(" ")[0], time, tuple(numbers(body)))


def numbers(body: str) -> Iterator[tuple[str, int]]:
    """Path, and lines added and removed (-1: binary), out of what `--numstat` prints."""
    for line in body.splitlines():
        parts = line.split("\t", 2)
        if len(parts) == 3:
            added, removed, path = parts
            yield _unquoted(path), -1 if added == "-" else int(added) + int(removed)


def _unquoted(path: str) -> str:
    """A path as it is, where git has put it in quotes for its letters: its escapes are those of Python's bytes."""
    if not path.startswith('"'):
        return path
    return bytes(ast.literal_eval(f"b{path}")).decode("utf-8", "surrogateescape")


def _unfit(entry: Entry) -> str | None:
    """Why a commit is no candidate, judged by the names and sizes of what it changes; None: it may be one."""
    if not entry.parent:
        return "no parent in this history"
    sources = [(path, lines) for path, lines in entry.files if is_source(path)]
    if not sources:
        return "no source changed"
    if not any(is_test(path) and path.endswith(".py") for path, _ in entry.files):
        return "no test changed"
    if len(sources) > MOST_FILES or sum(lines for _, lines in sources) > MOST_LINES:
        return "too large"
    return None


def _read(repository: Path, entries: Sequence[Entry], walk: Walk) -> Iterator[tuple[Entry, Candidate]]:
    wanted = [
        f"{commit}:{path}"
        for entry in entries
        for path, _ in entry.files
        if path.endswith(".py") and (is_source(path) or is_test(path))
        for commit in (entry.parent, entry.commit)
    ]
    texts = blobs(repository, wanted)
    for entry in entries:
        found = _candidate(entry, texts)
        if isinstance(found, Candidate):
            yield entry, found
        else:
            walk.left_out[found] += 1


def _candidate(entry: Entry, texts: Mapping[str, bytes | None]) -> Candidate | str:
    changes = changes_of(entry, texts)
    if isinstance(changes, str):
        return changes
    test_files, arguments = [], []
    for path, _ in entry.files:
        after = texts.get(f"{entry.commit}:{path}")
        if not (path.endswith(".py") and is_test(path)) or after is None:
            continue
        if path.rsplit("/", 1)[-1].startswith(("test", "conftest")) or path.endswith(("_test.py", "_tests.py")):
            test_files.append(path)
            arguments += _changed_tests(path, texts.get(f"{entry.parent}:{path}"), after)
    if not any(not path.endswith("conftest.py") for path in test_files):
        return "no test changed"
    return Candidate(
        commit=entry.commit,
        parent=entry.parent,
        time=entry.time,
        sources=changes,
        tests=tuple(argument for argument in arguments if not argument.endswith("conftest.py")),
        test_files=tuple(path for path in test_files if not path.endswith("conftest.py")),
    )


def changes_of(entry: Entry, texts: Mapping[str, bytes | None]) -> tuple[Change, ...] | str:
    """What a commit did to source files, out of the texts of `COMMIT:PATH`; or why that counts for nothing."""
    changes = []
    for path, _ in entry.files:
        if not is_source(path):
            continue
        before, after = (texts.get(f"{commit}:{path}") for commit in (entry.parent, entry.commit))
        try:
            changes.append(Change(path=path, before=_text(before), after=_text(after)))
        except ValueError:
            return "not readable as text"
    if all(change.before is None for change in changes):
        return "only new files"
    if all(_tree(change.before) == _tree(change.after) for change in changes):
        return "no code changed"
    return tuple(changes)


def _text(blob: bytes | None) -> str | None:
    if blob is None:
        return None
    found = decode(blob)
    if found is None:
        raise ValueError
    return found.text


def _tree(text: str | None) -> str:
    """The code without layout, comments and docstrings; the text itself where this interpreter cannot read it."""
    if text is None:
        return ""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _is_docstring(one)]
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _changed_tests(path: str, before: bytes | None, after: bytes) -> list[str]:
    """`path::Class::test` for each test that is new or changed; the whole file where something around them changed."""
    old, new = ({} if before is None else _tests(before)), _tests(after)
    if before is None or old is None or new is None or old.get("") != new.get(""):
        return [path]
    changed = [name for name, said in new.items() if name and old.get(name) != said]
    tests = [name for name in changed if name.rpartition("::")[2].startswith("test")]
    return [f"{path}::{name}" for name in tests] if tests and len(tests) == len(changed) else [path]


def _tests(source: bytes) -> dict[str, str] | None:
    """What each function of a test file says, by its pytest name, and under "" what stands outside of them."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    said: dict[str, str] = {}
    rest: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            rest.append(node.name + "".join(map(ast.dump, node.bases)))
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    said[f"{node.name}::{inner.name}"] = ast.dump(inner)
                else:
                    rest.append(ast.dump(inner))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said[node.name] = ast.dump(node)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            rest.append(ast.dump(node))
    said[""] = "\n".join(rest)
    return said


def blobs(repository: Path, names: Sequence[str]) -> dict[str, bytes | None]:
    """The content of each `COMMIT:PATH`, by one git process; None for what is not there or is no file."""
    wanted = list(dict.fromkeys(name for name in names if "\n" not in name))
    if not wanted:
        return {}
    asked = "\n".join(wanted).encode("utf-8", "surrogateescape") + b"\n"
    out = git_bytes("cat-file", "--batch", cwd=repository, stdin=asked)
    found: dict[str, bytes | None] = {}
    at = 0
    for name in wanted:
        end = out.index(b"\n", at)
        head = out[at:end].split(b" ")
        at = end + 1
        if head[-1] in (b"missing", b"ambiguous") or len(head) < 3 or not head[-1].isdigit():
            found[name] = None
            continue
        size = int(head[-1])
        found[name] = out[at : at + size] if head[-2] == b"blob" else None
        at += size + 1
    return found


def _lines(change: Change, sign: str) -> Iterator[str]:
    before, after = (change.before or "").splitlines(), (change.after or "").splitlines()
    for line in difflib.unified_diff(before, after, lineterm="", n=0):
        if line.startswith(sign) and not line.startswith((sign * 3,)):
            yield line[1:]
