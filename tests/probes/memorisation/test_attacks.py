"""LiRA and RMIA against formulations of their own, on signals that know membership and on those that do not."""

import numpy as np
import pytest
from scipy.stats import norm

from memgate.data.subset_masks import members
from probes.memorisation.attacks import over_models, target_figures, vulnerability
from probes.memorisation.lira import lira
from probes.memorisation.rmia import rmia
from probes.memorisation.signals import phi_of


def signals(models=32, n=400, fraction=0.5, gain=2.0, seed=0):
    """Memberships, and phi that is higher by ``gain`` where the model was trained on the sample; some missing."""
    rng = np.random.default_rng(seed)
    mask = members(np.arange(n), models, fraction, seed)
    phi = rng.normal(rng.normal(0, 3, n) + gain * mask, np.where(mask, 1.0, 2.0))
    phi[3, 5] = phi[3, 6] = phi[8, 6] = np.nan
    return mask, phi


@pytest.mark.parametrize("variance", ["fixed", "sample"])
@pytest.mark.parametrize(("fraction", "size"), [(0.5, 2), (0.7, 10)])
def test_lira_is_the_ratio_of_two_normal_densities(variance, fraction, size):
    mask, phi = signals(40, 60, fraction)
    score = lira(mask, phi, fraction, variance)
    for target in (0, 3, 26):
        others = np.arange(40) // size != target // size
        spread = {}
        for side in (True, False):
            rests = [values(phi, mask, others, side, sample) for sample in range(60)]
            squares = [((rest - rest.mean()) ** 2).sum() for rest in rests]
            spread[side] = np.sqrt(sum(squares) / sum(len(rest) - 1 for rest in rests))
        for sample in (0, 5, 6, 59):
            expected = 0.0
            for side, sign in ((True, 1), (False, -1)):
                rest = values(phi, mask, others, side, sample)
                sd = spread[side] if variance == "fixed" else rest.std(ddof=1)
                expected += sign * norm.logpdf(phi[target, sample], rest.mean(), sd)
            assert score[target, sample] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(score).sum() == 3


def values(phi, mask, others, side, sample):
    column = phi[others & (mask[:, sample] == side), sample]
    return column[~np.isnan(column)]


def test_rmia_is_the_share_of_other_samples_that_the_ratio_reaches():
    mask, phi = signals(24, 50, 1 / 3)
    rng = np.random.default_rng(1)
    p, population = 1 / (1 + np.exp(-phi)), rng.random((24, 30))
    population[2, 7] = np.nan
    score = rmia(mask, p, population, 1 / 3)
    for target in (0, 8, 20):
        others = np.arange(24) // 3 != target // 3
        ratio_z = population[target] / (0.65 * np.nanmean(population[others], axis=0) + 0.35)
        for sample in (0, 5, 6, 49):
            out = others & ~mask[:, sample]
            ratio = p[target, sample] / (0.65 * np.nanmean(p[out, sample]) + 0.35)
            shares = np.mean([ratio / z >= 1 for z in ratio_z if not np.isnan(z)])
            expected = np.nan if np.isnan(ratio) else shares
            assert score[target, sample] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(score).sum() == 3


def figures(mask, score):
    return np.array([target_figures(*row) for row in zip(score, mask, strict=True)]).T


def test_attacks_find_what_signals_know():
    mask, phi = signals(32, 3000)
    p = 1 / (1 + np.exp(-phi))
    for score in (lira(mask, phi), lira(mask, phi, variance="sample"), rmia(mask, p, p[:, :500] * 0.5)):
        auc, _, tpr_hundredth = map(over_models, figures(mask, score))
        assert 0.5 < (auc.low or 0) < (auc.value or 0) < (auc.high or 0) < 0.95
        # The highest scores of RMIA are equal, above all of the population.
        assert tpr_hundredth.low is None or tpr_hundredth.low > 0.01
        known = vulnerability(mask, score)
        assert known.share.mean() > 0.65
        assert known.gap.mean() > 0.05


def test_attacks_know_nothing_of_members_that_are_drawn_anew():
    mask, phi = signals(32, 4000)
    swap = np.random.default_rng(5).random((16, 4000)) < 0.5
    anew = mask ^ np.repeat(swap, 2, axis=0)
    p = 1 / (1 + np.exp(-phi))
    for score in (lira(anew, phi), lira(anew, phi, variance="sample"), rmia(anew, p, p[:, :500])):
        auc, tpr_thousandth, tpr_hundredth = figures(anew, score).mean(axis=1)
        assert auc == pytest.approx(0.5, abs=0.006)
        assert tpr_thousandth == pytest.approx(0.001, abs=0.0012)
        assert tpr_hundredth == pytest.approx(0.01, abs=0.003)
        assert np.nanmean(vulnerability(anew, score).share) == pytest.approx(0.5, abs=0.01)


def test_a_partner_does_not_betray_its_target():
    # The signals of a pair are opposite, and know nothing of the membership: with the partner among the shadows its
    # signal would lie in the out-distribution of a member, far from the member's own.
    rng = np.random.default_rng(0)
    mask = members(np.arange(4000), 8, 0.5, seed=0)
    phi = np.repeat(rng.normal(0, 1, (4, 4000)), 2, axis=0) * np.tile([1, -1], 4)[:, None]
    auc = figures(mask, lira(mask, phi))[0]
    assert auc.mean() == pytest.approx(0.5, abs=0.01)


def test_the_variances_are_those_of_their_own_side():
    # In-signals vary ten times as much: a public port took the variance of the in-signals for both.
    rng = np.random.default_rng(0)
    mask = members(np.arange(500), 64, 0.5, seed=0)
    phi = rng.normal(0, np.where(mask, 10.0, 1.0))
    score = lira(mask, phi)
    assert np.median(score[np.abs(phi) < 0.5]) == pytest.approx(np.log(0.1), abs=0.1)


def test_few_samples_show_no_low_false_positive_rate():
    rng = np.random.default_rng(0)
    member = np.arange(400) < 200
    auc, thousandth, hundredth = target_figures(rng.normal(member, 1), member)
    assert 0.6 < auc < 0.9
    assert np.isnan(thousandth)
    assert 0 <= hundredth < 0.3
    assert np.isnan(target_figures(rng.normal(size=4), np.ones(4, bool))).all()


def test_intervals_over_models_take_a_block_for_one_observation():
    rng = np.random.default_rng(2)
    of_block = rng.normal(0.7, 0.02, (2000, 12))
    twins = np.repeat(of_block, 2, axis=1)
    ends = [over_models(row) for row in twins]
    assert np.mean([(end.low or 1) <= 0.7 <= (end.high or 0) for end in ends]) == pytest.approx(
        0.95, abs=0.02
    )
    assert ends[0].n == 12
    assert over_models([0.5, np.nan, 0.5, 0.5]).value == 0.5
    assert over_models([np.nan, np.nan]).value is None
    assert over_models([1.0, 1.0, 1.0, 1.0]).low is None


def test_phi_of_a_probability_is_finite():
    assert phi_of([0.5, 0.0, 1.0]).tolist() == pytest.approx([0, -16.636, 16.636], abs=1e-3)
    assert np.isnan(phi_of(np.nan))
