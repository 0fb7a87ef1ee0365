"""The networks, by name."""

from collections.abc import Callable

import torch
from torch import nn

from memgate.config import ModelConfig
from memgate.models.block_gated import EntropyGatedResNet
from memgate.models.forward import Forward, Gate
from memgate.models.resnet import ResNet

__all__ = ["MODELS", "Forward", "Gate", "build_model"]


def _resnet(config: ModelConfig, classes: int) -> ResNet:
    return ResNet(config.units, config.block, classes, config.shortcut)


def _entropy_gate(config: ModelConfig, classes: int) -> EntropyGatedResNet:
    return EntropyGatedResNet(_resnet(config, classes), classes, config.gate)


MODELS: dict[str, Callable[[ModelConfig, int], nn.Module]] = {
    "resnet": _resnet,
    "entropy-gate": _entropy_gate,
}


def build_model(config: ModelConfig, classes: int, seed: int) -> nn.Module:
    """The network of a configuration, initialised from ``seed`` alone.

    Args:
        config: which network.
        classes: K.
        seed: of the weights; the global generator is left as it was.

    Returns:
        A module that maps normalised images [b, 3, H, W] to a :class:`Forward`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[config.name](config, classes).to(memory_format=torch.channels_last)
