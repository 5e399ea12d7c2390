"""What the runner records of an exception is what Python prints of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ems_ml.harvest import runner
from ems_ml.harvest.worker import RUN_ALONE


def caught(action: Callable[[], object]) -> dict[str, Any]:
    try:
        action()
    except BaseException as error:
        return runner.describe(error)
    pytest.fail("nothing was raised")


def deep(n: int = 0) -> None:
    deep(n + 1)


def test_repeats_are_counted_as_python_prints_them() -> None:
    told = caught(deep)
    repeated = [frame["repeated"] for frame in told["frames"] if frame["function"] == "deep"]
    assert repeated[:2] == [0, 0]
    assert max(repeated) > 100
    assert f"[Previous line repeated {max(repeated)} more times]" in told["text"]


def test_a_syntax_error_has_its_place_as_last_frame() -> None:
    told = caught(lambda: compile("a b\n", "generated.py", "exec"))
    assert told["type"] == "SyntaxError"
    assert (told["frames"][-1]["file"], told["frames"][-1]["line"], told["frames"][-1]["code"]) == (
        "generated.py",
        1,
        "a b",
    )
    assert told["message"] in told["text"].splitlines()[-1]


def test_causes_come_nearest_first() -> None:
    def both() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError as error:
                raise ValueError("second") from error
        except ValueError:
            raise TypeError("third")  # noqa: B904 (the context is what is tested)

    told = caught(both)
    assert told["type"] == "TypeError"
    assert [(cause["type"], cause["relation"]) for cause in told["chain"]] == [
        ("ValueError", "context"),
        ("KeyError", "cause"),
    ]


def test_a_hidden_context_stays_hidden() -> None:
    def hidden() -> None:
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("outer") from None

    assert caught(hidden)["chain"] == []


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot say")


def test_an_exception_that_cannot_be_printed_is_recorded() -> None:
    def mute() -> None:
        raise Mute

    told = caught(mute)
    assert told["type"].endswith("Mute")
    assert told["message"] == "<str() raised RuntimeError>"


def test_a_stack_without_end_is_cut_in_the_middle() -> None:
    frames = [{"file": "a.py", "function": f"f{i}", "line": i, "repeated": 0} for i in range(500)]
    kept = runner._collapsed(frames)
    assert [frame["line"] for frame in (kept[0], kept[-1])] == [0, 499]
    assert len(kept) == runner.HEAD + runner.TAIL


def test_a_python_before_3_11_runs_the_runner_apart_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "types.py").write_text("raise RuntimeError('shadows the standard library')\n")
    script = tmp_path / "script.py"
    script.write_text("import sys, types\nprint(__name__, sys.argv[1:], __file__ == sys.argv[0])\n")
    command = [sys.executable, "-c", RUN_ALONE, str(script), "CONFIG"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "__main__ ['CONFIG'] True\n"
