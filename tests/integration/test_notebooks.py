"""Every notebook runs from top to bottom in the interpreter that runs the tests, and is committed without outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient

from ems_ml.harvest import build_dataset
from ems_ml.redact import NullRedactor
from tests.toy_cache import write_cache

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
KERNEL = "ems-tests"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel of this very interpreter, wherever others are installed."""
    spec = write_kernel_spec(tmp_path / "kernels" / KERNEL)
    assert sys.executable in (Path(spec) / "kernel.json").read_text()
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a library may have set it here; kernels choose
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # small matrices; beside other tests, more threads only wait
    return KERNEL


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_speaks_of(path: Path, kernel: str, tmp_path: Path) -> None:
    shows_what_it_speaks_of(nbformat.read(path, as_version=4), kernel, tmp_path)


@pytest.mark.slow
def test_the_notebook_of_the_kinds_shows_all_three(kernel: str, tmp_path: Path) -> None:
    """On made rows, so that it is tried with every kind whatever is shipped."""
    write_cache(tmp_path / "cache")
    build_dataset(tmp_path / "cache", redactor=NullRedactor(), out=tmp_path / "data")
    notebook = nbformat.read(NOTEBOOKS[0].with_name("three_kinds.ipynb"), as_version=4)
    lines = ("from pathlib import Path", "from ems_ml.dataset import files")
    told = "\n".join((*lines, f"files.data_folder = lambda: Path({str(tmp_path / 'data')!r})"))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(told))
    shows_what_it_speaks_of(notebook, kernel, tmp_path)
    shown = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert all(f"{kind} " in shown for kind in ("fault", "replay", "told"))


def shows_what_it_speaks_of(notebook: nbformat.NotebookNode, kernel: str, folder: Path) -> None:
    NotebookClient(notebook, kernel_name=kernel, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.get("name") == "stderr"], "a warning or an error was printed"
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    assert pictures == sum("plt.subplots(" in cell.source for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
