"""Are two runs about the same samples? What must be so before their samples can be set beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memgate.errors import MemgateError
from memgate.log.format import Samples


@dataclass(frozen=True, eq=False)
class RunData:
    """What a run says of the data that it was trained on."""

    run: str
    """Its name."""
    data: str
    """Name of the data set."""
    class_names: Sequence[str]
    digests: Mapping[str, str]
    """Split to the digest of its images and labels on disk; empty for a recorded run, which need not have any."""
    samples: Mapping[str, Samples]
    """Split to who its samples are."""


def check_same_data(first: RunData, second: RunData, split: str) -> None:
    """Make sure that the samples of two runs are the same ones, by their ids, in every split that both have.

    What was done to them may differ: see :func:`corruption_apart`.

    Args:
        first: a run.
        second: another.
        split: this one both must have.

    Raises:
        MemgateError: another data set, other classes, sizes, ids or clean labels, or other bytes on disk.
    """
    reason = _difference(first, second, split)
    if reason:
        raise MemgateError(
            f"{second.run} cannot be compared with {first.run}: {reason}. Choose runs over the same data."
        )


def _difference(first: RunData, second: RunData, split: str) -> str:
    """What is not the same, in words; empty where nothing is."""
    if first.data != second.data:
        return f"their data sets are {second.data} and {first.data}"
    if tuple(first.class_names) != tuple(second.class_names):
        return f"their classes differ ({len(second.class_names)} and {len(first.class_names)})"
    for one, other in ((first, second), (second, first)):
        if split not in one.samples:
            return f"{one.run} has no split {split}, and {other.run} has one"
    # The split that is shown first: a reason should be about what is looked at.
    common = [split, *(name for name in first.samples if name != split and name in second.samples)]
    return next(filter(None, (_split_difference(first, second, name) for name in common)), "")


def _split_difference(first: RunData, second: RunData, split: str) -> str:
    mine, theirs = first.samples[split], second.samples[split]
    if len(mine) != len(theirs):
        return f"their {split} splits have {len(theirs):,} and {len(mine):,} samples"
    orders = [np.argsort(one.sample_id, kind="stable") for one in (mine, theirs)]
    ids = [one.sample_id[order] for one, order in zip((mine, theirs), orders, strict=True)]
    if not np.array_equal(ids[0], ids[1]):
        apart = len(np.setdiff1d(ids[1], ids[0]))
        return f"{apart:,} samples of their {split} splits are others (by their ids)"
    labels = [one.clean_label[order] for one, order in zip((mine, theirs), orders, strict=True)]
    if not np.array_equal(labels[0], labels[1]):
        return f"{int((labels[0] != labels[1]).sum()):,} clean labels of their {split} splits differ"
    digests = [one.digests.get(split) for one in (second, first)]
    if None not in digests and digests[0] != digests[1]:
        shown = " and ".join(str(one)[:8] for one in digests)
        return f"the images or labels of {split} on disk were not the same (digests {shown})"
    return ""


def corruption_apart(first: Samples, second: Samples) -> tuple[int, int]:
    """In how many given labels, and in how many images' being corrupted, two copies of the same samples differ.

    Both in any order; their ids must be the same.
    """
    mine, theirs = (np.argsort(one.sample_id, kind="stable") for one in (first, second))
    labels = first.given_label[mine] != second.given_label[theirs]
    images = (first.image_op[mine] > 0) != (second.image_op[theirs] > 0)
    return int(labels.sum()), int(images.sum())
