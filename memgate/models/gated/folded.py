"""Networks for evaluation without the BatchNorms that directly follow a convolution, whose weights take them over."""

import copy
from itertools import pairwise
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from memgate.models.backbones.densenet import DenseLayer
from memgate.models.backbones.units import Unit
from memgate.models.gated.channel_gates import LogitGate


def folded(model: nn.Module) -> Any:
    """A copy in evaluation mode without the BatchNorm that follows a convolution or a gate's hidden layer.

    Args:
        model: a network of :mod:`memgate.models`, which is not changed.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Unit):
            for number in range(1, module.depth + 1):
                _fold(module, f"conv{number}", f"bn{number + module.pre}")
        elif isinstance(module, DenseLayer):
            _fold(module, "conv1", "bn2")
        elif isinstance(module, LogitGate):
            module.hidden = fuse_linear_bn_eval(module.hidden, module.norm)
            cast(Any, module).norm = nn.Identity()
        elif isinstance(module, nn.Sequential):  # the stem, a shortcut, or a Shake-Shake branch
            for (before, conv), (after, norm) in pairwise(module.named_children()):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    _fold(module, before, after)
    # Selecting rows and columns of weights copies longer pieces of memory than with the channels last.
    return model.eval().to(memory_format=torch.contiguous_format)


def _fold(module: nn.Module, conv: str, norm: str) -> None:
    """Fold a BatchNorm into the convolution whose output it normalises, in place; not where there is none.

    Args:
        module: that has both.
        conv: name of the convolution in it.
        norm: name of the BatchNorm.
    """
    if hasattr(module, norm):
        pair = cast(nn.Conv2d, module.get_submodule(conv)), cast(nn.BatchNorm2d, module.get_submodule(norm))
        setattr(module, conv, fuse_conv_bn_eval(*pair))
        setattr(module, norm, nn.Identity())
