"""A transformer tuned on the training packages' causes, as far as a CPU goes: what our own encoder is compared with."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from typing import Any

import numpy as np

from ems_ml.embed.transformer import TransformerEncoder
from ems_ml.train.examples import Examples
from ems_ml.train.likeness import judge_vectors

BATCH = 16  # causes of one project in a batch, two traces each
TOKENS = 96  # of a text that are read while it is tuned
RATE = 5e-5
SCALE = 20.0  # of the cosine, as MultipleNegativesRankingLoss has it
LOOK = 20  # steps from one look at the tune packages to the next
ROWS = 500  # of the tune packages that a look reads


def encoded_once(encoder: Any, examples: Examples) -> np.ndarray:
    """Vectors of all rows, each text encoded once, for a slow encoder that reads `Signature.text`."""
    first = {signature.text: signature for signature in examples.signatures}
    vectors = dict(zip(first, encoder.encode(list(first.values())), strict=True))
    return np.stack([vectors[signature.text] for signature in examples.signatures])


def fine_tuned(
    encoder: TransformerEncoder, train: Examples, tune: Examples, *, steps: int, seed: int = 0
) -> tuple[TransformerEncoder, int]:
    """By multiple negatives ranking (Henderson et al., 2017) within projects: the best of its looks, and its step.

    A look is the ROC-AUC over pairs of a draw of the tune packages' traces, those of different causes of one type.
    """
    import torch
    from torch.nn.functional import cross_entropy, normalize

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model: Any = encoder._model
    causes = _causes(train)
    projects = sorted(causes)
    share = np.sqrt([len(causes[project]) for project in projects])
    looked_at = tune.chosen(np.sort(rng.permutation(len(tune))[:ROWS]).tolist())
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    whole, model.max_seq_length = model.max_seq_length, TOKENS

    def look() -> float:
        model.eval()
        told = judge_vectors(encoded_once(encoder, looked_at), looked_at)
        return told.hard[0]

    best = (look(), 0, deepcopy(model.state_dict()))
    for step in range(1, steps + 1):
        texts = causes[projects[int(rng.choice(len(projects), p=share / share.sum()))]]
        chosen = rng.permutation(len(texts))[:BATCH].tolist()
        pairs = [rng.choice(texts[cause], size=2, replace=False).tolist() for cause in chosen]
        model.train()
        one, two = (
            normalize(model(model.tokenize([pair[side] for pair in pairs]))["sentence_embedding"], dim=1)
            for side in (0, 1)
        )
        scores, target = SCALE * one @ two.T, torch.arange(len(pairs))
        loss = cross_entropy(scores, target) + cross_entropy(scores.T, target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, step / 10)
        optimiser.step()
        if step % LOOK == 0 or step == steps:
            now = look()
            print(
                f"step {step}: loss {float(loss.detach()):.3f}, RR@1 on {len(looked_at)} tune traces {now:.3f}",
                flush=True,
            )
            if now > best[0]:
                best = (now, step, deepcopy(model.state_dict()))
    model.load_state_dict(best[2])
    model.max_seq_length = whole
    model.eval()
    return TransformerEncoder(model, f"{encoder.version}-tuned"), best[1]


def _causes(examples: Examples) -> dict[str, list[list[str]]]:
    """For each project the different texts of each cause that has two."""
    held: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for signature, project, group in zip(examples.signatures, examples.projects, examples.groups, strict=True):
        held[(project, group)][signature.text] = None
    found: dict[str, list[list[str]]] = defaultdict(list)
    for (project, _), texts in sorted(held.items()):
        if len(texts) > 1:
            found[project].append(list(texts))
    return {project: some for project, some in found.items() if len(some) > 1}
