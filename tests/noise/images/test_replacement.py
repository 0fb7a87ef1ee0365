"""Replaced or covered images: Gaussian pixels, permuted pixels, squares; and channel statistics."""

import numpy as np
import pytest
from scipy import stats

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.images.replacement import gaussian_pixels, occlusion, random_pixels, shuffled_pixels
from noise.pixels import CHUNK_VALUES, channel_statistics, chunk_length, in_steps
from noise.spec import parse_specs
from noise.streams import sample_words
from tests.helpers.noise_kinds import pictures, task_of


def test_channel_statistics_equal_numpys():
    images = pictures(700, side=9)
    statistics = channel_statistics(images)
    np.testing.assert_allclose(statistics.mean, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(statistics.deviation, images.std(axis=(0, 1, 2)), rtol=1e-12)
    backwards = channel_statistics(images[::-1])
    np.testing.assert_array_equal(backwards.mean, statistics.mean)
    np.testing.assert_array_equal(backwards.deviation, statistics.deviation)


def narrow(count):
    """Images whose pixels are more than four deviations from 0 and 255, so that Gaussian pixels are not clipped."""
    return np.stack([80 + pictures(count)[..., 0] // 8, 130 + pictures(count)[..., 1] // 4], axis=-1)


def test_randx_has_the_data_sets_mean_and_variance():
    images = narrow(2000)
    names = ["one", "two"]
    labels = np.zeros(len(images), dtype=np.int64)
    result = corrupt(images, labels, parse_specs(["randx:1"]), seed=5, dataset="narrow", class_names=names)
    for channel in range(images.shape[-1]):
        values = result.images[..., channel].ravel().astype(float)
        mean, deviation = images[..., channel].mean(), images[..., channel].std()
        # Rounding to integers adds a variance of 1/12.
        spread = np.hypot(deviation, np.sqrt(1 / 12))
        z_mean = (values.mean() - mean) / (spread / np.sqrt(values.size))
        z_variance = (values.var() / spread**2 - 1) / np.sqrt(2 / values.size)
        assert abs(z_mean) < 4
        assert abs(z_variance) < 4


def test_randx_is_normal_and_its_pixels_are_independent():
    statistics = channel_statistics(narrow(500))
    words = sample_words(np.arange(400), 4 * 4 * 2, "normality", 0)
    values = gaussian_pixels(statistics, (4, 4, 2), words).astype(float)
    for channel in range(2):
        flat = values[..., channel].ravel()
        mean, deviation = statistics.mean[channel], statistics.deviation[channel]
        edges = mean + deviation * np.linspace(-2, 2, 9)
        cells = np.floor(edges) + 0.5  # Rounding does not change counts between half-integers.
        observed = np.histogram(flat, np.concatenate([[-np.inf], cells, [np.inf]]))[0]
        shares = np.diff(np.concatenate([[0.0], stats.norm.cdf(cells, mean, deviation), [1.0]]))
        assert stats.chisquare(observed, shares * flat.size).pvalue > 1e-4
    correlation = np.corrcoef(values.reshape(400, -1), rowvar=False)
    between = np.abs(correlation[np.triu_indices(len(correlation), 1)])
    assert between.max() < 5 / np.sqrt(400)


def test_randx_clips_to_bytes():
    extremes = np.zeros((40, 4, 4, 1), dtype=np.uint8)
    extremes[::2] = 255
    words = sample_words(np.arange(50), 16, "clipping")
    values = gaussian_pixels(channel_statistics(extremes), (4, 4, 1), words)
    # A Gaussian with mean and deviation 127.5 has a share of 0.317 outside one deviation.
    beyond = np.isin(values, (0, 255)).mean()
    assert abs(beyond - 0.317) < 0.07


def test_chunks_cover_every_position_once():
    shape = (64, 64, 3)
    count = chunk_length(shape) * 2 + 5
    assert chunk_length((2000, 2000, 3)) == 1
    assert CHUNK_VALUES // np.prod(shape) == chunk_length(shape)
    seen = []

    def render(chunk):
        seen.append(len(chunk))
        return np.broadcast_to((chunk % 251).astype(np.uint8)[:, None, None, None], (len(chunk), *shape))

    values = in_steps(np.arange(count), shape, render)
    assert seen == [chunk_length(shape)] * 2 + [5]
    np.testing.assert_array_equal(values[:, 0, 0, 0], np.arange(count) % 251)


ALL = np.arange(30)


def test_random_pixels_move_whole_pixels_differently_in_each_image():
    task = task_of("random-pixels:1", count=30, side=8)
    values = random_pixels(task, ALL)
    same = np.broadcast_to(pictures(1, side=8), task.images.shape)
    for row in range(30):
        before, after = (images[row].reshape(64, 3) for images in (task.images, values))
        assert sorted(map(tuple, before.tolist())) == sorted(map(tuple, after.tolist()))
    permuted = random_pixels(task_with(task, same), ALL)
    assert len({image.tobytes() for image in permuted}) == 30


def test_random_values_mix_the_channels():
    task = task_of("random-pixels:1:scope=values", count=30, side=8)
    values = random_pixels(task, ALL)
    for row in range(30):
        np.testing.assert_array_equal(np.sort(values[row].ravel()), np.sort(task.images[row].ravel()))
    pixels = {tuple(pixel) for pixel in task.images.reshape(-1, 3).tolist()}
    assert any(tuple(pixel) not in pixels for pixel in values.reshape(-1, 3).tolist())


def task_with(task, images, dataset=None):
    from dataclasses import replace

    return replace(task, images=np.ascontiguousarray(images), dataset=dataset or task.dataset)


@pytest.mark.parametrize("scope", ["spatial", "values"])
def test_shuffled_pixels_share_one_permutation_with_the_test_split(scope):
    task = task_of(f"shuffled-pixels:1:scope={scope}", count=30, side=8)
    same = task_with(task, np.broadcast_to(pictures(1, side=8), task.images.shape))
    values = shuffled_pixels(same, ALL)
    assert (values == values[0]).all()
    assert (values[0] != same.images[0]).any()
    of_test = shuffled_pixels(task_with(same, same.images, f"{task.dataset}/test"), ALL)
    np.testing.assert_array_equal(of_test, values)
    if scope == "spatial":
        assert sorted(map(tuple, values[0].reshape(-1, 3).tolist())) == sorted(
            map(tuple, same.images[0].reshape(-1, 3).tolist())
        )


@pytest.mark.parametrize("fill", ["mean", "black", "noise"])
def test_occlusion_covers_one_square_and_nothing_else(fill):
    task = task_of(f"occlusion:1:size=3:fill={fill}", count=300, side=8)
    untouched = task_with(task, np.where(task.images == 0, 1, task.images) | 1)
    values = occlusion(untouched, np.arange(300))
    places = set()
    for before, after in zip(untouched.images, values, strict=True):
        rows, columns = np.nonzero((before != after).any(axis=-1))
        top, left = rows.min(), columns.min()
        assert rows.max() - top < 3
        assert columns.max() - left < 3
        places.add((int(top), int(left)))
        if fill == "black":
            assert (rows.max() - top, columns.max() - left) == (2, 2)
            assert not after[top : top + 3, left : left + 3].any()
    if fill == "black":
        assert places == {(row, column) for row in range(6) for column in range(6)}
    if fill == "mean":
        mean = np.rint(channel_statistics(untouched.images).mean)
        changed = (untouched.images != values).any(axis=-1)
        assert (values[changed] == mean).all()


def test_an_occlusion_larger_than_the_image_is_reported_in_one_sentence():
    with pytest.raises(NoiseError, match="a square of 9 pixels does not fit into images of 8x8"):
        occlusion(task_of("occlusion:1:size=9", side=8), ALL)
