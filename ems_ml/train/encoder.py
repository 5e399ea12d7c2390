"""Trains the static encoder: a tokenizer made for traces, and vectors tuned so that traces of one cause lie close.

Contrastive, with the traces of other causes of the same project in a batch as negatives (InfoNCE: van den Oord et al.,
2018). Needs the extra [transformers] for torch; what it writes needs none to be read.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.errors import MissingExtra
from ems_ml.train.examples import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCABULARY = 6000
DIMENSION = 128
STEPS = 200
BATCH = 64
TEMPERATURE = 0.06

MODULES = (
    '[\n  {\n    "idx": 0,\n    "name": "0",\n    "path": "",\n'
    '    "type": "sentence_transformers.models.StaticEmbedding"\n  }\n]\n'
)


def trace_tokenizer(texts: list[str]) -> Any:
    """A word-piece tokenizer over identifiers split at case and underscore, paths, operators and words."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=60))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"(?<=[a-z0-9])(?=[A-Z])"), " "),
            normalizers.Replace(Regex(r"[_/\\]"), " "),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)]
    )
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, min_frequency=3, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def train_encoder(
    train: Examples, *, seed: int = 0, steps: int = STEPS, progress: Callable[[int, int], None] | None = None
) -> tuple[Any, NDArray[np.float32]]:
    """Tokenizer and weights of shape (tokens, DIMENSION), from the train split alone. `steps` 0: untrained."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("training an encoder", "transformers") from error

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    texts = [signature.text for signature in train.signatures]
    tokenizer = trace_tokenizer(texts)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    rarity = _rarity(ids, tokenizer.get_vocab_size())
    start = rng.normal(size=(tokenizer.get_vocab_size(), DIMENSION)).astype(np.float32) * rarity[:, None]
    bag = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(start), freeze=False, mode="mean")
    optimiser = torch.optim.Adam(bag.parameters(), lr=0.003)
    causes = _causes(train)
    for step in range(steps):
        project = sorted(causes)[int(rng.choice(len(causes), p=_share(causes)))]
        chosen = rng.permutation(len(causes[project]))[:BATCH]
        pairs = [rng.choice(causes[project][int(k)], size=2, replace=False) for k in chosen]
        one = _embedded(torch, bag, [ids[int(a)] for a, _ in pairs])
        two = _embedded(torch, bag, [ids[int(b)] for _, b in pairs])
        scores = one @ two.T / TEMPERATURE
        target = torch.arange(len(pairs))
        loss = torch.nn.functional.cross_entropy(scores, target) + torch.nn.functional.cross_entropy(scores.T, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress is not None and step % 25 == 0:
            progress(step, steps)
    weights: NDArray[np.float32] = bag.weight.detach().numpy().astype(np.float32)
    return tokenizer, weights


def save_encoder(folder: Path, tokenizer: Any, weights: NDArray[np.float32]) -> str:
    """Writes the folder that `SentenceTransformer(folder)` and `StaticEncoder.load` read; answers its version."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embedding.weight": weights}, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it readable for its owner alone
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "modules.json").write_text(MODULES)
    return f"static-{hashlib.sha256(weights.tobytes()).hexdigest()[:8]}"


def _embedded(torch: Any, bag: Any, ids: list[list[int]]) -> Any:
    flat = torch.tensor([token for row in ids for token in row], dtype=torch.long)
    starts = torch.tensor(np.cumsum([0, *[len(row) for row in ids[:-1]]]), dtype=torch.long)
    return torch.nn.functional.normalize(bag(flat, starts), dim=1)


def _rarity(ids: list[list[int]], size: int) -> NDArray[np.float32]:
    """log(N / df) of each token, at least 0.1."""
    seen = np.zeros(size)
    for row in ids:
        seen[list(set(row))] += 1
    return np.maximum(np.log(max(1, len(ids)) / np.maximum(seen, 1)), 0.1).astype(np.float32)


def _causes(train: Examples) -> dict[str, list[list[int]]]:
    """For each project the causes with at least two traces, as rows."""
    held: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (project, group) in enumerate(zip(train.projects, train.groups, strict=True)):
        held[(project, group)].append(row)
    found: dict[str, list[list[int]]] = defaultdict(list)
    for (project, _), rows in sorted(held.items()):
        if len(rows) > 1:
            found[project].append(rows)
    return dict(found)


def _share(causes: dict[str, list[list[int]]]) -> NDArray[np.float64]:
    sizes = np.sqrt([len(causes[project]) for project in sorted(causes)])
    shares: NDArray[np.float64] = sizes / sizes.sum()
    return shares
