"""Every interval contains the true value as often as it says, where that is hardest.

The corners and their true values are those of ``benchmarks/intervals``; their table, which
``benchmarks/interval_coverage.py`` prints, is in docs/results/intervals.md. Here with fewer draws. The bounds, of
every setting and of the mean over the settings of a corner, are three standard errors of the simulation below 91 %.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.intervals.areas import SCORES, area_draw
from benchmarks.intervals.corners import corners
from benchmarks.intervals.measure import HOLDS, Corner, coverage, share_coverage, worst_share
from benchmarks.intervals.rejected import rejected_draw

CORNERS = tuple(corners())
CHEAP = ("mean of g", "median", "paired difference", "difference of two groups' paired differences",
         "difference of two shares", "difference of paired shares", "odds ratio", "contrast of numbers (KS)",
         "contrast of categories")  # fmt: skip
WITHHELD = {("Spearman's rho", "20"), ("kappa", "20"), ("median", "5"), ("mean, no known range (t)", "99"),
            ("FPR95", "58 of 558"), ("average precision, AUPR", "14 of 514")}  # fmt: skip
"""Where no interval would hold, so that none is shown."""


def of(interval: str, n: str = "") -> list[Corner]:
    """The corners of an interval."""
    return [corner for corner in CORNERS if corner.interval == interval and n in ("", corner.n)]


def check(corner: Corner, draws: int) -> None:
    """Every setting of a corner holds, and so does their mean, which is known more precisely."""
    result = coverage(corner, draws)
    assert result.shown > 0.2, corner
    for covered, number in ((result.lowest, draws), (result.mean, draws * len(corner.settings))):
        bound = HOLDS - 3 * (HOLDS * (1 - HOLDS) / number) ** 0.5
        assert covered >= bound, f"{corner.interval}, {corner.corner}, {corner.n}: {result}"


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 14, 58, 300])
def test_a_share_holds_exactly(n: int) -> None:
    lowest, mean = worst_share(n)
    assert lowest > 0.915
    assert mean > 0.949


def test_a_share_below_the_lower_end_after_one_hit_is_not_missed_by_every_hit() -> None:
    share = np.array([0.99 * binomtest(1, 10).proportion_ci(method="wilson").low])
    assert (1 - share[0]) ** 10 < 0.84, "Wilson's own interval contains this share after no hit only"
    assert share_coverage(10, share)[0] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("interval", CHEAP)
def test_the_interval_holds_in_its_corners(interval: str) -> None:
    for corner in [one for one in of(interval) if (interval, one.n) not in WITHHELD]:
        check(corner, 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    "interval", [one for one in dict.fromkeys(c.interval for c in CORNERS) if one not in CHEAP]
)
def test_every_other_interval_holds_in_its_corners(interval: str) -> None:
    for corner in of(interval):
        if (interval, corner.n) not in WITHHELD:
            check(corner, 10 if corner.costly else 20)


@pytest.mark.parametrize(("interval", "n"), sorted(WITHHELD))
def test_where_no_interval_holds_none_is_shown(interval: str, n: str) -> None:
    for corner in of(interval, n):
        assert coverage(replace(corner, settings=corner.settings[:1]), 3).shown == 0


def test_the_simulation_finds_an_interval_that_does_not_hold() -> None:
    """DeLong's interval, which memgate had before, with 14 positives of 1,106 at an AUROC of 0.983."""
    make = SCORES["two normals"]
    former = Corner("", "", "", (rejected_draw("DeLong", make, 0.983, 14, 1092),))
    present = Corner("", "", "", (area_draw(make, 0.983, 14, 1092),))
    assert coverage(former, 150).lowest < 0.82
    assert coverage(present, 150).lowest > 0.9
