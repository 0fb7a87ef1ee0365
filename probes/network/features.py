"""What a network makes of its samples inside: features at the stem, after every unit, and before the head."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from memgate.models.backbones.resnet import ResNet, pool
from memgate.models.pixels import PixelNetwork
from memgate.training.evaluate import EVAL_BATCH
from probes.network.frozen import frozen, place_of
from probes.network.pixels import in_batches, load_batch

PENULTIMATE = "penultimate"
"""The point before the head: what is pooled of B3's output, after its gate has mixed it."""


def trunk_of(model: nn.Module) -> ResNet:
    """The ResNet inside a network of :mod:`memgate.models`, gated or not."""
    return cast(ResNet, getattr(model, "trunk", model))


def points(model: nn.Module) -> tuple[str, ...]:
    """Where features can be read, from shallow to deep: ``stem``, ``b1.1`` (B1's first unit) to ``penultimate``."""
    return (*_units(model), PENULTIMATE)


def _units(model: nn.Module) -> dict[str, nn.Module]:
    trunk = trunk_of(model)
    units = {
        f"{name}.{number}": unit
        for name, block in trunk.blocks.items()
        for number, unit in enumerate(cast(nn.Sequential, block), start=1)
    }
    return {"stem": trunk.stem, **units}


@torch.no_grad()
def head_logits(network: PixelNetwork, penultimate: NDArray[np.floating]) -> Tensor:
    """Logits float64 [n, K] on the host, from what the head reads [n, C]."""
    head = trunk_of(network.network).head
    read = torch.from_numpy(penultimate).double()
    return nn.functional.linear(read, head.weight.double().cpu(), head.bias.double().cpu())


@torch.no_grad()
def features(
    network: PixelNetwork,
    pixels: Tensor,
    at: Sequence[str],
    *,
    reduce: Callable[[Tensor], Tensor] = pool,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> dict[str, NDArray[np.float32]]:
    """Features of every sample at some points of the network, in eval mode; the network is left as it was.

    Args:
        network: of a run.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1].
        at: of :func:`points`.
        reduce: a unit's map [b, C, h, w] to what is kept of it [b, d]; the mean over the map by default.
        batch_size: images in a pass; None for what suits the device.
        finished: called with how many samples are newly done.

    Returns:
        Point to [n, d]; at :data:`PENULTIMATE` what the head reads [n, C].
    """
    caught: dict[str, Tensor] = {}
    kept: dict[str, list[NDArray[np.float32]]] = {name: [] for name in at}
    handles = _hooks(network.network, at, caught, reduce)
    device, dtype = place_of(network, pixels)
    try:
        with frozen(network) as logits, torch.no_grad():
            size = EVAL_BATCH[device.type] if batch_size is None else batch_size
            for rows in in_batches(len(pixels), size):
                logits(load_batch(pixels, rows, device, dtype))
                for name in at:
                    kept[name].append(caught[name][: len(rows)].float().cpu().numpy())
                finished(len(rows))
    finally:
        for handle in handles:
            handle.remove()
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def _hooks(
    model: nn.Module, at: Sequence[str], caught: dict[str, Tensor], reduce: Callable[[Tensor], Tensor]
) -> list[RemovableHandle]:
    """Have what passes the points put into ``caught``."""
    units, handles = _units(model), []
    for name in at:
        if name == PENULTIMATE:
            head = trunk_of(model).head
            handles.append(
                head.register_forward_pre_hook(lambda _module, given: caught.update({PENULTIMATE: given[0]}))
            )
        else:

            def keep(_module: nn.Module, _given: object, out: Tensor, name: str = name) -> None:
                caught[name] = reduce(out)

            handles.append(units[name].register_forward_hook(keep))
    return handles
