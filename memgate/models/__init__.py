"""The networks, by name."""

from collections.abc import Callable

import torch
from torch import nn

from memgate.config.run import ModelConfig
from memgate.errors import require
from memgate.models.backbones.resnet import ResNet, map_side
from memgate.models.forward import Forward, Gate
from memgate.models.gated.block_gated import BlockGatedResNet
from memgate.models.gated.block_gates import BLOCK_GATES
from memgate.models.gated.layer_gated import UNIT_GATES, LayerGatedResNet

__all__ = ["MODELS", "Forward", "Gate", "build_model"]

PAPERS_SIDE = 32
"""Side in pixels of CIFAR's images."""


def _resnet(config: ModelConfig, classes: int, _image_size: int) -> nn.Module:
    return ResNet(config, classes)


def _layer_gated(config: ModelConfig, classes: int, _image_size: int) -> nn.Module:
    return LayerGatedResNet(config, classes)


MODELS: dict[str, Callable[[ModelConfig, int, int], nn.Module]] = {
    "resnet": _resnet,
    **dict.fromkeys(BLOCK_GATES, BlockGatedResNet),
    **dict.fromkeys(UNIT_GATES, _layer_gated),
}


def build_model(config: ModelConfig, classes: int, seed: int, image_size: int = PAPERS_SIDE) -> nn.Module:
    """The network of a configuration, initialised from ``seed`` alone.

    Args:
        config: which network.
        classes: K.
        seed: of the weights; the global generator is left as it was.
        image_size: side of the images in pixels; only gates that read flattened maps are bound to it.

    Returns:
        A module that maps normalised images [b, 3, H, W] to a :class:`Forward`.

    Raises:
        MemgateError: the images are so small that BatchNorm would meet a map of one pixel.
    """
    last = list(config.units)[-1]
    require(
        map_side(config, last, image_size) >= 2,
        f"Images of {image_size} pixels leave {last} of --model.layout {config.layout} a single one, and BatchNorm "
        "cannot train on that: take larger images, or --model.layout cifar.",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[config.name](config, classes, image_size).to(memory_format=torch.channels_last)
