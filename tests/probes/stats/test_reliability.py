"""Reliability of halves: of simulated scores of known reliability, also where these are skewed."""

import numpy as np
import pytest

from probes.stats.reliability import split_half


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_a_known_reliability_comes_back_within_its_interval(draw):
    # Each half is the truth plus noise of variance 0.5, so that the mean of both has reliability 1 / (1 + 0.25).
    rng = np.random.default_rng(0)
    covered, values = 0, []
    for _ in range(400):
        truth = rng.normal(size=500) if draw == "normal" else rng.exponential(size=500)
        value, low, high = split_half(*(truth + rng.normal(0, np.sqrt(0.5), (2, 500))))
        covered += low <= 0.8 <= high
        values.append(value)
    assert np.mean(values) == pytest.approx(0.8, abs=0.005)
    assert covered / 400 > 0.92


def test_halves_that_say_nothing_have_no_reliability():
    line = np.arange(40.0)
    assert np.isnan(split_half(line, np.ones(40))).all()
    assert split_half(line, line)[0] == pytest.approx(1)
    assert np.isnan(split_half(line, -line)).all()
    value, low, high = split_half([1, 2, 3, np.nan], [1, 2, 4, 5])
    assert 0.9 < value < 1
    assert np.isnan([low, high]).all()
