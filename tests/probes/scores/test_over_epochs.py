"""AUROC at every epoch: against scikit-learn epoch by epoch, and DeLong's interval of the mean."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from memgate.runs.run import Run
from probes.dynamics.snapshot import take_snapshot
from probes.report.report import report
from probes.samples.columns import identity
from probes.samples.groups import members
from probes.scores.over_epochs import EpochCurve, epoch_curves, pair_shares, quantities_of
from probes.stats.auroc import auroc_interval


def curves(run: Run) -> dict[tuple[str, str | None, str], EpochCurve]:
    snapshot = take_snapshot(run, "train")
    samples = pd.DataFrame(identity(snapshot.samples, "train", run.manifest.header.operations))
    rows = epoch_curves(snapshot, members(samples))
    return {(curve.quantity, curve.gate, curve.against): curve for curve in rows}


@pytest.mark.slow
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20), st.data())
def test_shares_equal_a_count_of_pairs(numbers, data):
    values = np.array(numbers, float)
    values[data.draw(st.lists(st.integers(0, len(values) - 1), max_size=3))] = np.nan
    bools = st.lists(st.booleans(), min_size=len(values), max_size=len(values))
    groups = [np.array(data.draw(bools)) for _ in range(2)]
    for group, shares in zip(groups, pair_shares(values, groups), strict=True):
        others = values[group & ~np.isnan(values)]
        for value, share in zip(values, shares, strict=True):
            if np.isnan(value) or len(others) == 0:
                assert np.isnan(share)
            else:
                assert share == pytest.approx(((others < value) + 0.5 * (others == value)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("gates", [("b3",), ("b2", "b3")])
def test_the_auroc_of_every_epoch_equals_scikit_learn(make_run, gates):
    run = make_run(gates=gates)
    log, by_key = run.sample_log(), curves(run)
    samples = log.samples("train")
    sign = {
        None: np.where(log.values("train", "correct_given")[1], 1, -1),
        **{
            gate: np.where(log.values("train", "gate_pred", gate)[1] == samples.given_label, 1, -1)
            for gate in gates
        },
    }
    quantities = quantities_of(log)
    assert "macs" not in {quantity.logged for quantity in quantities}
    per_gate = sum(quantity.per_gate for quantity in quantities)
    assert len(by_key) == (len(quantities) - per_gate + per_gate * len(gates)) * 4
    for (name, gate, against), curve in by_key.items():
        values = log.values("train", name.removeprefix("signed_"), gate)[1]
        if name.startswith("signed_"):
            assert curve.direction == -1
            values = values * sign[gate]
        target = samples.cause != "clean" if against == "corrupted" else samples.cause == against
        rows = target | (samples.cause == "clean")
        expected = [roc_auc_score(target[rows], curve.direction * row[rows]) for row in values]
        assert curve.auroc == pytest.approx(expected)
        assert curve.epochs == (1, 2, 3, 4)
        assert curve.mean.value == pytest.approx(np.mean(expected))
        assert curve.last.value == pytest.approx(expected[-1])
        assert curve.oracle_epoch == 1 + np.argmax(expected)
        assert curve.oracle.value == pytest.approx(max(expected))
        low, high = auroc_interval(curve.direction * values[-1][rows], target[rows])
        assert (curve.last.low, curve.last.high) == pytest.approx((low, high))


def test_the_interval_of_a_mean_over_one_epoch_equals_delong(make_run):
    for curve in curves(make_run(epochs=1)).values():
        assert curve.mean.value == pytest.approx(curve.last.value)
        assert (curve.mean.low, curve.mean.high) == pytest.approx((curve.last.low, curve.last.high))


def area(positive: np.ndarray, score: np.ndarray) -> float:
    """The AUROC by the ranks, for many resamples; scikit-learn's takes a millisecond."""
    m, n = positive.sum(), (~positive).sum()
    return (rankdata(score)[positive].sum() - m * (m + 1) / 2) / (m * n)


