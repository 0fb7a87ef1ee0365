"""Label noise that depends only on labels (and, for ``instance``, on images)."""

import lzma
import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noise.choose import exact_count
from noise.cifar import CIFAR100_SUPERCLASSES
from noise.errors import NoiseError
from noise.labels.asymmetric import CIFAR10_CLASSES, next_in_block, similar_classes
from noise.labels.symmetric import draw_classes, symmetric_iid
from tests.helpers.label_tasks import FALSE_ALARM, independence, made_task, outcome

RATED = [
    "symmetric:{}",
    "symmetric:{}:balanced=true",
    "symmetric-incl:{}",
    "symmetric-iid:{}",
    "pair:{}",
    "asymmetric:{}:convention=legacy-block5",
    "asymmetric:{}:convention=legacy-block5:sampling=whole",
    "instance:{}",
]
CIFAR10 = tuple(sorted(CIFAR10_CLASSES))


def assert_follows(clean, labels, chances):
    """Check the given labels of each class against its row of ``chances`` (chi-square); probability 0 never occurs."""
    for label, row in enumerate(chances):
        seen = np.bincount(labels[clean == label], minlength=len(row))
        assert seen[row == 0].sum() == 0
        if (row > 0).sum() > 1:
            expected = row[row > 0] / row.sum() * seen.sum()
            assert stats.chisquare(seen[row > 0], expected).pvalue > FALSE_ALARM


def assert_alike(clean, labels, others, classes):
    """Check that two sets of given labels of the same clean labels have one distribution (chi-square)."""
    for label in range(classes):
        table = np.array(
            [np.bincount(given[clean == label], minlength=classes) for given in (labels, others)]
        )
        np.testing.assert_array_equal(table[0] > 0, table[1] > 0)
        table = table[:, table[0] > 0]
        if table.shape[1] > 1:
            assert independence(table) > FALSE_ALARM


labellings = st.lists(st.integers(0, 4), min_size=1, max_size=60)
rates = st.floats(0, 1)
seeds = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize("text", ["symmetric:{}", "symmetric-incl:{}", "pair:{}"])
@given(labels=labellings, rate=rates, seed=seeds)
@settings(deadline=None, max_examples=50)
def test_exactly_the_rounded_rate_is_touched(text, labels, rate, seed):
    task = made_task(text.format(repr(rate)), labels, seed=seed)
    change, given = outcome(task)
    assert len(change.positions) == exact_count(rate, len(labels))
    if task.spec.kind != "symmetric-incl":
        assert (given != task.labels).sum() == len(change.positions)
    assert change.requested is None


@given(labels=labellings, rate=rates, seed=seeds)
@settings(deadline=None, max_examples=50)
def test_asymmetric_is_exact_in_every_class_or_as_a_whole(labels, rate, seed):
    labels = np.array(labels) * 2  # airplane, bird, deer, frog, ship: two of them flip
    flips = np.isin(np.arange(10), (2, 3, 4, 5, 9))
    task = made_task(f"asymmetric:{rate!r}", labels, names=CIFAR10, seed=seed)
    change, given = outcome(task)
    for label in range(10):
        inside = labels == label
        assert (given != labels)[inside].sum() == flips[label] * exact_count(rate, int(inside.sum()))
    np.testing.assert_array_equal(change.requested, np.where(flips, rate, 0))
    whole = made_task(f"asymmetric:{rate!r}:sampling=whole", labels, names=CIFAR10, seed=seed)
    selected = whole.order()[: exact_count(rate, len(labels))]
    change, given = outcome(whole)
    assert set(change.positions) == {place for place in selected if flips[labels[place]]}
    assert (given != labels)[change.positions].all()
    np.testing.assert_array_equal(change.requested, np.where(flips, rate, 0))


@pytest.mark.slow
@pytest.mark.parametrize("text", RATED)
@given(labels=labellings, low=rates, high=rates, seed=seeds)
@settings(deadline=None, max_examples=40)
def test_a_lower_rate_is_nested_in_a_higher_one_with_the_same_labels(text, labels, low, high, seed):
    low, high = sorted((low, high))
    (small, below), (large, above) = (
        outcome(made_task(text.format(repr(rate)), labels, seed=seed)) for rate in (low, high)
    )
    assert set(small.positions) <= set(large.positions)
    np.testing.assert_array_equal(below[small.positions], above[small.positions])


@pytest.mark.slow
@pytest.mark.parametrize("text", [*RATED, "random"])
@given(labels=labellings, seed=seeds, data=st.data())
@settings(deadline=None, max_examples=25)
def test_the_order_of_the_samples_does_not_matter(text, labels, seed, data):
    order = np.array(data.draw(st.permutations(range(len(labels)))), dtype=np.int64)
    text = text.format(0.4)
    _, straight = outcome(made_task(text, labels, seed=seed))
    _, shuffled = outcome(made_task(text, np.array(labels)[order], sample_id=order, seed=seed))
    np.testing.assert_array_equal(shuffled, straight[order])


