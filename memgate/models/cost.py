"""What a network costs: multiply-accumulate operations (MACs) of one image, and which of them a gate can save.

Counted are convolutions and linear layers, one MAC for each product, as in He et al. 2016 and the papers' tables;
BatchNorm, ReLU, pooling, biases and the sums at shortcuts are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from memgate.config import ModelConfig
from memgate.models import build_model


@dataclass(frozen=True)
class Cost:
    """MACs of one image."""

    total: int
    """Of the whole network, its gates' classifiers included: what soft mixing costs for every sample."""
    after_o1: Mapping[str, int]
    """Block to the MACs of its units after the first: what lies between o1 and o2."""
    gates: Mapping[str, int]
    """Gate to the MACs of its classifier, which are never saved."""
    saved: Mapping[str, int]
    """Gate to what a sample saves that skips its block: ``after_o1`` where the gate reads o1; 0 where it reads o2,
    which has to be computed before the gate is known."""


def cost_of(config: ModelConfig, classes: int, image_size: int) -> Cost:
    """Count the MACs of a configuration, on a network made for the purpose.

    Args:
        config: which network.
        classes: K.
        image_size: side of the square images in pixels.
    """
    model = build_model(config, classes, seed=0).eval()
    trunk = model.get_submodule("trunk") if config.gate_names else model
    macs = _macs(trunk, torch.zeros(1, 3, image_size, image_size))
    root = type(trunk).__name__
    after = {
        block: sum(macs[f"{root}.blocks.{block}.{unit}"] for unit in range(1, config.units))
        for block in ("b1", "b2", "b3")
    }
    gates = {
        name: sum(weight.numel() for weight in gate.parameters() if weight.ndim == 2)
        for name, gate in ((name, model.get_submodule(f"gates.{name}")) for name in config.gate_names)
    }
    saved = {name: after[name] if config.gate.tap == "o1" else 0 for name in config.gate_names}
    return Cost(macs["Global"] + sum(gates.values()), after, gates, saved)


@torch.no_grad()
def _macs(model: nn.Module, image: Tensor) -> dict[str, int]:
    """MACs of every part of a network, by PyTorch's names for them; ``Global`` is the whole."""
    # One FLOP counter for PyTorch is one multiplication and one addition: two for each MAC.
    with FlopCounterMode(display=False) as counter:
        model(image)
    return {name: sum(found.values()) // 2 for name, found in counter.get_flop_counts().items()}
