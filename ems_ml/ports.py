"""What each step of the line promises to the next, as small protocols on the consumer's side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ems_ml.types import (
    Assignment,
    Commit,
    ErrorEvent,
    Frame,
    Injection,
    Neighbour,
    Patch,
    Pattern,
    Proposal,
    RankedStrategy,
    RawReport,
    Signature,
    SourceFile,
    Verdict,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


NEAR = 30  # exemplars that an arriving error is compared with, when it serves and when it is learned from
PER_PATTERN = 8  # exemplars kept of one pattern


def tells_more(held: Collection[str], signature: Signature) -> bool:
    """Whether an event is worth keeping as an exemplar of a pattern whose exemplars have these exact signatures."""
    return signature.exact not in held and len(held) < PER_PATTERN


@runtime_checkable
class Parser(Protocol):
    """Reads one form of report."""

    name: str

    def parse(self, report: RawReport) -> ErrorEvent | None:
        """The error in `report`, or None where this is not a form that the parser knows. Never raises on input."""


class Parsers(Protocol):
    """Parsers of which one always answers."""

    def parse(self, report: RawReport) -> ErrorEvent:
        """The error in `report`. Never raises on input."""


@runtime_checkable
class Redactor(Protocol):
    """Takes secrets and personal data out of an event; redacting twice changes nothing more."""

    def redact(self, event: ErrorEvent) -> ErrorEvent: ...

    def redact_text(self, text: str) -> str: ...


@runtime_checkable
class Normalizer(Protocol):
    """Decides what of an event may count as identity. Frozen once released."""

    @property
    def version(self) -> str:
        """What made an answer; stored with each."""

    def normalize(self, event: ErrorEvent) -> Signature: ...


@runtime_checkable
class Encoder(Protocol):
    """Turns signatures into vectors."""

    @property
    def version(self) -> str:
        """Name and content: a change of the model changes it."""

    dimension: int

    def encode(self, signatures: Sequence[Signature]) -> Vectors:
        """Vectors of shape (len(signatures), dimension), float32, of Euclidean length 1 (0 for an empty text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """An earlier event that stands for its pattern in grouping."""

    event: str
    pattern: str
    signature: Signature
    vector: Vectors  # shape (dimension,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What the index knows that could be the same: filled by the store's index, read by the grouper.

    `exact` is the pattern that already holds the event's exact signature or fingerprint; `near` are exemplars
    by falling embedding similarity, several of one pattern possible, those of the exact pattern always among them.
    `example` is the id of an earlier event of the exact pattern; `decided` says that a person merged or split that
    pattern, so that its keys bind. `bound` are all patterns of which that is so: what is in them belongs together,
    however unlike. `apart` holds pairs of patterns that a person told apart.
    """

    exact: str | None = None
    near: Sequence[Exemplar] = ()
    example: str = ""
    decided: bool = False
    bound: frozenset[str] = frozenset()
    apart: frozenset[tuple[str, str]] = frozenset()  # each pair in both orders
    sequence: int = 0  # how many patterns the project had made when this was read; `Store.commit` compares it
    epoch: int = 0  # the same of decisions and regroupings
    common: object = None  # what the index counts of how common parts of errors are, for the grouper that knows it


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What other models would have decided about an event, kept beside the decision."""

    models: str  # the set that was asked
    decided_by: str  # the set in use
    assignment: Assignment
    encoder: str  # the version of `vector`
    vector: Vectors


class SecondOpinion(Protocol):
    """Models that are asked beside those in use, and decide nothing."""

    def judge(self, event: ErrorEvent, signature: Signature, vector: Vectors, candidates: Candidates) -> Opinion | None:
        """Their decision; `vector` and `candidates` are those of the models in use. None: they are not asked."""


@runtime_checkable
class Grouper(Protocol):
    """Decides which pattern an event belongs to. It proposes; the store commits."""

    @property
    def version(self) -> str:
        """What made an answer; stored with each."""

    def assign(self, event: ErrorEvent, signature: Signature, vector: Vectors, candidates: Candidates) -> Assignment:
        """The decision. `Assignment.pattern` is an existing id where joined, else a fresh one."""


@runtime_checkable
class Ranker(Protocol):
    """Orders the fix strategies for an error."""

    @property
    def version(self) -> str:
        """What made an answer; stored with each."""

    def rank(self, signatures: Sequence[Signature], vectors: Vectors) -> list[tuple[RankedStrategy, ...]]:
        """For each signature every strategy, best first; probabilities are calibrated and sum to 1."""


@runtime_checkable
class SourceTree(Protocol):
    """Read-only access to a project's files."""

    def find(self, frame: Frame) -> SourceFile | None:
        """The file that a frame's path means in this tree, whatever the machine it was reported from."""

    def read(self, path: str) -> str | None: ...

    def paths(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """One commit taken back: the files that it changed, as they would stand today without it."""

    commit: Commit
    files: tuple[SourceFile, ...] = ()
    restored: tuple[str, ...] = ()  # paths of those among `files` that it had removed
    left: tuple[str, ...] = ()  # code that it changed too, where what came later stands in the way


@runtime_checkable
class History(Protocol):
    """What may be asked of a project's past. Read-only; nothing here raises: what git cannot tell is left out."""

    @property
    def suspects(self) -> Sequence[Commit]:
        """The commits that bisection left as the one that brought the error in; () where there was none."""

    def touched(self, path: str, line: int, *, most: int) -> Sequence[Commit]:
        """The commits that last wrote this line (1-based) and those around it, then the newest ones of the file."""

    def undone(self, commit: Commit) -> Undone:
        """The commit taken back; no files where that does not come out."""


@runtime_checkable
class HasHistory(Protocol):
    """A `SourceTree` that can be asked for its past as well."""

    @property
    def history(self) -> History: ...


@runtime_checkable
class Strategy(Protocol):
    """One idea of a fix, seen from three sides. See `ems_ml.strategies`."""

    name: str  # a label of `shared` vocabulary, never renamed

    def recognise(self, before: str, after: str) -> float:
        """How well the change of one file from `before` to `after` fits this strategy: 0 (not) to 1. Never raises."""

    def inject(self, source: str) -> Iterator[Injection]:
        """Each place in healthy code where this strategy's absence could be planted. [] for bad syntax."""

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """Ways to mend the error, likeliest first. [] where the strategy has nothing to say."""


@runtime_checkable
class HistoryStrategy(Protocol):
    """A `Strategy` that needs the past: `propose` asks a tree that `HasHistory`, and a commit shows it, not a file."""

    def recognise_commit(self, message: str, undoes: str | None) -> float:
        """How well a commit fits this strategy, 0 (not) to 1. Never raises.

        undoes: the id of the earlier commit whose change this one takes back to the letter, where there is one.
        """


@runtime_checkable
class Verifier(Protocol):
    """Judges proposals with the project's own tests."""

    def verify(self, event: ErrorEvent, proposals: Iterable[Proposal]) -> Verdict: ...


class Store(Protocol):
    """Keeps events, patterns and decisions; see `ems_ml.store` for the whole surface."""

    def candidates(self, project: str, event: ErrorEvent, signature: Signature, vector: Vectors) -> Candidates: ...

    def commit(
        self,
        event: ErrorEvent,
        signature: Signature,
        vector: Vectors,
        assignment: Assignment,
        strategies: Sequence[RankedStrategy],
        versions: Mapping[str, str],
        *,
        candidates: Candidates,
        ms: float = 0.0,
        opinion: Opinion | None = None,
    ) -> Assignment:
        """Event, assignment and second opinion in one transaction, and out of the inbox in the same one.

        Returns the assignment as it stands. Raises `LostRace` where another process made a pattern, or somebody
        decided or regrouped, since `candidates` was read, and `DuplicateEvent` for an event that the project already
        holds.
        """

    def patterns(self, project: str | None = None) -> list[Pattern]: ...


Progress = Callable[[int, int], None]  # done, total

__all__ = [
    "NEAR",
    "PER_PATTERN",
    "Candidates",
    "Encoder",
    "Exemplar",
    "Grouper",
    "HasHistory",
    "History",
    "HistoryStrategy",
    "Neighbour",
    "Normalizer",
    "Opinion",
    "Parser",
    "Parsers",
    "Patch",
    "Progress",
    "Ranker",
    "Redactor",
    "SecondOpinion",
    "SourceTree",
    "Store",
    "Strategy",
    "Undone",
    "Verifier",
    "tells_more",
]
