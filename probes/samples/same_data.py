"""Check that two runs were trained on the same samples, which is required to compare them sample by sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memgate.errors import MemgateError
from memgate.log.format import Samples


@dataclass(frozen=True, eq=False)
class RunData:
    """A run's record of the data that it was trained on."""

    run: str
    """Name of the run."""
    data: str
    """Name of the data set."""
    class_names: Sequence[str]
    digests: Mapping[str, str]
    """Split to the digest of its images and labels on disk; empty for a recorded run, which need not have any."""
    samples: Mapping[str, Samples]
    """Split to the log's record of its samples."""


def check_same_data(first: RunData, second: RunData, split: str) -> None:
    """Check that two runs have the same samples, by id, in every split that both have.

    Their corruption may differ: see :func:`corruption_apart`.

    Args:
        first: data of a run.
        second: data of another run.
        split: a split that both must have.

    Raises:
        MemgateError: another data set, other classes, sizes, ids or clean labels, or other bytes on disk.
    """
    reason = _difference(first, second, split)
    if reason:
        raise MemgateError(
            f"{second.run} cannot be compared with {first.run}: {reason}. Choose runs over the same data."
        )


def _difference(first: RunData, second: RunData, split: str) -> str:
    """The first difference in words; empty if there is none."""
    if first.data != second.data:
        return f"their data sets are {second.data} and {first.data}"
    if tuple(first.class_names) != tuple(second.class_names):
        return f"their classes differ ({len(second.class_names)} and {len(first.class_names)})"
    for run, other in ((first, second), (second, first)):
        if split not in run.samples:
            return f"{run.run} has no split {split}, and {other.run} has one"
    # The chosen split comes first, so that the reason is about what the user looks at.
    common = [split, *(name for name in first.samples if name != split and name in second.samples)]
    return next(filter(None, (_split_difference(first, second, name) for name in common)), "")


def _split_difference(first: RunData, second: RunData, split: str) -> str:
    pair = first.samples[split], second.samples[split]
    if len(pair[0]) != len(pair[1]):
        return f"their {split} splits have {len(pair[1]):,} and {len(pair[0]):,} samples"
    orders = [np.argsort(samples.sample_id, kind="stable") for samples in pair]
    ids = [samples.sample_id[order] for samples, order in zip(pair, orders, strict=True)]
    if not np.array_equal(ids[0], ids[1]):
        other = len(np.setdiff1d(ids[1], ids[0]))
        return f"{other:,} samples of their {split} splits have other ids"
    labels = [samples.clean_label[order] for samples, order in zip(pair, orders, strict=True)]
    if not np.array_equal(labels[0], labels[1]):
        return f"{int((labels[0] != labels[1]).sum()):,} clean labels of their {split} splits differ"
    digests = [run.digests.get(split) for run in (second, first)]
    if None not in digests and digests[0] != digests[1]:
        shown = " and ".join(str(digest)[:8] for digest in digests)
        return f"the images or labels of {split} on disk were not the same (digests {shown})"
    return ""


def corruption_apart(first: Samples, second: Samples) -> tuple[int, int]:
    """Number of samples with different given labels, and number of samples whose image only one run corrupts.

    Args:
        first: samples of one run, in any order.
        second: samples of another run with the same ids, in any order.
    """
    by_id = [np.argsort(samples.sample_id, kind="stable") for samples in (first, second)]
    labels = first.given_label[by_id[0]] != second.given_label[by_id[1]]
    images = (first.image_op[by_id[0]] > 0) != (second.image_op[by_id[1]] > 0)
    return int(labels.sum()), int(images.sum())
