"""Intervals of cross-validated numbers: wider than those of independent samples by a known factor."""

import numpy as np
import pytest

from probes.stats.cross_validation import inflation, predicted_share, widened
from probes.stats.estimate import Estimate, ratio
from tests.helpers.estimates import ends


def test_five_folds_count_as_the_samples_divided_by_the_inflation() -> None:
    assert inflation(5) == 2.25
    _, low, high = ends(ratio(400, 1000))
    wide = predicted_share(0.4, 1000, 1000, 5)
    assert (wide.value, wide.n) == (0.4, 1000)
    assert ends(wide)[2] - ends(wide)[1] == pytest.approx(1.5 * (high - low), rel=0.01)


def test_differences_and_correlations_are_widened_and_stay_in_their_range() -> None:
    assert ends(widened(Estimate(0.2, 0.1, 0.4, 9), 5)) == pytest.approx((0.2, 0.05, 0.5))
    assert widened(Estimate(0.9, 0.5, 0.99, 9), 5).high == 1
    _, low, high = ends(widened(Estimate(0.9, 0.8, 0.95, 9), 5, fisher=True))
    assert np.arctanh(0.9) - np.arctanh(low) == pytest.approx(1.5 * (np.arctanh(0.9) - np.arctanh(0.8)))
    assert 0.95 < high < 1
    assert widened(Estimate(0.2, None, None, 9), 5) == Estimate(0.2, None, None, 9)
