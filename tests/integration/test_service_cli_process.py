"""The command line as a process of its own: what it loads, signals, pipes, and folders that cannot be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TRACE = """Traceback (most recent call last):
  File "/srv/app/shop/orders.py", line 41, in total
    return prices[sku] * quantity
KeyError: 'tea-green'
"""
HEAVY = ("sklearn", "scipy", "pandas", "torch", "mlflow", "streamlit", "pyarrow", "libcst", "alembic")
SERVICE = ("fastapi", "uvicorn", "starlette", "psutil", "prometheus_client", "httpx")


def ems(*argv: object, home: Path | str, stdin: str | bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ems_ml", *map(str, argv)],
        input=stdin if isinstance(stdin, str) else stdin.decode(),
        env={**os.environ, "EMS_HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def loaded_by(home: Path, *argv: str, stdin: str = "") -> set[str]:
    """The top-level modules that a command has imported when it ends."""
    script = (
        "import sys, contextlib, io\n"
        "from ems_ml.service.cli import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    code = run(sys.argv[1:])\n"
        "print(code, *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *argv],
        input=stdin,
        env={**os.environ, "EMS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, *names = done.stdout.split()
    assert code == "0", done.stderr
    return set(names)


def test_classify_loads_nothing_that_it_does_not_need(toy_home: Path) -> None:
    first = loaded_by(toy_home, "classify", "-", "--json", stdin=TRACE)  # makes the database
    again = loaded_by(toy_home, "classify", "-", "--json", stdin=TRACE)
    for names in (first, again):
        assert "numpy" in names
        assert not names & {*HEAVY, *SERVICE}


def test_help_loads_no_numpy(toy_home: Path) -> None:
    assert not loaded_by(toy_home, "--help") & {"numpy", "sqlalchemy", "pydantic", *HEAVY, *SERVICE}


def test_standard_input_is_read_to_its_end(toy_home: Path) -> None:
    done = ems("classify", "-", "--json", home=toy_home, stdin="some log line\n" + TRACE)
    assert done.returncode == 0
    assert json.loads(done.stdout)["error"]["type"] == "KeyError"
    assert done.stderr == ""
    failed = ems("classify", home=toy_home)
    assert (failed.returncode, failed.stdout) == (3, "")
    assert failed.stderr.splitlines()[0] == "ems: standard input is empty"


@pytest.mark.parametrize("home", ["/proc/ems", "/dev/null/ems"])
def test_a_data_folder_that_cannot_be_made_is_told_with_the_remedy(home: str, toy_models: Path) -> None:
    toy = str(toy_models)
    done = ems("classify", "-", home=home, stdin=TRACE)
    assert done.returncode in (4, 5)  # 4: there are no models either, where none are shipped
    assert "remedy: " in done.stderr
    assert "Traceback" not in done.stderr
    assert toy not in done.stderr


def test_a_read_only_data_folder_keeps_what_it_holds(toy_home: Path) -> None:
    assert ems("classify", "-", home=toy_home, stdin=TRACE).returncode == 0
    stored = (toy_home / "ems.db").read_bytes()
    readonly = f"sqlite:///file:{toy_home / 'ems.db'}?mode=ro&uri=true"
    done = ems("classify", "-", "--store", readonly, home=toy_home, stdin=TRACE)
    assert done.returncode == 5, done.stderr
    problem, remedy = done.stderr.strip().splitlines()
    assert "readonly" in problem
    assert "EMS_HOME" in remedy
    assert "--store" in remedy
    assert (toy_home / "ems.db").read_bytes() == stored


def test_a_broken_database_is_told_and_not_touched(toy_home: Path) -> None:
    (toy_home / "ems.db").write_bytes(b"this is no database, but somebody may still want it\n" * 100)
    before = (toy_home / "ems.db").read_bytes()
    done = ems("classify", "-", home=toy_home, stdin=TRACE)
    assert done.returncode == 5
    assert "remedy: move " in done.stderr
    assert (toy_home / "ems.db").read_bytes() == before


def test_who_stops_reading_gets_no_complaint(toy_home: Path) -> None:
    command = f'"{sys.executable}" -m ems_ml --help | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


def test_ctrl_c_ends_it_quietly(toy_home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "ems_ml", "classify", "-"],
        env={**os.environ, "EMS_HOME": str(toy_home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:  # until it has loaded what it reads its input with
        if line.rstrip().endswith("ems_ml.ingest.reportlog"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err[-2000:]
    assert "Traceback" not in err
    assert out == ""


def test_every_exit_code_stands_in_the_documentation(repo_root: Path) -> None:
    from ems_ml import errors
    from ems_ml.service import exit_codes

    text = (repo_root / "docs" / "api" / "exit-codes.md").read_text()
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.EmsError)]
    codes = {kind.exit_code for kind in kinds} | {one for one in vars(exit_codes).values() if isinstance(one, int)}
    cells = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert {int(cell) for cell in cells if cell.isdigit()} == codes