@pytest.mark.slow
@pytest.mark.parametrize("text", [*RATED, "random"])
@given(free=st.lists(st.booleans(), min_size=40, max_size=40))
@settings(deadline=None, max_examples=25)
def test_only_free_samples_are_touched(text, free):
    labels = np.arange(40) % 5
    task = made_task(text.format(0.2), labels, free=free)
    # The exact kinds need 2 of the 8 samples of each class; fewer may be free.
    exact = not text.startswith(("symmetric-iid", "instance", "random"))
    by_class = "balanced" in text or text.endswith("block5")
    counts = [int(task.free[labels == label].sum()) for label in range(5)] if by_class else [sum(free)]
    if exact and min(counts) < (2 if by_class else 8):
        with pytest.raises(NoiseError, match="samples but only"):
            outcome(task)
        return
    change, _ = outcome(task)
    if text == "random":
        np.testing.assert_array_equal(change.positions, np.flatnonzero(free))


def test_the_ends_of_the_range_of_rates():
    labels = np.arange(400) % 5
    for text in RATED:
        change, _ = outcome(made_task(text.format(0), labels))
        assert len(change.positions) == 0
        if not text.startswith("instance"):
            change, _ = outcome(made_task(text.format(1), labels))
            assert len(change.positions) == 400


@pytest.mark.slow
def test_every_transition_follows_its_rule():
    classes = 5
    clean = np.random.default_rng(1).integers(0, classes, 40_000)
    same, other = np.eye(classes), np.ones((classes, classes)) - np.eye(classes)
    rules = {
        "symmetric:0.3": 0.7 * same + 0.3 * other / 4,
        "symmetric:0.3:balanced=true": 0.7 * same + 0.3 * other / 4,
        "symmetric-incl:0.3": 0.7 * same + 0.3 / 5,
        "symmetric-iid:0.3": 0.7 * same + 0.3 * other / 4,
        "pair:0.45": 0.55 * same + 0.45 * np.roll(same, 1, axis=1),
        "random": np.full((classes, classes), 0.2),
        "asymmetric:0.2:convention=legacy-block5": 0.8 * same + 0.2 * np.roll(same, 1, axis=1),
        "asymmetric:0.2:convention=legacy-block5:sampling=whole": 0.8 * same + 0.2 * np.roll(same, 1, axis=1),
    }
    for text, chances in rules.items():
        _, labels = outcome(made_task(text, clean))
        assert_follows(clean, labels, chances)


def test_iid_flips_vary_as_independent_ones_do():
    # Over 200 seeds of 250 samples the variance of the count is N p (1-p); it would be 0 for an exact count.
    labels = np.arange(250) % 5
    counts = [
        len(symmetric_iid(made_task("symmetric-iid:0.3", labels, seed=seed)).positions) for seed in range(200)
    ]
    spread = 199 * np.var(counts, ddof=1) / (250 * 0.3 * 0.7)
    assert FALSE_ALARM < stats.chi2(199).cdf(spread) < 1 - FALSE_ALARM
    np.testing.assert_array_equal(
        symmetric_iid(made_task("symmetric-iid:0.3", labels)).requested, np.full(5, 0.3)
    )


def test_random_labels_touch_and_report_all_samples():
    change, labels = outcome(made_task("random", np.zeros(5000)))
    np.testing.assert_array_equal(change.positions, np.arange(5000))
    np.testing.assert_array_equal(change.requested, np.ones(5))
    assert_follows(np.zeros(5000, dtype=int), labels, np.full((1, 5), 0.2))


@pytest.mark.parametrize(
    ("mode", "text"), [("sym", "symmetric-incl:0.4"), ("asym", "asymmetric:0.4:sampling=whole")]
)
def test_rates_agree_with_dividemix(mode, text):
    """DivideMix shuffles all ids, takes the first r*N, and draws from all classes or looks up its map."""
    clean = np.random.default_rng(2).integers(0, 10, 20_000)
    chance = random.Random(3)
    ids = list(range(len(clean)))
    chance.shuffle(ids)
    similar = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}
    theirs = clean.copy()
    for number in ids[: int(0.4 * len(ids))]:
        true = int(clean[number])
        theirs[number] = chance.randint(0, 9) if mode == "sym" else similar.get(true, true)
    _, ours = outcome(made_task(text, clean, names=CIFAR10))
    assert_alike(clean, ours, theirs, classes=10)


