"""Class-dependent label noise: every class has at most one other that its samples are mistaken for.

"Asymmetric noise" of CIFAR-100 means several things: the next fine class in the true superclass, or the next
in a block of five consecutive ids, which many programs take for the superclasses although the ids are
alphabetical and the superclasses are not contiguous in them. Both are here, under two names.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noise.cifar import CIFAR10_NAMES, CIFAR100_SUPERCLASSES
from noise.errors import require
from noise.task import Change, Task

CIFAR10_CLASSES = frozenset(CIFAR10_NAMES)

CIFAR10_SIMILAR = {
    "truck": "automobile",
    "bird": "airplane",
    "deer": "horse",
    "cat": "dog",
    "dog": "cat",
}
"""The map of Patrini et al. 2017 (arXiv 1609.03683), section 5."""

BLOCK = 5
"""Consecutive ids per block of ``legacy-block5``: the size of a superclass of CIFAR-100."""


def similar_classes(class_names: Sequence[str]) -> tuple[NDArray[np.int64], str]:
    """The similar class of each class, by names: the order of the classes does not matter.

    Args:
        class_names: the K names of CIFAR-10 or of CIFAR-100.

    Returns:
        [K] int64 with the class itself where it has no similar one; and the convention's id.

    Raises:
        NoiseError: the names are those of another data set.
    """
    if set(class_names) == CIFAR10_CLASSES:
        similar, convention = CIFAR10_SIMILAR, "asym_patrini_cifar10"
    else:
        similar, convention = {}, "asym_superclass_cifar100"
        for members in CIFAR100_SUPERCLASSES:
            similar |= dict(zip(members, (*members[1:], members[0]), strict=True))
        require(
            set(class_names) == set(similar),
            f"asymmetric knows which classes are similar for CIFAR-10 and CIFAR-100 only, and these "
            f"{len(class_names)} classes ({', '.join(class_names[:3])}, …) are neither's: take pair, or "
            "write the chances into a table and take matrix:file=FILE.",
        )
    place = {name: label for label, name in enumerate(class_names)}
    return np.array([place[similar.get(name, name)] for name in class_names]), convention


def next_in_block(class_count: int) -> NDArray[np.int64]:
    """[K] int64: the next id in its block of five, cyclic (0 1 2 3 4 -> 1 2 3 4 0).

    Raises:
        NoiseError: K is no multiple of five.
    """
    require(
        class_count % BLOCK == 0,
        f"convention=legacy-block5 needs blocks of {BLOCK} classes and there are {class_count}: take pair, "
        "or write the chances into a table and take matrix:file=FILE.",
    )
    label = np.arange(class_count)
    return label // BLOCK * BLOCK + (label + 1) % BLOCK


def asymmetric(task: Task) -> Change:
    """``asymmetric:rate[:convention=…][:sampling=…]``: labels become those of a similar class.

    ``sampling=per-class`` flips exactly round(rate * n) of the n samples of every class that has a similar
    one: of CIFAR-10, where five classes have, a rate of 0.4 makes 20 % wrong. ``sampling=whole`` is
    DivideMix's: round(rate * N) of all samples are selected, and those among them whose class has no similar
    one keep their label and count as untouched. Each target is that of the clean label: an in-place loop over
    the classes would turn some cats to dogs and back again.

    Raises:
        NoiseError: the data set has no such map, or too few samples are free.
    """
    if task.spec.parameter("convention") == "similar":
        similar, convention = similar_classes(task.class_names)
    else:
        similar, convention = next_in_block(task.class_count), "asym_block5_legacy"
    flips = similar != np.arange(task.class_count)
    if task.spec.parameter("sampling") == "per-class":
        positions = task.take_in_classes(np.flatnonzero(flips).tolist())
    else:
        selected = task.take(task.order())
        positions, convention = selected[flips[task.labels[selected]]], f"{convention}_whole"
    requested = np.where(flips, task.rate, 0.0)
    return Change(positions, similar[task.labels[positions]], requested=requested, convention=convention)
