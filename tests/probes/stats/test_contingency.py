"""The 2 x 2 table against scipy, and its corners."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats.contingency import odds_ratio

from probes.stats.contingency import Contingency, contingency


def test_the_cells_are_counted() -> None:
    routed = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    corrupted = np.array([1, 1, 0, 1, 0, 0, 0], bool)
    found = contingency(routed, corrupted)
    assert found == Contingency(2, 1, 1, 3)
    assert (found.routed, found.skipped, found.corrupted, found.clean, found.n) == (3, 4, 3, 4, 7)


@pytest.mark.parametrize("cells", [(812, 91, 188, 909), (3, 40, 2, 1), (1, 1, 1, 1), (5, 20000, 12, 29983)])
def test_the_odds_ratio_is_scipys(cells: tuple[int, int, int, int]) -> None:
    found = Contingency(*cells).odds_ratio
    theirs = odds_ratio(np.reshape(cells, (2, 2)), kind="sample")
    interval = theirs.confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((theirs.statistic, *interval))
    assert not Contingency(*cells).continuity


@pytest.mark.parametrize("cells", [(812, 0, 188, 909), (0, 5, 7, 0)])
def test_an_empty_cell_gets_half_a_sample(cells: tuple[int, int, int, int]) -> None:
    table = Contingency(*cells)
    # Twice the halved table has whole numbers: its ratio is the same.
    doubled = [2 * cell + 1 for cell in cells]
    found = table.odds_ratio
    assert table.continuity
    assert found.value == pytest.approx(odds_ratio(np.reshape(doubled, (2, 2)), kind="sample").statistic)
    ends = np.array([0, found.low, found.value, found.high, np.inf], np.float64)
    assert (np.diff(ends) > 0).all()


@pytest.mark.parametrize("cells", [(5, 0, 7, 0), (0, 5, 0, 7), (5, 7, 0, 0), (0, 0, 5, 7), (0, 0, 0, 0)])
def test_an_empty_margin_has_no_odds_ratio(cells: tuple[int, int, int, int]) -> None:
    found = Contingency(*cells)
    assert found.odds_ratio.value is None
    assert not found.continuity


def test_precision_and_recall_have_wilsons_interval() -> None:
    table = Contingency(812, 91, 188, 909)
    for found, hits, n in ((table.precision, 812, 903), (table.recall, 812, 1000)):
        interval = binomtest(hits, n).proportion_ci(method="wilson")
        assert (found.value, found.low, found.high, found.n) == pytest.approx((hits / n, *interval, n))
    assert Contingency(0, 0, 3, 4).precision.value is None
    assert Contingency(0, 3, 0, 4).recall.value is None
