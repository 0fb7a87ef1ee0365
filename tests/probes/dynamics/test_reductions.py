import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probes.dynamics import events, reductions

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 5))
BOOLS = SHAPES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))
FLOATS = SHAPES.flatmap(
    lambda shape: st.tuples(arrays("f4", shape, elements=st.floats(-9, 9, width=32)), arrays(bool, shape))
)


def columns(values, seen):
    """The values of each sample in the epochs in which it was seen: a list for each sample."""
    return [column[there].tolist() for column, there in zip(values.T, seen.T, strict=True)]


def same(result, expected):
    np.testing.assert_allclose(result, np.array(expected, float), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@given(FLOATS)
def test_reductions_equal_a_loop(case):
    values, seen = case
    hidden = np.where(seen, values, np.nan)
    kept = columns(values, seen)
    nan = math.nan
    same(reductions.count(seen), [len(c) for c in kept])
    same(reductions.mean(hidden, seen), [sum(c) / len(c) if c else nan for c in kept])
    same(reductions.last(hidden, seen), [c[-1] if c else nan for c in kept])
    same(reductions.largest(hidden, seen), [max(c) if c else nan for c in kept])
    spread = [math.sqrt(sum((v - sum(c) / len(c)) ** 2 for v in c) / len(c)) if c else nan for c in kept]
    np.testing.assert_allclose(reductions.std(hidden, seen), spread, atol=1e-5)


@pytest.mark.slow
@given(FLOATS)
def test_the_interquartile_range_equals_numpys_over_the_epochs_seen(case):
    values, seen = case
    expected = [
        float(np.subtract(*np.quantile(c, [0.75, 0.25]))) if c else math.nan for c in columns(values, seen)
    ]
    same(reductions.quantile_range(np.where(seen, values, np.nan), seen, 0.25, 0.75), expected)


def test_lt_iqr_by_hand():
    """A memorised sample falls from 4 to 0 nats, an easy one is at 0 from the second epoch on."""
    loss = np.array([[4, 2.3, 9], [3, 0, math.inf], [2, 0, math.nan], [1, 0, 3], [0, 0, 1]])
    seen = np.ones((5, 3), bool)
    np.testing.assert_array_equal(reductions.quantile_range(loss, seen, 0.25, 0.75), [2, 0, math.nan])
    seen[0, 0] = seen[2, 2] = False  # of 0, 1, 2, 3: quartiles 0.75 and 2.25; of 1, 3, 9, inf: 2.5 and inf
    np.testing.assert_array_equal(reductions.quantile_range(loss, seen, 0.25, 0.75), [1.5, 0, math.inf])


@pytest.mark.slow
@given(BOOLS)
def test_events_equal_a_loop(case):
    state, seen = case
    epochs = np.arange(len(state)) * 3 + 2
    flips, forgotten, first, final, routed, learned, stays = [], [], [], [], [], [], []
    for sample in range(state.shape[1]):
        own = [(bool(state[e, sample]), int(epochs[e])) for e in range(len(state)) if seen[e, sample]]
        pairs = [(a[0], b[0]) for a, b in pairwise(own)]
        skips = [epoch for on, epoch in own if not on]
        flips.append(sum(a != b for a, b in pairs) if own else math.nan)
        forgotten.append(sum(a and not b for a, b in pairs) if any(on for on, _ in own) else math.nan)
        first.append(skips[0] if skips else math.nan)
        final.append(skips[-1] if skips else math.nan)
        learned.append(next((epoch for on, epoch in own if on), math.nan))
        stays.append(next((own[k][1] for k in range(len(own)) if all(on for on, _ in own[k:])), math.nan))
        routed.append(sum(on for on, _ in own) if own else math.nan)
    same(events.changes(state, seen), flips)
    same(events.forgetfulness(state, seen), forgotten)
    same(events.first_skip_epoch(state, seen, epochs), first)
    same(events.last_skip_epoch(state, seen, epochs), final)
    same(events.first_learned_epoch(state, seen, epochs), learned)
    same(events.stable_learned_epoch(state, seen, epochs), stays)
    same(reductions.routed_epochs(state, seen), routed)
    same(reductions.mean(state, seen), [np.mean(c) if c else math.nan for c in columns(state, seen)])


@pytest.mark.slow
@given(FLOATS, st.floats(0, 25))
def test_first_from_and_the_signed_mean_equal_a_loop(case, epoch):
    values, seen = case
    epochs = np.arange(len(values)) * 3 + 2
    later = [
        next((v for v, e, there in zip(c, epochs, s, strict=True) if there and e >= epoch), math.nan)
        for c, s in zip(values.T, seen.T, strict=True)
    ]
    same(reductions.first_from(np.where(seen, values, np.nan), seen, epochs, epoch), later)
    agrees = values > 1
    signed = [
        [float(v) if v > 1 else -float(v) for v, there in zip(c, s, strict=True) if there]
        for c, s in zip(values.T, seen.T, strict=True)
    ]
    means = [sum(c) / len(c) if c else math.nan for c in signed]
    same(reductions.mean(reductions.signed(values, agrees, seen), seen), means)


def test_a_value_without_a_prediction_has_no_sign():
    """A gate without a classifier agrees with no label; its entropy with a minus sign would be another score."""
    values, predicted = np.array([[0.5, 0.5, 0.5]], np.float32), np.array([[True, True, False]])
    result = reductions.signed(values, np.array([[True, False, False]]), predicted)
    np.testing.assert_array_equal(result, [[0.5, -0.5, math.nan]])
    assert result.dtype == np.float32


def test_never_learned_is_never_epoch_0():
    """A mistake of a published notebook: argmax of a column without a true value is 0."""
    correct = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], bool)
    seen, epochs = np.ones((3, 4), bool), np.array([1, 2, 3])
    same(events.first_learned_epoch(correct, seen, epochs), [math.nan, 1, 1, 3])
    same(events.stable_learned_epoch(correct, seen, epochs), [math.nan, 1, 3, 3])
    seen[2, 3] = False  # not seen in the last epoch, and wrong when last seen
    same(events.stable_learned_epoch(correct, seen, epochs), [math.nan, 1, 3, math.nan])


