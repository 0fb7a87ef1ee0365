"""Memorisation scores on models whose every subset can be enumerated, and their masks, halves and missing values."""

from functools import cache

import numpy as np
import pytest

from memgate.data.subset_masks import members
from memgate.errors import MemgateError
from probes.memorisation.scores import BlockSums, c_score, memorisation_scores
from probes.memorisation.signals import blocks

POINTS, DESIGNS = 10, 1000

BITS = (np.arange(2**POINTS)[:, None] >> np.arange(POINTS)) & 1 > 0
"""[1024, 10] whether each subset of ten points contains each."""


@cache
def problem() -> tuple[np.ndarray, np.ndarray]:
    """Ten points in the plane, and their labels -1 and 1, two of them wrong."""
    rng = np.random.default_rng(4)
    labels = np.repeat([-1, 1], 5)
    points = rng.normal(0.9 * labels[:, None], 1, (POINTS, 2))
    labels[[1, 7]] *= -1
    return points, labels


@cache
def outcomes(learner: str) -> np.ndarray:
    """Outcome of each point by the model of each subset, [1024, 10]: right by 1-NN, or p(given label) by ridge."""
    points, labels = problem()
    distance = ((points[:, None] - points) ** 2).sum(-1)
    table = np.zeros((len(BITS), POINTS))
    for code, subset in enumerate(BITS):
        if learner == "1-NN" and subset.any():
            nearest = np.flatnonzero(subset)[distance[:, subset].argmin(axis=1)]
            table[code] = labels[nearest] == labels
        elif learner == "ridge":
            x = points[subset]
            weights = np.linalg.solve(x.T @ x + 0.1 * np.eye(2), x.T @ labels[subset])
            table[code] = 1 / (1 + np.exp(-2 * labels * (points @ weights)))
    return table


def truth(learner: str, fraction: float) -> np.ndarray:
    """P_out and P_in of each point over all subsets, [2, 10]."""
    weight = np.where(BITS, fraction, 1 - fraction)
    result = np.empty((2, POINTS))
    for point in range(POINTS):
        others = np.delete(weight, point, axis=1).prod(axis=1)
        for side in (0, 1):
            of = BITS[:, point] == side
            result[side, point] = np.average(outcomes(learner)[of, point], weights=others[of])
    return result


def designs(learner: str, fraction: float, models: int) -> tuple[np.ndarray, np.ndarray]:
    """Memberships and outcomes of the points of 1,000 designs side by side, each [K, 10,000]."""
    mask = members(np.arange(POINTS * DESIGNS), models, fraction, seed=1)
    codes = mask.reshape(models, DESIGNS, POINTS) @ (1 << np.arange(POINTS))
    return mask, outcomes(learner)[codes].reshape(models, -1)


@pytest.mark.parametrize(
    ("learner", "fraction", "models"),
    [("1-NN", 0.5, 16), ("1-NN", 0.5, 64), ("ridge", 0.5, 32), ("1-NN", 0.7, 100)],
)
def test_the_score_is_unbiased_and_its_interval_covers(learner, fraction, models):
    p_out, p_in = truth(learner, fraction)
    result = memorisation_scores(*designs(learner, fraction, models), fraction)
    mem = result.mem.reshape(DESIGNS, POINTS)
    error = mem.std(axis=0) / np.sqrt(DESIGNS)
    assert np.ptp(p_in - p_out) > 0.3
    assert (np.abs(mem.mean(axis=0) - (p_in - p_out)) <= 4 * error + 1e-12).all()
    wide = (result.low.reshape(mem.shape) <= p_in - p_out + 1e-9) & (
        result.high.reshape(mem.shape) >= p_in - p_out - 1e-9
    )
    assert wide.mean() >= 0.95
    assert wide.mean(axis=0).min() >= 0.925
    # The standard error is that of the estimates over designs; it is their mean square that is unbiased.
    assert np.sqrt((result.error.reshape(mem.shape) ** 2).mean(axis=0)) == pytest.approx(
        mem.std(axis=0), rel=0.08, abs=1e-6
    )
    if learner == "1-NN":
        for trained, p in ((True, p_in), (False, p_out)):
            low, high = (end.reshape(mem.shape) for end in result.share_interval(trained))
            covered = (low <= p + 1e-9) & (high >= p - 1e-9)
            assert covered.mean(axis=0).min() >= 0.92


