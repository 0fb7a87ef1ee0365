"""What filters do over samples, against hand-made patterns and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score

from memgate.errors import MemgateError
from probes.gates.filters import CATEGORIES, filter_statistics
from probes.gates.patterns import open_counts, rare_filters, unpacked


@pytest.fixture(scope="module")
def use():
    """Patterns [600, 12] of filters that are open more and more often, and labels of 4 classes, none of class 2."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3], 600, p=[0.5, 0.3, 0.2])
    chance = np.linspace(0, 1, 12) * np.where(labels == 1, 1, 0.7)[:, None]
    return rng.random((600, 12)) < chance, labels


def test_information_is_that_of_scikit_learn_and_its_chance_the_mean_over_shuffled_labels(use):
    patterns, labels = use
    statistics = filter_statistics(patterns, labels)
    rng = np.random.default_rng(1)
    shuffled = np.mean(
        [filter_statistics(patterns, rng.permutation(labels)).information for _ in range(300)], axis=0
    )
    for number, column in enumerate(patterns.T):
        assert statistics.information[number] == pytest.approx(mutual_info_score(column, labels), abs=1e-12)
    assert statistics.chance == pytest.approx(shuffled, abs=3e-4)
    # (MI - chance) / (H(filter) - chance), which is 0 where adjusted mutual information is.
    adjusted = adjusted_mutual_info_score(labels, patterns[:, 5], average_method="min")
    entropy = mutual_info_score(patterns[:, 5], patterns[:, 5])
    assert statistics.excess_information[5] / (entropy - statistics.chance[5]) == pytest.approx(adjusted)


def test_a_filter_of_one_class_knows_it_and_one_that_never_changes_knows_nothing():
    labels = np.repeat([0, 1], 50)
    statistics = filter_statistics(np.stack([labels == 1, labels >= 0, labels < 0], axis=1), labels)
    assert statistics.information == pytest.approx([np.log(2), 0, 0])
    assert statistics.chance[1:].tolist() == [0, 0]
    assert statistics.frequency.tolist() == [0.5, 1, 0]
    assert statistics.frequency_by_class.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_frequencies_are_means_and_an_empty_class_has_none(use):
    patterns, labels = use
    statistics = filter_statistics(patterns, labels)
    assert statistics.frequency == pytest.approx(patterns.mean(axis=0))
    assert statistics.frequency_by_class[:, 1] == pytest.approx(patterns[labels == 1].mean(axis=0))
    assert np.isnan(statistics.frequency_by_class[:, 2]).all()


@pytest.mark.parametrize(("on", "category"), [(0, 0), (9, 0), (10, 1), (990, 1), (991, 2), (1000, 2)])
def test_always_means_for_more_than_99_percent(on, category):
    patterns = (np.arange(1000) < on)[:, None]
    assert filter_statistics(patterns, np.zeros(1000, int)).category().tolist() == [category]
    assert CATEGORIES[category] in ("always off", "conditional", "always on")


def test_a_rare_filter_is_open_for_some_but_few():
    patterns = np.arange(100)[:, None] < [0, 1, 5, 6]
    expected = [False, True, True, False]
    assert filter_statistics(patterns, np.zeros(100, int)).rare(0.05).tolist() == expected
    assert rare_filters(np.packbits(patterns.T, axis=0), 4, 0.05).tolist() == expected


def test_the_order_of_filters_and_samples_does_not_matter(use):
    patterns, labels = use
    rng = np.random.default_rng(2)
    filters, rows = rng.permutation(12), rng.permutation(600)
    one, other = (
        filter_statistics(patterns, labels),
        filter_statistics(patterns[rows][:, filters], labels[rows]),
    )
    for name in ("frequency", "information", "chance"):
        assert getattr(other, name) == pytest.approx(getattr(one, name)[filters])
    assert other.category(0.9).tolist() == one.category(0.9)[filters].tolist()


@pytest.mark.parametrize("filters", [1, 8, 13])
def test_packed_patterns_come_back_and_are_counted(filters):
    opened = np.random.default_rng(3).random((filters, 9000)) < 0.3
    packed = np.packbits(opened, axis=0)
    assert (unpacked(packed, filters) == opened).all()
    assert open_counts(packed, filters).tolist() == opened.sum(axis=1).tolist()


def test_weights_count_as_open_and_wrong_arguments_are_said():
    assert filter_statistics([[0.2, 0.0]], [3], classes=5).opened.sum(axis=1).tolist() == [1, 0]
    for patterns, labels, classes, sentence in (
        ([[1, 0]], [0, 1], None, r"\(1, 2\) and labels of the shape \(2,\)"),
        (np.zeros((0, 2)), np.zeros(0, int), None, "n at least 1"),
        ([[1]], [-1], None, "0 or above."),
        ([[1]], [2], 2, "below the 2 classes"),
        ([[1]], [0.5], None, "labels float64"),
    ):
        with pytest.raises(MemgateError, match=sentence):
            filter_statistics(patterns, labels, classes)
