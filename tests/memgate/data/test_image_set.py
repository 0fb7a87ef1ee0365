"""Image sets, limits, the validation split and statistics, on synthetic sets and on the digits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgate.config.run import DataConfig
from memgate.data.image_set import (
    ImageSet,
    SplitName,
    channel_statistics,
    describe,
    limited,
    load_splits,
    normalisation,
    prepare,
    split_validation,
)
from memgate.errors import MemgateError

MANY_LABELS = st.lists(st.integers(0, 4), min_size=5, max_size=80)
DIGITS = DataConfig(name="digits", image_size=8)
GOLDEN_LIMIT = [2, 5, 10, 11, 15, 18, 19, 20, 24, 29]
GOLDEN_VAL = [2, 3, 4, 9, 13, 34, 35, 36]
GOLDEN_DIGITS_TEST = [2, 6, 8, 17, 28, 29, 36, 51]
GOLDEN_DIGITS = [
    "f1f2de69535efebc14795298b1d7c832f03d54fffb870f949f5f500b73c033c2",
    "f1d52b6c5da2a2bd8e015e7e346d32e0222d2848aaf07f9d7dbd452ea437c3e6",
]


def image_set(labels, first_id=0, side=8, name="npz", split: SplitName = "train") -> ImageSet:
    labels = np.asarray(labels, np.int64)
    pixels = np.random.default_rng(7).integers(0, 256, (len(labels), side, side, 3), np.uint8)
    names = tuple(f"class {label}" for label in range(int(labels.max()) + 1))
    return ImageSet(pixels, labels, np.arange(first_id, first_id + len(labels)), names, split, name, False)


def shuffled(images: ImageSet, seed: int = 1) -> ImageSet:
    return images.subset(np.random.default_rng(seed).permutation(len(images)))


def ids(images: ImageSet) -> list[int]:
    return images.sample_id.tolist()


def counts(images: ImageSet) -> list[int]:
    return np.bincount(images.labels, minlength=images.class_count).tolist()


# Image sets


def test_subset_keeps_ids_and_order():
    images = image_set([0, 1, 2, 0], first_id=100)
    part = images.subset(np.array([3, 1]))
    assert ids(part) == [103, 101]
    assert part.labels.tolist() == [0, 1]
    assert (part.images == images.images[[3, 1]]).all()
    assert (part.class_names, part.class_count, len(part)) == (images.class_names, 3, 2)


def test_digest_sees_one_pixel_one_label_and_nothing_else():
    images = image_set([0, 1, 1, 0])
    pixels, labels = images.images.copy(), images.labels.copy()
    assert images.digest == image_set([0, 1, 1, 0], first_id=9, name="other").digest
    pixels[2, 3, 4, 1] ^= 1
    labels[3] = 1
    others = [images.with_content(pixels, images.labels), images.with_content(images.images, labels)]
    assert len({images.digest, *(other.digest for other in others)}) == 3
    assert len(images.digest) == 64


def test_digest_does_not_depend_on_memory_layout():
    images = image_set([0, 1, 1, 0])
    turned = np.asfortranarray(images.images)
    assert images.with_content(turned, images.labels).digest == images.digest


def test_with_content_keeps_the_samples():
    images = image_set([0, 1], first_id=5)
    other = images.with_content(images.images[::-1].copy(), np.array([1, 1]))
    assert ids(other) == [5, 6]
    assert other.labels.tolist() == [1, 1]
    with pytest.raises(ValueError, match="1 images for 2 samples"):
        images.with_content(images.images[:1], images.labels[:1])


def test_wrong_arrays_are_refused():
    images = image_set([0, 1])
    with pytest.raises(ValueError, match="float64"):
        images.with_content(images.images.astype(float), images.labels)  # pyright: ignore
    with pytest.raises(ValueError, match="labels is int32"):
        images.with_content(images.images, images.labels.astype(np.int32))  # pyright: ignore


# Limits


@pytest.mark.slow
@given(labels=MANY_LABELS, limit=st.integers(1, 80), seed=st.integers(0, 5))
def test_limit_is_exact_balanced_and_sorted(labels, limit, seed):
    images = image_set(labels, first_id=50)
    limit = min(limit, len(images))
    part = limited(images, limit, seed)
    assert len(part) == limit
    assert ids(part) == sorted(ids(part))
    assert set(ids(part)) <= set(ids(images))
    assert (part.labels == images.labels[part.sample_id - 50]).all()
    assert (part.images == images.images[part.sample_id - 50]).all()
    # Balanced as far as possible: a class with samples left has at most one less than any other class.
    taken, there = counts(part), counts(images)
    for label, count in enumerate(taken):
        assert count == there[label] or count >= max(taken) - 1


@given(labels=MANY_LABELS, small=st.integers(1, 80), large=st.integers(1, 80), seed=st.integers(0, 5))
def test_smaller_limit_is_a_subset_of_the_larger(labels, small, large, seed):
    images = image_set(labels)
    small, large = sorted(min(limit, len(images)) for limit in (small, large))
    assert set(ids(limited(images, small, seed))) <= set(ids(limited(images, large, seed)))


@given(labels=MANY_LABELS, seed=st.integers(0, 5), order=st.integers(0, 5))
def test_choice_does_not_depend_on_the_rows_order(labels, seed, order):
    images = image_set(labels)
    mixed = shuffled(images, order)
    limit = (len(labels) + 1) // 2
    assert ids(limited(images, limit, seed)) == ids(limited(mixed, limit, seed))
    train, val = split_validation(image_set([0, 1] * 10), 0.3, seed)
    mixed_train, mixed_val = split_validation(shuffled(image_set([0, 1] * 10), order), 0.3, seed)
    assert (ids(train), ids(val)) == (ids(mixed_train), ids(mixed_val))


def test_limit_never_changes_between_versions():
    images = image_set([0, 1, 2, 3] * 10)
    assert ids(limited(images, 10, 0)) == GOLDEN_LIMIT
    assert ids(split_validation(images, 0.2, 0)[1]) == GOLDEN_VAL


def test_limit_differs_by_seed_split_and_data_set():
    labels = [0, 1] * 50
    sets = [
        ids(limited(images, 20, seed))
        for seed, images in (
            (0, image_set(labels)),
            (1, image_set(labels)),
            (0, image_set(labels, split="test")),
            (0, image_set(labels, name="folder")),
        )
    ]
    assert len({tuple(chosen) for chosen in sets}) == 4


def test_remainder_goes_to_different_classes_by_hash():
    images = image_set(list(range(10)) * 10)
    extra = {
        tuple(label for label, count in enumerate(counts(limited(images, 13, seed))) if count == 2)
        for seed in range(8)
    }
    assert all(len(labels) == 3 for labels in extra)
    assert len(extra) > 1


def test_limit_above_the_set_is_refused_in_one_sentence():
    with pytest.raises(MemgateError, match=r"--data.test-limit 9 is more than the 4 test images of npz: .*4"):
        limited(image_set([0, 1, 0, 1], split="test"), 9, 0)


# Validation


@pytest.mark.slow
@given(
    labels=st.lists(st.integers(0, 4), min_size=20, max_size=90),
    fraction=st.floats(0.05, 0.5),
    seed=st.integers(0, 3),
)
def test_validation_split_is_exact_disjoint_and_stratified(labels, fraction, seed):
    images = image_set(labels, first_id=30)
    try:
        train, val = split_validation(images, fraction, seed)
    except MemgateError as error:
        assert "leaves none of class" in str(error)  # noqa: PT017
        return
    assert abs(len(val) - fraction * len(images)) <= 0.5
    assert sorted(ids(train) + ids(val)) == ids(images)
    assert (train.split, val.split) == ("train", "val")
    assert ids(train) == sorted(ids(train))
    assert ids(val) == sorted(ids(val))
    assert (val.images == images.images[val.sample_id - 30]).all()
    for held, there, left in zip(counts(val), counts(images), counts(train), strict=True):
        assert left > 0 or there == 0
        # Webster's apportionment stays close to the exact share for small classes too.
        assert abs(held - there * len(val) / len(images)) <= 2


def test_validation_of_equal_classes_is_equal():
    train, val = split_validation(image_set(list(range(10)) * 30), 0.1, 0)
    assert counts(val) == [3] * 10
    assert counts(train) == [27] * 10


@pytest.mark.parametrize(
    ("labels", "fraction", "message"),
    [
        ([0, 1] * 10, 0.01, "val-fraction 0.01 of 20 training images is less than one image"),
        ([0] * 30 + [1], 0.9, "leaves none of class class 1 for training"),
    ],
)
def test_impossible_validation_split_is_reported_in_one_sentence(labels, fraction, message):
    with pytest.raises(MemgateError, match=message):
        split_validation(image_set(labels), fraction, 0)


def test_load_splits_limits_first_and_then_holds_out():
    config = DataConfig(name="digits", image_size=8, train_limit=400, test_limit=50, val_fraction=0.25)
    whole, splits = load_splits(DIGITS), load_splits(config)
    assert whole.val is None
    assert splits.val is not None
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [300, 100, 50]
    assert counts(splits.val) == [10] * 10
    assert ids(limited(whole.train, 400, 0)) == sorted(ids(splits.train) + ids(splits.val))
    assert splits.val.name == "digits"


# Statistics


@settings(max_examples=20)
@given(count=st.integers(1, 9), side=st.integers(8, 12), seed=st.integers(0, 9), chunk=st.integers(1, 4))
def test_statistics_are_those_of_float64(count, side, seed, chunk):
    images = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("noise.pixels.CHUNK_VALUES", chunk * side * side * 3)
        mean, std = channel_statistics(images)
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-12)


def test_constant_channel_is_divided_by_one():
    images = image_set([0, 1])
    images.images[..., 1] = 51
    assert channel_statistics(images.images)[1][1] == 0
    mean, std = normalisation(DataConfig(), images)
    assert (mean[1], std[1]) == (0.2, 1.0)
    assert std[0] == channel_statistics(images.images)[1][0]


def test_legacy_normalisation_equals_the_papers_constants():
    """CIFAR-10's constants for CIFAR-100 too: spec/gating.md, section 6."""
    for name in ("cifar10", "cifar100"):
        assert normalisation(DataConfig(name, normalisation="legacy"), image_set([0, 1])) == (
            (0.4914, 0.4822, 0.4465),
            (0.2023, 0.1994, 0.2010),
        )


