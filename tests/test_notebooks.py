"""Notebooks run from a fresh kernel, keep no outputs, and hold no logic."""

import ast
import os
import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

from zoo.data.spark import missing

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IMPORTS = {
    *("zoo", "optim", "pathlib"),
    *("jax", "numpy", "matplotlib", "optax", "flax", "scipy"),
}
SECONDS = 300  # for a cell

SPARK = "09_counting_with_spark"  # left out where Spark is not; conftest.py says so

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def python(cell) -> ast.Module:
    """What a cell does, without the lines that are for IPython."""
    lines = cell.source.splitlines()
    return ast.parse("\n".join(line for line in lines if not line.startswith("%")))


def test_there_are_notebooks():
    assert NOTEBOOKS


@each
def test_nothing_of_a_run_is_stored(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    for cell in code_cells(path):
        assert not cell.outputs and cell.execution_count is None, cell.source


@each
def test_only_ours_and_scientific_packages_are_imported(path):
    for cell in code_cells(path):
        for node in ast.walk(python(cell)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                continue
            assert {name.split(".")[0] for name in names} <= IMPORTS, cell.source


@each
def test_a_notebook_holds_no_logic(path):
    """No classes, no branches and no loops; functions are builders."""
    logic = (ast.ClassDef, ast.If, ast.For, ast.While, ast.Try)
    for cell in code_cells(path):
        for node in ast.walk(python(cell)):
            assert not isinstance(node, logic), cell.source
            if isinstance(node, ast.FunctionDef):
                assert node.name.startswith("build"), cell.source


@pytest.mark.xdist_group("devices")  # its kernel splits the CPU
@pytest.mark.parametrize(
    "path",
    [path for path in NOTEBOOKS if path.stem != SPARK or not missing()],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    copy = shutil.copy(path, tmp_path)
    notebook = nbformat.read(copy, as_version=4)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    # Nothing of the user's: neither settings nor a kernel of another interpreter.
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    outputs = [
        out
        for cell in notebook.cells
        if cell.cell_type == "code"
        for out in cell.outputs
    ]
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert pictures
    warned = [out.text for out in outputs if out.get("name") == "stderr"]
    assert not warned