@pytest.mark.slow
def test_the_interval_of_a_mean_over_epochs_is_close_to_a_bootstrap(make_run):
    run = make_run(n=400, noise=("symmetric:0.3",))
    curve = curves(run)["loss", None, "corrupted"]
    loss, corrupted = run.sample_log().values("train", "loss")[1], run.manifest.corrupted
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(150):
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(kind), kind.sum()) for kind in (corrupted, ~corrupted)]
        )
        drawn.append(np.mean([area(corrupted[rows], row[rows]) for row in loss]))
    assert curve.mean.low is not None
    assert curve.mean.high is not None
    # Near an AUROC of 1 it is wider than the normal approximation's, which misses the true value too often.
    assert 0.9 < (curve.mean.high - curve.mean.low) / (2 * 1.96 * np.std(drawn)) < 1.5
    # Epochs are correlated, but not perfectly: the interval differs from that of a single epoch.
    assert curve.last.low is not None
    assert curve.last.high is not None
    assert curve.mean.high - curve.mean.low != pytest.approx(curve.last.high - curve.last.low, rel=0.01)


def loss_curve(loss: np.ndarray, corrupted: np.ndarray) -> EpochCurve:
    """The curve of [E, N] losses, NaN where a sample was not seen."""
    snapshot: Any = SimpleNamespace(
        log=SimpleNamespace(gates=(), has_macs=False), epochs=np.arange(1, len(loss) + 1),
        values=lambda *_: loss, known=lambda *_: ~np.isnan(loss),
    )  # fmt: skip
    return epoch_curves(snapshot, {"clean": ~corrupted, "corrupted": corrupted})[0]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=25)
def test_the_interval_of_a_mean_contains_its_value_with_any_unseen_samples(data):
    values = st.lists(st.integers(0, 4), min_size=8, max_size=8)
    unseen = st.lists(st.booleans(), min_size=8, max_size=8)
    loss = np.array([data.draw(values) for _ in range(3)], float)
    loss[np.array([data.draw(unseen) for _ in range(3)])] = np.nan
    corrupted = np.arange(8) >= 4
    mean = loss_curve(loss, corrupted).mean
    areas = [
        roc_auc_score(corrupted[seen], row[seen])
        for row, seen in zip(loss, ~np.isnan(loss), strict=True)
        if len(set(corrupted[seen])) == 2
    ]
    assert mean.value == (pytest.approx(np.mean(areas)) if areas else None)
    if mean.value is not None and mean.low is not None:
        assert mean.high is not None
        assert mean.low <= mean.value <= mean.high


@pytest.mark.slow
def test_an_epoch_with_few_samples_has_the_same_weight_in_the_interval_as_in_the_mean():
    rng = np.random.default_rng(0)
    corrupted = np.arange(400) % 2 == 1
    # AUROC 0.5 in the first epoch and high in the second, which saw 40 samples: both have the same weight.
    loss = np.stack([rng.normal(size=400), corrupted + rng.normal(scale=0.5, size=400)])
    loss[1, 40:] = np.nan
    mean = loss_curve(loss, corrupted).mean
    drawn = []
    for _ in range(200):
        rows = np.concatenate([rng.choice(np.flatnonzero(kind), 200) for kind in (corrupted, ~corrupted)])
        seen = [rows[~np.isnan(row[rows])] for row in loss]
        drawn.append(
            np.mean([area(corrupted[kept], row[kept]) for row, kept in zip(loss, seen, strict=True)])
        )
    assert mean.value is not None
    assert mean.low is not None
    assert mean.high is not None
    assert mean.value == pytest.approx(np.mean(drawn), abs=0.01)
    assert mean.low < mean.value < mean.high
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.15)
    assert mean.n == 400


def test_a_kind_that_is_all_of_the_corruption_is_not_repeated(make_run):
    assert {against for _, _, against in curves(make_run(noise=("symmetric:0.3",)))} == {"corrupted"}


def test_samples_not_seen_in_an_epoch_are_left_out_of_it(make_run):
    corrupted = np.flatnonzero(make_run().manifest.corrupted)
    run = make_run(unseen={1: [0, 1, 2], 3: corrupted.tolist()})
    curve = curves(run)["margin", None, "corrupted"]
    margin, corrupted = run.sample_log().values("train", "margin")[1], run.manifest.corrupted
    assert curve.auroc[0] == pytest.approx(roc_auc_score(corrupted[3:], -margin[0][3:]))
    assert curve.auroc[2] is None
    assert curve.mean.value == pytest.approx(np.mean(np.array(curve.auroc, float)[[0, 1, 3]]))


@pytest.mark.slow
def test_ungated_and_without_noise(make_run):
    ungated = report(make_run(gates=()), over_epochs=True, resamples=0)
    assert {curve.gate for curve in ungated.over_epochs} == {None}
    assert report(make_run(noise=()), over_epochs=True, resamples=0).over_epochs == ()
