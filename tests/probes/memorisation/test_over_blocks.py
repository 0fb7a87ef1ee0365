"""Means and shares over blocks of models: intervals, missing blocks, coverage of shares and of their difference."""

import numpy as np
import pytest

from probes.memorisation.over_blocks import mean_over_blocks, share_gone, with_block_ends
from probes.stats.attenuation import difference
from probes.stats.intervals import student_interval
from tests.helpers.estimates import ends, holds


def test_a_mean_has_students_interval_and_leaves_out_missing_blocks():
    values = np.array([0.1, np.nan, 0.4, 0.3, np.nan, 0.35])
    known = values[~np.isnan(values)]
    assert ends(with_block_ends(mean_over_blocks(values), 7)) == pytest.approx(
        (known.mean(), *student_interval(known))
    )
    assert with_block_ends(mean_over_blocks(values), 7).n == 7


@pytest.mark.parametrize("values", [[0.2], [0.2, 0.2, 0.2], [np.nan, 0.1], [np.nan, np.nan]])
def test_no_interval_where_the_variance_is_not_known(values):
    number = with_block_ends(mean_over_blocks(values), 3)
    assert (number.low, number.high) == (None, None)
    assert (number.value is None) == bool(np.isnan(values).all())


def test_a_share_is_of_the_blocks_that_have_both():
    gone = share_gone([0.4, 0.5, np.nan, 0.45], [0.1, np.nan, 0.3, 0.2])
    assert gone.value == pytest.approx(1 - 0.3 / 0.85)
    assert gone.n == 2


def test_there_is_no_share_of_what_may_be_nothing():
    assert np.isnan(share_gone([0.1, -0.1, 0.02], [0.0, 0.1, 0.0]).value)
    assert np.isnan(share_gone([-0.3, -0.31, -0.32], [0.0, 0.1, 0.0]).value)


@pytest.mark.slow
def test_intervals_of_shares_and_of_their_difference_hold_the_truth():
    rng = np.random.default_rng(0)
    hits = np.zeros(3)
    for _ in range(400):
        whole = rng.normal(0.3, 0.06, (2, 8)) + rng.normal(0, 0.03, 8)  # blocks have subsets in common
        left = np.array([[0.4], [0.75]]) * whole + rng.normal(0, 0.04, (2, 8))
        shares = [share_gone(*pair) for pair in zip(whole, left, strict=True)]
        figures = [*shares, difference(*shares)]
        truths = (0.6, 0.25, 0.35)
        hits += [
            holds(with_block_ends(figure, 1), truth) for figure, truth in zip(figures, truths, strict=True)
        ]
    assert (hits / 400 >= 0.92).all()
    assert (hits / 400 <= 0.98).all()
