"""All outputs of a memgate network from one pass: logits, gates, and the features before the head."""

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
class GateOutputs:
    """Outputs of one gate for n images."""

    value: NDArray[np.float32]
    """g [n], in [0, 1]."""
    entropy: NDArray[np.float32] | None
    """H [n] in nats; None for a gate without entropy."""
    logits: NDArray[np.float32] | None
    """[n, K] of the gate's own classifier; None for a gate without one."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of a network for n images."""

    logits: NDArray[np.float32]
    """[n, K]."""
    features: NDArray[np.float32]
    """Input of the head [n, d]."""
    gates: dict[str, GateOutputs]
    """Gate to its outputs, in the order of the blocks; empty for an ungated network."""


def outputs_of(
    network: PixelNetwork,
    pixels: Tensor,
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Outputs:
    """Logits [n, K], penultimate features [n, d] and gates from one pass; the network is left as it was.

    Args:
        network: of a run, gated or not; it runs in eval mode.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1], n at least 1.
        batch_size: images in a pass; None for what suits the device.
        finished: called after each batch with its number of images.

    Raises:
        MemgateError: the network has diverged, see :func:`probes.network.frozen.frozen`.
    """
    latest: list[Forward] = []
    batches: list[Forward] = []
    counts: list[int] = []

    def catch(_module: nn.Module, _arguments: object, forward: Any) -> None:
        latest.append(forward)

    def keep(count: int) -> None:
        batches.append(latest.pop())
        counts.append(count)
        finished(count)

    def joined(read: Callable[[Forward], Tensor]) -> NDArray[np.float32]:
        # A batch of one image is passed twice, see probes.network.frozen.
        parts = [read(batch)[:count] for batch, count in zip(batches, counts, strict=True)]
        return torch.cat(parts).float().cpu().numpy()

    def of_gate(at: int, name: str) -> NDArray[np.float32] | None:
        if getattr(batches[0].gates[at], name) is None:
            return None
        return joined(lambda batch: getattr(batch.gates[at], name))

    handle = network.network.register_forward_hook(catch)
    try:
        values = features(network, pixels, [PENULTIMATE], batch_size=batch_size, finished=keep)
    finally:
        handle.remove()
    gates = {
        gate.name: GateOutputs(
            joined(lambda batch, at=at: batch.gates[at].value), of_gate(at, "entropy"), of_gate(at, "logits")
        )
        for at, gate in enumerate(batches[0].gates)
    }
    return Outputs(joined(lambda batch: batch.logits), values[PENULTIMATE], gates)
