"""Logs of runs of a subset: the bit 'trained', phi, and the log that keeps only what memorisation needs."""

import numpy as np
import pytest

from memgate.data.subset_masks import members
from memgate.errors import MemgateError
from memgate.log.format import MEMORISATION, QUANTITIES
from memgate.log.identity import check_layout


@pytest.mark.parametrize("quantities", ["all", "memorisation"])
def test_a_subset_run_says_who_was_trained_on_and_has_phi(make_run, quantities):
    run = make_run(subset=1, quantities=quantities, n=30, epochs=2)
    log = run.log("train")
    mask = members(log["sample_id"], 2, 0.5, seed=0)[1]
    assert (log["trained"] == mask).all()
    p = log["p_given"].astype(float)
    np.testing.assert_allclose(log["phi"], np.log(p / (1 - p)), rtol=1e-4, atol=1e-4)
    frame = log.to_frame(["trained", "correct_given"])
    assert frame["trained"].notna().all()
    assert frame["correct_given"].notna().all()
    assert "trained" not in run.log("test")
    assert "phi" in run.log("test")


def test_an_ordinary_log_has_none_of_it_and_reads_as_missing(make_run):
    run = make_run(n=20, epochs=1)
    assert not {"phi", "trained"} & {*run.log("train"), *run.log("train").to_frame()}
    log = run.sample_log()
    assert np.isnan(log.values("train", "phi")[1]).all()
    (_, record), *_ = log.records("train", {1})
    assert record.phi is None
    assert not record.known("trained").any()


def test_what_a_reduced_log_leaves_out_is_missing_and_what_it_keeps_is_as_in_a_full_one(make_run):
    full, reduced = (
        make_run(subset=0, quantities=which, n=20, epochs=2) for which in ("all", "memorisation")
    )
    log, whole = reduced.sample_log(), full.sample_log()
    assert log.reduced
    assert set(log.quantities) == set(MEMORISATION)
    ((_, record),) = log.records("train", {2})
    ((_, complete),) = whole.records("train", {2})
    for name in QUANTITIES:
        if name == "macs":
            continue
        epochs, values = log.values("train", name)
        assert epochs.tolist() == [1, 2]
        if name in MEMORISATION:
            np.testing.assert_array_equal(values, whole.values("train", name)[1])
        else:
            assert values.shape == (2, 20)
            assert (values == 65535).all() if values.dtype.kind == "u" else np.isnan(values).all()
        assert getattr(record, name).shape == getattr(complete, name).shape
    assert record.known("correct_given").all()
    assert not record.known("pred").any()
    assert (record.flags == complete.flags).all()
    part = log.values("train", "loss", part=slice(3, 7))[1]
    assert part.shape == (2, 4)
    with pytest.raises(MemgateError, match="has no 'gate': this network has no gate"):
        make_run(subset=0, quantities="memorisation", gates=()).sample_log().values("train", "gate")


def test_a_reduced_log_is_not_taken_for_that_of_a_full_run(make_run):
    full, reduced = (
        make_run(subset=0, quantities=which, n=20, epochs=1) for which in ("all", "memorisation")
    )
    log = reduced.sample_log()
    with pytest.raises(MemgateError, match="has other reduced than the run's configuration"):
        check_layout(log.path, full.sample_log().layout(), log.layout())


def test_a_reduced_log_needs_less_than_half_of_the_disk(make_run):
    sizes = [
        make_run(subset=0, quantities=which, n=20, epochs=1, gates=gates).sample_log().layout().bytes()
        for gates in ((), ("b3",))
        for which in ("all", "memorisation")
    ]
    assert sizes[1] / sizes[0] <= 1 / 3
    assert sizes[3] / sizes[2] < 1 / 2
