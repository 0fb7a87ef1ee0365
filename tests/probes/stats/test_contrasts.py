"""Contrasts of a selection: distances against scipy, and the coverage of their intervals."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from probes.stats.contrasts import contrast_categories, contrast_numbers, most_different


def test_the_distance_of_numbers_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    here, there = rng.normal(0.7, 1, 300), rng.normal(0, 1, 2000)
    result = contrast_numbers("x", np.append(here, np.nan), there)
    assert result is not None
    theirs: Any = ks_2samp(here, there)
    assert result.distance.value == pytest.approx(theirs.statistic)
    assert result.distance.n == 2300
    assert (result.selected.value, result.selected.n) == (np.median(here), 300)
    assert result.others.value == np.median(there)
    assert result.category is None


def test_infinite_values_rank_last_and_do_not_warn() -> None:
    result = contrast_numbers("x", [np.inf, np.inf, 3.0], [1.0, 2.0, 2.0, 3.0, np.inf])
    assert result is not None
    assert result.selected.value == np.inf
    assert result.distance.value == pytest.approx(0.6)


def test_a_side_without_numbers_has_no_contrast() -> None:
    assert contrast_numbers("x", [np.nan], [1.0]) is None
    assert contrast_numbers("x", [1.0], []) is None
    assert contrast_categories("x", [], ["a"]) is None
    assert contrast_categories("x", ["a"], ["a", "a"]) is None


def test_categories_are_contrasted_by_total_variation() -> None:
    result = contrast_categories("cause", ["a"] * 6 + ["b"] * 4, ["a"] * 20 + ["b"] * 50 + ["c"] * 30)
    assert result is not None
    assert result.distance.value == pytest.approx((0.4 + 0.1 + 0.3) / 2)
    assert result.category == "a"
    assert (result.selected.value, result.others.value) == (0.6, 0.2)


def test_the_interval_contains_the_true_distance() -> None:
    rng = np.random.default_rng(1)
    # Two unit normals with means 0 and 1 differ most at 0.5.
    true = norm.cdf(0.5) - norm.cdf(-0.5)
    misses = 0
    for _ in range(100):
        result = contrast_numbers("x", rng.normal(1, 1, 80), rng.normal(0, 1, 400))
        assert result is not None
        assert result.distance.low is not None
        assert result.distance.high is not None
        misses += not result.distance.low <= true <= result.distance.high
    assert misses <= 5


@pytest.mark.parametrize("classes", [2, 10, 2000])
def test_chance_differences_among_classes_are_not_reported(classes: int) -> None:
    rng = np.random.default_rng(2)
    draws = [rng.integers(0, classes, size).astype(str) for size in (60, 5000)]
    result = contrast_categories("class", *draws)
    assert result is not None
    assert result.distance.low == 0
    assert most_different([result]) == ()


def test_contrasts_are_sorted_by_the_lower_end() -> None:
    rng = np.random.default_rng(3)
    others = rng.normal(0, 1, 5000)
    far, few = rng.normal(2, 1, 500), rng.normal(4, 1, 5)
    near = rng.normal(0.5, 1, 500)
    result = [contrast_numbers(*one, others) for one in (("near", near), ("few", few), ("far", far))]
    assert most_different([None, *result])[0].column == "far"
    assert len(most_different(result, top=1)) == 1


def test_a_single_number_on_each_side_has_a_contrast_that_says_nothing():
    contrast = contrast_numbers("x", [1.0], [2.0])
    assert contrast is not None
    assert (contrast.distance.value, contrast.distance.low, contrast.distance.high) == (1, 0, 1)
    assert contrast.selected.low is None
    assert contrast_numbers("x", [np.nan], [2.0]) is None
