"""The notebook of the tutorial runs on a quickstart's run."""

import os
from dataclasses import replace
from pathlib import Path

import nbclient
import nbformat
import pytest

from app.cli.main import parse
from memgate.config.run import TrainConfig
from memgate.recipes import recipe
from tests.helpers.documents import ROOT


@pytest.mark.slow
def test_the_notebook_runs_on_a_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the run in the folder that MEMGATE_QUICKSTART names, else on a smaller one that the command makes now."""
    (tmp_path / "runs").mkdir()
    if made := os.environ.get("MEMGATE_QUICKSTART"):
        (tmp_path / "runs" / "quickstart").symlink_to(Path(made).absolute())
    else:
        whole = recipe("quickstart")
        data = replace(whole.data, image_size=8, train_limit=100, test_limit=20)
        schedule = TrainConfig(epochs=24, batch_size=20, lr=0.02, milestones=(18,), weight_decay=0.0)
        smaller = replace(whole, data=data, train=schedule)
        monkeypatch.setattr("app.cli.commands.train.recipe", lambda name: smaller)
        parse(["quickstart", "--out", str(tmp_path / "runs")]).run()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Streamlit, which other tests run in this process, sets another one.
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(ROOT / "docs" / "tutorial" / "first_look.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", ()) for output in outputs)
    assert "memorised.csv" in outputs[-1]["data"]["text/plain"]
    rows = (tmp_path / "memorised.csv").read_text().splitlines()
    assert rows[0].startswith("sample_id,")
    assert len(rows) > 1
