"""A whole harvest of a toy package from a local folder: each kind of fault ends as it should, and a killed run resumes.

The toy brings a build backend of its own; pytest and coverage, which its environment needs, come by pip.
"""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ems_ml import dataset
from ems_ml.errors import InputError, UsageError
from ems_ml.harvest import Bounds, Ledger, build_dataset, corpus_events, corpus_folder, harvest_faults
from ems_ml.harvest.faults import read_corpus
from ems_ml.harvest.package import prepare
from ems_ml.ports import SourceTree
from ems_ml.redact import NullRedactor
from ems_ml.types import ErrorEvent, Injection, Proposal, Role

pytestmark = pytest.mark.slow

BACKEND = """
import os, zipfile
NAME = "toypkg-1.0"
META = "Metadata-Version: 2.1\\nName: toypkg\\nVersion: 1.0\\nLicense: MIT\\n"
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = NAME + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        record = []
        def add(path, text):
            wheel.writestr(path, text)
            record.append(path + ",,")
        for file in sorted(os.listdir("src/toypkg")):
            if file.endswith(".py"):
                add("toypkg/" + file, open("src/toypkg/" + file).read())
        add(NAME + ".dist-info/METADATA", META)
        add(NAME + ".dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(NAME + ".dist-info/RECORD", "\\n".join(record) + "\\n" + NAME + ".dist-info/RECORD,,\\n")
    return name
"""
FILES = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: toypkg\nVersion: 1.0\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    '[project]\nname = "toypkg"\nversion = "1.0"\n',
    "backend.py": BACKEND,
    "src/toypkg/__init__.py": "",
    "src/toypkg/shapes.py": '''
        """Sizes."""
        import json

        SIDES = {"square": 4}


        def sides(name):
            found = SIDES.get(name, 0)
            return found


        def area(text):
            data = json.loads(text)
            width = data["width"]
            height = data["height"]
            return width * height


        def unused():
            return None
    ''',
    "src/toypkg/words.py": '''
        """Words."""


        def first(text):
            parts = text.split()
            return parts[0].lower() if parts else ""


        def shout(text):
            return text.upper() + "!"
    ''',
    "tests/test_toy.py": """
        import asyncio

        import pytest
        from toypkg import shapes, words


        @pytest.mark.parametrize("name", ["square", "circle"])
        def test_sides(name):
            assert shapes.sides(name) in (0, 4)


        def test_area():
            assert shapes.area('{"width": 2, "height": 3}') == 6


        def test_first():
            assert words.first("Ab c") == "ab"
            assert words.first("") == ""


        def test_shout():
            async def shouted():
                assert asyncio.current_task() is not None  # lost, where _asyncio was imported before asyncio
                return words.shout("a")

            assert asyncio.run(shouted()) == "A!"


        def test_broken_from_the_start():
            assert False
    """,
}

#: (file, healthy line, line with the fault, strategy, the outcome that it must have)
FAULTS = [
    ("shapes", "    found = SIDES.get(name, 0)", "    found = SIDES[name]", "default_missing", "kept"),
    ("shapes", "    data = json.loads(text)", "    data = json.loads(text[1:])", "correct_expression", "kept"),
    ("shapes", '    height = data["height"]', "    height = None", "guard_none", "kept"),
    ("words", '    return parts[0].lower() if parts else ""', "    return parts[0].lower()", "guard_empty", "kept"),
    (
        "words",
        "    parts = text.split()",
        "    parts = text.split(); open(__file__ + '.evil', 'w')",
        "evil_write",
        "kept",
    ),
    ("words", '    return text.upper() + "!"', "    return text.upper()", "correct_literal", "asserted_only"),
    ("words", '    return text.upper() + "!"', "    return text.upper() + '!' ", "correct_name", "survived"),
    ("shapes", "import json", "import jsonn", "add_import", "broke_import"),
    ("words", "    parts = text.split()", "    while True: pass", "raise_limit", "timed_out"),
    (
        "words",
        "    parts = text.split()",
        "    parts = [bytearray(1 << 24) for _ in range(999)]",
        "evil_memory",
        "memory",
    ),
    ("words", "    parts = text.split()", "    import os; os.kill(os.getppid(), 9)", "evil_kill", "crashed"),
    ("shapes", "    return None", "    return 1 / 0", "unreached", None),
]
OUTCOMES = {strategy: outcome for *_, strategy, outcome in FAULTS if outcome}


