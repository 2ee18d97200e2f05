"""The notebooks run from top to bottom, and are kept without what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS] == ["compare-and-sweep.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path, here):
    for package in ("nbclient", "ipykernel", "pandas"):
        pytest.importorskip(package)
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells), "it is kept without outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(here)}}).execute()
    for cell in cells:
        shown = [one for one in cell.outputs if one.output_type == "execute_result"]
        streams = [one.text for one in cell.outputs if one.output_type == "stream"]
        assert streams == [], cell.source
        last = cell.source.splitlines()[-1]
        assert len(shown) == (0 if " = " in last else 1), cell.source
    tables = [cell for cell in cells if "<table>" in json.dumps(cell.outputs)]
    assert len(tables) >= 3, "results are shown as tables"
