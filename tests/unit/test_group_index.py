"""The index of exemplars: what is kept finds what a scan finds and comes back whole; a broken one is not believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_steps import an_event

from ems_ml.group import ExemplarIndex
from ems_ml.group.base import Turn
from ems_ml.group.common import KINDS, Commonness
from ems_ml.group.views import view
from ems_ml.normalize import NormalizerV1
from ems_ml.store.codec import dumps, from_plain, loads, loads_signature
from ems_ml.types import Role, Signature

NORMALIZER = NormalizerV1()
NEAR = 30
MANY = 4_000
DIMENSION = 32


def a_signature(number: int) -> Signature:
    name = "".join(chr(97 + int(digit)) for digit in str(number))
    return NORMALIZER.normalize(an_event("1", where=f"at_{name[-2:]}", caller=f"by_{name}"))


SIGNATURES = [a_signature(number) for number in range(MANY)]


def vectors(count: int, seed: int) -> np.ndarray:
    """Of length 1, in a hundred heaps, as errors lie."""
    random = np.random.default_rng(seed)
    heaps = np.random.default_rng(0).normal(size=(100, DIMENSION))
    made = heaps[random.integers(0, 100, count)] + 0.4 * random.normal(size=(count, DIMENSION))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


VECTORS = vectors(MANY, 1)


def an_index(first: int = 0, end: int = MANY) -> ExemplarIndex:
    """Exemplars numbered from 10 in steps of 3, as a project's are that shares its table with others."""
    index = ExemplarIndex()
    for place in range(first, end):
        index.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
    return index


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "index"
    assert an_index(end=3_000).keeper(folder, "a mark")()
    return folder


def recall(found: ExemplarIndex, scan: ExemplarIndex) -> float:
    elsewhere = NORMALIZER.normalize(an_event("x", where="nowhere"))
    asked = vectors(60, 2)
    same = [len({*found.near(elsewhere, one, NEAR)} & {*scan.near(elsewhere, one, NEAR)}) / NEAR for one in asked]
    return float(np.mean(same))


def test_what_is_kept_finds_what_a_scan_finds_with_what_came_since(kept: Path) -> None:
    index, scan = ExemplarIndex(), an_index()
    assert index.resume(kept) == "a mark"
    assert (len(index), index.loose, index.last, index.kept) == (3_000, 0, 10 + 3 * 2_999, 10 + 3 * 2_999)
    for place in range(3_000, MANY):
        index.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
    assert (len(index), index.loose, index.last) == (MANY, 1_000, scan.last)
    assert recall(index, scan) > 0.99
    for place in (5, 2_999, 3_500):  # what is asked for is nearest to itself, kept or not
        assert index.near(SIGNATURES[place], VECTORS[place], NEAR)[0] == 10 + 3 * place


def test_the_same_line_is_found_across_what_is_kept_and_what_came_since(kept: Path) -> None:
    index, scan = ExemplarIndex(), an_index()
    index.resume(kept)
    for place in range(3_000, MANY):
        index.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
    for place in (17, 3_001):
        for some in (index, scan):
            _, *near = some.near(SIGNATURES[place], -VECTORS[place], 1)  # after the nearest those of the same line
            lines = [number for number in range(10, MANY) if number % 100 == place % 100]
            assert near == [10 + 3 * number for number in lines[-8:]]


def test_counts_are_those_of_all_exemplars_however_often_it_was_kept(kept: Path, tmp_path: Path) -> None:
    index = ExemplarIndex()
    index.resume(kept)
    for place in range(3_000, 3_500):
        index.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
    assert index.keeper(tmp_path / "again", "b")()
    again = ExemplarIndex()
    assert again.resume(tmp_path / "again") == "b"
    for place in range(3_500, MANY):
        again.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
    plain = Commonness()
    for signature in SIGNATURES:
        plain.add(signature)
    assert again.common.total == plain.total == MANY
    some = view(SIGNATURES[0])
    parts = [*some.site_set, *some.place_set, some.template_key, some.type_key, some.exact_key, 12345]
    for kind in KINDS:
        assert getattr(again.common, kind).of(parts) == getattr(plain, kind).of(parts)
        for told, expected in zip(getattr(again.common, kind).arrays(), getattr(plain, kind).arrays(), strict=True):
            np.testing.assert_array_equal(told, expected)