def test_describe_counts_every_split():
    config = DataConfig(name="digits", image_size=8, val_fraction=0.2)
    splits = load_splits(config)
    facts = describe(splits)
    assert [row["split"] for row in facts["splits"]] == ["train", "val", "test"]
    assert [row["images"] for row in facts["splits"]] == [1150, 287, 360]
    assert facts["splits"][2]["class_images"] == [36] * 10
    assert facts["splits"][0]["digest"] == splits.train.digest
    assert (facts["name"], facts["image_size"], facts["classes"][9]) == ("digits", 8, "9")
    assert Path(facts["source"]).is_file()
    assert (tuple(facts["mean"]), tuple(facts["std"])) == channel_statistics(splits.train.images)


# Digits


def test_digits_split_is_fixed():
    splits = load_splits(DIGITS)
    assert (len(splits.train), len(splits.test)) == (1437, 360)
    assert sorted(ids(splits.train) + ids(splits.test)) == list(range(1797))
    assert counts(splits.test) == [36] * 10
    assert ids(splits.test)[:8] == GOLDEN_DIGITS_TEST
    assert splits.train.digest == GOLDEN_DIGITS[0]
    assert splits.test.digest == GOLDEN_DIGITS[1]


def test_digits_equal_those_of_scikit_learn_in_three_channels():
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small, large = load_splits(DIGITS).test, load_splits(DataConfig(name="digits")).test
    assert (small.labels == bunch.target[small.sample_id]).all()  # pyright: ignore
    values = bunch.images[small.sample_id] * 255 / 16  # pyright: ignore
    assert np.abs(small.images[..., 0] - values).max() <= 0.5
    assert large.images.shape == (360, 32, 32, 3)
    assert (large.images == large.images[..., :1]).all()
    grey = Image.fromarray(small.images[5, ..., 0]).resize((32, 32), Image.Resampling.BILINEAR)
    assert (large.images[5, ..., 0] == np.asarray(grey)).all()


def test_prepare_returns_the_path_that_is_read():
    assert prepare(DIGITS) == load_splits(DIGITS).source


def test_importing_data_imports_no_heavy_package():
    heavy = ("torch", "torchvision", "sklearn", "PIL")
    code = f"import sys, memgate.data.image_set; print([name for name in {heavy} if name in sys.modules])"
    root = Path(__file__).resolve().parents[3]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
