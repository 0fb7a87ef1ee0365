"""Networks that compute only the channels that their gates leave open (batch-shaping paper, appendix C.1).

A gated network multiplies closed channels by 0 after it has computed them. Its sliced copy selects the open rows of
the weights that make a map and the open columns of those that read it, and computes nothing else; of a closed unit it
computes the shortcut, and a DenseNet's closed maps are zeros in the concatenation, which the layers behind them read
in full, as they do in the network itself. Samples of a batch that open the same channels of a unit are computed
together. BatchNorm is folded into the convolutions before it, so that the copy is for evaluation only; logits are
those of the network up to rounding.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from memgate.models.backbones.densenet import DenseLayer
from memgate.models.backbones.shake_shake import ShakeUnit
from memgate.models.backbones.units import NO_WEIGHTS, InnerWeights, Merge, Unit
from memgate.models.gated.folded import folded
from memgate.models.gated.sliced_branch import SlicedBranch


def sliced(model: nn.Module) -> Any:
    """A folded copy whose units compute only open channels; called as the network itself.

    Args:
        model: a network whose gates open or close channels, filters or units, which is not changed.
    """
    model = folded(model)
    kinds = {Unit: SlicedUnit, DenseLayer: SlicedDenseLayer, ShakeUnit: SlicedShakeUnit}
    blocks = cast(nn.ModuleDict, model.get_submodule("trunk.blocks"))
    for block in cast(list[nn.Sequential], list(blocks.values())):
        for number, unit in enumerate(block):
            block[number] = kinds[type(unit)](cast(Any, unit))
    return model


class SlicedUnit(nn.Module):
    """A residual unit that computes only what has a weight other than 0: channels of its maps, or its branch."""

    def __init__(self, unit: Unit) -> None:
        """Take over a unit.

        Args:
            unit: folded (:func:`memgate.models.gated.folded.folded`).
        """
        super().__init__()
        self.unit = unit
        self.inner_channels = unit.inner_channels
        convolutions = [unit.get_submodule(f"conv{number}") for number in range(1, unit.depth + 1)]
        start = nn.Sequential(unit.get_submodule("bn1"), nn.ReLU()) if unit.pre else None
        self.branch = SlicedBranch(convolutions, start, unit.excitation)

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
        return self(x, inner={self.branch.depth: weights})


class SlicedDenseLayer(nn.Module):
    """A layer of a DenseNet that computes only the new maps with a weight other than 0."""

    def __init__(self, layer: DenseLayer) -> None:
        """Take over a layer.

        Args:
            layer: folded (:func:`memgate.models.gated.folded.folded`).
        """
        super().__init__()
        self.layer = layer
        self.branch = SlicedBranch((layer.conv1, layer.conv2), nn.Sequential(layer.bn1, nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps so far, then the new ones, as :meth:`DenseLayer.forward`."""
        return self.layer(x)

    def filtered(self, x: Tensor, weights: Tensor, keys: Tensor | None = None) -> Tensor:  # noqa: ARG002 (draws nothing)
        """As :meth:`DenseLayer.filtered`."""
        x = self.layer.transition(x)
        return torch.cat((x, self.branch(x, {self.branch.depth: weights})), dim=1)


class SlicedShakeUnit(nn.Module):
    """A Shake-Shake unit that computes of each branch only the filters with a weight other than 0."""

    def __init__(self, unit: ShakeUnit) -> None:
        """Take over a unit.

        Args:
            unit: folded (:func:`memgate.models.gated.folded.folded`).
        """
        super().__init__()
        self.unit = unit
        self.branches = [
            SlicedBranch([part for part in branch.children() if isinstance(part, nn.Conv2d)], nn.ReLU())
            for branch in unit.branches
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Output of the unit, as :meth:`ShakeUnit.forward` in evaluation."""
        return self.unit(x)

    def filtered(self, x: Tensor, weights: Tensor, keys: Tensor | None = None) -> Tensor:
        """As :meth:`ShakeUnit.filtered`."""
        halves = weights.chunk(2, dim=1)
        first, second = (
            branch(x, {branch.depth: half}) for branch, half in zip(self.branches, halves, strict=True)
        )
        return self.unit.joined(first, second, x, keys)
