"""The 2 x 2 table against scipy, and its edge cases."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats.contingency import odds_ratio

from probes.stats.contingency import Contingency, contingency


def test_the_cells_are_counted() -> None:
    routed = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    corrupted = np.array([1, 1, 0, 1, 0, 0, 0], bool)
    result = contingency(routed, corrupted)
    assert result == Contingency(2, 1, 1, 3)
    assert (result.routed, result.skipped, result.corrupted, result.clean, result.n) == (3, 4, 3, 4, 7)


@pytest.mark.parametrize("cells", [(812, 91, 188, 909), (3, 40, 2, 1), (1, 1, 1, 1), (5, 20000, 12, 29983)])
def test_the_odds_ratio_equals_scipy(cells: tuple[int, int, int, int]) -> None:
    result = Contingency(*cells).odds_ratio
    theirs = odds_ratio(np.reshape(cells, (2, 2)), kind="sample")
    interval = theirs.confidence_interval(0.95)
    assert (result.value, result.low, result.high) == pytest.approx((theirs.statistic, *interval))
    assert not Contingency(*cells).continuity


@pytest.mark.parametrize("cells", [(812, 0, 188, 909), (0, 5, 7, 0)])
def test_an_empty_cell_adds_one_half_to_each(cells: tuple[int, int, int, int]) -> None:
    table = Contingency(*cells)
    # Twice the table with 0.5 added has whole numbers and the same odds ratio.
    doubled = [2 * cell + 1 for cell in cells]
    result = table.odds_ratio
    assert table.continuity
    assert result.value == pytest.approx(odds_ratio(np.reshape(doubled, (2, 2)), kind="sample").statistic)
    # The samples do not bound the odds ratio on the side of an empty cell.
    assert (result.low == 0) == (0 in (cells[0], cells[3]))
    assert (result.high == np.inf) == (0 in (cells[1], cells[2]))
    ends = np.array([result.low, result.value, result.high], np.float64)
    assert (ends[:-1] < ends[1:]).all()


@pytest.mark.parametrize("cells", [(5, 0, 7, 0), (0, 5, 0, 7), (5, 7, 0, 0), (0, 0, 5, 7), (0, 0, 0, 0)])
def test_an_empty_margin_has_no_odds_ratio(cells: tuple[int, int, int, int]) -> None:
    result = Contingency(*cells)
    assert result.odds_ratio.value is None
    assert not result.continuity


def test_precision_and_recall_have_wilsons_interval() -> None:
    table = Contingency(812, 91, 188, 909)
    for result, hits, n in ((table.precision, 812, 903), (table.recall, 812, 1000)):
        interval = binomtest(hits, n).proportion_ci(method="wilson")
        assert (result.value, result.low, result.high, result.n) == pytest.approx((hits / n, *interval, n))
    assert Contingency(0, 0, 3, 4).precision.value is None
    assert Contingency(0, 3, 0, 4).recall.value is None
