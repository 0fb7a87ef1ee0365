"""What is special about a selection: distances against scipy, and intervals that keep their word."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from probes.stats.contrasts import contrast_categories, contrast_numbers, most_different


def test_numbers_are_contrasted_by_scipys_distance() -> None:
    rng = np.random.default_rng(0)
    here, there = rng.normal(0.7, 1, 300), rng.normal(0, 1, 2000)
    found = contrast_numbers("x", np.append(here, np.nan), there)
    assert found is not None
    theirs: Any = ks_2samp(here, there)
    assert found.distance.value == pytest.approx(theirs.statistic)
    assert found.distance.n == 2300
    assert (found.selected.value, found.selected.n) == (np.median(here), 300)
    assert found.others.value == np.median(there)
    assert found.category is None


def test_what_never_happened_ranks_last_and_does_not_warn() -> None:
    found = contrast_numbers("x", [np.inf, np.inf, 3.0], [1.0, 2.0, 2.0, 3.0, np.inf])
    assert found is not None
    assert found.selected.value == np.inf
    assert found.distance.value == pytest.approx(0.6)


def test_a_side_without_numbers_has_no_contrast() -> None:
    assert contrast_numbers("x", [np.nan], [1.0]) is None
    assert contrast_numbers("x", [1.0], []) is None
    assert contrast_categories("x", [], ["a"]) is None
    assert contrast_categories("x", ["a"], ["a", "a"]) is None


def test_categories_are_contrasted_by_total_variation() -> None:
    found = contrast_categories("cause", ["a"] * 6 + ["b"] * 4, ["a"] * 20 + ["b"] * 50 + ["c"] * 30)
    assert found is not None
    assert found.distance.value == pytest.approx((0.4 + 0.1 + 0.3) / 2)
    assert found.category == "a"
    assert (found.selected.value, found.others.value) == (0.6, 0.2)


def test_the_interval_holds_the_true_distance() -> None:
    rng = np.random.default_rng(1)
    # Two normals one apart differ most half-way between them.
    true = norm.cdf(0.5) - norm.cdf(-0.5)
    misses = 0
    for _ in range(100):
        found = contrast_numbers("x", rng.normal(1, 1, 80), rng.normal(0, 1, 400))
        assert found is not None
        assert found.distance.low is not None
        assert found.distance.high is not None
        misses += not found.distance.low <= true <= found.distance.high
    assert misses <= 5


@pytest.mark.parametrize("classes", [2, 10, 2000])
def test_chance_among_classes_is_not_special(classes: int) -> None:
    rng = np.random.default_rng(2)
    draws = [rng.integers(0, classes, size).astype(str) for size in (60, 5000)]
    found = contrast_categories("class", *draws)
    assert found is not None
    assert found.distance.low == 0
    assert most_different([found]) == ()


def test_the_surest_come_first() -> None:
    rng = np.random.default_rng(3)
    others = rng.normal(0, 1, 5000)
    far, few = rng.normal(2, 1, 500), rng.normal(4, 1, 5)
    near = rng.normal(0.5, 1, 500)
    found = [contrast_numbers(*one, others) for one in (("near", near), ("few", few), ("far", far))]
    assert most_different([None, *found])[0].column == "far"
    assert len(most_different(found, top=1)) == 1