class Toy:
    """A strategy that plants what the table says."""

    def __init__(self, file: str, healthy: str, broken: str, name: str) -> None:
        self.file, self.healthy, self.broken, self.name = file, healthy, broken, name

    def recognise(self, before: str, after: str) -> float:
        return 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        lines = source.splitlines()
        title = {"shapes": '"""Sizes."""', "words": '"""Words."""'}[self.file]
        if title in lines and self.healthy in lines:
            at = lines.index(self.healthy)
            changed = "\n".join([*lines[:at], self.broken, *lines[at + 1 :], ""])
            yield Injection(strategy=self.name, source=changed, line=at + 1, function="f", note="as the table says")

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        return iter(())


STRATEGIES = [Toy(*fault[:4]) for fault in FAULTS]
BOUNDS = Bounds(fault_seconds=3.0, fault_memory=256 << 20, baseline_seconds=60)


def pack(folder: Path, name: str, files: dict[str, str]) -> None:
    """A source distribution of `files`."""
    root = folder / name
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(textwrap.dedent(text).lstrip("\n"))
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
        archive.add(root, arcname=name)
    folder.chmod(0o755)  # pip reads it as the sandbox's own user


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    pack(folder, "toypkg-1.0", FILES)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def go(cache: Path, index: Path) -> Ledger:
    return harvest_faults(
        ["toypkg==1.0"],
        strategies=STRATEGIES,
        cache=cache,
        bounds=BOUNDS,
        pip_arguments=["--find-links", str(index)],
    )


@pytest.fixture(scope="session")
def killed(cache: Path, index: Path) -> list[str]:
    """A first run that was killed after some faults, in the middle of a line: the ids that it had done."""
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_harvest_toy as toy
        from pathlib import Path
        from ems_ml.harvest import harvest_faults

        def progress(package, planted, of, kept):
            if planted >= 3:
                os.kill(os.getpid(), signal.SIGKILL)

        harvest_faults(["toypkg==1.0"], strategies=toy.STRATEGIES, cache=Path({str(cache)!r}), bounds=toy.BOUNDS,
                       progress=progress, pip_arguments=["--find-links", {str(index)!r}])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    corpus = corpus_folder(cache) / "toypkg-1.0" / "corpus.jsonl"
    ids = [record["fault"]["id"] for record in read_corpus(corpus)]
    with open(corpus, "a") as file:
        file.write('{"fault": {"id": "torn off in the mid')
    return ids


@pytest.fixture(scope="session")
def ledger(killed: list[str], cache: Path, index: Path) -> Ledger:
    return go(cache, index)


def records(cache: Path) -> list[dict[str, object]]:
    return [dict(record) for record in read_corpus(corpus_folder(cache) / "toypkg-1.0" / "corpus.jsonl")]


def test_a_killed_run_leaves_no_process_and_its_work_is_kept(killed: list[str], cache: Path) -> None:
    assert len(killed) >= 3
    runners = [p for p in psutil.process_iter(["cmdline"]) if str(cache) in " ".join(p.info["cmdline"] or [])]
    assert not psutil.wait_procs(runners, timeout=10)[1]


def test_a_resumed_run_does_the_rest_and_nothing_twice(ledger: Ledger, killed: list[str], cache: Path) -> None:
    ids = [record["fault"]["id"] for record in records(cache)]  # type: ignore[index]
    assert ids[: len(killed)] == killed
    assert len(ids) == len(set(ids)) == len(OUTCOMES)


@pytest.mark.parametrize("strategy", OUTCOMES)
def test_each_fault_has_its_outcome(strategy: str, ledger: Ledger, cache: Path) -> None:
    found = {r["fault"]["strategy"]: r["outcome"] for r in records(cache)}  # type: ignore[index]
    assert found[strategy] == OUTCOMES[strategy]


def test_the_ledger_counts_every_planted_fault_once(ledger: Ledger) -> None:
    (package,) = ledger.packages
    assert package.planted == sum(package.outcomes.values()) == len(OUTCOMES)
    assert package.outcomes["kept"] == ledger.kept == 5
    assert (package.tests, package.left_out) == (5, 1)
    assert package.licence == "MIT"
    assert package.isolation.split(";")[0] in ("full", "partial", "limits")


