"""Evaluation passes over a split, their summary, and the network of a checkpoint."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from memgate.log.format import EpochRecord
from memgate.models import build_model
from memgate.models.macs import SampleCost, sample_cost
from memgate.models.pixels import PixelNetwork
from memgate.runs.checks import check_run
from memgate.runs.inputs import Inputs, inputs_of
from memgate.runs.metrics import EXCLUDED
from memgate.runs.run import Run
from memgate.training.checkpoint import load_weights
from memgate.training.environment import choose_device
from memgate.training.gate_vectors import VectorBuffer
from memgate.training.loader import DeviceImages
from memgate.training.sample_buffer import SampleBuffer

EVAL_BATCH = {"cpu": 256, "cuda": 1024}
"""Images per batch without training: the fastest of several sizes on 2 CPU cores; large enough for a GPU."""


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The context of a forward pass in the precision ``float32`` or ``bf16``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def evaluate_split(
    model: nn.Module,
    images: DeviceImages,
    gates: tuple[str, ...],
    precision: str,
    cost: SampleCost | None = None,
    vectors: VectorBuffer | None = None,
    between: Callable[[], None] = lambda: None,
    phi: bool = False,
) -> EpochRecord:
    """The per-sample values of a whole split, without augmentation; the model's training mode is restored.

    Args:
        model: a network of :mod:`memgate.models`.
        images: the split, N samples.
        gates: names of the network's gates.
        precision: ``float32`` or ``bf16``.
        cost: of a network whose gates close; None leaves the MACs of the samples missing.
        vectors: is given the binary vectors of the gates too. None: they are not collected.
        between: called before each batch; it may raise to end the pass.
        phi: whether to record ``phi``.
    """
    buffer = SampleBuffer(images.given, images.clean, gates, cost, images.trained, phi)
    training = model.training
    model.eval()
    try:
        for batch in images.evaluation_batches(EVAL_BATCH[images.device.type]):
            between()
            with autocast(images.device, precision):
                forward = model(batch.images)
            buffer.update(batch.index, forward)
            if vectors is not None:
                vectors.update(batch.index, forward)
    finally:
        model.train(training)
    return buffer.record()


def summarise(record: EpochRecord, split: str, gates: tuple[str, ...]) -> dict[str, float]:
    """Means over the samples that were seen: loss in nats, accuracies, gate values and routed shares in [0, 1], MACs.

    In the split that a run of a subset is trained on, they are means over the samples that it is trained on, and the
    others are a group of their own, ``excluded``. Samples without a gate value (NaN) are left out of gate values and
    routed shares, which are NaN where no sample has one. A sample without a prediction is not predicted right, and
    makes the loss NaN: a network that has diverged must not keep the accuracy of the samples that are left.

    Args:
        record: per-sample values of a pass.
        split: name of the split, which is the prefix of each key.
        gates: names of the gates.

    Returns:
        Column of metrics.csv to its value.
    """
    if not record.known("trained").any():
        return _means(record, split, gates, record.flag("seen"))
    trained, known = record.flag("trained"), record.known("trained")
    return _means(record, split, gates, known & trained) | _means(record, EXCLUDED, gates, known & ~trained)


def _means(
    record: EpochRecord, split: str, gates: tuple[str, ...], seen: NDArray[np.bool_]
) -> dict[str, float]:
    """The numbers of :func:`summarise` of some of the samples, ``seen`` [N]."""
    values = {
        f"{split}_loss": float(record.loss[seen].mean(dtype="f8")),
        f"{split}_accuracy": float(record.flag("correct_given")[seen].mean()),
        f"{split}_accuracy_clean_label": float(record.flag("correct_clean")[seen].mean()),
    }
    for row, gate in enumerate(gates):
        known = record.known("gate")[row] & seen
        values[f"{split}_gate_{gate}"] = _mean(record.gate[row], known)
        values[f"{split}_routed_{gate}"] = _mean(record.flag("routed")[row], known)
    if record.macs is not None:
        values[f"{split}_macs"] = _mean(record.macs, record.known("macs") & seen)
    return values


def _mean(values: NDArray[Any], known: NDArray[np.bool_]) -> float:
    """Mean of the values [N] of the known samples, in float64; NaN where there is none."""
    return float(values[known].mean(dtype="f8")) if known.any() else math.nan


def load_network(run: Run, which: str | int, device: torch.device) -> tuple[nn.Module, int]:
    """The network of a checkpoint, which takes normalised images, and the checkpoint's epoch.

    The number of classes is read from the log and the image size from the manifest, so no image is loaded.

    Args:
        run: a run that memgate trained.
        which: ``last``, ``best`` or an epoch's number.
        device: device of the network.

    Raises:
        MemgateError: the checkpoint does not exist or is damaged.
    """
    config = run.config.model  # first: of a recorded run, this says that it has no network
    classes, side = len(run.sample_log().class_names), run.manifest.header.image_shape[0]
    model = build_model(config, classes, seed=0, image_size=side).to(device)
    return model, load_weights(model, run, which, device)


def load_model(run: Run, which: str | int = "last", device: str = "auto") -> PixelNetwork:
    """The network of a checkpoint in evaluation mode: images [b, 3, H, W] in [0, 1] to logits [b, K].

    The clean training images are read for the normalisation; corrupted ones are not rendered.

    Args:
        run: a run that memgate trained.
        which: ``last``, ``best`` or an epoch's number.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        A module that normalises the images as in the run's training and calls the trained network.

    Raises:
        MemgateError: the checkpoint does not exist or is damaged, or the run's data is missing or has changed.

    Example:
        >>> network = load_model(run, "last", device="cpu")
        >>> images = torch.rand(2, 3, 8, 8)
        >>> network(images).shape  # two images, ten classes
        torch.Size([2, 10])
    """
    check_run(run)
    network, _ = load_network(run, which, choose_device(device))
    return pixel_network(network, inputs_of(run)).eval()


def evaluate_run(run: Run, which: str, device_name: str) -> tuple[int, dict[str, dict[str, float]]]:
    """The epoch of a checkpoint, and its metrics on every split of the run.

    Args:
        run: a run that memgate trained.
        which: ``last``, ``best`` or an epoch's number.
        device_name: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        The checkpoint's epoch, and split to the numbers of :func:`summarise`.

    Raises:
        MemgateError: the checkpoint does not exist, or the run's data is missing or has changed.
    """
    setting = loaded(run, which, device_name)
    gates, precision = run.config.model.gate_names, run.config.train.precision
    return setting.epoch, {
        split: summarise(
            evaluate_split(
                setting.model,
                DeviceImages(setting.inputs, split, setting.device),
                gates,
                precision,
                setting.cost,
            ),
            split,
            gates,
        )
        for split in setting.inputs.splits
    }


@dataclass(frozen=True)
class Loaded:
    """A checkpoint of a run with what its evaluation needs."""

    model: nn.Module
    epoch: int
    """Epoch of the checkpoint."""
    inputs: Inputs
    cost: SampleCost | None
    """None for a network whose gates do not close."""
    device: torch.device


def loaded(run: Run, which: str, device_name: str) -> Loaded:
    """A checkpoint of a run with its images.

    Args:
        run: a run that memgate trained.
        which: ``last``, ``best`` or an epoch's number.
        device_name: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        MemgateError: the checkpoint does not exist, or the run's data is missing or has changed.
    """
    config, device = run.config, choose_device(device_name)
    run.checkpoint(which)  # raises before the data is loaded, which takes longer
    inputs = inputs_of(run)
    model, epoch = load_network(run, which, device)
    cost = sample_cost(config.model, inputs.clean.train.class_count, inputs.clean.train.side)
    return Loaded(model, epoch, inputs, cost, device)


def pixel_network(model: nn.Module, inputs: Inputs) -> PixelNetwork:
    """The network with its run's normalisation: images [b, 3, H, W] in [0, 1] to logits [b, K], on the same device."""
    device = next(model.parameters()).device
    return PixelNetwork(model, *inputs.normalisation).to(device)
