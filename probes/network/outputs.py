"""Everything that a network says of its images, from one pass: logits, gates, and the features before the head."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memgate.models import Forward
from memgate.models.pixels import PixelNetwork
from probes.network.features import features
from probes.network.layers import PENULTIMATE


@dataclass(frozen=True, eq=False)
class GateAnswers:
    """What one gate makes of n images."""

    value: NDArray[np.float32]
    """g [n]."""
    entropy: NDArray[np.float32] | None
    """H [n] in nats; None where it has none."""
    logits: NDArray[np.float32] | None
    """[n, K] of its own classifier; None where it has none."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network makes of n images."""

    logits: NDArray[np.float32]
    """[n, K]."""
    features: NDArray[np.float32]
    """[n, d] before the head."""
    gates: dict[str, GateAnswers]
    """By the gates' names, in the order of the blocks; none for an ungated network."""


def answers(
    network: PixelNetwork,
    pixels: Tensor,
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Answers:
    """Logits, gates and penultimate features from one pass, in eval mode; the network is left as it was.

    Args:
        network: of a run, gated or not.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1], n at least 1.
        batch_size: images in a pass; None for what suits the device.
        finished: called with how many images are newly done.

    Raises:
        MemgateError: the network has diverged, see :func:`probes.network.frozen.frozen`.
    """
    latest: list[Forward] = []
    batches: list[Forward] = []
    counts: list[int] = []

    def catch(_module: nn.Module, _given: object, forward: Any) -> None:
        latest.append(forward)

    def keep(count: int) -> None:
        batches.append(latest.pop())
        counts.append(count)
        finished(count)

    def joined(read: Callable[[Forward], Tensor]) -> NDArray[np.float32]:
        # A batch of one image was asked for twice, see probes.network.frozen.
        parts = [read(batch)[:count] for batch, count in zip(batches, counts, strict=True)]
        return torch.cat(parts).float().cpu().numpy()

    def of_gate(at: int, what: str) -> NDArray[np.float32] | None:
        if getattr(batches[0].gates[at], what) is None:
            return None
        return joined(lambda batch: getattr(batch.gates[at], what))

    handle = network.network.register_forward_hook(catch)
    try:
        inside = features(network, pixels, [PENULTIMATE], batch_size=batch_size, finished=keep)
    finally:
        handle.remove()
    gates = {
        gate.name: GateAnswers(
            joined(lambda batch, at=at: batch.gates[at].value), of_gate(at, "entropy"), of_gate(at, "logits")
        )
        for at, gate in enumerate(batches[0].gates)
    }
    return Answers(joined(lambda batch: batch.logits), inside[PENULTIMATE], gates)
