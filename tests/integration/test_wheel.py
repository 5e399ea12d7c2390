"""The wheel, in an empty environment, in another folder: it carries its models, its data and its demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACE = """Traceback (most recent call last):
  File "/srv/app/shop/orders.py", line 41, in total
    return prices[sku] * quantity
KeyError: 'tea-green'
"""

pytestmark = pytest.mark.slow


def run(*argv: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("EMS_", "PYTHON", "COV_", "VIRTUAL"))
    }
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, env=clean | env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ".", cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_models_and_data_and_stays_small(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    models = {name: size for name, size in sizes.items() if name.startswith("ems_ml/_shipped/models/")}
    assert "ems_ml/_shipped/models/manifest.json" in models
    assert sum(models.values()) <= 30 * 2**20
    assert any(name.startswith("ems_ml/_shipped/data/") and name.endswith(".parquet") for name in sizes)
    assert "ems_ml/py.typed" in sizes
    assert "ems_ml/service/demo_shop/app.py" in sizes
    assert not [name for name in sizes if name.startswith("tests/") or "__pycache__" in name]


def test_an_empty_environment_classifies_and_shows_the_demo(wheel: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    run(sys.executable, "-m", "venv", elsewhere / "venv", cwd=elsewhere)
    python = elsewhere / "venv" / "bin" / "python"
    ems = elsewhere / "venv" / "bin" / "ems"
    constraints = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "-q", "-c", constraints, str(wheel), cwd=elsewhere)
    (elsewhere / "trace.txt").write_text(TRACE)
    home = str(elsewhere / "home")

    done = run(ems, "classify", "trace.txt", "--json", cwd=elsewhere, EMS_HOME=home)
    answer = json.loads(done.stdout)
    assert answer["error"]["type"] == "KeyError"
    assert answer["pattern"]["decision"] == "new"
    assert sum(strategy["probability"] for strategy in answer["strategies"]) == pytest.approx(1, abs=1e-3)
    packages = run(python, "-m", "pip", "list", cwd=elsewhere).stdout.lower()
    assert not {"torch", "mlflow", "streamlit"} & set(packages.split()), "the base install is light"

    run(python, "-m", "pip", "install", "-q", "-c", constraints, f"{wheel}[demo]", cwd=elsewhere)
    shown = run(ems, "demo", "--once", cwd=elsewhere, EMS_HOME=home).stdout
    assert "repaired" in shown
    assert "\n+" in shown, "the diff of the repair is shown"
    assert "torch" not in run(python, "-m", "pip", "list", cwd=elsewhere).stdout.lower().split()
