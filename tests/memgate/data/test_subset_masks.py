"""Balanced subsets: exact counts, and which of seed, fraction, model and sample id they depend on."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from memgate.config.subset import SubsetConfig, block_of
from memgate.data.subset_masks import member, members, trained_on
from memgate.errors import MemgateError

FRACTIONS = st.sampled_from([0.5, 0.7, 0.1, 0.3, 0.25, 1 / 3, 0.45])
SEEDS = st.integers(0, 2**63 - 1)
GOLDEN, GOLDEN_SEVENTH = ["01001111", "10110000", "11000010", "00111101"], [0, 2, 3, 4, 6, 7, 8, 9, 10, 11]
IDS = st.lists(st.integers(0, 10**9), min_size=1, max_size=40, unique=True).map(np.array)


@settings(max_examples=8, deadline=None)
@given(FRACTIONS, SEEDS, IDS, st.integers(1, 3), st.randoms())
def test_each_sample_is_in_the_same_number_of_models_and_nothing_else_changes_them(
    fraction, seed, ids, blocks, random
):
    taken, size = block_of(fraction)
    mask = members(ids, blocks * size, fraction, seed)
    by_block = mask.reshape(blocks, size, len(ids)).sum(axis=1)
    assert (by_block == taken).all()
    assert (members(ids, (blocks + 2) * size, fraction, seed)[: blocks * size] == mask).all()
    order = np.array(random.sample(range(len(ids)), len(ids)))
    assert (members(ids[order], blocks * size, fraction, seed) == mask[:, order]).all()
    model = random.randrange(blocks * size)
    assert (member(ids, model, fraction, seed) == mask[model]).all()


@pytest.mark.parametrize("fraction", [0.5, 0.7, 0.1])
def test_sizes_are_those_of_independent_draws(fraction):
    n, blocks = 4000, 6
    size = block_of(fraction)[1]
    sizes = members(np.arange(n), blocks * size, fraction, seed=3).sum(axis=1)
    low, high = binom.interval(1 - 1e-5, n, fraction)
    assert (sizes >= low).all()
    assert (sizes <= high).all()


def test_every_combination_of_a_block_is_equally_probable():
    mask = members(np.arange(30_000), 5, 0.4, seed=1)
    pairs = [(mask[first] & mask[second]).sum() for first, second in itertools.combinations(range(5), 2)]
    assert chisquare(pairs).pvalue > 1e-4


def test_blocks_seeds_and_fractions_are_independent_of_each_other():
    ids = np.arange(5_000)
    half = members(ids, 4, 0.5, seed=0)
    for other in (half[2], member(ids, 0, 0.5, seed=1), member(ids, 0, 0.7, seed=0)):
        both = (half[0] & other).mean()
        assert abs(both - half[0].mean() * other.mean()) < 4 * 0.25 / np.sqrt(len(ids))


def test_the_two_models_of_a_half_are_complementary():
    mask = members(np.arange(50), 6, 0.5, seed=9)
    assert (mask[0::2] != mask[1::2]).all()


def test_the_subsets_of_this_version_stay_as_they_are():
    mask = members(np.arange(8), 4, 0.5, seed=0)
    assert ["".join(map(str, row.astype(int))) for row in mask] == GOLDEN
    assert np.flatnonzero(member(np.arange(12), 17, 0.7, seed=5)).tolist() == GOLDEN_SEVENTH


def test_a_run_of_a_subset_and_an_ordinary_one():
    ids = np.arange(10)
    assert trained_on(SubsetConfig(), ids) is None
    mask = trained_on(SubsetConfig(model=1, seed=4), ids)
    assert mask is not None
    assert (mask == members(ids, 2, 0.5, seed=4)[1]).all()


@pytest.mark.parametrize("fraction", [0, 1, 1.5, 0.333, 0.51, 1 / 21])
def test_a_fraction_that_no_small_block_has_is_refused(fraction):
    with pytest.raises(MemgateError, match=f"The fraction {fraction}"):
        SubsetConfig(model=0, fraction=fraction)


def test_a_number_of_models_that_cannot_be_balanced_is_refused():
    with pytest.raises(MemgateError, match=r"15 models with a fraction of 0\.7 .* such as 20\."):
        members(np.arange(3), 15, 0.7, seed=0)


def test_a_subset_without_samples_is_refused():
    with pytest.raises(MemgateError, match=r"0 of 1 samples|1 of 1 samples"):
        trained_on(SubsetConfig(model=0), np.arange(1))


@settings(max_examples=30)
@given(st.integers(2, 20), st.data())
def test_a_fraction_is_known_by_its_lowest_terms(size, data):
    taken = data.draw(st.integers(1, size - 1))
    exact = Fraction(taken, size)
    assert block_of(taken / size) == (exact.numerator, exact.denominator)
