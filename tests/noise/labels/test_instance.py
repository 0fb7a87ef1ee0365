"""Instance-dependent label noise."""

import math

import numpy as np
import pytest
from scipy import stats

from noise.pixels import channel_statistics
from noise.streams import normals, uniforms
from noise.task import Task
from tests.helpers.label_tasks import FALSE_ALARM, independence, made_task, outcome


def test_instance_follows_its_definition_for_each_sample():
    rng = np.random.default_rng(4)
    count, classes, rate = 300, 4, 0.5
    images = rng.integers(0, 256, (count, 3, 2, 3), dtype=np.uint8)
    clean = rng.integers(0, classes, count)
    task = made_task(f"instance:{rate}", clean, classes=classes, images=images)
    _, labels = outcome(task)
    statistics = channel_statistics(images)
    weights = np.stack(
        [normals(task.shared_words(label, 18 * classes)).reshape(18, classes) for label in range(classes)]
    )
    words = uniforms(task.words(np.arange(count), 3))
    for number in range(count):
        label = int(clean[number])
        first, second, third = words[number].tolist()
        probability = stats.truncnorm.ppf(first, -rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
        expected = label
        if second < probability:
            powers = []
            for target in range(classes):
                score = 0.0
                for place, value in enumerate(images[number].ravel().tolist()):
                    channel = place % 3
                    pixel = (value / 255 - statistics.mean[channel] / 255) / (
                        statistics.deviation[channel] / 255
                    )
                    score += pixel * weights[label, place, target]
                powers.append(0.0 if target == label else math.exp(score))
            expected, total = 0, powers[0] / sum(powers)
            while total <= third:
                expected += 1
                total += powers[expected] / sum(powers)
        assert labels[number] == expected


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
def test_the_mean_of_the_flip_probabilities_is_that_of_the_truncated_normal(rate):
    count = 20_000
    change, _ = outcome(made_task(f"instance:{rate}", np.arange(count) % 5))
    mean = stats.truncnorm.mean(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
    low, high = stats.binom.ppf([FALSE_ALARM, 1 - FALSE_ALARM], count, mean)
    assert low <= len(change.positions) <= high
    assert abs(mean - rate) < (0.051 if rate in (0.05, 0.9) else 0.006)
    np.testing.assert_array_equal(change.requested, np.full(5, rate))


def test_the_new_class_depends_on_the_image():
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
    which = np.arange(2000) % 4
    _, labels = outcome(made_task("instance:0.5", np.zeros(2000), images=pictures[which]))
    tables = np.array([np.bincount(labels[which == picture], minlength=5)[1:] for picture in range(4)])
    assert len(set(tables.argmax(axis=1).tolist())) > 1
    present = tables[:, tables.sum(axis=0) > 0]
    assert independence(present) < FALSE_ALARM


def test_the_same_image_under_another_label_gets_another_class():
    picture = np.random.default_rng(6).integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)
    other = 255 - picture
    images = np.concatenate([picture.repeat(1500, axis=0), other.repeat(1500, axis=0)])
    clean = np.tile(np.arange(5), 600)
    _, labels = outcome(made_task("instance:0.5", clean, images=images))
    first = np.arange(3000) < 1500
    favourites = [
        np.bincount(labels[first & (clean == label) & (labels != label)], minlength=5).argmax()
        for label in range(5)
    ]
    assert len(set(favourites)) > 2


def test_a_constant_channel_causes_no_division_by_zero():
    change, _ = outcome(
        made_task("instance:0.5", np.arange(100) % 5, images=np.zeros((100, 1, 1, 3), np.uint8))
    )
    assert 20 < len(change.positions) < 80


def test_every_split_has_the_same_weights():
    task = made_task("instance:0.5", np.arange(10) % 5)
    test = Task(
        task.spec,
        task.images,
        task.labels,
        task.class_names,
        task.sample_id,
        task.free,
        "pictures/test",
        0,
        {},
    )
    np.testing.assert_array_equal(task.shared_words(3, 20), test.shared_words(3, 20))
    assert not np.array_equal(task.shared_words(3, 20), task.shared_words(2, 20))
