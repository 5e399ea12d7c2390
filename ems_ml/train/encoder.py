"""Trains the static encoder: a tokenizer made for traces, and a vector a token, so that traces of one cause lie close.

Every token has a direction of its own, drawn once, so that a bag of tokens is a random projection of what stands in a
trace (Achlioptas, 2003). What is learned is how long each vector is, which in a mean is how much its token weighs: one
factor for each kind of token, and one for each word. Words of a project that was never seen, and hashed units, get
their kind's factor; no project is learned by heart. Contrastive (InfoNCE: van den Oord et al., 2018; several positives:
Khosla et al., 2020): the traces of one cause against all other causes of the project, so that the hardest stand in the
batch. Needs the extra [transformers] for torch; what it writes needs none to be read.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.errors import MissingExtra, UsageError
from ems_ml.train.examples import Examples
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

WORDS = 7000  # of the tokenizer at most, marked ones included, beside letters and units
SEEN = 3  # times at least that a word stands in different texts
ENDS, SHORTEST = 1500, 3  # words that may end an unknown word, and the letters that such a one must have
UNKNOWN = "[UNK]"
DIMENSION = 256
STEPS = 600  # at most
LOOK = 25  # steps from one look at the tune split to the next
PATIENCE = 6  # looks without gain after which training ends
CAUSES = 192  # of a batch, all of one project
TRACES = 3  # of a cause in a batch
TEMPERATURE = 0.1
LEFT_OUT = 0.15  # share of a trace's tokens that a batch does not see
RATE, WORD_RATE = 0.02, 0.004
DECAY = 1e-5  # of the words' own factors
RAREST, LEAST = 6.0, 0.3  # what log(N / df) of a word is divided by, and at least is

MARKS = '!">'  # a token that begins with one of these is a kind of its own; see ems_ml/embed/text.py
UNIT = "@"  # a unit's kind is its mark with the letter that follows

CONFIG = "config_sentence_transformers.json"
MODULES = (
    '[\n  {\n    "idx": 0,\n    "name": "0",\n    "path": "",\n'
    '    "type": "sentence_transformers.models.StaticEmbedding"\n  }\n]\n'
)


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """Tokenizer and weights of shape (tokens, DIMENSION); the steps that they come from, and the tune loss there."""

    tokenizer: Any
    weights: NDArray[np.float16]
    steps: int
    loss: float


def trace_tokenizer(texts: Sequence[str], units: Sequence[str]) -> Any:
    """A word-piece tokenizer: identifiers cut at case and underscore, paths, operators, single digits and words.

    It reads a plain trace as well as a marked text; a marked word and each of `units` stay one token. Its pieces of an
    unknown word are known words (`datetime` -> `date`, `##time`) and letters. Equal texts give equal tokens, which
    tokenizers' own trainers do not promise.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    marked = rf"(?<!\S)[{MARKS}{UNIT}](?:<\w+>|\w+|[-+*/%&|^<>=!~]+)(?!\S)"
    normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"), " "),
            normalizers.Lowercase(),
        ]
    )
    cut = pre_tokenizers.Split(
        Regex(marked + r"|<\w+>|[^\W\d_]+|\d|[-+*/%&|^<>=!~]+|[^\w\s]"), behavior="removed", invert=True
    )
    seen = Counter(
        word
        for text in dict.fromkeys(texts)
        for word, _ in cut.pre_tokenize_str(normalizer.normalize_str(text))
        if not word.startswith(UNIT)
    )
    known = dict.fromkeys([UNKNOWN, *_pieces(seen), *units])
    model = models.WordPiece({token: place for place, token in enumerate(known)}, unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, cut
    return tokenizer


def _pieces(seen: Counter[str]) -> list[str]:
    """Letters, then the most frequent words, then the most frequent of those without a mark as the end of a word."""
    letters = sorted({letter for word in seen for letter in word if word[0] not in MARKS or len(word) > 1})
    firsts = [mark + letter for mark in ("", "##", *MARKS) for letter in letters]
    often = sorted((word for word, count in seen.items() if count >= SEEN), key=lambda word: (-seen[word], word))
    ends = [word for word in often if word.isalpha() and len(word) >= SHORTEST][:ENDS]
    return [*firsts, *often[:WORDS], *(f"##{word}" for word in ends)]


def train_encoder(
    train: Examples,
    tune: Examples,
    *,
    text_of: Callable[[Signature], str],
    units: Sequence[str],
    seed: int = 0,
    steps: int = STEPS,
    progress: Callable[[int, float], None] | None = None,
) -> TrainedEncoder:
    """Learned from the train split, ended where the tune split's loss is least. `steps` 0: the untrained start.

    text_of: what the encoder will read of a signature; units: the tokens of it that are no words. `progress` gets the
    step and the tune loss at each look. Raises `MissingExtra` without torch, `UsageError` where a split has no project
    with two causes, one of them with two traces that read differently.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("training an encoder", "transformers") from error

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    texts = [text_of(signature) for signature in train.signatures]
    plain = [signature.text for signature in train.signatures]
    tokenizer = trace_tokenizer([*texts, *plain], units)
    known, looked_at = _ids(tokenizer, texts), _ids(tokenizer, [text_of(signature) for signature in tune.signatures])
    learned = _Weights(torch, tokenizer, known)
    batches, kept_back = _Batches(train, known), _Batches(tune, looked_at)
    looks = [kept_back.of(project, rng) for project in kept_back.projects]
    optimiser = torch.optim.Adam(
        [{"params": [learned.by_kind], "lr": RATE}, {"params": [learned.by_word], "lr": WORD_RATE}]
    )

    def look() -> float:
        with torch.no_grad():
            matrix = learned.matrix()
            return float(np.mean([float(_loss(torch, matrix, ids, causes)) for ids, causes in looks]))

    best = TrainedEncoder(tokenizer, learned.half(), 0, look())
    since = 0
    for step in range(1, steps + 1):
        ids, causes = batches.draw(rng)
        kept = [row[rng.random(len(row)) >= LEFT_OUT] for row in ids]
        loss = _loss(torch, learned.matrix(), kept, causes) + DECAY * (learned.by_word**2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % LOOK == 0:
            now = look()
            since = 0 if now < best.loss else since + 1
            if now < best.loss:
                best = TrainedEncoder(tokenizer, learned.half(), step, now)
            if progress is not None:
                progress(step, now)
            if since == PATIENCE:
                break
    return best


def save_encoder(folder: Path, trained: TrainedEncoder, *, text: str) -> str:
    """Writes the folder that `SentenceTransformer(folder)` and `StaticEncoder.load` read; answers its version.

    text: the name of the way in which a signature becomes a text.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embedding.weight": trained.weights}, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it readable for its owner alone
    trained.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "modules.json").write_text(MODULES)
    (folder / CONFIG).write_text(json.dumps({"similarity_fn_name": "cosine", "text": text}, indent=1) + "\n")
    content = hashlib.sha256(trained.weights.tobytes())
    content.update(json.dumps(trained.tokenizer.get_vocab(), sort_keys=True).encode() + text.encode())
    return f"static-{content.hexdigest()[:8]}"


