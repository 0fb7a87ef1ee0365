"""Evaluation one image at a time with the open channels alone: that logits are the same, and what it saves."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from memgate import console
from memgate.errors import require
from memgate.models import Forward
from memgate.models.gated.folded import folded
from memgate.models.gated.sliced import sliced
from memgate.models.macs import SampleCost
from memgate.runs.run import Run
from memgate.training.evaluate import Loaded, loaded
from memgate.training.loader import DeviceImages

T = TypeVar("T")

IMAGES = 200
"""Images of each split, unless others are asked for."""

WARM_UP = 3
"""Images before the first that is measured."""

TOLERANCE = 1e-4
"""Largest difference of logits that rounding explains, over the largest logit of the sample or over 1."""


@dataclass(frozen=True)
class SlicedSplit:
    """A split evaluated by a sliced network, whose fields are those of ``memgate evaluate --sliced --json``."""

    n: int
    """Images."""
    accuracy: float
    """Share that the sliced network predicts as their given label."""
    same_predictions: float
    """Share for which it predicts the class that the whole network predicts."""
    max_difference: float
    """Largest absolute difference of a logit to that of the whole network with the same channels open."""
    macs: float
    """Mean MACs of a sample, gates included."""
    macs_dense: int
    """MACs of the same network without its gates."""
    ms_p50: float
    """Milliseconds per image of the sliced network, median."""
    ms_p95: float
    """The same, 95th percentile."""
    ms_dense_p50: float
    """Milliseconds per image of the network without its gates, which is measured in turn with it."""
    ms_dense_p95: float

    @property
    def macs_ratio(self) -> float:
        """MACs over those of the network without gates."""
        return self.macs / self.macs_dense

    @property
    def time_ratio(self) -> float:
        """Median time over that of the network without gates."""
        return self.ms_p50 / self.ms_dense_p50


def evaluate_sliced(
    run: Run, which: str, device_name: str, n: int = IMAGES
) -> tuple[int, dict[str, SlicedSplit]]:
    """The epoch of a checkpoint, and what a sliced copy of its network makes of every split of the run.

    Everything is computed in float32. The network without gates has BatchNorm folded into its convolutions, as the
    sliced one.

    Args:
        run: a run that memgate trained, whose gates open and close.
        which: ``last``, ``best`` or an epoch's number.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        n: images of each split, at equal distances in its order; 0 for all.

    Raises:
        MemgateError: the gates never close anything, the checkpoint does not exist, the run's data is missing or has
            changed, or the logits differ by more than rounding.
    """
    model = run.config.model
    require(
        model.hard_gates,
        f"--sliced: the network {model.name} of {run.name} closes nothing, so nothing can be left out: take a run "
        "whose gates open and close, such as one of channel-gate.",
    )
    require(n >= 0, f"--n {n} is out of range: from 1, or 0 for all images.")
    setting = loaded(run, which, device_name)
    return setting.epoch, {split: _evaluated(setting, split, n) for split in setting.inputs.splits}


@torch.inference_mode()
def _evaluated(setting: Loaded, split: str, n: int) -> SlicedSplit:
    """One split of a loaded run."""
    cost = cast(SampleCost, setting.cost)
    images = DeviceImages(setting.inputs, split, setting.device)
    count = min(n or len(images), len(images))
    rows = torch.linspace(0, len(images) - 1, count, dtype=torch.float64).round().long().to(setting.device)
    whole, own, dense = setting.model.eval(), sliced(setting.model), folded(setting.model).trunk
    for batch in images.evaluation_batches(1, rows[:1].expand(WARM_UP)):
        for network in (own, dense):
            network(batch.images)
    macs, right, same, differences, seconds = [], [], [], [], []
    for batch in console.progress(images.evaluation_batches(1, rows), count, f"sliced {split}"):
        image = batch.images.contiguous()
        forward, own_seconds = timed(partial(own, image), setting.device)
        _, dense_seconds = timed(partial(dense, image), setting.device)
        reference: Forward = whole(image)
        macs.append(cost.of_gates(forward.gates).item())
        right.append(bool((forward.logits.argmax(1) == batch.labels).item()))
        same.append(bool((forward.logits.argmax(1) == reference.logits.argmax(1)).item()))
        differences.append(_differences(own, image, reference))
        seconds.append((own_seconds, dense_seconds))
    absolute, relative = np.max(differences, axis=0)
    require(
        relative <= TOLERANCE,
        f"--sliced: a logit of the split {split} differs by {absolute:.3g} from that of the whole network with the "
        "same channels open, which is more than rounding. This is a mistake in memgate: please report it.",
    )
    middle, high = 1000 * np.percentile(seconds, [50, 95], axis=0)
    return SlicedSplit(
        n=count,
        accuracy=float(np.mean(right)),
        same_predictions=float(np.mean(same)),
        max_difference=float(absolute),
        macs=float(np.mean(macs)),
        macs_dense=cost.ungated,
        ms_p50=float(middle[0]),
        ms_p95=float(high[0]),
        ms_dense_p50=float(middle[1]),
        ms_dense_p95=float(high[1]),
    )


def timed(
    call: Callable[[], T], device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> tuple[T, float]:
    """What a call returns, and the seconds that it took, its work on the device included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = clock()
    result = call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, clock() - start


def _differences(own: Callable[..., Forward], image: Tensor, reference: Forward) -> tuple[float, float]:
    """Largest difference of a logit from the whole network's with the same channels open: absolute, and relative.

    A gate whose logit is almost 0 may be opened by rounding alone, so the whole network's choices are taken.
    """
    channels = {gate.name: cast(Tensor, gate.channels) for gate in reference.gates}
    route = {name: lambda _, weights=weights: weights for name, weights in channels.items()}
    difference = (own(image, route=route).logits - reference.logits).abs().max().item()
    return difference, difference / max(1.0, reference.logits.abs().max().item())
