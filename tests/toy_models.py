"""A whole set of tiny models, fitted for real on made-up errors, with their manifest: for tests of what stands on them.

`write(folder)` takes a second or two. The errors are five causes in each of two projects, so that joining, asking and
opening a pattern all happen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from ems_ml.embed import StaticEncoder
from ems_ml.group.fitting import arrivals, fit_pair_model
from ems_ml.manifest import entry_for, write_manifest
from ems_ml.normalize import NormalizerV1
from ems_ml.rank.model import StrategyRanker
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Signature

STRATEGIES = ("default_missing", "guard_none", "guard_empty", "convert_type", "catch_exception")
CAUSES = (
    ("KeyError", "'{}'", "lookup", "return table[key]", "default_missing"),
    ("AttributeError", "'NoneType' object has no attribute '{}'", "render", "return item.name", "guard_none"),
    ("IndexError", "list index out of range", "first", "return rows[0]", "guard_empty"),
    ("TypeError", 'can only concatenate str (not "int") to str', "label", "return name + count", "convert_type"),
    ("ValueError", "invalid literal for int() with base 10: '{}'", "parse", "return int(text)", "catch_exception"),
)
UNUSED = ("correct_condition", "correct_expression")


def events() -> list[tuple[ErrorEvent, str, str]]:
    """Errors with their cause and their strategy."""
    found = []
    for project in ("alpha", "beta"):
        for kind, message, function, code, strategy in CAUSES:
            for variant in range(12):
                cause = variant % 3  # three causes of each kind
                frames = (
                    Frame(file=f"{project}/main.py", function=f"caller{variant}", line=10 + variant, code="run(x)"),
                    Frame(file=f"{project}/m{cause}.py", function=f"{function}{cause}", line=3, code=code),
                )
                error = ExceptionRecord(type=kind, message=message.format(f"v{variant}"), frames=frames)
                event = ErrorEvent(id=f"{project}-{function}-{variant}", error=error, project=project)
                found.append((event, f"{project}-{function}-{cause}", strategy))
    return found


def write(folder: Path) -> Path:
    """Fit and write encoder, grouper and ranker with their manifest; answers `folder`."""
    normalizer = NormalizerV1()
    made = events()
    signatures = [normalizer.normalize(event) for event, _, _ in made]
    groups = [group for _, group, _ in made]
    projects = [event.project for event, _, _ in made]
    encoder = _encoder(folder / "encoder", signatures)
    vectors = encoder.encode(signatures)
    seen = arrivals(signatures, vectors, groups, projects)
    fit_pair_model(seen, seen).save(folder / "grouper")
    ranker = StrategyRanker(min_projects=1, names=(*STRATEGIES, *UNUSED))
    ranker.fit(signatures, [strategy for _, _, strategy in made], groups=groups)
    ranker.export().save(folder / "ranker")
    kinds = {"encoder": "static", "grouper": "pairs", "ranker": "linear"}
    about = {"grouper": {"join": 0.8, "suggest": 0.4}}
    write_manifest(
        folder,
        [
            entry_for(folder / name, name=name, kind=kind, version=f"toy-{name}", about=about.get(name, {}))
            for name, kind in kinds.items()
        ],
    )
    return folder


def _encoder(folder: Path, signatures: list[Signature]) -> StaticEncoder:
    """A word-level tokenizer over the errors' own words, and a random but fixed vector for each."""
    folder.mkdir(parents=True)
    words = sorted({word for signature in signatures for word in signature.text.split()})
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(["[UNK]", *words])}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    weights = np.random.default_rng(0).normal(size=(len(words) + 1, 32)).astype(np.float32)
    save_file({"embedding.weight": weights}, folder / "model.safetensors")
    return StaticEncoder.load(folder, version="toy-encoder")