class _Weights:
    """The matrix as a function of what is learned: fixed directions, lengths by kind of token and by word."""

    def __init__(self, torch: Any, tokenizer: Any, known: Sequence[Ids]) -> None:
        tokens = sorted(tokenizer.get_vocab().items(), key=lambda one: int(one[1]))
        kinds: dict[str, int] = {}
        places = [kinds.setdefault(_kind(token), len(kinds)) for token, _ in tokens]
        words = np.asarray([not token.startswith(UNIT) for token, _ in tokens])
        start = np.where(words, np.maximum(_rarity(known, len(tokens)), LEAST) / RAREST, 1.0)
        self._torch = torch
        self._kind = torch.tensor(places)
        self._words = torch.tensor(words.astype(np.float32))
        self._start = torch.tensor(np.log(start).astype(np.float32))
        self._directions = torch.nn.functional.normalize(torch.randn(len(tokens), DIMENSION), dim=1)
        self.by_kind = torch.nn.Parameter(torch.zeros(len(kinds)))
        self.by_word = torch.nn.Parameter(torch.zeros(len(tokens)))

    def matrix(self) -> Any:
        """Shape (tokens, DIMENSION)."""
        lengths = self._torch.exp(self._start + self.by_kind[self._kind] + self.by_word * self._words)
        return lengths[:, None] * self._directions

    def half(self) -> NDArray[np.float16]:
        """The matrix as it is written."""
        weights: NDArray[np.float16] = self.matrix().detach().numpy().astype(np.float16)
        return weights


