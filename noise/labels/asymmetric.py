"""Class-dependent label noise: each class has at most one similar class that its labels are flipped to.

"Asymmetric noise" on CIFAR-100 has two meanings: the next class in the true superclass, or the next class in a block
of five consecutive ids. Many programs take these blocks for the superclasses, although the ids are alphabetical and
the superclasses are not contiguous in them. Both are available, under different names.
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
"""Class to similar class: the map of Patrini et al. 2017 (arXiv 1609.03683), section 5."""

BLOCK = 5
"""Number of consecutive ids in a block of ``legacy-block5``, the size of a CIFAR-100 superclass."""


def similar_classes(class_names: Sequence[str]) -> tuple[NDArray[np.int64], str]:
    """Similar class of each class [K], found by names so that the order of the classes does not matter.

    Args:
        class_names: the K names of CIFAR-10 or of CIFAR-100.

    Returns:
        [K] int64, the class itself where it has no similar class; and the id of the convention.

    Raises:
        NoiseError: the names belong to another data set.
    """
    if set(class_names) == CIFAR10_CLASSES:
        similar, convention = CIFAR10_SIMILAR, "asym_patrini_cifar10"
    else:
        similar, convention = {}, "asym_superclass_cifar100"
        for members in CIFAR100_SUPERCLASSES:
            similar |= dict(zip(members, (*members[1:], members[0]), strict=True))
        require(
            set(class_names) == set(similar),
            f"asymmetric knows similar classes only for CIFAR-10 and CIFAR-100, and these {len(class_names)} classes "
            f"({', '.join(class_names[:3])}, …) belong to neither: use pair, or write a transition matrix to a file "
            "and use matrix:file=FILE.",
        )
    label_of = {name: label for label, name in enumerate(class_names)}
    return np.array([label_of[similar.get(name, name)] for name in class_names]), convention


def next_in_block(class_count: int) -> NDArray[np.int64]:
    """Next id of each class in its block of five, [K] int64, cyclic (0 1 2 3 4 -> 1 2 3 4 0).

    Raises:
        NoiseError: K is not a multiple of five.
    """
    require(
        class_count % BLOCK == 0,
        f"convention=legacy-block5 needs blocks of {BLOCK} classes, but there are {class_count}: use pair, "
        "or write a transition matrix to a file and use matrix:file=FILE.",
    )
    label = np.arange(class_count)
    return label // BLOCK * BLOCK + (label + 1) % BLOCK


def asymmetric(task: Task) -> Change:
    """Change for ``asymmetric:rate[:convention=…][:sampling=…]``: labels flipped to a similar class.

    ``sampling=per-class`` flips exactly round(rate * n) of the n samples of every class that has a similar class.
    On CIFAR-10, where five classes have one, a rate of 0.4 makes 20 % of all labels wrong. ``sampling=whole`` is the
    convention of DivideMix: round(rate * N) of all samples are selected, and those whose class has no similar class
    keep their label and count as untouched. The new label depends on the clean label; an in-place loop over the
    classes would turn some cats to dogs and back.

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
