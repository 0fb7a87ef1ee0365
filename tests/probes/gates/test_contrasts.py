"""Filters of selected samples against the rest."""

import numpy as np
import pytest

from probes.gates.contrasts import filter_contrasts
from probes.gates.filters import filter_statistics
from probes.gates.patterns import opened_by
from probes.stats.differences import difference_intervals
from probes.stats.estimate import excess, ratio
from probes.stats.intervals import wilson

RNG = np.random.default_rng(0)
OPENED = RNG.random((13, 400)) < 0.4
SELECTED = RNG.random(400) < 0.3
OPENED[5] = SELECTED
PACKED = np.packbits(OPENED, axis=0)


def test_shares_are_those_of_both_sides() -> None:
    one = filter_contrasts(PACKED, 13, SELECTED)
    np.testing.assert_allclose(one.selected, OPENED[:, SELECTED].mean(axis=1))
    np.testing.assert_allclose(one.rest, OPENED[:, ~SELECTED].mean(axis=1))
    assert one.count == (SELECTED.sum(), (~SELECTED).sum())
    assert one.order[0] == 5
    assert one.resolved.tolist() == [place == 5 for place in range(13)]


def test_intervals_are_newcombes_at_bonferronis_level() -> None:
    one = filter_contrasts(PACKED, 13, SELECTED)
    on = OPENED[3, SELECTED].sum(), OPENED[3, ~SELECTED].sum()
    sides = [(k / n, *wilson(k, n, 1 - 0.05 / 13)) for k, n in zip(on, one.count, strict=True)]
    expected = difference_intervals(sides[0], sides[1])
    assert (one.difference[3], one.low[3], one.high[3]) == pytest.approx(expected)
    alone = filter_contrasts(PACKED[:1] & np.uint8(128), 1, SELECTED)
    single = excess(*(ratio(int(OPENED[0, side].sum()), int(side.sum())) for side in (SELECTED, ~SELECTED)))
    assert (alone.difference[0], alone.low[0], alone.high[0]) == pytest.approx(
        (single.value, single.low, single.high)
    )


@pytest.mark.parametrize("selected", [np.zeros(400, bool), np.ones(400, bool)])
def test_a_side_without_samples_has_no_difference(selected: np.ndarray) -> None:
    one = filter_contrasts(PACKED, 13, selected)
    assert np.isnan(one.difference).all()
    assert not one.resolved.any()


@pytest.mark.parametrize("place", [0, 7, 8, 12])
def test_one_filter_is_read_from_its_bit(place: int) -> None:
    np.testing.assert_array_equal(opened_by(PACKED, place), OPENED[place])
    use = filter_statistics(opened_by(PACKED, place)[:, None], np.zeros(400, np.int64))
    assert use.frequency[0] == OPENED[place].mean()
