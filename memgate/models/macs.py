"""Counts the multiply-accumulate operations (MACs) of a network per image, and those that a gate can save.

Convolutions and linear layers are counted, one MAC per product, as in He et al. 2016 and the papers' tables;
BatchNorm, ReLU, pooling, biases and the additions at shortcuts are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from memgate.config.run import ModelConfig
from memgate.models import build_model


@dataclass(frozen=True)
class NetworkCost:
    """MACs of one image."""

    total: int
    """Of the whole network with its gates: the cost of every sample under soft mixing."""
    after_o1: Mapping[str, int]
    """Block to the MACs between o1 and o2, which are those of its units after the first."""
    gates: Mapping[str, int]
    """Gate to the MACs of its own layers, which are never saved."""
    saved: Mapping[str, int]
    """Gate to the MACs that a sample saves by skipping its block: ``after_o1`` where the gate reads o1; 0 where it
    reads o2, which is computed before the gate, and for gates in units, whose branch is always computed."""


def cost_of(config: ModelConfig, classes: int, image_size: int) -> NetworkCost:
    """MACs of a configuration, counted on a new network.

    Args:
        config: of the network.
        classes: number of classes K.
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
    return NetworkCost(macs["Global"], after, gates, saved)


@torch.no_grad()
def _macs(model: nn.Module, image: Tensor) -> dict[str, int]:
    """MACs of every module of a network by PyTorch's names; ``Global`` is the whole network."""
    # PyTorch counts a multiplication and an addition apart: two FLOPs per MAC.
    with FlopCounterMode(display=False) as counter:
        model(image)
    return {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}