def test_the_normalised_margin_at_its_ends():
    # Confident and correct; confident and wrong, with p(given) = 0 in float32; a tie; rounding; diverged.
    p, loss, margin = np.array(
        [[1, 0, 0.5, 1, math.nan], [0, 150, math.log(2), 0, math.inf], [50, -150, 0, -1e-7, 1]]
    )
    result = reductions.normalised_margin(p, loss, margin)
    np.testing.assert_allclose(result, [1, 0, 0.5, 0.5, math.nan], atol=1e-12)


def test_never_learned_is_missing_and_never_forgotten_is_zero():
    correct = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 1]], bool)
    same(events.forgetfulness(correct, np.ones((3, 3), bool)), [math.nan, 0, 1])


def test_threshold_closeness_is_largest_at_one_half():
    same(reductions.threshold_closeness(np.array([0, 0.25, 0.5, 1])), [0, 0.1875, 0.25, 0])


def test_a_diverged_run_gives_no_warning():
    values = np.array([[1.0, np.inf], [np.nan, 2.0]])
    seen = np.ones((2, 2), bool)
    assert np.isnan(reductions.mean(values, seen)[0])
    assert np.isinf(reductions.mean(values, seen)[1])
    assert np.isnan(reductions.std(values, seen)).all()


def test_without_epochs_all_values_are_missing():
    nothing, seen = np.empty((0, 3), bool), np.empty((0, 3), bool)
    for reduce in (
        reductions.mean,
        reductions.last,
        reductions.largest,
        events.changes,
        reductions.routed_epochs,
    ):
        assert np.isnan(reduce(nothing, seen)).all()
    for event in (events.first_skip_epoch, events.first_learned_epoch, events.stable_learned_epoch):
        assert np.isnan(event(nothing, seen, np.empty(0))).all()
    assert np.isnan(reductions.first_from(nothing, seen, np.empty(0), 1)).all()
    assert np.isnan(reductions.quantile_range(nothing, seen, 0.25, 0.75)).all()
