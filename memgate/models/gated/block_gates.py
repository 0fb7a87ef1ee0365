"""The gates over whole blocks: from a block's map at the tap to g, and to what each adds to the loss.

All have two linear layers with nothing between them, as in the papers' code: a linear map of limited rank, from the
pooled or the flattened map to k numbers z. With o1 and o2 the outputs of the block's first and last unit, the block
puts out g*o2 + (1-g)*o1 (:mod:`memgate.models.gated.block_gated`). Models 1 to 3 are those of the report on gating,
Model 4 that of the soft-gating paper (section 4). In Models 1 to 3 nothing is detached, and every loss trains
everything.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import GateConfig
from memgate.models.backbones.resnet import pool
from memgate.models.entropy import entropy, gate_value
from memgate.models.forward import Gate


class Read(NamedTuple):
    """What a gate made of a block's map."""

    gate: Gate
    z: Tensor
    """[b, k], what its layers put out."""


class BlockGate(nn.Module):
    """What all gates over a block share: the layers, in float32."""

    outputs: int | None = None
    """k; None for one of each class."""

    def __init__(self, name: str, features: int, classes: int, config: GateConfig) -> None:
        """Two linear layers with PyTorch's initialisation, as in the papers' code.

        Args:
            name: of the block.
            features: numbers that the gate reads of a sample.
            classes: K of the network.
            config: of the gates.
        """
        super().__init__()
        self.name, self.classes, self.config = name, classes, config
        self.hidden = nn.Linear(features, config.hidden(name))
        self.output = nn.Linear(config.hidden(name), classes if self.outputs is None else self.outputs)

    def classify(self, features: Tensor) -> Tensor:
        """Features [b, d] to z [b, k]."""
        return self.output(self.hidden(features))

    def forward(self, tapped: Tensor) -> Read:
        """The gate for the block's map at the tap [b, C, h, w]."""
        # Outside autocast: 16 bits would decide "routed" differently from the logged float32 value.
        with torch.autocast(tapped.device.type, enabled=False):
            tapped = tapped.float()
            return self.read(pool(tapped) if self.config.input == "pooled" else tapped.flatten(1))

    def read(self, features: Tensor) -> Read:
        """The gate for features [b, d]."""
        raise NotImplementedError

    def penalty(self, read: Read, o1: Tensor, out: Tensor) -> Tensor | None:
        """What the gate adds to the loss before its weight, a mean over the batch; None for nothing.

        Args:
            read: what :meth:`forward` gave.
            o1: output of the block's first unit [b, C, h, w].
            out: output of the block, likewise.
        """
        del read, o1, out


class EntropyGate(BlockGate):
    """Model 4: the entropy of a classifier of its own, which its own cross-entropy trains."""

    def read(self, features: Tensor) -> Read:
        """The gate for features [b, d].

        Two passes through two small layers keep the two losses apart: ``logits`` see detached features, so
        the gate's loss moves the gate only; ``value`` sees detached weights, so the classification loss
        moves the trunk only (through g too, unless ``detach_gate``).
        """
        logits = self.classify(features.detach())
        if self.config.detach_gate or not torch.is_grad_enabled():
            h = entropy(logits.detach())
        else:
            hidden = functional.linear(features, self.hidden.weight.detach(), self.hidden.bias.detach())
            frozen = functional.linear(hidden, self.output.weight.detach(), self.output.bias.detach())
            h = entropy(frozen)
        g = gate_value(h, self.config.curve, self.classes, self.config.slope)
        return Read(Gate(self.name, g, h, logits, features.detach()), logits)


class ScalarGate(BlockGate):
    """Model 1: g = sigmoid(z); penalty: the mean of g^2 (the report writes a sum, the authors' code a mean)."""

    outputs = 1

    def read(self, features: Tensor) -> Read:
        """The gate for features [b, d]."""
        z = self.classify(features)
        return Read(Gate(self.name, torch.sigmoid(z[:, 0])), z)

    def penalty(self, read: Read, o1: Tensor, out: Tensor) -> Tensor | None:
        """Mean of g^2 over the batch."""
        del o1, out
        return read.gate.value.square().mean()


class DisplacementGate(ScalarGate):
    """Model 1.2: as Model 1; penalty: how far the block's output is from o1, which is g^2 |o2 - o1|^2."""

    def penalty(self, read: Read, o1: Tensor, out: Tensor) -> Tensor | None:
        """Mean over the batch of |o1 - out|^2.

        The report has a sum and says no more, and there is no code of it. Summed here is over the map, which makes it
        a squared distance; the mean over samples keeps a weight from meaning something else in another batch.
        """
        del read
        return (o1.float() - out.float()).square().flatten(1).sum(dim=1).mean()


class SoftmaxEntropyGate(BlockGate):
    """Model 2: the entropy of a softmax over the classes that nothing but the classification loss trains."""

    def read(self, features: Tensor) -> Read:
        """The gate for features [b, d]."""
        z = self.classify(features)
        h = entropy(z)
        g = gate_value(h, self.config.curve, self.classes, self.config.slope)
        return Read(Gate(self.name, g, h), z)


class TwoWayGate(BlockGate):
    """Model 3: (1-g, g) = softmax(z), skip or pass; penalty: the cross-entropy of z towards skipping."""

    outputs = 2

    def read(self, features: Tensor) -> Read:
        """The gate for features [b, d]."""
        z = self.classify(features)
        return Read(Gate(self.name, torch.softmax(z, dim=1)[:, 1], entropy(z)), z)

    def penalty(self, read: Read, o1: Tensor, out: Tensor) -> Tensor | None:
        """Mean over the batch: ``ce`` against the index of skipping, ``bce`` of each sigmoid(z) against (1, 0).

        Of ``bce`` the authors' code has commented-out lines only, which do not say how g is made then: so, as in
        ``ce``, by the softmax. Its mean is over the two outputs too, as PyTorch's is.
        """
        del o1, out
        if self.config.target_loss == "ce":
            return functional.cross_entropy(
                read.z, torch.zeros(len(read.z), dtype=torch.int64, device=read.z.device)
            )
        skip = torch.zeros_like(read.z)
        skip[:, 0] = 1
        return functional.binary_cross_entropy_with_logits(read.z, skip)


BLOCK_GATES: dict[str, type[BlockGate]] = {
    "entropy-gate": EntropyGate,
    "block-scalar": ScalarGate,
    "block-displacement": DisplacementGate,
    "block-entropy": SoftmaxEntropyGate,
    "block-two-way": TwoWayGate,
}
"""Network to its gate."""
