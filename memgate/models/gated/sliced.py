"""Networks that compute only the channels that their gates leave open (batch-shaping paper, appendix C.1).

A gated network multiplies closed channels by 0 after it has computed them. Its sliced copy selects the open rows of
the weights that make a map and the open columns of those that read it, and computes nothing else; of a closed unit it
computes the shortcut. Samples of a batch that open the same channels of a unit are computed together. BatchNorm is
folded into the convolutions, so that the copy is for evaluation only; logits are those of the network up to rounding.
"""

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from memgate.models.backbones.units import NO_WEIGHTS, InnerWeights, Merge, Unit
from memgate.models.gated.channel_gates import LogitGate


def folded(model: nn.Module) -> Any:
    """A copy in evaluation mode without the BatchNorm that follows a convolution or a gate's hidden layer.

    Args:
        model: a network of :mod:`memgate.models`, which is not changed.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Unit):
            _fold_unit(module)
        elif isinstance(module, LogitGate):
            module.hidden = fuse_linear_bn_eval(module.hidden, module.norm)
            cast(Any, module).norm = nn.Identity()
        elif isinstance(module, nn.Sequential) and _starts_with_norm(module):  # the stem, or a shortcut
            module[0] = fuse_conv_bn_eval(cast(nn.Conv2d, module[0]), cast(nn.BatchNorm2d, module[1]))
            module[1] = nn.Identity()
    # Selecting rows and columns of weights copies longer pieces of memory than with the channels last.
    return model.eval().to(memory_format=torch.contiguous_format)


def sliced(model: nn.Module) -> Any:
    """A folded copy whose residual units compute only open channels; called as the network itself.

    Args:
        model: a network whose gates open or close channels or units, which is not changed.
    """
    model = folded(model)
    blocks = cast(nn.ModuleDict, model.get_submodule("trunk.blocks"))
    for block in cast(list[nn.Sequential], list(blocks.values())):
        for number, unit in enumerate(block):
            block[number] = SlicedUnit(cast(Unit, unit))
    return model


class SlicedUnit(nn.Module):
    """A residual unit that computes only what has a weight other than 0: channels of its inner maps, or its branch."""

    def __init__(self, unit: Unit) -> None:
        """Take over a unit.

        Args:
            unit: folded (:func:`folded`).
        """
        super().__init__()
        self.unit = unit
        self.inner_channels = unit.inner_channels
        numbers = range(1, unit.depth + 1)
        self.convolutions = [cast(nn.Conv2d, unit.get_submodule(f"conv{number}")) for number in numbers]

    def forward(
        self,
        x: Tensor,
        merge: Merge = torch.add,
        inner: InnerWeights = NO_WEIGHTS,
        taken: Tensor | None = None,
    ) -> Tensor:
        """[b, C_in, H, W] to [b, C_out, H/stride, W/stride], as :meth:`Unit.forward`."""
        if taken is None:
            return self.unit.joined(self.branch(x, inner), x, merge)
        rows = torch.nonzero(taken[:, 0]).flatten()
        if len(rows) == len(x):
            return self.unit(x, merge, inner, taken)
        if len(rows) == 0:
            return self.unit.joined(x.new_zeros(()), x)
        branch = self.unit.branch(x[rows]) * taken[rows][:, :, None, None].to(x.dtype)
        return self.unit.joined(branch, x, lambda part, shortcut: shortcut.index_add(0, rows, part))

    def filtered(self, x: Tensor, weights: Tensor, keys: Tensor | None = None) -> Tensor:  # noqa: ARG002 (draws nothing)
        """As :meth:`Unit.filtered`."""
        return self(x, inner={self.unit.depth: weights})

    def branch(self, x: Tensor, inner: InnerWeights) -> Tensor:
        """The residual branch: [b, C_in, H, W] to [b, C_out, H/stride, W/stride]."""
        if len(x) == 1 or not inner:
            return self._of_one_pattern(x, inner)
        patterns, group = (torch.cat(list(inner.values()), dim=1) > 0).unique(dim=0, return_inverse=True)
        if len(patterns) == 1:
            return self._of_one_pattern(x, inner)
        groups = [torch.nonzero(group == number).flatten() for number in range(len(patterns))]
        branches = [
            self._of_one_pattern(x[rows], {number: weights[rows] for number, weights in inner.items()})
            for rows in groups
        ]
        return torch.cat(branches)[torch.cat(groups).argsort()]

    def _of_one_pattern(self, x: Tensor, inner: InnerWeights) -> Tensor:
        """The branch of samples that open the same channels."""
        opened = {number: torch.nonzero(weights[0]).flatten() for number, weights in inner.items()}
        # Nothing behind a map without open channels depends on what comes before it.
        empty = max((number for number, channels in opened.items() if len(channels) == 0), default=0)
        if empty == self.unit.depth:
            return x.new_zeros(len(x), self.unit.channels_out, *self._sides(x))
        if self.unit.pre and not empty:
            x = functional.relu(self.unit.get_submodule("bn1")(x))
        for number in range(empty + 1, self.unit.depth + 1):
            x = self._convolved(x, number, opened)
            if number < self.unit.depth:
                x = functional.relu(x)
            if number in inner:
                x = x * _selected(inner[number], 1, opened[number])[:, :, None, None].to(x.dtype)
        if self.unit.depth in inner:
            whole = x.new_zeros(len(x), self.unit.channels_out, *x.shape[2:])
            x = whole.index_copy(1, opened[self.unit.depth], x)
        return self.unit.excitation(x)

    def _convolved(self, x: Tensor, number: int, opened: Mapping[int, Tensor]) -> Tensor:
        """The output of a convolution between open channels; with none to read, what its bias alone makes."""
        conv = self.convolutions[number - 1]
        makes, reads = opened.get(number), opened.get(number - 1)
        bias = None if conv.bias is None else _selected(conv.bias, 0, makes)
        if (
            reads is not None and len(reads) == 0
        ):  # the unit's input is x; strides are before the second convolution
            channels = conv.out_channels if makes is None else len(makes)
            values = x.new_zeros(channels) if bias is None else bias
            return values[:, None, None].expand(len(x), channels, *self._sides(x))
        weight = _selected(_selected(conv.weight, 0, makes), 1, reads)
        return functional.conv2d(x, weight, bias, conv.stride, cast(tuple[int, int], conv.padding))

    def _sides(self, x: Tensor) -> list[int]:
        """Height and width of the unit's output."""
        return [-(-side // self.unit.stride) for side in x.shape[2:]]


def _selected(tensor: Tensor, dimension: int, rows: Tensor | None) -> Tensor:
    """The given rows of a tensor along a dimension; the tensor itself where they are None or all."""
    return (
        tensor
        if rows is None or len(rows) == tensor.shape[dimension]
        else tensor.index_select(dimension, rows)
    )


def _fold_unit(unit: Unit) -> None:
    """Fold the BatchNorms of a unit into the convolutions before them, in place."""
    # Before its ReLU, the output of convolution n is normalised by bn{n}, or before activation by bn{n+1}.
    for number in range(1, unit.depth + 1):
        name = f"bn{number + unit.pre}"
        if hasattr(unit, name):
            conv, norm = unit.get_submodule(f"conv{number}"), unit.get_submodule(name)
            setattr(
                unit, f"conv{number}", fuse_conv_bn_eval(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm))
            )
            setattr(unit, name, nn.Identity())


def _starts_with_norm(module: nn.Sequential) -> bool:
    """Whether a sequence is a convolution and its BatchNorm, and whatever follows."""
    kinds = [type(one) for one in module[:2]]
    return kinds == [nn.Conv2d, nn.BatchNorm2d]
