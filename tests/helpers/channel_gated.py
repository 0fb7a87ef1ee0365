"""Channel-gated networks on every backbone, whose BatchNorms do something, and images for them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from memgate.config.gate import GATE_OPTIONS
from memgate.config.run import GateConfig, ModelConfig
from memgate.models import build_model

SIDE = 9
"""Of the images in pixels: odd, so that a unit that halves the map rounds up."""


def images_of(side: int = SIDE, n: int = 5) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


BACKBONES: dict[str, dict[str, Any]] = {
    "basic": {"depth": 14},
    "basic, pre, pad, excited": {"depth": 14, "activation": "pre", "shortcut": "pad", "squeeze_excitation": True},
    "bottleneck": {"depth": 20, "block": "bottleneck"},
    "bottleneck, pre, first": {
        "depth": 20, "block": "bottleneck", "activation": "pre", "gate": GateConfig(inner="first"),
    },
    "bottleneck, last": {"depth": 20, "block": "bottleneck", "gate": GateConfig(inner="last")},
}  # fmt: skip

OTHER_BACKBONES: dict[str, dict[str, Any]] = {
    "densenet": {"backbone": "densenet", "depth": 22},
    "shake-shake": {"backbone": "shake-shake", "depth": 14, "width": 0.25},
}
"""Those that only a gater gates."""


def config_of(backbone: str, name: Any = "channel-gate") -> ModelConfig:
    options = dict((BACKBONES | OTHER_BACKBONES)[backbone])
    if "inner" not in GATE_OPTIONS[name]:
        options.pop("gate", None)
    return ModelConfig(name, **options)


def made(backbone: str, name: Any = "channel-gate") -> Any:
    """A network in evaluation mode with random BatchNorm parameters and statistics."""
    return with_random_norms(build_model(config_of(backbone, name), 7, 3, SIDE), images_of(n=16) * 2)


def with_random_norms(model: Any, images: Tensor) -> Any:
    """The network in evaluation mode, with random scales and shifts of its BatchNorms and statistics of the images."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for norm in (one for one in model.modules() if isinstance(one, nn.BatchNorm2d)):
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.normal_(0, 0.5, generator=generator)
        model.train()(images)
    return model.eval()


def fixed(weights: Mapping[str, Tensor]) -> dict[str, Callable[[Tensor], Tensor]]:
    """A route with these weights [b, C] of each gate's channels, whatever it chooses."""
    return {name: partial(_other, weights=used) for name, used in weights.items()}


def _other(_chosen: Tensor, weights: Tensor) -> Tensor:
    return weights
