"""Fixtures for the tests of the documentation."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def probed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small run that has the files of a quickstart's: log, manifest, checkpoints, routing results."""
    from memgate.runs.run import Run  # torch
    from probes.network.plan import Plan
    from probes.routing.run import probe_run

    path = tmp_path_factory.mktemp("probed") / "quickstart"
    shutil.copytree(trained, path)
    list(probe_run(Run(path), Plan(splits=("train",), n=0, device="cpu")))
    return path


@pytest.fixture
def workplace(probed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of an example: ``runs/quickstart`` and ``runs/c10`` are in it."""
    for name in ("quickstart", "c10"):
        shutil.copytree(probed, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
