"""Batches on the device: augmentation compared with a plain loop, and independent of the batch size."""

import numpy as np
import pytest
import torch

from memgate.config.data import Augment
from memgate.config.run import DataConfig, RunConfig, SubsetConfig
from memgate.data.subset_masks import members
from memgate.runs.inputs import load_inputs
from memgate.training.loader import CROP_PADDING, DeviceImages

CPU = torch.device("cpu")


def device_images(augment: Augment = "crop-flip", size=12, split="train", n=50, model=None):
    config = RunConfig(
        subset=SubsetConfig(model=model),
        data=DataConfig(name="digits", image_size=size, train_limit=n, test_limit=20, augment=augment),
    )
    inputs = load_inputs(config)
    return inputs, DeviceImages(inputs, split, CPU)


def raw(images, batch):
    """Pixels 0 to 255 [b, H, W, 3] of a normalised batch."""
    values = (batch.images.permute(0, 2, 3, 1) - images._shift) / images._scale
    return values.round().to(torch.uint8).numpy()


def test_evaluation_batches_are_every_sample_in_order_normalised():
    inputs, images = device_images()
    batches = list(images.evaluation_batches(16))
    assert [len(batch.index) for batch in batches] == [16, 16, 16, 2]
    np.testing.assert_array_equal(
        np.concatenate([raw(images, batch) for batch in batches]), inputs.train.images
    )
    pixels = np.concatenate([batch.images.numpy() for batch in batches])
    clean = inputs.clean.train.images / 255
    mean, std = clean.mean((0, 1, 2)), clean.std((0, 1, 2))
    expected = (inputs.train.images / 255 - mean) / std
    np.testing.assert_allclose(pixels.transpose(0, 2, 3, 1), expected, atol=1e-5)


def test_an_epoch_is_a_permutation_with_its_own_labels():
    inputs, images = device_images()
    batches = list(images.training_batches(0, 1, 16))
    index = torch.cat([batch.index for batch in batches])
    assert sorted(index.tolist()) == list(range(50))
    assert len(batches[-1].index) == 2
    labels = torch.cat([batch.labels for batch in batches])
    np.testing.assert_array_equal(labels, inputs.train.labels[index])


def test_a_run_of_a_subset_has_its_members_only_in_the_same_order_and_with_the_same_crops():
    _, whole = device_images()
    crops = {}
    for batch in batches_of(whole):
        crops |= dict(zip(batch.index.tolist(), raw(whole, batch), strict=True))
    orders = []
    expected = torch.cat([batch.index for batch in batches_of(whole)])
    for model in range(2):
        inputs, images = device_images(model=model)
        mask = members(inputs.train.sample_id, 2, 0.5, seed=0)[model]
        batches = batches_of(images)
        orders.append(torch.cat([batch.index for batch in batches]))
        assert orders[-1].tolist() == [row for row in expected.tolist() if mask[row]]
        assert [len(batch.index) for batch in batches[:-1]] == [16] * (len(batches) - 1)
        assert images.trained_count == mask.sum()
        for batch in batches:
            for row, crop in zip(batch.index.tolist(), raw(images, batch), strict=True):
                np.testing.assert_array_equal(crop, crops[row])
    assert sorted(torch.cat(orders).tolist()) == list(range(50))


def batches_of(images):
    return list(images.training_batches(0, 1, 16))


def test_every_crop_is_a_window_of_the_padded_image_or_of_its_mirror():
    inputs, images = device_images()
    seen = set()
    for epoch in range(1, 6):
        for batch in images.training_batches(0, epoch, 16):
            for row, crop in zip(batch.index.tolist(), raw(images, batch), strict=True):
                padded = np.pad(inputs.train.images[row], ((4, 4), (4, 4), (0, 0)))
                windows = [
                    (y, x, flip)
                    for y in range(9) for x in range(9) for flip in (False, True)
                    if np.array_equal(padded[y : y + 12, x : x + 12][:, :: -1 if flip else 1], crop)
                ]  # fmt: skip
                assert windows, (epoch, row)
                if len(windows) == 1:
                    seen.add(windows[0])
    assert {flip for _, _, flip in seen} == {False, True}
    assert {y for y, _, _ in seen} == {x for _, x, _ in seen} == set(range(2 * CROP_PADDING + 1))


@pytest.mark.parametrize("augment", ["none", "crop", "crop-flip"])
def test_a_samples_augmentation_depends_on_seed_and_epoch_not_on_the_batch(augment):
    _, images = device_images(augment)

    def by_sample(seed, epoch, size):
        images_by_row = {}
        for batch in images.training_batches(seed, epoch, size):
            images_by_row.update(zip(batch.index.tolist(), raw(images, batch), strict=True))
        return np.stack([images_by_row[row] for row in range(50)])

    np.testing.assert_array_equal(by_sample(0, 1, 7), by_sample(0, 1, 50))
    assert np.array_equal(by_sample(0, 1, 50), by_sample(0, 2, 50)) == (augment == "none")
    assert np.array_equal(by_sample(0, 1, 50), by_sample(1, 1, 50)) == (augment == "none")


def test_the_test_split_is_never_augmented():
    inputs, images = device_images(split="test")
    [batch] = images.training_batches(0, 1, 100)
    np.testing.assert_array_equal(raw(images, batch), inputs.clean.test.images[batch.index])


def test_batches_are_channels_last():
    _, images = device_images()
    batch = next(images.training_batches(0, 1, 16))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
