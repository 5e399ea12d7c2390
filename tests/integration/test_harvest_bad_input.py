"""Packages that cannot be harvested, or harm: each is told with its reason, and a good one beside it is harvested."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from harvest_toys import WrongKey, pack, toy

from ems_ml import sandbox
from ems_ml.harvest import Bounds, Ledger, corpus_folder, harvest_faults
from ems_ml.harvest import pip as pip_module

pytestmark = pytest.mark.slow

BOUNDS = Bounds(fault_seconds=4.0, baseline_seconds=20.0, slowest_test=1.0)
HEALTHY = "import toybad\n\ndef test_healthy():\n    assert toybad.look0({'key0': 1}) == 1\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Path:
    """A cache in which the good package is ready."""
    folder = tmp_path_factory.mktemp("cache")
    assert go(folder, index, "toygood").kept == 2
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    pack(folder, "toygood", toy("toygood", 2))
    return folder


def go(cache: Path, index: Path, *packages: str) -> Ledger:
    return harvest_faults(
        packages, strategies=[WrongKey()], cache=cache, bounds=BOUNDS, pip_arguments=["--find-links", str(index)]
    )


def both(cache: Path, index: Path, **files: str) -> Ledger:
    """The ledger of a run over `toybad` with these files, and `toygood`, which must come through in each."""
    for path in corpus_folder(cache).glob("toybad-*"):
        shutil.rmtree(path)
    shutil.rmtree(index / "toybad-1.0", ignore_errors=True)
    own = toy("toybad", 2)
    own.pop("tests/test_toybad.py")
    pack(index, "toybad", {**own, **{path.replace("__", "/"): text for path, text in files.items()}})
    ledger = go(cache, index, "toybad==1.0", "toygood")
    good = [one for one in ledger.packages if one.package == "toygood"]
    assert [one.outcomes["kept"] for one in good] == [2]
    return ledger


def test_one_that_does_not_build(cache: Path, index: Path) -> None:
    ledger = both(
        cache, index, **{"backend.py": "raise RuntimeError('no compiler here')", "tests__test_bad.py": HEALTHY}
    )
    assert "no compiler here" in ledger.problems["toybad==1.0"]


def test_one_without_tests(cache: Path, index: Path) -> None:
    assert "no tests" in both(cache, index).problems["toybad==1.0"]


def test_one_whose_tests_all_fail(cache: Path, index: Path) -> None:
    ledger = both(cache, index, **{"tests__test_bad.py": "import nowhere_to_be_found\n\ndef test_a():\n    pass\n"})
    assert "no test of toybad passes" in ledger.problems["toybad==1.0"]
    assert "nowhere_to_be_found" in ledger.problems["toybad==1.0"]


def test_one_whose_tests_need_the_network(cache: Path, index: Path) -> None:
    if not sandbox.isolation().network:
        pytest.skip("no wall around the network here")
    tests = """
        import socket

        def test_online():
            socket.create_connection(("192.0.2.1", 80), timeout=5)
    """
    why = both(cache, index, **{"tests__test_bad.py": tests}).problems["toybad==1.0"]
    assert "unreachable" in why


def test_one_with_a_test_that_hangs_is_harvested_without_it(cache: Path, index: Path) -> None:
    tests = HEALTHY + "\ndef test_hangs():\n    while True:\n        pass\n"
    ledger = both(cache, index, **{"tests__test_bad.py": tests})
    (bad,) = [one for one in ledger.packages if one.package == "toybad"]
    assert (bad.tests, bad.left_out) == (1, 1)


def test_one_that_hangs_where_nothing_can_stop_it(cache: Path, index: Path) -> None:
    tests = HEALTHY + (
        "\ndef test_hangs():\n    import signal, time\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "    time.sleep(1000)\n"
    )
    why = both(cache, index, **{"tests__test_bad.py": tests}).problems["toybad==1.0"]
    assert "do not come to their end: timeout" in why


def test_a_build_that_hangs(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip_module, "INSTALL", replace(pip_module.INSTALL, seconds=6.0))
    ledger = both(cache, index, **{"backend.py": "import time\ntime.sleep(1000)", "tests__test_bad.py": HEALTHY})
    assert "stopped at 6 seconds" in ledger.problems["toybad==1.0"]


def test_a_fork_bomb(cache: Path, index: Path) -> None:
    tests = (
        HEALTHY
        + """
def test_bomb():
    import os, time
    for _ in range(12):
        try:
            os.fork()
        except OSError:
            time.sleep(1000)
    time.sleep(1000)
"""
    )
    before = len(psutil.pids())
    ledger = both(cache, index, **{"tests__test_bad.py": tests})
    assert "toybad==1.0" in ledger.problems or ledger.packages[0].left_out
    gone = [p for p in psutil.process_iter(["cmdline"]) if "toybad-1.0" in " ".join(p.info["cmdline"] or [])]
    assert not psutil.wait_procs(gone, timeout=10)[1]
    assert len(psutil.pids()) < before + 100


def test_tests_that_write_outside_their_folder(cache: Path, index: Path, tmp_path: Path) -> None:
    if not sandbox.isolation().filesystem:
        pytest.skip("no wall around the files here")
    target = tmp_path / "outside"
    tmp_path.chmod(0o777)
    ledger = both(cache, index, **{"tests__test_bad.py": f"def test_a():\n    open({str(target)!r}, 'w').close()\n"})
    assert "no test of toybad passes" in ledger.problems["toybad==1.0"]
    assert not target.exists()


def test_a_build_that_writes_outside_its_folder(cache: Path, index: Path, tmp_path: Path) -> None:
    if not sandbox.isolation().filesystem:
        pytest.skip("no wall around the files here")
    target = tmp_path / "outside"
    tmp_path.chmod(0o777)
    backend = f"open({str(target)!r}, 'w').close()\n"
    ledger = both(cache, index, **{"backend.py": backend, "tests__test_bad.py": HEALTHY})
    assert "outside" in ledger.problems["toybad==1.0"]
    assert not target.exists()


def test_tests_that_fill_the_disk(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ems_ml.harvest.worker.TREE_DISK", 64 << 20)
    tests = (
        HEALTHY
        + """
def test_fills(tmp_path):
    import time
    for n in range(40):
        (tmp_path / str(n)).write_bytes(bytes(4 << 20))
    time.sleep(1000)
"""
    )
    assert "disk" in both(cache, index, **{"tests__test_bad.py": tests}).problems["toybad==1.0"]


def test_an_archive_that_is_none(cache: Path, index: Path) -> None:
    for path in corpus_folder(cache).glob("toybad-*"):
        shutil.rmtree(path)
    (index / "toybad-1.0.tar.gz").write_bytes(b"not packed at all")
    ledger = go(cache, index, "toybad==1.0", "toygood")
    assert ledger.problems["toybad==1.0"]
    assert ledger.kept == 2
    with tarfile.open(index / "toybad-1.0.tar.gz", "w:gz"):
        pass
    assert go(cache, index, "toybad==1.0", "toygood").problems["toybad==1.0"]
