"""One pass over a split becomes one EpochRecord; numbers that sum it up."""

import contextlib
from collections.abc import Callable

import torch
from torch import nn

from memgate.log.format import EpochRecord
from memgate.models import build_model
from memgate.models.pixels import PixelNetwork
from memgate.runs.inputs import Inputs, inputs_of
from memgate.runs.run import Run
from memgate.training.checkpoint import load_weights
from memgate.training.environment import choose_device
from memgate.training.loader import DeviceImages
from memgate.training.sample_buffer import SampleBuffer

EVAL_BATCH = {"cpu": 256, "cuda": 1024}
"""Images a batch when nothing is trained: the fastest of those tried on 2 cores, and enough to fill a GPU."""


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The arithmetic of a resolved ``--train.precision``: ``float32`` or ``bf16``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def evaluate_split(
    model: nn.Module,
    images: DeviceImages,
    gates: tuple[str, ...],
    precision: str,
    between: Callable[[], None] = lambda: None,
) -> EpochRecord:
    """Evaluate every sample of a split without augmentation; the model's mode is put back.

    Args:
        model: a network of :mod:`memgate.models`.
        images: the split.
        gates: names of the network's gates.
        precision: of ``--train.precision``.
        between: called before each batch; it may raise to break the pass off.
    """
    buffer = SampleBuffer(images.given, images.clean, gates)
    training = model.training
    model.eval()
    try:
        for batch in images.evaluation_batches(EVAL_BATCH[images.device.type]):
            between()
            with autocast(images.device, precision):
                forward = model(batch.images)
            buffer.update(batch.index, forward)
    finally:
        model.train(training)
    return buffer.record()


def summarise(record: EpochRecord, split: str, gates: tuple[str, ...]) -> dict[str, float]:
    """Means over the samples that were seen, under the names that metrics.csv uses."""
    seen = record.flag("seen")
    values = {
        f"{split}_loss": float(record.loss[seen].mean(dtype="f8")),
        f"{split}_accuracy": float(record.flag("correct_given")[seen].mean()),
        f"{split}_accuracy_clean_label": float(record.flag("correct_clean")[seen].mean()),
    }
    for row, gate in enumerate(gates):
        values[f"{split}_gate_{gate}"] = float(record.gate[row][seen].mean(dtype="f8"))
        values[f"{split}_routed_{gate}"] = float(record.flag("routed")[row][seen].mean())
    return values


def load_network(run: Run, which: str, device: torch.device) -> tuple[nn.Module, int]:
    """The network of a checkpoint on a device, as it was trained: on normalised images; and the checkpoint's epoch.

    Its number of classes stands in the log and the side of its images in the manifest, so no picture is read.

    Args:
        run: whose.
        which: ``last``, ``best`` or an epoch's number.
        device: where to put it.

    Raises:
        MemgateError: there is no such checkpoint, or it is damaged.
    """
    classes, side = len(run.sample_log().class_names), run.manifest.header.image_shape[0]
    model = build_model(run.config.model, classes, seed=0, image_size=side).to(device)
    return model, load_weights(model, run.checkpoint(which), device)


def load_model(run: Run, which: str = "last", device: str = "auto") -> PixelNetwork:
    """The network of a checkpoint as a module from images to logits, in evaluation mode.

    Args:
        run: a run that memgate trained.
        which: ``last``, ``best`` or an epoch's number.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        Images [b, 3, H, W] in [0, 1] to logits [b, K]; the normalisation of the run is inside.

    Raises:
        MemgateError: there is no such checkpoint, it is damaged, or the run's data is missing or has changed.
    """
    network, _ = load_network(run, which, choose_device(device))
    return pixel_network(network, inputs_of(run)).eval()


def evaluate_run(run: Run, which: str, device_name: str) -> tuple[int, dict[str, dict[str, float]]]:
    """Evaluate a checkpoint again on every split of its run.

    Args:
        run: the run.
        which: ``last``, ``best`` or an epoch's number.
        device_name: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        The checkpoint's epoch, and for each split the numbers of :func:`summarise`.

    Raises:
        MemgateError: the run has no such checkpoint, or its data has changed.
    """
    config, device = run.config, choose_device(device_name)
    run.checkpoint(which)  # a missing one is said before the data is read
    inputs = inputs_of(run)
    model, epoch = load_network(run, which, device)
    gates = config.model.gate_names
    return epoch, {
        split: summarise(
            evaluate_split(model, DeviceImages(inputs, split, device), gates, config.train.precision),
            split,
            gates,
        )
        for split in inputs.splits
    }


def pixel_network(model: nn.Module, inputs: Inputs) -> PixelNetwork:
    """A network of :mod:`memgate.models` with its run's normalisation inside, on the device where it is."""
    device = next(model.parameters()).device
    return PixelNetwork(model, *inputs.normalisation).to(device)
