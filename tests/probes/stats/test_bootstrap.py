"""The bootstrap against drawing rows, its coverage, and its seeds."""

import numpy as np
import pytest

from probes.stats.bootstrap import paired_bootstrap, resampled


def bootstrap_by_rows(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of samples drawn row by row."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(values, len(values)).mean() for _ in range(resamples)])


def test_the_paired_bootstrap_equals_drawing_rows():
    rng = np.random.default_rng(4)
    learned, cut = rng.random((2, 300)) < [[0.8], [0.6]]
    values, others = learned.astype(int) - cut, rng.choice([-1, 0, 1], 90, p=[0.05, 0.85, 0.1])
    drawn, theirs = (bootstrap_by_rows(group, 6000, seed) for seed, group in enumerate((values, others)))
    for arguments, means in (((values,), drawn), ((values, others), drawn - theirs)):
        mean, low, high = paired_bootstrap(*arguments)
        assert mean == pytest.approx(values.mean() - (others.mean() if len(arguments) == 2 else 0))
        assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.007)
        assert paired_bootstrap(*arguments) == (mean, low, high), "the same seed, the same interval"
        narrow = paired_bootstrap(*arguments, confidence=0.5)
        assert low < narrow[1] < mean < narrow[2] < high
    paired = paired_bootstrap(values)
    apart = paired_bootstrap(learned, cut)
    assert apart[0] == pytest.approx(paired[0])
    assert apart[2] - apart[1] != pytest.approx(paired[2] - paired[1], rel=1e-3)


def test_the_paired_bootstrap_has_its_coverage():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        one = rng.choice([-1, 0, 1], 150, p=[0.05, 0.65, 0.3])
        two = rng.choice([-1, 0, 1], 80, p=[0.1, 0.75, 0.15])
        _, low, high = paired_bootstrap(one, two, resamples=1000)
        covered += low <= 0.2 <= high
    assert 0.91 <= covered / 300 <= 0.98


def test_the_paired_bootstrap_of_empty_and_of_constant_groups():
    assert paired_bootstrap([1, 1, 1]) == (1, 1, 1)
    assert np.isnan(paired_bootstrap([])).all()
    assert np.isnan(paired_bootstrap([1, 0], [])).all()


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
