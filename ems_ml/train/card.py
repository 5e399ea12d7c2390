"""The model card of an encoder, in the form that Hugging Face reads: written when it is trained."""

from __future__ import annotations

from collections.abc import Mapping

from ems_ml.train.encoder import TrainedEncoder
from ems_ml.train.examples import Examples
from ems_ml.train.likeness import Likeness

_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
license: mit
tags: [sentence-transformers, static-embedding, stack-traces, error-grouping]
---

# {version}

Error traces to vectors of {dimension} columns, such that traces of one cause lie close: {tokens} token vectors in half
precision, averaged. It needs no torch to serve, and is `EMS_ENCODER=static`, the default of `ems-ml`.

## Use

```python
import ems_ml
from sentence_transformers import SentenceTransformer

texts = ems_ml.trace_texts(["Traceback (most recent call last): ...", "KeyError: 'tea'"])
vectors = SentenceTransformer("models/encoder").encode(texts, normalize_embeddings=True)
```

`ems_ml.TraceEncoder` gives the same vectors in one step, without torch. The model reads the text `{text}`
(`ems_ml/embed/text.py`): words marked by where they stand, and each line, place and message also as one hashed unit.
A plain trace is read too (its identifiers are cut at case and underscore), but without units and marks it is a weighted
bag of words and worse.

## Training

On {train_traces} traces of {train_causes} causes in {train_packages} projects, contrastively: traces of one cause by
different tests against all other causes of the project. Directions of tokens are drawn once and stay; learned is how
much each kind of token and each word weighs. Of at most {most} steps those up to {steps} were kept, where the loss on
the tune split was least ({loss:.3f}; {tune_traces} traces of {tune_causes} causes in {tune_packages} other projects).

Learned from: {train_names}.

Tuned on: {tune_names}.

## Evaluation

On {test_traces} traces of {test_causes} causes in {test_packages} projects that neither saw: {test_names}. With 95%
intervals over projects. *ROC-AUC*: of the cosine over drawn pairs of a project, half of them of one cause; *one type*:
where the others share their exception type. *RR@1*: of errors whose cause was there before, the share whose nearest
earlier one has it.

| encoder | ROC-AUC | ROC-AUC, one type | RR@1 |
|---|---|---|---|
{rows}

`python -m tests.benchmarks embed` has speed, size and transformers beside it (`docs/user/benchmarks.md`).

## Limits

- The faults were planted in Python packages. On other languages it was not trained: its units hold there too, its words
  less.
- Two causes that give equal traces get equal vectors.
- It compares errors *within* a project. The cosine of errors of two projects says little.
- The cosine is no probability; `models/grouper` makes one of it and of the aligned frames.
"""


def encoder_card(
    trained: TrainedEncoder,
    parts: Mapping[str, Examples],
    judged: Mapping[str, Likeness],
    *,
    version: str,
    text: str,
    most: int,
) -> str:
    """The README.md of an encoder's folder. judged: by an encoder's name, on the test split."""
    told: dict[str, str] = {}
    for name, part in parts.items():
        told |= {
            f"{name}_traces": f"{len(part):,}",
            f"{name}_causes": f"{part.causes:,}",
            f"{name}_packages": str(len(part.packages)),
            f"{name}_names": ", ".join(part.packages),
        }
    rows = [f"| {name} | {_told(one.auc)} | {_told(one.hard)} | {_told(one.first)} |" for name, one in judged.items()]
    tokens, dimension = trained.weights.shape
    return _CARD.format(
        version=version,
        text=text,
        tokens=f"{tokens:,}",
        dimension=dimension,
        steps=trained.steps,
        loss=trained.loss,
        most=most,
        rows="\n".join(rows),
        **told,
    )


def _told(figure: tuple[float, float, float]) -> str:
    value, low, high = figure
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