def test_intervals_of_middling_scores_are_not_wider_than_needed():
    p_out, p_in = truth("1-NN", 0.5)
    middling = np.abs(np.abs(p_in - p_out) - 0.5) < 0.3
    result = memorisation_scores(*designs("1-NN", 0.5, 64))
    width = (result.high - result.low).reshape(DESIGNS, POINTS)[:, middling].mean(axis=0)
    spread = result.mem.reshape(DESIGNS, POINTS)[:, middling].std(axis=0)
    assert middling.any()
    assert (width < 1.1 * 2 * 1.96 * spread).all()


def test_members_that_are_drawn_anew_have_no_memorisation():
    mask, right = designs("1-NN", 0.5, 32)
    swap = np.random.default_rng(0).random((16, mask.shape[1])) < 0.5
    anew = mask ^ np.repeat(swap, 2, axis=0)
    assert memorisation_scores(mask, right).mem.mean() > 0.25
    assert memorisation_scores(anew, right).mem.mean() == pytest.approx(0, abs=0.005)


def test_the_score_is_the_difference_of_the_published_means():
    # Feldman and Zhang's own estimator, by the means of masked arrays over all models.
    mask, right = designs("1-NN", 0.7, 40)
    result = memorisation_scores(mask, right, 0.7)
    trained, other = (np.ma.masked_array(right, ~side).mean(axis=0) for side in (mask, ~mask))
    assert result.mem == pytest.approx(np.asarray(trained - other))
    assert result.mean_in == pytest.approx(np.asarray(trained))
    assert result.mean_out == pytest.approx(np.asarray(other))


def test_more_models_add_to_what_is_there():
    ids = np.arange(30)
    mask = members(ids, 64, 0.5, seed=0)
    assert (members(ids, 32, 0.5, seed=0) == mask[:32]).all()
    right = np.random.default_rng(0).random((64, 3, 30)) < np.where(mask, 0.9, 0.4)[:, None]
    at_once = memorisation_scores(mask, right)
    sums = BlockSums.none((3, 30), 0.5)
    for number, block in enumerate(blocks(64, 0.5)):
        if number == 16:
            half = memorisation_scores(mask[:32], right[:32])
            assert all(
                np.array_equal(*pair) for pair in zip(*map(arrays, (sums.scores(), half)), strict=True)
            )
        sums.add(number, mask[block], right[block].astype(np.float32))
    assert all(np.array_equal(*pair) for pair in zip(*map(arrays, (sums.scores(), at_once)), strict=True))
    assert at_once.halves.mean(axis=0) == pytest.approx(at_once.mem)


def arrays(result):
    return [value for value in vars(result).values() if isinstance(value, np.ndarray)]


def test_a_block_with_a_missing_value_does_not_count():
    mask = members(np.arange(4), 8, 0.5, seed=0)
    right = mask.astype(float)
    right[5, 2] = np.nan
    right[:, 3] = np.nan
    result = memorisation_scores(mask, right)
    without = memorisation_scores(np.delete(mask, [4, 5], axis=0), np.delete(right, [4, 5], axis=0))
    assert result.count.tolist() == [4, 4, 3, 0]
    assert result.mem.tolist()[:3] == [1, 1, 1]
    assert result.low[2] == without.low[2] > result.low[0] - 0.2
    assert np.isnan([result.mem[3], result.error[3], result.low[3], result.high[3], result.mean_in[3]]).all()
    assert np.isnan(result.share_interval(trained=True)).any(axis=0).tolist() == [False] * 3 + [True]


def test_the_c_score_is_the_mean_over_fractions():
    fractions, models = (0.3, 0.5, 0.9), 80
    results = [memorisation_scores(*designs("1-NN", f, models), f) for f in fractions]
    score, error = c_score([result.mean_out for result in results], [result.error for result in results])
    expected = np.mean([truth("1-NN", f)[0] for f in fractions], axis=0)
    assert score.reshape(DESIGNS, POINTS).mean(axis=0) == pytest.approx(expected, abs=0.01)
    assert (error < np.max([result.error for result in results], axis=0) + 1e-12).all()


def test_subsets_that_are_not_balanced_are_refused():
    mask = members(np.arange(9), 8, 0.5, seed=0)
    mask[3, 4] ^= True
    with pytest.raises(
        MemgateError, match="each sample is in 1 of each 2 models in a row, and 1 samples are not"
    ):
        memorisation_scores(mask, mask)
    with pytest.raises(
        MemgateError, match="has 3 models, and a fraction of 0.5 needs a multiple of 2, at least 4"
    ):
        memorisation_scores(mask[:3], mask[:3])
