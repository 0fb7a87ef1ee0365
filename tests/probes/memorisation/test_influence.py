"""Influence on test samples and among training samples: against loops over pairs, and on planted influences."""

import numpy as np
import pytest

import probes.memorisation.influence as influence
from memgate.data.subset_masks import members
from memgate.errors import MemgateError
from probes.memorisation.influence import influence_pairs
from probes.stats.differences import paired_interval

N, M = 40, 30


def planted(models=64, fraction=0.5, noise=0.05, seed=0):
    """Memberships, and predictions of test samples of which sample j is right where i = j was trained on; j < 10."""
    rng = np.random.default_rng(seed)
    mask = members(np.arange(N), models, fraction, seed)
    right = rng.random((models, M)) < 0.6
    right[:, :10] = mask[:, :10] ^ (rng.random((models, 10)) < noise)
    return mask, right


def naive(mask, right, source, target, models):
    """P(target right | source in) - P(target right | source out) over the models of a mask [K]."""
    of = [right[models & (mask[:, source] == side), target] for side in (True, False)]
    return of[0].mean() - of[1].mean()


@pytest.mark.parametrize("fraction", [0.5, 0.7])
def test_influences_on_test_samples_are_differences_of_means(fraction):
    mask, right = planted(60, fraction)
    pairs = influence_pairs(mask, right, fraction, threshold=0.1)
    every = np.ones(60, bool)
    table = np.array([[naive(mask, right, i, j, every) for j in range(M)] for i in range(N)])
    assert pairs.above == len(pairs.source) == (table >= 0.1 - 1e-6).sum()
    assert pairs.below == (table <= -0.1 + 1e-6).sum()
    assert pairs.pairs == N * M
    assert pairs.influence == pytest.approx(table[pairs.source, pairs.target], abs=1e-5)
    assert (np.diff(pairs.influence) <= 0).all()
    assert set(range(10)) == {i for i, j in zip(pairs.source[:12], pairs.target[:12], strict=True) if i == j}
    assert ((pairs.low <= pairs.influence) & (pairs.influence <= pairs.high)).all()
    if fraction == 0.5:
        i, j = pairs.source[3], pairs.target[3]
        differences = np.where(mask[::2, i], 1, -1) * (right[::2, j].astype(int) - right[1::2, j])
        assert (pairs.low[3], pairs.high[3]) == pytest.approx(paired_interval(differences)[1:], abs=1e-6)


def test_influences_among_training_samples_leave_out_who_was_trained_on_the_target():
    rng = np.random.default_rng(3)
    mask = members(np.arange(N), 256, 0.5, 0)
    right = mask.copy()  # every sample is memorised ...
    right[:, 1] |= mask[:, 0]  # ... and the second is a duplicate of the first
    right ^= rng.random(right.shape) < 0.05
    pairs = influence_pairs(mask, right, among=True, threshold=0.3)
    assert (pairs.source[0], pairs.target[0]) == (0, 1)
    for source, target, value in zip(pairs.source, pairs.target, pairs.influence, strict=True):
        assert value == pytest.approx(naive(mask, right, source, target, ~mask[:, target]), abs=1e-5)
    assert len(pairs.source) == 1
    assert pairs.low[0] > 0.7
    assert pairs.pairs == N * (N - 1)


def test_tiles_and_a_small_limit_change_nothing(monkeypatch):
    mask, right = planted()
    whole = influence_pairs(mask, right, threshold=0.05)
    monkeypatch.setattr(influence, "ROWS", 7)
    monkeypatch.setattr(influence, "COLUMNS", 11)
    monkeypatch.setattr(influence, "GATHERED", 64 * 5)
    parts = influence_pairs(mask, right, threshold=0.05, most=15)
    for name in ("source", "target", "influence", "low", "high"):
        assert getattr(parts, name).tolist() == getattr(whole, name)[:15].tolist()
    assert (parts.above, parts.below, parts.pairs) == (whole.above, whole.below, whole.pairs)
    some = influence_pairs(mask, right, threshold=0.05, sources=np.array([2, 7]))
    assert set(some.source) == {2, 7}
    assert some.pairs == 2 * M


@pytest.mark.parametrize("among", [False, True])
def test_intervals_of_influences_cover(among):
    # 200 designs of a target that is right with probability 0.7 where the source was trained on, else with 0.4.
    rng = np.random.default_rng(1)
    covered, total = 0, 0
    mask = members(np.arange(400), 64, 0.5, 7)
    right = rng.random((64, 400)) < 0.5
    right[:, 200:] = rng.random((64, 200)) < np.where(mask[:, :200], 0.7, 0.4)
    for source in range(200):
        pairs = influence_pairs(
            mask[:, [source, source + 200]], right[:, [source, source + 200]], among=among, threshold=1e-6
        )
        at = (pairs.source == 0) & (pairs.target == 1)
        if at.any():
            covered += int(pairs.low[at][0] <= 0.3 <= pairs.high[at][0])
            total += 1
    assert total > 170
    assert covered / total > 0.92


def test_thresholds_that_make_no_sense_are_refused():
    mask, right = planted(8)
    with pytest.raises(MemgateError, match="An influence of 0 is no threshold"):
        influence_pairs(mask, right, threshold=0)
    with pytest.raises(MemgateError, match="0 pairs cannot be kept"):
        influence_pairs(mask, right, most=0)