def test_an_index_goes_on_while_it_is_kept(tmp_path: Path) -> None:
    index = an_index(end=300)
    keep = index.keeper(tmp_path, "then")
    for place in range(300, 400):
        index.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
    assert keep()
    assert (len(index), index.kept) == (400, 0)
    back = ExemplarIndex()
    assert back.resume(tmp_path) == "then"
    assert (len(back), back.common.total) == (300, 300)
    assert back.resume(tmp_path, than=back.kept) is None, "it is not newer"


def test_settled_in_memory_it_grows_on_and_finds_the_same() -> None:
    index, scan = ExemplarIndex(), an_index(end=2_000)
    for place in range(2_000):
        index.add(10 + 3 * place, SIGNATURES[place], VECTORS[place])
        if place % 700 == 699:
            index.settle()
    assert (len(index), index.loose, index.kept) == (2_000, 600, 0)
    assert recall(index, scan) > 0.99


def test_numbers_rise() -> None:
    index = an_index(end=3)
    with pytest.raises(ValueError, match="newer"):
        index.add(index.last, SIGNATURES[0], VECTORS[0])


def test_a_broken_or_missing_one_is_told_and_not_believed(
    kept: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ExemplarIndex().resume(tmp_path / "nowhere") is None
    assert not caplog.records
    about = json.loads((kept / "current.json").read_text())
    generation = about["generation"]

    def copied(name: str) -> Path:
        folder = tmp_path / name
        (folder / generation).mkdir(parents=True)
        for path in (kept / generation).iterdir():
            (folder / generation / path.name).write_bytes(path.read_bytes())
        (folder / "current.json").write_text((kept / "current.json").read_text())
        return folder

    assert ExemplarIndex().resume(copied("whole")) == "a mark"
    cut = copied("cut") / generation / "graph.faiss"
    cut.write_bytes(cut.read_bytes()[:-100])
    garbled = copied("garbled") / generation / "graph.faiss"
    garbled.write_bytes(bytes(garbled.stat().st_size))
    (copied("lacking") / generation / "numbers.npy").unlink()
    (copied("untold") / "current.json").write_text("{")
    for name in ("cut", "garbled", "lacking", "untold"):
        caplog.clear()
        assert ExemplarIndex().resume(tmp_path / name) is None, name
        assert "made anew" in caplog.text, name


def test_what_a_kill_left_half_written_does_not_count_and_is_cleared(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "30-dead").mkdir(parents=True)
    (tmp_path / "30-dead" / "graph.faiss").write_bytes(b"half")
    (tmp_path / "current-30-dead.json").write_text("{}")
    (tmp_path / "writing").write_text("999999999")  # of a process that is no more
    assert ExemplarIndex().resume(tmp_path) is None
    assert an_index(end=100).keeper(tmp_path, "m")()
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == [str(10 + 3 * 99), "current.json"]


def test_one_process_at_a_time_keeps_it(tmp_path: Path) -> None:
    with Turn(tmp_path) as turn:
        assert turn.taken
        (tmp_path / "writing").write_text(str(os.getppid()))  # another process, which lives
        assert not an_index(end=100).keeper(tmp_path, "m")()
    assert an_index(end=100).keeper(tmp_path, "m")()


def test_keys_are_the_same_in_every_process() -> None:
    told = "from ems_ml.group.views import key_of; print(key_of('a.py', 'f'), key_of('caf\\udce9'))"
    found = {
        subprocess.run(
            [sys.executable, "-c", told], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_signature_is_read_fast_and_the_same() -> None:
    golden = Path(__file__).parents[1] / "golden" / "pair_features.json"
    for project in json.loads(golden.read_text()):
        for told in project["signatures"]:
            signature = from_plain(Signature, told)
            read = loads_signature(dumps(signature))
            assert read == signature == loads(Signature, dumps(signature))
            assert [type(frame.role) for frame in read.frames] == [Role] * len(read.frames)
