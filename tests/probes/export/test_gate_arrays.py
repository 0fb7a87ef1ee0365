"""The export of gate vectors: arrays by rising id, of the epochs whose vectors were kept."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from memgate.__main__ import main
from memgate.errors import MemgateError
from memgate.log.gate_vector_files import SplitVectors, VectorLayout, write_gate_vectors
from memgate.runs.run import Run
from probes.export.export import export_bytes, export_run
from probes.export.plan import ExportPlan, command_of
from probes.export.preview import outlook, quantity_names
from probes.samples.filters import Filter

MakeRun = Callable[..., Run]
GATES = {"b1u01": 3, "b2u01": 16}


def keep_vectors(
    run: Run, epochs: Sequence[int], unknown: Sequence[int] = ()
) -> dict[int, dict[str, NDArray[np.bool_]]]:
    """Epoch to gate to bool [N, C] of the training split, made up and kept in a run; of some places not known."""
    log, patterns = run.sample_log(), {}
    ids = {split: log.samples(split).sample_id for split in log.splits}
    for epoch in epochs:
        draw, vectors = np.random.default_rng(epoch), {}
        for split in ids:
            known = np.ones((len(GATES), len(ids[split])), bool)
            known[1, list(unknown)] = False
            made = {gate: draw.random((len(ids[split]), count)) < 0.5 for gate, count in GATES.items()}
            made["b2u01"][list(unknown)] = False
            packed = {gate: np.packbits(bits, axis=1) for gate, bits in made.items()}
            vectors[split] = SplitVectors(packed, known)
            if split == "train":
                patterns[epoch] = made
        write_gate_vectors(run.path, VectorLayout(GATES, ids, tuple(epochs)), epoch, log.identity, vectors)
    return patterns


def test_the_arrays_are_the_vectors_by_rising_id(make_run: MakeRun, tmp_path: Path) -> None:
    ids = np.random.default_rng(0).permutation(30)
    run = make_run(n=30, noise=(), ids=ids.tolist())
    (run.path / "manifest.npz").unlink()  # it has the ids in another order
    patterns = keep_vectors(run, (2, 4))
    with np.load(export_run(run, ExportPlan("gates"), tmp_path / "a.npz")) as arrays:
        assert list(arrays) == ["sample_id", "epochs", *GATES]
        assert arrays["sample_id"].tolist() == list(range(30))
        assert arrays["epochs"].tolist() == [2, 4]
        for gate, channels in GATES.items():
            assert arrays[gate].shape == (2, 30, channels)
            for row, epoch in enumerate((2, 4)):
                np.testing.assert_array_equal(arrays[gate][row], patterns[epoch][gate][np.argsort(ids)])


def test_a_part_of_it_as_hdf5_with_its_meta_json(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(n=30)
    patterns = keep_vectors(run, (1, 2, 4))
    plan = ExportPlan("gates", epochs="every:2", ids=(7, 3), quantities=("b2u01",))
    with h5py.File(export_run(run, plan, tmp_path / "a.h5"), "r") as handle:
        assert set(handle) == {"sample_id", "epochs", "b2u01"}
        bits = np.asarray(handle["b2u01"])
    np.testing.assert_array_equal(bits, [patterns[epoch]["b2u01"][[3, 7]] for epoch in (2, 4)])
    meta = json.loads((tmp_path / "a.h5.meta.json").read_text())
    assert (meta["epochs"], meta["samples"], meta["columns"]) == ([2, 4], 2, ["sample_id", "epochs", "b2u01"])


def test_vectors_that_are_not_known_are_marked_and_counted(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(n=30)
    keep_vectors(run, (2, 4), unknown=(5, 6))
    with np.load(export_run(run, ExportPlan("gates"), tmp_path / "a.npz")) as arrays:
        assert list(arrays) == ["sample_id", "epochs", "b1u01", "b2u01", "b2u01_known"]
        assert np.argwhere(~arrays["b2u01_known"]).tolist() == [[0, 5], [0, 6], [1, 5], [1, 6]]
    assert "The channels of b2u01 are unknown of 4 vectors" in capsys.readouterr().err


def test_the_command_writes_the_bytes_that_the_dashboard_hands_over(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(n=30)
    keep_vectors(run, (2, 4))
    plan = ExportPlan("gates", "npz", epochs="last", filter=Filter("clean"), quantities=("b1u01",))
    monkeypatch.setattr(sys, "argv", shlex.split(command_of(run, plan, tmp_path / "a.npz")))
    main()
    assert (tmp_path / "a.npz").read_bytes() == export_bytes(run, plan)


def test_the_preview_has_patterns_and_the_size(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(n=30)
    patterns = keep_vectors(run, (2, 4))
    plan = ExportPlan("gates")
    assert quantity_names(run, plan) == list(GATES)
    seen = outlook(run, plan)
    assert seen.first["b1u01"].iloc[2] == "".join(map(str, patterns[4]["b1u01"][2].astype(int)))
    assert (seen.samples, seen.rows) == (30, 30)
    actual = export_run(run, plan, tmp_path / "a.npz").stat().st_size
    assert 2 * 30 * 19 == seen.bytes < actual


def test_what_has_no_vectors_is_a_sentence(make_run: MakeRun) -> None:
    run = make_run(n=30)
    with pytest.raises(
        MemgateError, match="has no gate vectors: the gates of entropy-gate do not open or close"
    ):
        export_run(run, ExportPlan("gates"))
    keep_vectors(run, (2, 4))
    with pytest.raises(MemgateError, match=r"--epochs 3: 3 is not among the available epochs, 2, 4\."):
        export_run(run, ExportPlan("gates", epochs="3"))
    path = run.path / "gates_epoch_002.h5"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(MemgateError, match=r"gates_epoch_002.h5 is damaged"):
        export_run(run, ExportPlan("gates"))