def test_the_maps_are_the_published_ones():
    similar, convention = similar_classes(CIFAR10)
    assert similar.tolist() == [0, 1, 0, 5, 7, 3, 6, 7, 8, 1]
    assert convention == "asym_patrini_cifar10"
    assert next_in_block(10).tolist() == [1, 2, 3, 4, 0, 6, 7, 8, 9, 5]
    _, labels = outcome(made_task("pair:1", range(5)))
    assert labels.tolist() == [1, 2, 3, 4, 0]
    names = sorted(name for members in CIFAR100_SUPERCLASSES for name in members)
    similar, convention = similar_classes(names)
    assert convention == "asym_superclass_cifar100"
    assert sorted(similar) == list(range(100))
    following = {name: names[label] for name, label in zip(names, similar, strict=True)}
    assert following["apple"] == "mushroom"
    assert following["sweet_pepper"] == "apple"
    assert following["maple_tree"] == "oak_tree"
    assert following["tractor"] == "lawn_mower"


@given(names=st.permutations(CIFAR10))
@settings(max_examples=30, deadline=None)
def test_the_map_goes_by_names_in_any_order(names):
    similar, _ = similar_classes(names)
    pairs = {(name, names[label]) for name, label in zip(names, similar, strict=True) if names[label] != name}
    assert pairs == {
        ("truck", "automobile"), ("bird", "airplane"), ("deer", "horse"), ("cat", "dog"), ("dog", "cat")
    }  # fmt: skip


@pytest.mark.shared
def test_the_superclasses_are_the_official_ones(shared):
    names = pickle.loads((shared / "data/cifar100/meta").read_bytes(), encoding="latin1")["fine_label_names"]
    head = lzma.decompress((shared / "data/cifar100/test_head.xz").read_bytes())
    tail = (shared / "data/cifar100/test_tail").read_bytes()
    # The official file without its images; only the labels are used.
    test = pickle.loads(head + bytes(10_000 * 3072) + tail, encoding="latin1")
    coarse_of = dict(zip(test["fine_labels"], test["coarse_labels"], strict=True))
    assert len(coarse_of) == 100
    for coarse, members in enumerate(CIFAR100_SUPERCLASSES):
        assert members == tuple(names[fine] for fine in range(100) if coarse_of[fine] == coarse)
    similar, _ = similar_classes(names)
    for fine, target in enumerate(similar.tolist()):
        assert target != fine
        assert coarse_of[target] == coarse_of[fine]


@pytest.mark.parametrize(
    ("text", "names", "convention"),
    [
        ("asymmetric:0.4", CIFAR10, "asym_patrini_cifar10"),
        ("asymmetric:0.4:sampling=whole", CIFAR10, "asym_patrini_cifar10_whole"),
        ("asymmetric:0.4:convention=legacy-block5", None, "asym_block5_legacy"),
        ("asymmetric:0.4:convention=legacy-block5:sampling=whole", None, "asym_block5_legacy_whole"),
        ("asymmetric:0.4", sum(CIFAR100_SUPERCLASSES, ()), "asym_superclass_cifar100"),
        ("asymmetric:0.4:sampling=whole", sum(CIFAR100_SUPERCLASSES, ()), "asym_superclass_cifar100_whole"),
    ],
)
def test_the_convention_is_named(text, names, convention):
    change, _ = outcome(made_task(text, np.arange(100) % 5, names=names))
    assert change.convention == convention


@pytest.mark.parametrize(
    ("text", "classes", "sentence"),
    [
        ("symmetric:0.4", 1, "needs another class to flip to, but there is only 1 class: leave it out"),
        ("symmetric-iid:0.4", 1, "needs another class to flip to, but there is only 1 class: leave it out"),
        ("pair:0.4", 1, "needs another class to flip to, but there is only 1 class: leave it out"),
        ("instance:0.4", 1, "needs another class to flip to, but there is only 1 class: leave it out"),
        (
            "asymmetric:0.4",
            10,
            r"only for CIFAR-10 and CIFAR-100, .* \(class 0, .*use pair, or .* matrix:file=FILE",
        ),
        ("asymmetric:0.4:convention=legacy-block5", 7, "blocks of 5 classes, but there are 7: use pair"),
    ],
)
def test_impossible_label_noise_is_refused_in_one_sentence(text, classes, sentence):
    with pytest.raises(NoiseError, match=sentence) as caught:
        outcome(made_task(text, np.zeros(10), classes=classes))
    assert "\n" not in str(caught.value)


def test_classes_are_drawn_with_their_probabilities():
    points = (np.arange(10_000) + 0.5) / 10_000
    chances = np.array([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    drawn = draw_classes(np.tile(chances * (1 - 1e-7), (10_000, 1)), points)
    np.testing.assert_array_equal(np.bincount(drawn, minlength=6), chances * 10_000)
    highest = 1 - 2.0**-53
    thirds = np.full((1, 3), 1 / 3)
    assert draw_classes(np.hstack([thirds, [[0.0]]]), np.array([highest])).tolist() == [2]
    assert draw_classes(np.hstack([[[0.0]], thirds]), np.array([2.0**-53])).tolist() == [1]
