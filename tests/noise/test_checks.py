"""Class names and labels before a corruption."""

import numpy as np
import pytest

from noise.apply import corrupt
from noise.checks import class_list, numbered_classes
from noise.errors import NoiseError

PICTURES = np.arange(20 * 64 * 3, dtype=np.uint8).reshape(20, 8, 8, 3)
TWO = np.arange(20) % 2


def test_names_are_text_whatever_they_are_given_as():
    assert class_list([b"cat", "chien", np.str_("猫"), np.bytes_(b"z"), 3]) == (
        "cat",
        "chien",
        "猫",
        "z",
        "3",
    )
    assert class_list(np.array([b"cat", b"dog"])) == ("cat", "dog")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "a"], "class_names hold 'a' twice"),
        ([1, "1"], "class_names hold '1' twice"),
        ([b"cat", "cat"], "class_names hold 'cat' twice"),
        ("ab", "class_names is 'ab' and must be a list"),
        (b"ab", "must be a list"),
        (7, "class_names is 7 and must be a list"),
        ([], r"class_names is \[\] and must be a list"),
        (np.array([["a"], ["b"]]), "is a list: give each class one name"),
        ([b"\xff", "a"], "is not UTF-8"),
    ],
)
def test_names_that_are_not_one_for_each_class_are_refused(names, message):
    with pytest.raises(NoiseError, match=message):
        class_list(names)
    with pytest.raises(NoiseError, match=message):
        corrupt(PICTURES, TWO, ["symmetric:0.5"], seed=0, dataset="mine", class_names=names)


def test_classes_without_names_are_their_numbers():
    assert numbered_classes(np.array([0, 2]), np.array([1, 1], np.uint8)) == ("0", "1", "2")
    result = corrupt(PICTURES, TWO, ["symmetric:0.5"], seed=0, dataset="mine")
    assert result.manifest.header.class_names == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 10, 10], "run from 1 to 10, and no image has the label 0, 3 to 9: number"),
        (
            [0, 1, 2, 255],
            "run from 0 to 255, and no image has the label 3 to 254: .* names of all 256 classes",
        ),
        ([0, 2, 4, 6, 8], "no image has the label 1, 3, 5 and 1 more ranges"),
        ([0, 1, 10**12], "no image has the label 2 to 999999999999"),
        ([-1, 0, 1], "the labels hold -1: labels count from 0"),
        ([0, 0], "all labels are 0: at least two classes"),
        ([7, 7], "all labels are 7: at least two classes"),
        ([], "no labels"),
    ],
)
def test_a_class_without_an_image_is_named_and_refused(labels, message):
    with pytest.raises(NoiseError, match=message):
        numbered_classes(np.array(labels, np.int64))


def test_a_named_class_may_have_no_image():
    names = list("abcd")
    result = corrupt(PICTURES, TWO, ["symmetric:1"], seed=0, dataset="mine", class_names=names)
    assert set(result.labels.tolist()) == {0, 1, 2, 3}


def test_labels_are_not_drawn_from_one_class():
    for kind in ("random", "symmetric-incl:0.5"):
        with pytest.raises(NoiseError, match="there is only 1 class"):
            corrupt(PICTURES, np.zeros(20, int), [kind], seed=0, dataset="mine", class_names=["a"])
