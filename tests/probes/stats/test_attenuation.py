"""Correlations without the noise of a measurement: known ones come back within their interval, strata, differences."""

import numpy as np
import pytest
import scipy.stats

from probes.stats.attenuation import (
    difference,
    disattenuated,
    mean_figure,
    rank_correlation,
    reliability,
    with_ends,
    with_symmetric_ends,
)
from probes.stats.rank_correlation import spearman_interval
from tests.helpers.estimates import ends, holds


def spearmanr(x, y) -> float:
    return float(scipy.stats.spearmanr(x, y)[0])  # pyright: ignore[reportArgumentType]


def spearman_of_normal(pearson):
    return 6 / np.pi * np.arcsin(pearson / 2)


def measured(generator, n, rho, noise):
    """A score [n], and two halves [2, n] of a measurement of a quantity that it correlates with."""
    truth = generator.normal(size=n)
    score = rho * truth + np.sqrt(1 - rho**2) * generator.normal(size=n)
    return score, truth + np.sqrt(2) * noise * generator.normal(size=(2, n))


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "noise"), [(0.0, 1.0), (0.7, 1.0), (0.95, 1.0), (-0.6, 0.3)])
def test_known_correlations_come_back_within_their_interval(rho, noise):
    generator = np.random.default_rng(1)
    corrected, hits = [], 0
    for _ in range(150):
        score, halves = measured(generator, 300, rho, noise)
        figure = disattenuated(rank_correlation(score, halves.mean(0)), reliability(*halves))
        corrected.append(figure.value)
        hits += holds(with_symmetric_ends(figure, limit=1), spearman_of_normal(rho))
    assert np.mean(corrected) == pytest.approx(spearman_of_normal(rho), abs=0.015)
    assert hits >= 136  # 95 % of 150 are 142.5 +- 2.7


def test_uneven_noise_is_made_up_for_in_part():
    """32 models' memorisation scores, most of them near 0: the correction is too small, and not too large."""
    generator = np.random.default_rng(7)
    hard = generator.normal(size=20_000)
    score = 0.7 * hard + np.sqrt(1 - 0.7**2) * generator.normal(size=20_000)
    out = 1 / (1 + np.exp(3 * hard - 4))
    halves = generator.binomial(8, 0.999, (2, 20_000)) / 8 - generator.binomial(8, out, (2, 20_000)) / 8
    observed = rank_correlation(score, halves.mean(0))
    corrected = disattenuated(observed, reliability(*halves)).value
    assert observed.value + 0.03 < corrected < spearmanr(score, 0.999 - out)


def test_the_reliability_is_spearman_browns_and_bounds_the_correlation():
    generator = np.random.default_rng(2)
    score, halves = measured(generator, 4000, 1.0, 1.0)
    half = spearmanr(*halves)
    ceiling = reliability(*halves)
    assert ceiling.value == pytest.approx(2 * half / (1 + half))
    assert rank_correlation(score, halves.mean(0)).value == pytest.approx(np.sqrt(ceiling.value), abs=0.02)
    assert holds(with_ends(ceiling), spearman_of_normal(0.5))  # close to 0.5, which is true for values


def test_one_stratum_is_spearmans_rho_with_its_interval():
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(2, 200))
    y = np.round(y + x)
    x[5] = y[9] = np.nan
    known = ~np.isnan(x + y)
    figure = rank_correlation(x, y)
    np.testing.assert_allclose(ends(with_ends(figure)), spearman_interval(x[known], y[known]), rtol=1e-3)
    assert figure.n == 198
    assert figure.influence[[5, 9]].tolist() == [0, 0]
    assert abs(figure.influence.mean()) < 1e-12


def test_within_strata_only_what_is_within_them_counts():
    generator = np.random.default_rng(4)
    strata = np.repeat(np.arange(20), 40)
    x, y = generator.normal(size=(2, 800)) + 10 * strata
    assert rank_correlation(x, y).value > 0.9
    figure = rank_correlation(x, y, strata)
    assert abs(figure.value) < 0.1
    rhos = [spearmanr(x[strata == k], y[strata == k]) for k in range(20)]
    assert figure.value == pytest.approx(np.mean(rhos))
    assert figure.variance == pytest.approx(1 / 800, rel=0.15)  # 1 / (n - 1) of independent ranks
    few = rank_correlation(x[:60], y[:60], np.repeat([0, 1], [55, 5]))
    assert few.n == 55


def test_the_interval_of_a_difference_counts_what_both_have_in_common():
    """Two nearly equal scores differ by little, although each is known to 0.05 only."""
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(2, 300))
    first, second = x + y, x + y + 0.01 * generator.normal(size=300)
    between = difference(rank_correlation(first, y), rank_correlation(second, y))
    apart, alone = ends(with_symmetric_ends(between)), ends(with_ends(rank_correlation(first, y)))
    assert alone[2] - alone[1] > 0.05
    assert apart[2] - apart[1] < 0.005


def test_what_is_undefined_stays_so():
    x = np.arange(60.0)
    constant = rank_correlation(x, np.ones(60))
    assert np.isnan(constant.value)
    assert with_ends(constant).value is None
    assert np.isnan(reliability(x, -x).value)
    noise = np.random.default_rng(6).normal(size=(2, 60))
    halves = reliability(noise[0], -noise[0] + 0.1 * noise[1])
    assert np.isnan(disattenuated(rank_correlation(x, noise[0]), halves).value)
    assert with_ends(rank_correlation(x[:20], noise[0, :20])).low is None
    assert with_ends(rank_correlation(x, x)).value == 1
    both = mean_figure([constant, rank_correlation(x, noise[0])])
    assert both.value == rank_correlation(x, noise[0]).value
    assert np.isnan(mean_figure([constant]).value)
