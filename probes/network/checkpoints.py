"""Checkpoints of a run with the samples of each split that are probed."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memgate.data.image_set import ImageSet
from memgate.errors import MemgateError
from memgate.runs.inputs import Inputs, inputs_of
from memgate.runs.run import Run
from memgate.training.environment import choose_device, describe
from memgate.training.evaluate import load_network
from noise.choose import hash_order
from probes.network.pixels import as_pixels
from probes.network.plan import Plan, checkpoint_names
from probes.result import load_results


@dataclass(frozen=True, eq=False)
class CheckpointSamples:
    """The network of one checkpoint, and the probed samples of one split."""

    model: nn.Module
    """The network of :mod:`memgate.models`, on its device; it takes normalised images."""
    inputs: Inputs
    """The run's images, restored from its manifest."""
    epoch: int
    """Epoch of the checkpoint, counted from 1."""
    checkpoint: str
    """Name of its file without the suffix, such as ``last``."""
    split: str
    rows: NDArray[np.int64]
    """Rows of the samples in the split, rising [n]."""
    images: ImageSet
    """The samples in the order of ``rows``: corrupted images and given labels."""
    device: torch.device
    versions: dict[str, Any] = field(repr=False)
    """Versions of memgate and its dependencies, and the machine."""

    @property
    def label(self) -> str:
        """Split and epoch as the title of a progress bar."""
        return f"{self.split}, epoch {self.epoch}"

    @cached_property
    def pixels(self) -> Tensor:
        """The images on the host, uint8 [n, 3, H, W]."""
        return as_pixels(self.images.images)


def checkpoint_samples(run: Run, plan: Plan, probe: str) -> Iterator[CheckpointSamples]:
    """Networks and samples of every checkpoint and split of a plan.

    Args:
        run: a run with checkpoints.
        plan: which checkpoints, splits and samples.
        probe: name of the probe that will store results; a damaged file of it is refused before anything is computed.

    Raises:
        MemgateError: there is no such checkpoint or split, or the data, a checkpoint or the results are damaged.
    """
    if plan.n < 0:
        raise MemgateError(f"n {plan.n} is no number of samples: 1 or more, or 0 for all.")
    names = checkpoint_names(run, plan)
    log, device = run.sample_log(), choose_device(plan.device)
    for split in plan.splits:
        log.samples(split)
    load_results(run, probe)
    check_writable(run)
    versions = versions_on(device)
    inputs, done = inputs_of(run), set()
    # The same samples at every checkpoint: kept, and made when a split is first probed.
    subsets: dict[str, tuple[NDArray[np.int64], ImageSet]] = {}
    for name in names:
        model, epoch = load_network(run, name, device)
        if epoch in done:
            continue
        done.add(epoch)
        for split in dict.fromkeys(plan.splits) or log.splits:
            if split not in subsets:
                rows = probed_rows(inputs, split, plan.n)
                subsets[split] = rows, inputs.subset(split, rows)
            rows, images = subsets[split]
            yield CheckpointSamples(
                model, inputs, epoch, run.checkpoint(name).stem, split, rows, images, device, versions
            )


def check_writable(run: Run) -> None:
    """Raise MemgateError where no result could be stored in the run, before anything is computed."""
    folder = run.path / "probes"
    try:
        with tempfile.TemporaryFile(dir=folder if folder.exists() else run.path):
            pass
    except OSError as error:
        raise MemgateError(
            f"{folder} cannot be written ({error.strerror or error}), where the results are stored: make it writable, "
            "or probe a copy of the run."
        ) from error


def probed_rows(inputs: Inputs, split: str, n: int) -> NDArray[np.int64]:
    """Rows of a split that are probed, rising [n]: nested in n, and the same in a corrupted copy of a split."""
    original = inputs.clean_images(split)
    order = hash_order(original.sample_id, "probe", original.name, original.split)
    return np.sort(order[: n or None])


def network_digest(model: nn.Module) -> str:
    """SHA-256 of a network's parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def versions_on(device: torch.device) -> dict[str, Any]:
    """Versions and device that are stored with a result."""
    environment = describe(device)
    names = ("memgate", "python", "packages", "git_revision", "device", "device_name")
    return {name: environment[name] for name in names}
