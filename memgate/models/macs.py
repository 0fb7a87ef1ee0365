"""What a network costs: multiply-accumulate operations (MACs) of one image, and which of them a gate can save.

Counted are convolutions and linear layers, one MAC for each product, as in He et al. 2016 and the papers' tables;
BatchNorm, ReLU, pooling, biases and the sums at shortcuts are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from memgate.config.run import ModelConfig
from memgate.models import build_model


@dataclass(frozen=True)
class Cost:
    """MACs of one image."""

    total: int
    """Of the whole network, its gates included: what soft mixing costs for every sample."""
    after_o1: Mapping[str, int]
    """Block to the MACs of its units after the first: what lies between o1 and o2."""
    gates: Mapping[str, int]
    """Gate to the MACs of its own layers, which are never saved."""
    saved: Mapping[str, int]
    """Gate to what a sample saves that skips its block: ``after_o1`` where the gate reads o1; 0 where it reads o2,
    which has to be computed before the gate is known, and where it stands in a unit, whose branch always is."""


def cost_of(config: ModelConfig, classes: int, image_size: int) -> Cost:
    """Count the MACs of a configuration, on a network made for the purpose.

    Args:
        config: which network.
        classes: K.
        image_size: side of the square images in pixels.
    """
    model = build_model(config, classes, seed=0, image_size=image_size).eval()
    macs = _macs(model, torch.zeros(1, 3, image_size, image_size))
    root = type(model).__name__
    trunk = f"{root}.trunk" if config.gate_names else root
    after = {
        block: sum(macs[f"{trunk}.blocks.{block}.{unit}"] for unit in range(1, count))
        for block, count in config.units.items()
    }
    gates = {name: macs[f"{root}.gates.{name}"] for name in config.gate_names}
    skips = config.block_gated and config.gate.tap == "o1"
    saved = {name: after[name] if skips else 0 for name in config.gate_names}
    return Cost(macs["Global"], after, gates, saved)


@torch.no_grad()
def _macs(model: nn.Module, image: Tensor) -> dict[str, int]:
    """MACs of every part of a network, by PyTorch's names for them; ``Global`` is the whole."""
    # One FLOP counter for PyTorch is one multiplication and one addition: two for each MAC.
    with FlopCounterMode(display=False) as counter:
        model(image)
    return {name: sum(found.values()) // 2 for name, found in counter.get_flop_counts().items()}