class _Batches:
    """Traces of one project: of each cause some that read differently."""

    def __init__(self, examples: Examples, ids: Sequence[Ids]) -> None:
        held: dict[str, dict[str, dict[bytes, Ids]]] = defaultdict(lambda: defaultdict(dict))
        for row, project, group in zip(ids, examples.projects, examples.groups, strict=True):
            held[project][group].setdefault(row.tobytes(), row)
        self._causes = {
            project: [list(causes[group].values()) for group in sorted(causes)]
            for project, causes in sorted(held.items())
            if len(causes) > 1 and any(len(texts) > 1 for texts in causes.values())
        }
        if not self._causes:
            raise UsageError(
                "an encoder cannot be learned: no project has two causes, one of them with two different traces",
                hint="give data in which the column `group` names the same cause on several rows",
            )
        self.projects = tuple(self._causes)
        sizes = np.sqrt([len(causes) for causes in self._causes.values()])
        self._share: NDArray[np.float64] = sizes / sizes.sum()

    def draw(self, rng: np.random.Generator) -> tuple[list[Ids], list[int]]:
        """A batch of a project; large ones come more often, by the root of their causes."""
        return self.of(self.projects[int(rng.choice(len(self._share), p=self._share))], rng)

    def of(self, project: str, rng: np.random.Generator) -> tuple[list[Ids], list[int]]:
        """Traces of up to `CAUSES` causes, first those of several traces, and the number of each trace's cause."""
        ids: list[Ids] = []
        causes: list[int] = []
        drawn = rng.permutation(len(self._causes[project])).tolist()
        for cause in sorted(drawn, key=lambda one: len(self._causes[project][one]) == 1)[:CAUSES]:
            texts = self._causes[project][cause]
            chosen = rng.choice(len(texts), min(TRACES, len(texts)), replace=False).tolist()
            ids += [texts[place] for place in chosen]
            causes += [cause] * len(chosen)
        return ids, causes


def _loss(torch: Any, matrix: Any, ids: Sequence[Ids], causes: Sequence[int]) -> Any:
    """Mean over traces with another of their cause: -log of that one's share among all others of the batch."""
    starts = torch.from_numpy(np.cumsum([0, *[len(row) for row in ids[:-1]]]))
    flat = torch.from_numpy(np.concatenate(ids))
    sums = torch.nn.functional.embedding_bag(flat, matrix, starts, mode="sum")
    vectors = torch.nn.functional.normalize(sums, dim=1)
    itself = torch.eye(len(ids), dtype=torch.bool)
    scores = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, -1e4)
    numbers = torch.tensor(causes)
    same = (numbers[:, None] == numbers[None, :]) & ~itself
    paired = same.any(1)
    own = (scores * same).sum(1)[paired] / same.sum(1)[paired]
    return (torch.logsumexp(scores, 1)[paired] - own).mean()


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[Ids]:
    return [np.asarray(one.ids, dtype=np.int64) for one in tokenizer.encode_batch(texts, add_special_tokens=False)]


def _kind(token: str) -> str:
    if token.startswith("##"):
        return "##"
    if token.startswith(UNIT):
        return token[:2]
    return token[0] if token[0] in MARKS and len(token) > 1 else ""


def _rarity(ids: Sequence[Ids], size: int) -> NDArray[np.float64]:
    """log(N / df) of each token, smoothed."""
    seen = np.zeros(size)
    for row in ids:
        seen[np.unique(row)] += 1
    rarity: NDArray[np.float64] = np.log((len(ids) + 1) / (seen + 1))
    return rarity
