"""Resamples: their sizes, seeds, and the intervals from them; coverage is in test_interval_coverage.py."""

import numpy as np
import pytest

from probes.stats.bootstrap import FPR95_POSITIVES, fpr95_interval, resample_interval, resampled
from probes.stats.intervals import wilson


def test_resamples_are_of_the_same_size_and_depend_on_seed_and_name_only():
    drawn = resampled(40, 30, 5, "label")
    assert drawn.shape == (30, 40)
    assert (drawn.sum(axis=1) == 40).all()
    np.testing.assert_array_equal(drawn, resampled(40, 30, 5, "label"))
    np.testing.assert_array_equal(drawn[:10], resampled(40, 10, 5, "label"))
    assert (drawn != resampled(40, 30, 6, "label")).any()
    assert (drawn != resampled(40, 30, 5, "image")).any()
    # A sample is drawn once on average, and left out of 1/e of the resamples.
    assert (resampled(1000, 20, 0, "") == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)


def test_the_interval_of_resamples_has_their_variance():
    hits = np.arange(400) < 150
    drawn = (resampled(400, 3000, 0, "") * hits).sum(axis=1) / 400
    # The figure is a share, so its interval is that of a share.
    assert resample_interval(150 / 400, drawn, 400) == pytest.approx(
        tuple(map(float, wilson(150, 400))), abs=0.002
    )
    assert resample_interval(1.0, np.ones(50), 14) == pytest.approx(tuple(map(float, wilson(14, 14))))


def test_few_samples_or_resamples_have_no_interval():
    assert np.isnan(resample_interval(0.5, [0.5], 100)).all()
    assert np.isnan(resample_interval(0.5, [0.4, 0.6], 1)).all()
    assert np.isnan(fpr95_interval([0.4, 0.6], FPR95_POSITIVES - 1)).all()
    assert fpr95_interval([0.4, 0.6], FPR95_POSITIVES) == pytest.approx((0.405, 0.595))
