"""The export of maps: a row per sample with its place on each stored map and its neighbours, in every format."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.embedding.config import EmbedConfig
from probes.embedding.run import probe_run
from probes.embedding.sources import source_vectors
from probes.embedding.vectors import nearest_vectors
from probes.export.export import export_bytes, export_run
from probes.export.plan import KINDS, ExportPlan, command_of
from probes.export.preview import outlook, quantity_names
from probes.network.plan import Plan
from probes.result import ProbeResult, probe_path, save_results
from probes.samples.filters import Filter

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


def mapped(run: Run, epoch: int | None = None) -> ProbeResult:
    """The stored map of the trajectories of the training samples."""
    plan = Plan(("last" if epoch is None else str(epoch),), splits=("train",), n=0)
    return next(probe_run(run, EmbedConfig(), ["trajectories"], plan))


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    """A run with a map on which the samples 4 and 9 have no place: an epoch did not see them."""
    one = make_run(n=60, ids=np.random.default_rng(0).permutation(60).tolist(), unseen={3: [4, 9]})
    mapped(one)
    return one


def test_every_format_has_places_and_neighbours(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in KINDS["memgate", "map"]:
        path = export_run(run, ExportPlan("map", form, neighbours=3), tmp_path / f"a.{form}")
        assert "2 samples have no place on the map of trajectories by PCA." in capsys.readouterr().err
        check(run, read(path))


def check(run: Run, table: Any) -> None:
    """Compare an export with the stored map, the neighbours of one sample, and the log."""
    result = mapped(run)
    placed = dict(zip(result.sample_id.tolist(), result.values["position"].T.tolist(), strict=True))
    assert table["sample_id"].tolist() == list(range(60))
    expected = np.array([placed.get(one, [np.nan, np.nan]) for one in range(60)])
    shown = table[["x_trajectories_pca", "y_trajectories_pca"]].to_numpy(float)
    np.testing.assert_allclose(shown, expected, rtol=1e-6)
    missing = np.flatnonzero(np.isnan(expected[:, 0]))
    assert len(missing) == 2
    assert (table["epoch_trajectories_pca"] == result.epoch).all()
    assert sum(name.startswith("nearest_") for name in table) == 3
    vectors = source_vectors(run, "trajectories", "train", result.epoch)
    place = int(np.flatnonzero(vectors.sample_id == 17)[0])
    near, distances = nearest_vectors(vectors, place, 3)
    for k in range(3):
        assert table[f"nearest_trajectories_{k + 1}"][17] == vectors.sample_id[near[k]]
        assert table[f"distance_trajectories_{k + 1}"][17] == pytest.approx(distances[k], rel=1e-6)
        assert table[f"nearest_trajectories_{k + 1}"].isna()[missing].all()
    samples = run.sample_log().samples("train")
    by_id = samples.take(np.argsort(samples.sample_id))
    assert table["given_label"].tolist() == by_id.given_label.tolist()


def read(path: Path) -> Any:
    """An export as a DataFrame."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return pd.DataFrame({name: arrays[name] for name in arrays})
    if path.suffix == ".h5":
        with h5py.File(path, "r") as handle:
            return pd.DataFrame({name: np.asarray(handle[name]) for name in handle})
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    return readers[path.suffix](path) if path.suffix in readers else pd.read_json(path, lines=True)


def test_the_neighbours_of_a_part_are_among_all_samples(run: Run, tmp_path: Path) -> None:
    whole = read(export_run(run, ExportPlan("map", "parquet"), tmp_path / "whole.parquet"))
    names = ("cause", "nearest_trajectories_1", "x_trajectories_pca")
    plan = ExportPlan("map", "parquet", filter=Filter("corrupted"), quantities=names)
    part = read(export_run(run, plan, tmp_path / "part.parquet"))
    assert list(part) == ["sample_id", "cause", "x_trajectories_pca", "nearest_trajectories_1"]
    expected = whole[whole["cause"] != "clean"].reset_index(drop=True)[list(part)]
    pd.testing.assert_frame_equal(part, expected, check_dtype=False)
    assert not part["nearest_trajectories_1"].dropna().isin(part["sample_id"]).all()


def test_maps_up_to_the_epoch_count(run: Run, tmp_path: Path) -> None:
    early = mapped(run, 2)
    table = read(export_run(run, ExportPlan("map", epoch=3, neighbours=0), tmp_path / "a.csv"))
    assert (table["epoch_trajectories_pca"] == 2).all()
    assert not [name for name in table if name.startswith("nearest")]
    near = early.values["position"][0][early.sample_id == 17]
    assert table["x_trajectories_pca"][17] == pytest.approx(near[0], rel=1e-6)
    with pytest.raises(
        MemgateError, match=r"no map of its train samples up to epoch 1: memgate probe embed "
    ):
        export_run(run, ExportPlan("map", epoch=1))


def test_the_preview_and_the_command_are_those_of_the_file(run: Run, tmp_path: Path, exit_code: Any) -> None:
    plan = ExportPlan("map", neighbours=2)
    seen = outlook(run, plan)
    path = export_run(run, plan, tmp_path / "a.csv")
    assert list(read(path)) == list(seen.columns) == ["sample_id", *quantity_names(run, plan)]
    assert seen.rows == 60
    assert 0.3 < seen.bytes / path.stat().st_size < 3
    pd.testing.assert_frame_equal(read(path).head(5), seen.first, check_dtype=False, rtol=1e-6)
    line = command_of(run, plan, tmp_path / "b.csv")
    assert "--shape map --format csv --neighbours 2" in line
    assert exit_code(*shlex.split(line)[1:]) == 0
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes() == export_bytes(run, plan)
    assert json.loads((tmp_path / "b.csv.meta.json").read_text())["plan"]["neighbours"] == 2


def test_vectors_that_are_gone_leave_the_places(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(n=30)
    config = {"source": "features", "method": "tsne"}
    position = np.random.default_rng(0).normal(size=(2, 30)).astype(np.float32)
    result = ProbeResult(
        "embed", "train", 3, "features-tsne", "epoch_003", np.arange(30), {"position": position}, config
    )
    save_results(run, "embed", [result])
    table = read(export_run(run, ExportPlan("map", neighbours=1), tmp_path / "a.csv"))
    assert table["x_features_tsne"].tolist() == pytest.approx(position[0].tolist(), rel=1e-6)
    assert table["nearest_features_1"].isna().all()
    complaint = capsys.readouterr().err
    assert "Without neighbours by features: run has no features of its train samples at epoch 3" in complaint
    probe_path(run, "embed").write_bytes(b"damaged")
    with pytest.raises(MemgateError, match=r"embed\.h5 is damaged"):
        export_run(run, ExportPlan("map"))


def test_neighbours_of_another_shape_are_a_sentence(run: Run) -> None:
    with pytest.raises(MemgateError, match=r"--neighbours is for --shape map only"):
        export_run(run, ExportPlan(neighbours=3))
    with pytest.raises(MemgateError, match=r"--neighbours 101 must be from 0 to 100"):
        export_run(run, ExportPlan("map", neighbours=101))
