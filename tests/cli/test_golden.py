"""Runs in the formats of this and of the former version are read; formats of a newer version are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from memgate.errors import MemgateError
from memgate.runs.run import Run
from memgate.sweeps.grid import read_sweep
from noise.errors import NoiseError
from noise.files.npz import read_npz, write_npz
from probes.result import load_results
from probes.samples.cohorts import Cohort, load_cohort, save_cohort

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(params=["log_1", "log_2"])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(GOLDEN / request.param, tmp_path / request.param)))


@pytest.fixture
def newest(tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(GOLDEN / "log_2", tmp_path / "log_2")))


@pytest.mark.slow
def test_the_values_are_exported_to_the_same_bytes(golden: Run, exit_code: Callable[..., int]) -> None:
    out = golden.path / "again.csv"
    assert exit_code("export", golden.path, "--shape", "long", "--format", "csv", "--out", out) == 0
    assert out.read_bytes() == (GOLDEN / "long.csv").read_bytes()


@pytest.mark.slow
def test_probe_results_are_shown_and_their_run_is_named_where_it_is_unknown(
    golden: Run, exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("probe", "show", golden.path) == 0
    shown = capsys.readouterr().out
    assert "csr by lass, train, epoch 2 (last), 6 of 24 samples" in shown
    assert "33.3% [" in shown
    assert ("did not record the run" in shown) == (golden.name == "log_1")


@pytest.mark.slow
def test_a_golden_run_is_what_it_says(golden: Run) -> None:
    (result,) = load_results(golden, "csr")
    np.testing.assert_array_equal(
        result.values["critical_radius"], np.array([1, 2, 3, 4, 5, np.inf], np.float32)
    )
    assert result.log == ("" if golden.name == "log_1" else golden.sample_log().identity)
    assert golden.manifest.damage() == ""
    assert golden.outline.gates == ("b3",)
    assert golden.status().epoch == 2


def _text(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def _config(run: Run) -> object:
    _text(run.path / "config.json", "memgate-run/1", "memgate-run/2")
    return Run(run.path).outline


def _status(run: Run) -> object:
    run.set_status("stopped", 1)
    _text(run.path / "status.json", "memgate-status/1", "memgate-status/2")
    return run.status()


def _manifest(run: Run) -> object:
    arrays = read_npz(run.path / "manifest.npz")
    header = str(arrays["header"]).replace("memgate-manifest/2", "memgate-manifest/10")
    write_npz(run.path / "manifest.npz", {**arrays, "header": np.array(header)})
    return run.manifest


def _probe(run: Run) -> object:
    path = run.path / "probes" / "csr.h5"
    path.write_bytes(path.read_bytes().replace(b"memgate-probe/2", b"memgate-probe/3", 1))
    return load_results(run, "csr")


def _cohort(run: Run) -> object:
    save_cohort(run, Cohort("few", "train", (1, 2), "by hand"))
    _text(run.path / "cohorts" / "few.json", "memgate-cohort/1", "memgate-cohort/2")
    return load_cohort(run, "few")


def _sweep(run: Run) -> object:
    path = run.path / "x.sweep.json"
    path.write_text(json.dumps({"schema": "memgate-sweep/2"}))
    return read_sweep(path)


def _checkpoint(run: Run) -> object:
    import torch  # heavy, and only this kind of file needs it

    from memgate.training.checkpoint import read_model

    folder = run.path / "checkpoints"
    folder.mkdir(exist_ok=True)
    torch.save({"schema": "memgate-checkpoint/2"}, folder / "last.pt")
    return read_model(run, "last", torch.device("cpu"))


@pytest.mark.parametrize("read", [_config, _status, _manifest, _probe, _cohort, _sweep, _checkpoint])
def test_a_format_of_a_newer_version_is_a_sentence(newest: Run, read: Callable[[Run], object]) -> None:
    with pytest.raises(
        (MemgateError, NoiseError), match=r"which a newer version of memgate wrote \(.*update memgate"
    ):
        read(newest)


@pytest.mark.slow
def test_a_former_result_without_its_settings_is_a_sentence(
    tmp_path: Path, exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(GOLDEN / "log_1", tmp_path / "log_1"))
    with h5py.File(run / "probes" / "csr.h5", "r+") as handle:
        handle["train/epoch_002/lass"].attrs["config"] = "{}"
    assert exit_code("probe", "show", run) == 2
    assert (
        "csr.h5 holds results that cannot be shown (it lacks 'radii'): probe again."
        in capsys.readouterr().err
    )
