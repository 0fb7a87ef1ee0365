"""Percentile ranks and nearest samples, against scipy and scikit-learn."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import nan_euclidean_distances

from probes.dynamics.events import changes, turns
from probes.stats.percentiles import nearest, percentile


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, np.inf, np.nan]), min_size=1, max_size=30), st.data())
def test_a_percentile_equals_scipy(values, data):
    scores = np.array(values)
    place = data.draw(st.integers(0, len(scores) - 1))
    members = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    result = percentile(scores, place, members)
    others = scores[members & ~np.isnan(scores)]
    if np.isnan(scores[place]) or len(others) == 0:
        assert np.isnan(result)
    else:
        expected = scipy.stats.percentileofscore(others, scores[place], kind="mean")
        assert result == pytest.approx(expected)


def test_the_nearest_samples_equal_scikit_learn():
    rng = np.random.default_rng(0)
    values = rng.random((12, 300)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 5] = np.nan
    places, distances = nearest(values, 7, 20)
    expected = nan_euclidean_distances(values.T[[7]], values.T)[0] / np.sqrt(12)
    expected[7] = np.nan
    np.testing.assert_allclose(distances, np.sort(expected)[:20], rtol=1e-5)
    np.testing.assert_array_equal(places, np.argsort(expected, kind="stable")[:20])
    everybody, _ = nearest(values, 7, 1000)
    assert sorted(everybody) == [place for place in range(300) if place not in (5, 7)]


def test_ties_are_sorted_by_position_and_infinite_losses_are_distant():
    values = np.array([[1.0, 2, 2, np.inf, 0]], np.float32)
    places, distances = nearest(values, 0, 9)
    assert places.tolist() == [1, 2, 4, 3]
    assert distances.tolist() == [1, 1, 1, np.inf]
    assert nearest(values, 3, 9)[0].tolist() == [0, 1, 2, 4]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20))
def test_the_number_of_turns_is_that_of_changes(pairs):
    state, seen = (np.array([pair[row] for pair in pairs], bool) for row in (0, 1))
    epochs = 3 * np.arange(1, len(pairs) + 1)
    when, into = turns(state, seen, epochs)
    if seen.any():
        assert len(when) == changes(state[:, None], seen[:, None])[0]
    assert state[np.isin(epochs, when)].tolist() == into.tolist()
    assert seen[np.isin(epochs, when)].all()