def test_a_fault_that_writes_changes_nothing(ledger: Ledger, cache: Path) -> None:
    if not ledger.packages[0].isolation.startswith("full"):
        pytest.skip(ledger.packages[0].isolation)
    assert not list(cache.rglob("*.evil"))
    (trace,) = [event for event, labels in corpus_events(corpus_folder(cache)) if labels["strategy"] == "evil_write"]
    assert trace.error.type == "OSError"
    assert "Read-only" in trace.error.message


def test_the_source_in_the_cache_is_healthy_again(ledger: Ledger, cache: Path) -> None:
    text = (corpus_folder(cache) / "toypkg-1.0" / "tree" / "src" / "toypkg" / "words.py").read_text()
    assert text == textwrap.dedent(FILES["src/toypkg/words.py"]).lstrip("\n")


def test_traces_have_their_real_lines_roles_and_no_machine_path(ledger: Ledger, cache: Path) -> None:
    events = {labels["strategy"]: (event, labels) for event, labels in corpus_events(corpus_folder(cache))}
    event, labels = events["correct_expression"]
    assert event.error.type == "json.decoder.JSONDecodeError"
    roles = [frame.role for frame in event.error.frames]
    assert roles[:2] == [Role.TEST, Role.APP]
    assert set(roles[2:]) == {Role.STDLIB}
    app = event.error.frames[1]
    assert (app.file, app.function, app.code) == ("toypkg/shapes.py", "area", "data = json.loads(text[1:])")
    assert app.shape
    assert app.words
    assert event.chain == () or event.chain[0].type
    assert str(cache) not in json.dumps(labels["text"]) + repr(event)
    assert "Traceback (most recent call last):" in labels["text"]


def test_the_data_set_has_no_source_line(ledger: Ledger, cache: Path, tmp_path: Path) -> None:
    built = build_dataset(
        cache, redactor=NullRedactor(), out=tmp_path, splits={"toypkg": "tune"}, strategies=list(OUTCOMES)
    )
    frame = dataset.read_data(built.path / "faults.parquet")
    assert (built.rows, built.groups, built.projects) == (len(frame), 5, 1)
    assert set(frame["split"]) == {"tune"}
    assert "json.loads" not in repr(frame.to_dict("records"))
    event = dataset.event_from_row(frame.to_dict("records")[0])
    assert event.error.frames[-1].shape is not None
    card = (tmp_path / "README.md").read_text()
    assert "toypkg==1.0" in card
    assert "| toypkg | 1.0 | MIT | tune | 5 | 11 | 5 |" in card
    assert not list(tmp_path.glob("*.new*"))


def test_a_third_run_has_nothing_left_to_do(ledger: Ledger, cache: Path, index: Path) -> None:
    before = records(cache)
    assert go(cache, index).packages[0].outcomes == ledger.packages[0].outcomes
    assert records(cache) == before


def test_a_package_is_harvested_by_one_process_at_a_time(ledger: Ledger, cache: Path, index: Path) -> None:
    with open(corpus_folder(cache) / "toypkg-1.0" / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another process"):
            go(cache, index)


def test_a_package_without_tests_is_told(tmp_path: Path) -> None:
    pack(tmp_path, "toypkg-1.0", {path: text for path, text in FILES.items() if not path.startswith("tests")})
    with pytest.raises(InputError, match="no tests") as caught:
        prepare("toypkg==1.0", tmp_path / "cache", pip_arguments=["--find-links", str(tmp_path)])
    assert caught.value.hint


def test_a_package_that_does_not_exist_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # pip reads it as the sandbox's own user
    with pytest.raises(InputError, match="pip download"):
        prepare("toypkg==9.9", tmp_path, pip_arguments=["--no-index", "--find-links", str(tmp_path)])


@pytest.mark.parametrize("requirement", ["-r file", "a b", "toy>=1", ""])
def test_a_malformed_name_is_refused(requirement: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        prepare(requirement, tmp_path)


def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    pack(tmp_path, "toypkg-1.0", FILES)
    evil = tmp_path / "evil"
    evil.write_text("x")
    with tarfile.open(tmp_path / "toypkg-1.0.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "toypkg-1.0", arcname="toypkg-1.0")
        archive.add(evil, arcname="../../outside")
    with pytest.raises(InputError):
        prepare("toypkg==1.0", tmp_path / "cache", pip_arguments=["--find-links", str(tmp_path)])
    assert not list(tmp_path.rglob("outside"))
