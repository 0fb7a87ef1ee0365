"""A chain of convolutions of which only the open channels are computed."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.models.backbones.units import InnerWeights


class SlicedBranch:
    """Convolutions with a ReLU between them, which make and read only channels with a weight other than 0."""

    def __init__(
        self, convolutions: Sequence[nn.Module], start: nn.Module | None = None, end: nn.Module | None = None
    ) -> None:
        """Take over the parts of a unit.

        Args:
            convolutions: with BatchNorm folded (:func:`memgate.models.gated.folded.folded`). Only the first two may
                have a stride.
            start: what the input passes before the first convolution.
            end: what the last map passes, if anything of it is open.
        """
        self.convolutions = cast(Sequence[nn.Conv2d], convolutions)
        self.start, self.end = start or nn.Identity(), end or nn.Identity()
        self.depth = len(convolutions)
        """Convolutions, and the number of the last map."""

    def __call__(self, x: Tensor, inner: InnerWeights) -> Tensor:
        """The last map [b, C_out, h, w] of an input [b, C_in, H, W].

        Args:
            x: the input.
            inner: number of a map, counted from 1 as its convolution, to the weights [b, C] of its channels.
        """
        if len(x) == 1 or not inner:
            return self._of_one_pattern(x, inner)
        patterns, group = (torch.cat(list(inner.values()), dim=1) > 0).unique(dim=0, return_inverse=True)
        if len(patterns) == 1:
            return self._of_one_pattern(x, inner)
        groups = [torch.nonzero(group == number).flatten() for number in range(len(patterns))]
        maps = [
            self._of_one_pattern(x[rows], {number: weights[rows] for number, weights in inner.items()})
            for rows in groups
        ]
        return torch.cat(maps)[torch.cat(groups).argsort()]

    def _of_one_pattern(self, x: Tensor, inner: InnerWeights) -> Tensor:
        """The last map of samples that open the same channels."""
        opened = {number: torch.nonzero(weights[0]).flatten() for number, weights in inner.items()}
        # Nothing behind a map without open channels depends on what comes before it.
        empty = max((number for number, channels in opened.items() if len(channels) == 0), default=0)
        if empty == self.depth:
            return x.new_zeros(len(x), self.convolutions[-1].out_channels, *self._sides(x))
        if not empty:
            x = self.start(x)
        for number in range(empty + 1, self.depth + 1):
            x = self._convolved(x, number, opened)
            if number < self.depth:
                x = functional.relu(x)
            if number in inner:
                x = x * _selected(inner[number], 1, opened[number])[:, :, None, None].to(x.dtype)
        if self.depth in inner:
            whole = x.new_zeros(len(x), self.convolutions[-1].out_channels, *x.shape[2:])
            x = whole.index_copy(1, opened[self.depth], x)
        return self.end(x)

    def _convolved(self, x: Tensor, number: int, opened: Mapping[int, Tensor]) -> Tensor:
        """The output of a convolution between open channels; with none to read, what its bias alone makes."""
        conv = self.convolutions[number - 1]
        makes, reads = opened.get(number), opened.get(number - 1)
        bias = None if conv.bias is None else _selected(conv.bias, 0, makes)
        if (
            reads is not None and len(reads) == 0
        ):  # x is still the input, and no stride is left behind this map
            channels = conv.out_channels if makes is None else len(makes)
            values = x.new_zeros(channels) if bias is None else bias
            return values[:, None, None].expand(len(x), channels, *self._sides(x))
        weight = _selected(_selected(conv.weight, 0, makes), 1, reads)
        return functional.conv2d(x, weight, bias, conv.stride, cast(tuple[int, int], conv.padding))

    def _sides(self, x: Tensor) -> list[int]:
        """Height and width of the last map."""
        sides = list(x.shape[2:])
        for conv in self.convolutions:
            sides = [-(-side // stride) for side, stride in zip(sides, conv.stride, strict=True)]
        return sides


def _selected(tensor: Tensor, dimension: int, rows: Tensor | None) -> Tensor:
    """The given rows of a tensor along a dimension; the tensor itself where they are None or all."""
    return (
        tensor
        if rows is None or len(rows) == tensor.shape[dimension]
        else tensor.index_select(dimension, rows)
    )
