"""Training the encoder on a few projects: better on others than at its start, and units stay whole."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from ems_ml.dataset import load_data
from ems_ml.embed import StaticEncoder
from ems_ml.embed.text import NEWEST, TEXTS, trace_text, units
from ems_ml.errors import UsageError
from ems_ml.normalize import NormalizerV1
from ems_ml.train.encoder import DIMENSION, TrainedEncoder, save_encoder, trace_tokenizer, train_encoder
from ems_ml.train.examples import Examples, split_examples
from ems_ml.train.likeness import PAIRS, drawn_pairs, judge_vectors

LEARNED, TUNED, HELD_OUT = ("boltons", "cerberus", "lark", "sqlparse"), ("tabulate",), ("tinydb", "mistune")


@pytest.fixture(scope="module")
def parts() -> dict[str, Examples]:
    frame = load_data("fault")
    return split_examples(frame[frame["project"].isin([*LEARNED, *TUNED, *HELD_OUT])], NormalizerV1())


def _trained(parts: dict[str, Examples], steps: int) -> TrainedEncoder:
    return train_encoder(parts["train"], parts["tune"], text_of=TEXTS[NEWEST], units=units(), steps=steps)


@pytest.fixture(scope="module")
def start(parts: dict[str, Examples]) -> TrainedEncoder:
    return _trained(parts, 0)


@pytest.fixture(scope="module")
def trained(parts: dict[str, Examples]) -> TrainedEncoder:
    return _trained(parts, 75)


def _encoder(trained: TrainedEncoder, folder: Path) -> StaticEncoder:
    return StaticEncoder.load(folder, version=save_encoder(folder, trained, text=NEWEST))


def test_the_tokenizer_keeps_units_and_marked_words_whole_and_cuts_a_plain_trace(trained: TrainedEncoder) -> None:
    def cut(text: str) -> list[str]:
        tokens: list[str] = trained.tokenizer.encode(text, add_special_tokens=False).tokens
        return tokens

    assert cut("@a0f1 @p3ff @t000") == ["@a0f1", "@p3ff", "@t000"]
    assert cut('>name "<str> !error') == [">name", '"<str>', "!error"]
    assert cut("parseError") == cut("parse_error") == [*cut("parse"), *cut("error")]
    assert cut("lark/lexer.py") == [*cut("lark"), "/", *cut("lexer"), ".", *cut("py")]
    assert cut("a<=b") == [*cut("a"), *cut("<="), *cut("b")]
    assert "[UNK]" not in cut('  File "lark/lexer.py", line 12, in next_token')


def test_training_brings_traces_of_one_cause_nearer_on_projects_that_it_did_not_see(
    parts: dict[str, Examples], start: TrainedEncoder, trained: TrainedEncoder, tmp_path: Path
) -> None:
    assert start.steps == 0
    assert 0 < trained.steps <= 75
    assert trained.loss < start.loss
    test = parts["test"]
    before, after = (
        judge_vectors(_encoder(one, tmp_path / name).encode(test.signatures), test)
        for name, one in (("start", start), ("trained", trained))
    )
    assert after.hard[0] > before.hard[0]
    assert after.first[0] > before.first[0]
    for figure in (after.auc, after.hard, after.first):
        assert 0 <= figure[1] <= figure[0] <= figure[2] <= 1


def test_the_same_seed_gives_the_same_encoder(parts: dict[str, Examples], start: TrainedEncoder) -> None:
    again = _trained(parts, 0)
    np.testing.assert_array_equal(again.weights, start.weights)
    assert again.tokenizer.get_vocab() == start.tokenizer.get_vocab()


def test_what_is_written_is_half_precision_and_says_which_text_it_reads(
    trained: TrainedEncoder, parts: dict[str, Examples], tmp_path: Path
) -> None:
    version = save_encoder(tmp_path, trained, text=NEWEST)
    assert version != save_encoder(tmp_path / "other", trained, text="signature")
    encoder = StaticEncoder.load(tmp_path, version=version)
    assert (encoder.dimension, encoder.text) == (DIMENSION, NEWEST)
    assert trained.weights.dtype == np.float16
    some = parts["test"].signatures[:20]
    np.testing.assert_array_equal(encoder.encode(some), encoder.encode_texts([trace_text(one) for one in some]))
    assert json.loads((tmp_path / "config_sentence_transformers.json").read_text())["text"] == NEWEST


def test_data_without_two_traces_of_a_cause_are_refused(parts: dict[str, Examples]) -> None:
    train = parts["train"]
    alone = train.chosen([train.groups.index(group) for group in sorted(set(train.groups))])
    with pytest.raises(UsageError, match="cannot be learned") as refused:
        train_encoder(alone, parts["tune"], text_of=TEXTS[NEWEST], units=units(), steps=1)
    assert "group" in refused.value.hint


def test_an_unknown_word_is_read_in_known_words_and_letters() -> None:
    tokenizer = trace_tokenizer(["date time", "time date", "date a time"], ["@t000"])
    for text, tokens in (
        ("datetime", ["date", "##time"]),
        (">datetime", [">d", "##a", "##t", "##e", "##time"]),
        ("mad", ["m", "##a", "##d"]),
        ("ω", ["[UNK]"]),
    ):
        assert tokenizer.encode(text, add_special_tokens=False).tokens == tokens


def test_vectors_that_name_the_cause_are_judged_perfect_and_random_ones_not(parts: dict[str, Examples]) -> None:
    test = parts["test"]
    names = sorted(set(test.groups))
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(len(names), 512)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        best = judge_vectors(directions[[names.index(group) for group in test.groups]], test)
        noise = rng.normal(size=(len(test), 512)).astype(np.float32)
        chance = judge_vectors(noise / np.linalg.norm(noise, axis=1, keepdims=True), test)
    assert best.auc[0] > 0.999
    assert best.first == (1.0, 1.0, 1.0)
    assert chance.auc[0] == pytest.approx(0.5, abs=0.05)
    assert chance.first[0] < 0.3


@pytest.mark.parametrize("hard", [False, True])
def test_drawn_pairs_are_of_one_project_half_of_one_cause(parts: dict[str, Examples], hard: bool) -> None:
    test = parts["test"]
    pairs = drawn_pairs(test, hard=hard)
    assert {test.projects[a] == test.projects[b] for a, b in pairs} == {True}
    same = [test.groups[a] == test.groups[b] for a, b in pairs]
    assert sum(same) * 2 == len(same)
    assert len(pairs) <= 2 * PAIRS * len(test.packages)
    if hard:
        apart = [(a, b) for (a, b), one in zip(pairs, same, strict=True) if not one]
        assert all(test.signatures[a].type == test.signatures[b].type for a, b in apart)
