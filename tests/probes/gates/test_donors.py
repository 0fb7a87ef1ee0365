"""The other sample whose pattern a sample is given."""

import numpy as np

from probes.gates.donors import NONE, donors

IDS = np.random.default_rng(0).permutation(1000)[:300]
LABELS = np.random.default_rng(1).integers(0, 5, 300)


def test_donors_are_others_of_the_same_class_and_of_another():
    same, other = donors(IDS, LABELS, seed=0)
    assert (same != np.arange(300)).all()
    assert (LABELS[same] == LABELS).all()
    assert (LABELS[other] != LABELS).all()


def test_all_that_qualify_are_drawn_alike():
    labels = np.repeat([0, 1, 2], [4, 3, 5])
    counts = np.zeros((2, 12, 12), int)
    for seed in range(400):
        for kind, chosen in enumerate(donors(np.arange(12), labels, seed)):
            counts[kind, np.arange(12), chosen] += 1
    alike = labels[:, None] == labels
    for drawn, allowed in ((counts[0], alike & ~np.eye(12, dtype=bool)), (counts[1], ~alike)):
        assert (drawn[~allowed] == 0).all()
        expected = 400 / allowed.sum(axis=1, keepdims=True)
        assert (
            np.abs(drawn - expected)[allowed] < 5 * np.sqrt(np.broadcast_to(expected, (12, 12))[allowed])
        ).all()


def test_they_depend_on_seed_and_sample_and_not_on_the_order():
    first = donors(IDS, LABELS, seed=0)
    order = np.random.default_rng(2).permutation(300)
    shuffled = donors(IDS[order], LABELS[order], seed=0)
    assert (IDS[order][shuffled] == IDS[first][:, order]).all()
    assert (donors(IDS, LABELS, seed=1) != first).any()


def test_where_no_sample_qualifies_there_is_none():
    same, other = donors(np.array([5, 6, 7]), np.array([0, 0, 1]), seed=0)
    assert same.tolist() == [1, 0, NONE]
    assert other.tolist()[:2] == [2, 2]
    assert donors(np.array([5, 6]), np.array([1, 1]), seed=0)[1].tolist() == [NONE, NONE]
