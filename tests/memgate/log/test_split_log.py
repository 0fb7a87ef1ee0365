"""One split as arrays by name, and as a table that is the long export."""

import numpy as np
import pandas as pd
import pytest

from memgate.errors import MemgateError
from memgate.log.format import FLAGS, QUANTITIES
from probes.dynamics.snapshot import take_snapshot
from probes.export.shapes import long_tables


def test_arrays_are_the_logs_values(make_run):
    run = make_run(gates=("b2", "b3"), epochs=3, unseen={2: [0, 7]})
    log, reader = run.log("train"), run.sample_log()
    assert log.gates == ("b2", "b3")
    np.testing.assert_array_equal(log.epochs, [1, 2, 3])
    assert set(log) == set(log.keys()) >= (set(QUANTITIES) | set(FLAGS)) - {"flags", "macs", "phi", "trained"}
    arrays = {name: log[name] for name in log}
    for name in ("gate", "entropy", "gate_pred", "routed"):
        assert arrays[name].shape == (3, 2, 200)
        for row, gate in enumerate(log.gates):
            np.testing.assert_array_equal(arrays[name][:, row], reader.values("train", name, gate)[1])
    for name in (
        "loss",
        "margin",
        "p_given",
        "el2n",
        "out_entropy",
        "pred",
        "correct_given",
        "correct_clean",
    ):
        np.testing.assert_array_equal(arrays[name], reader.values("train", name)[1])
    assert (arrays["gate"].dtype, arrays["routed"].dtype) == (np.float32, bool)
    np.testing.assert_array_equal(arrays["sample_id"], log.samples.sample_id)
    np.testing.assert_array_equal(arrays["cause"], log.samples.cause)
    assert not arrays["seen"][1, [0, 7]].any()
    assert np.isnan(arrays["gate"][1, :, [0, 7]]).all()


def test_all_arrays_are_of_the_epochs_at_the_moment_of_opening(make_run, monkeypatch):
    log = make_run(epochs=3, finished=3).log()
    monkeypatch.setattr(log.reader, "epochs", lambda split: np.array([1, 2, 3]))
    shorter = type(log)(log.reader, "train", log.epochs[:2])
    assert (len(shorter["loss"]), len(shorter["gate"])) == (2, 2)
    assert len(shorter.to_frame(["loss"])) == 2 * 200


@pytest.mark.slow
@pytest.mark.parametrize("gates", [("b3",), ("b2", "b3"), ()])
def test_the_table_is_the_long_export(make_run, gates):
    order = np.random.default_rng(0).permutation(200).tolist()
    run = make_run(gates=gates, epochs=3, unseen={2: [0, 7]}, ids=order)
    exported = pd.concat(
        [table.to_pandas() for table in long_tables(take_snapshot(run, "train"))], ignore_index=True
    )
    frame = run.log().to_frame()
    assert list(frame) == list(exported)
    assert frame["pred"].dtype == "UInt16"
    assert frame["correct_given"].dtype == "boolean"
    for name, column in frame.items():
        np.testing.assert_array_equal(column.isna(), exported[name].isna())
        given = column.notna()
        assert column[given].tolist() == exported[name][given].tolist()


def test_the_quantities_of_the_table_can_be_chosen(make_run):
    log = make_run(gates=("b2", "b3")).log("test")
    assert list(log.to_frame(["loss", "gate_pred"])) == [
        "sample_id",
        "epoch",
        "loss",
        "gate_pred_b2",
        "gate_pred_b3",
    ]
    with pytest.raises(
        MemgateError, match="quantities='gate_b2' is no quantity of this log: take some of gate, "
    ):
        log.to_frame(["gate_b2"])


def test_what_is_not_there_is_said(make_run):
    run = make_run(gates=())
    with pytest.raises(MemgateError, match="The log of run has no array 'gate': it has sample_id, "):
        run.log()["gate"]
    with pytest.raises(MemgateError, match="has no split 'validation': it has train, test"):
        run.log("validation")
