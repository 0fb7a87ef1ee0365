import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noise.apply import corrupt
from noise.choose import exact_count
from noise.errors import NoiseError
from noise.labels.symmetric import flip_symmetric
from noise.manifest.summary import summary
from noise.spec import parse_specs
from noise.streams import sample_words
from tests.helpers.noise_kinds import CLASSES, NAMES, made, pictures


@given(count=st.integers(1, 80), rate=st.floats(0, 1), seed=st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_counts_are_exact_and_labels_are_other_classes(count, rate, seed):
    manifest = made(count, [f"symmetric:{rate!r}", f"randx:{rate!r}"], seed).manifest
    wanted = exact_count(rate, count)
    assert manifest.label_corrupted.sum() == (manifest.label_op == 1).sum() == wanted
    assert (manifest.image_op == 2).sum() == wanted
    assert manifest.given_label.min() >= 0
    assert manifest.given_label.max() < CLASSES
    np.testing.assert_array_equal(manifest.given_label != manifest.clean_label, manifest.label_op == 1)


@given(count=st.integers(1, 80), rate=st.floats(0, 1))
@settings(deadline=None)
def test_balanced_is_exact_in_every_class(count, rate):
    manifest = made(count, [f"symmetric:{rate!r}:balanced=true"]).manifest
    for label in range(CLASSES):
        inside = manifest.clean_label == label
        assert manifest.label_corrupted[inside].sum() == exact_count(rate, int(inside.sum()))


@pytest.mark.slow
@given(low=st.floats(0, 1), high=st.floats(0, 1), balanced=st.booleans())
@settings(deadline=None)
def test_a_lower_rate_is_nested_in_a_higher_one_with_the_same_results(low, high, balanced):
    low, high = sorted((low, high))
    tail = ":balanced=true" if balanced else ""
    small = made(60, [f"symmetric:{low!r}{tail}", f"randx:{low!r}"])
    large = made(60, [f"symmetric:{high!r}{tail}", f"randx:{high!r}"])
    flipped, replaced = small.manifest.label_corrupted, small.manifest.image_corrupted
    assert large.manifest.label_corrupted[flipped].all()
    assert large.manifest.image_corrupted[replaced].all()
    np.testing.assert_array_equal(small.labels[flipped], large.labels[flipped])
    np.testing.assert_array_equal(small.images[replaced], large.images[replaced])


@given(order=st.permutations(range(40)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_input_does_not_matter(order):
    ids = np.array(order)
    straight, shuffled = (
        made(40, ["symmetric:0.4", "randx:0.3"], sample_id=sample_id) for sample_id in (np.arange(40), ids)
    )
    np.testing.assert_array_equal(shuffled.labels, straight.labels[ids])
    np.testing.assert_array_equal(shuffled.images, straight.images[ids])
    for name in ("label_op", "image_op", "pixels"):
        np.testing.assert_array_equal(
            shuffled.manifest.columns()[name], straight.manifest.columns()[name][ids]
        )


@pytest.mark.slow
@given(part=st.sets(st.integers(0, 79), min_size=1))
@settings(deadline=None)
def test_a_subset_gives_its_samples_the_same_new_labels(part):
    ids = np.array(sorted(part))
    whole, subset = made(80, ["symmetric:1"]), made(len(ids), ["symmetric:1"], sample_id=ids)
    np.testing.assert_array_equal(subset.labels, whole.labels[ids])


@pytest.mark.slow
@given(first=st.integers(0, 30), second=st.integers(0, 30), image=st.integers(0, 60))
@settings(deadline=None)
def test_at_most_one_operation_per_target(first, second, image):
    texts = [f"symmetric:{first / 60!r}", f"randx:{image / 60!r}", f"symmetric:{second / 60!r}:balanced=true"]
    try:
        manifest = made(60, texts).manifest
    except NoiseError as error:
        assert "no label operation yet" in str(error)  # noqa: PT017 - only a class too full may end here.
        return
    assert (manifest.label_op == 1).sum() == first
    assert (manifest.label_op == 3).sum() == sum([exact_count(second / 60, 60 // CLASSES)] * CLASSES)
    assert (manifest.image_op == 2).sum() == image
    assert set(np.unique(manifest.label_op)) <= {0, 1, 3}
    assert set(np.unique(manifest.image_op)) <= {0, 2}


def test_too_few_free_samples_is_an_error():
    with pytest.raises(NoiseError, match=r"needs 30 of 50 samples but only 20 have no label operation"):
        made(50, ["pair:0.6", "symmetric:0.6"])


def test_no_specs_give_equal_arrays_and_a_clean_manifest():
    result = made(20, [])
    np.testing.assert_array_equal(result.images, pictures(20))
    np.testing.assert_array_equal(result.labels, np.arange(20) % CLASSES)
    assert set(result.manifest.cause) == {"clean"}
    assert result.manifest.header.operations == ()


def test_the_clean_arrays_are_untouched_and_not_shared():
    images, labels = pictures(30), np.arange(30) % CLASSES
    images.flags.writeable = labels.flags.writeable = False
    names = [str(label) for label in range(CLASSES)]
    specs = parse_specs(["symmetric:0.5", "randx:0.5"])
    for given_specs in ((), specs):
        result = corrupt(images, labels, given_specs, seed=0, dataset="d", class_names=names)
        assert not np.shares_memory(result.images, images)
        assert not np.shares_memory(result.labels, labels)
        assert not np.shares_memory(result.labels, result.manifest.given_label)
    np.testing.assert_array_equal(images, pictures(30))


def test_seed_and_data_set_change_the_selection():
    images, labels = pictures(60), np.arange(60) % CLASSES
    specs = parse_specs(["symmetric:0.5"])
    names = [str(label) for label in range(CLASSES)]
    results = [
        corrupt(images, labels, specs, seed=seed, dataset=dataset, class_names=names).labels.tobytes()
        for seed, dataset in ((0, "a"), (1, "a"), (0, "b"))
    ]
    assert len(set(results)) == 3


def test_new_labels_are_uniform_over_the_other_classes():
    clean = np.repeat(np.arange(10), 2000)
    words = sample_words(np.arange(len(clean)), 1, "uniformity", 0)[:, 0]
    given_labels = flip_symmetric(clean, 10, words)
    for label in range(10):
        counts = np.bincount(given_labels[clean == label], minlength=10)
        assert counts[label] == 0
        assert stats.chisquare(np.delete(counts, label)).pvalue > 1e-4


def test_selection_does_not_depend_on_the_class():
    manifest = made(5000, ["symmetric:0.4"], seed=3).manifest
    counts = np.bincount(manifest.clean_label[manifest.label_corrupted], minlength=CLASSES)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_symmetric_needs_a_second_class():
    arguments = {"seed": 0, "dataset": "one", "class_names": ["only"]}
    with pytest.raises(NoiseError, match="another class to flip to"):
        corrupt(pictures(10), np.zeros(10, int), parse_specs(["symmetric:0.5"]), **arguments)


def test_symmetric_follows_the_documented_rule():
    """Selection and new labels computed from the documentation instead of from the code."""
    key = hashlib.sha256(b"memgate-noise-v1|pictures|1|symmetric|stream").digest()[:16]
    order = sorted(
        range(64),
        key=lambda i: hashlib.sha256(f"memgate-noise-v1|pictures|1|symmetric|{i}".encode()).digest(),
    )
    labels = [i % CLASSES for i in range(64)]
    for i in order[:26]:  # 0.4 * 64 = 25.6
        philox = np.random.Philox(key=int.from_bytes(key, "little"), counter=[0, 0, i, 0])
        others = [label for label in range(CLASSES) if label != i % CLASSES]
        labels[i] = others[int(philox.random_raw()) % len(others)]
    assert made(64, ["symmetric:0.4"], seed=1).labels.tolist() == labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": pictures(10).astype(np.float32)}, "must be uint8"),
        ({"images": pictures(10)[:, 0, :, 0]}, "must be uint8"),
        ({"images": pictures(0)}, "N at least 1"),
        ({"labels": np.zeros(9, dtype=np.int64)}, "must be 10 integers"),
        ({"labels": np.zeros(10)}, "must be 10 integers"),
        ({"labels": np.full(10, 3)}, "labels run from 3 to 3, but there are 3 class names"),
        ({"labels": np.full(10, -1)}, "labels run from -1"),
        ({"sample_id": np.zeros(10, dtype=np.int64)}, "sample_id 0 occurs twice"),
        ({"sample_id": np.arange(10) - 4}, "sample_id -4 is negative"),
        ({"sample_id": np.arange(11)}, "sample_id are"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"seed": 1.0}, "seed 1.0 is not a whole number"),
        ({"seed": True}, "seed True is not a whole number"),
        ({"seed": None}, "seed None is not a whole number"),
        ({"specs": ["symetric:0.5"]}, "did you mean symmetric"),
        ({"specs": "symmetric:0.5"}, "is one text: give a list"),
        ({"specs": [None]}, "None is not a corruption"),
        ({"dataset": "a\nb"}, "hash key"),
        ({"dataset": "a|b"}, "hash key"),
        ({"dataset": ""}, "hash key"),
    ],
)
def test_bad_input_is_reported_in_one_sentence(change, message):
    arguments = {
        "images": pictures(10),
        "labels": np.arange(10) % 3,
        "specs": parse_specs(["symmetric:0.5"]),
        "seed": 0,
        "dataset": "d",
        "class_names": ["a", "b", "c"],
    }
    with pytest.raises(NoiseError, match=message) as caught:
        corrupt(**{**arguments, **change})
    assert "\n" not in str(caught.value)


def test_plain_lists_and_texts_are_accepted():
    images, labels = pictures(30), np.arange(30) % CLASSES
    arguments = {"seed": np.int64(3), "dataset": "d", "class_names": [str(label) for label in range(CLASSES)]}
    one = corrupt(images, labels, parse_specs(["symmetric:0.4", "randx:0.2"]), **arguments)
    two = corrupt(
        images, labels.tolist(), ["symmetric:0.4", "randx:0.2"], sample_id=list(range(30)), **arguments
    )
    assert one.manifest.header == two.manifest.header
    np.testing.assert_array_equal(one.images, two.images)


@pytest.mark.parametrize("seed", range(5))
def test_kinds_that_decide_per_sample_count_free_samples_only(seed):
    manifest = made(2000, ["symmetric:0.4", "symmetric-iid:0.5", "random"], seed).manifest
    first, second, third = manifest.header.operations
    assert first.requested == 0.4
    assert second.requested == pytest.approx(0.5 * 0.6)
    assert third.requested == pytest.approx(1 - 0.4 - second.selected / 2000)
    total = manifest.header.rates["label"]["requested"]
    assert total == pytest.approx(1, abs=0.05)
    assert max(total, *(row["label_requested"] for row in summary(manifest)["classes"])) <= 1


def test_the_requested_rate_of_a_class_dependent_kind_weighs_the_classes():
    ids = np.arange(1000)
    labels = np.where(ids < 900, 0, 9)  # trucks flip, airplanes do not
    arguments = {"seed": 0, "dataset": "d", "class_names": NAMES}
    (operation,) = corrupt(pictures(1000), labels, ["asymmetric:0.4"], **arguments).manifest.header.operations
    assert operation.requested == operation.realised == pytest.approx(0.04)
