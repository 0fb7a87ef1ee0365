"""Gates over whole blocks: from a block's map at the tap to g [b], and the penalty that each adds to the loss.

All have two linear layers without an activation between them, as in the papers' code, which is a linear map of limited
rank: pooled or flattened map [b, d] to z [b, k]. With o1 and o2 the outputs of the block's first and last unit, the
block's output is g*o2 + (1-g)*o1 (:mod:`memgate.models.gated.block_gated`). Models 1 to 3 are from the report on
gating, Model 4 from the soft-gating paper (section 4). In Models 1 to 3 nothing is detached: every loss trains all
parameters.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import GateConfig
from memgate.models.backbones.trunk import pool
from memgate.models.entropy import at_least_float32, entropy, gate_value
from memgate.models.forward import Gate


class BlockGateOutput(NamedTuple):
    """Output of a gate for one batch."""

    gate: Gate
    """g, and where the gate has them H, logits and features."""
    z: Tensor
    """[b, k], output of its layers."""


class BlockGate(nn.Module):
    """Base of the gates over blocks: two linear layers. Subclasses implement ``read``, and ``penalty``."""

    outputs: int | None = None
    """k, the outputs of the second layer; None for one per class."""

    def __init__(self, name: str, features: int, classes: int, config: GateConfig) -> None:
        """Two linear layers with PyTorch's initialisation, as in the papers' code.

        Args:
            name: of the block.
            features: number of features d that the gate reads per sample.
            classes: number of classes K.
            config: of the gates.
        """
        super().__init__()
        self.name, self.classes, self.config = name, classes, config
        self.hidden = nn.Linear(features, config.hidden(name))
        self.output = nn.Linear(config.hidden(name), classes if self.outputs is None else self.outputs)

    def classify(self, features: Tensor) -> Tensor:
        """Features [b, d] to z [b, k]."""
        return self.output(self.hidden(features))

    def forward(self, tapped: Tensor) -> BlockGateOutput:
        """Gate value and z for the block's map at the tap [b, C, h, w]."""
        # Outside autocast: with 16 bits, "routed" would differ from g > 0.5 of the logged float32 value.
        with torch.autocast(tapped.device.type, enabled=False):
            tapped = at_least_float32(tapped)
            return self.read(pool(tapped) if self.config.input == "pooled" else tapped.flatten(1))

    def read(self, features: Tensor) -> BlockGateOutput:
        """Gate value and z for features [b, d]."""
        raise NotImplementedError

    def penalty(self, output: BlockGateOutput, o1: Tensor, out: Tensor) -> Tensor | None:
        """Scalar that the gate adds to the loss before its weight, a mean over the batch; None for nothing.

        Args:
            output: of :meth:`forward`.
            o1: output of the block's first unit [b, C, h, w].
            out: output of the block, likewise.
        """
        del output, o1, out


class EntropyGate(BlockGate):
    """Model 4: g is a curve of the entropy of the gate's own classifier, which its own cross-entropy trains."""

    def read(self, features: Tensor) -> BlockGateOutput:
        """Gate value and z for features [b, d].

        Two passes through the two layers keep the two losses apart: ``logits`` come from detached features, so the
        gate's loss trains the gate only; ``value`` comes from detached weights, so the classification loss trains the
        trunk only (through g too, unless ``detach_gate``).
        """
        logits = self.classify(features.detach())
        if self.config.detach_gate or not torch.is_grad_enabled():
            h = entropy(logits.detach())
        else:
            hidden = functional.linear(features, self.hidden.weight.detach(), self.hidden.bias.detach())
            frozen = functional.linear(hidden, self.output.weight.detach(), self.output.bias.detach())
            h = entropy(frozen)
        g = gate_value(h, self.config.curve, self.classes, self.config.slope)
        return BlockGateOutput(Gate(self.name, g, h, logits, features.detach()), logits)


class ScalarGate(BlockGate):
    """Model 1: g = sigmoid(z); penalty: the mean of g^2 (the report writes a sum, the authors' code a mean)."""

    outputs = 1

    def read(self, features: Tensor) -> BlockGateOutput:
        """Gate value and z for features [b, d]."""
        z = self.classify(features)
        return BlockGateOutput(Gate(self.name, torch.sigmoid(z[:, 0])), z)

    def penalty(self, output: BlockGateOutput, o1: Tensor, out: Tensor) -> Tensor | None:
        """Mean of g^2 over the batch."""
        del o1, out
        return output.gate.value.square().mean()


class DisplacementGate(ScalarGate):
    """Model 1.2: g as in Model 1; penalty: squared distance of the block's output from o1, g^2 |o2 - o1|^2."""

    def penalty(self, output: BlockGateOutput, o1: Tensor, out: Tensor) -> Tensor | None:
        """Mean over the batch of |o1 - out|^2.

        The report writes a sum without saying over what, and the authors' code lacks this model. Here it is the sum
        over the map, a squared distance, and the mean over samples, so that a weight means the same for any batch
        size.
        """
        del output
        return (at_least_float32(o1) - at_least_float32(out)).square().flatten(1).sum(dim=1).mean()


class SoftmaxEntropyGate(BlockGate):
    """Model 2: g is a curve of the entropy of a softmax of K outputs, trained by the classification loss alone."""

    def read(self, features: Tensor) -> BlockGateOutput:
        """Gate value and z for features [b, d]."""
        z = self.classify(features)
        h = entropy(z)
        g = gate_value(h, self.config.curve, self.classes, self.config.slope)
        return BlockGateOutput(Gate(self.name, g, h), z)


class TwoWayGate(BlockGate):
    """Model 3: (1-g, g) = softmax(z), skip or pass; penalty: the cross-entropy of z towards skipping."""

    outputs = 2

    def read(self, features: Tensor) -> BlockGateOutput:
        """Gate value and z for features [b, d]."""
        z = self.classify(features)
        return BlockGateOutput(Gate(self.name, torch.softmax(z, dim=1)[:, 1], entropy(z)), z)

    def penalty(self, output: BlockGateOutput, o1: Tensor, out: Tensor) -> Tensor | None:
        """Mean over the batch: ``ce`` against the index of skipping, ``bce`` of each sigmoid(z) against (1, 0).

        For ``bce`` the authors' code has only commented-out lines, which do not show how g is computed: here by the
        softmax, as for ``ce``. Its mean is over the two outputs too, as in PyTorch.
        """
        del o1, out
        if self.config.target_loss == "ce":
            return functional.cross_entropy(
                output.z, torch.zeros(len(output.z), dtype=torch.int64, device=output.z.device)
            )
        skip = torch.zeros_like(output.z)
        skip[:, 0] = 1
        return functional.binary_cross_entropy_with_logits(output.z, skip)


BLOCK_GATES: dict[str, type[BlockGate]] = {
    "entropy-gate": EntropyGate,
    "block-scalar": ScalarGate,
    "block-displacement": DisplacementGate,
    "block-entropy": SoftmaxEntropyGate,
    "block-two-way": TwoWayGate,
}
"""Name of a network (``ModelConfig.name``) to the class of its gates."""
