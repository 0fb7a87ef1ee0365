"""Deciles by hardness, and pairs of labels."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from probes.stats.confusions import label_pairs
from probes.stats.deciles import decile_of, gate_by_decile
from probes.stats.intervals import mean_interval, wilson


def test_deciles_equal_pandas_where_all_values_differ():
    values = np.random.default_rng(0).normal(size=1003)
    expected = np.asarray(pd.qcut(values, 10, labels=False)) + 1
    result = decile_of(values)
    assert (result == expected).mean() > 0.99
    assert np.bincount(result)[1:].tolist() == pytest.approx([100.3] * 10, abs=1)


def test_equal_values_share_a_decile_and_missing_ones_have_none():
    result = decile_of(np.array([0.0] * 50 + [np.nan] * 7 + list(range(1, 49)) + [np.inf, np.inf]))
    assert set(result[:50]) == {3}
    assert (result[50:57] == 0).all()
    assert result[57] == 6
    assert (result[-2:] == 10).all()
    assert decile_of(np.full(3, np.nan)).tolist() == [0, 0, 0]
    assert decile_of(np.zeros(0)).tolist() == []


def test_shares_and_means_have_their_intervals():
    rng = np.random.default_rng(1)
    decile, gate = rng.integers(0, 11, 500), rng.random(500)
    gate[::9] = np.nan
    routed, group = gate > 0.5, rng.random(500) < 0.4
    for one in gate_by_decile(decile, group, routed, gate):
        rows = group & (decile == one.number) & ~np.isnan(gate)
        low, high = wilson(routed[rows].sum(), rows.sum())
        assert (one.routed.value, one.routed.n) == (routed[rows].mean(), rows.sum())
        assert (one.routed.low, one.routed.high) == pytest.approx((low, high))
        assert (one.gate.value, one.gate.low, one.gate.high) == mean_interval(gate[rows], (0, 1))
    nobody = gate_by_decile(decile, np.zeros(500, bool), routed, gate)
    assert [one.routed.value for one in nobody] == [None] * 10


def test_pairs_equal_scikit_learns_confusion_matrix():
    rng = np.random.default_rng(2)
    clean = rng.integers(0, 5, 400)
    given = np.where(rng.random(400) < 0.3, rng.integers(0, 5, 400), clean)
    hit, known = rng.random(400) < 0.5, rng.random(400) < 0.9
    counts = confusion_matrix(clean, given)
    pairs = label_pairs(clean, given, hit, known)
    assert sum(pair.n for pair in pairs) == 400
    assert [pair.n for pair in pairs] == sorted((pair.n for pair in pairs), reverse=True)
    for pair in pairs:
        assert pair.n == counts[pair.clean, pair.given]
        rows = (clean == pair.clean) & (given == pair.given) & known
        assert pair.hits.n == rows.sum()
        assert pair.hits.value == (hit[rows].mean() if rows.any() else None)
    assert label_pairs(clean[:0], given[:0], hit[:0], known[:0]) == ()


def test_a_pair_without_known_flags_has_no_share():
    one = np.zeros(2, int)
    (pair,) = label_pairs(one, one, np.ones(2, bool), np.zeros(2, bool))
    assert (pair.n, pair.hits.value, pair.hits.low) == (2, None, None)
