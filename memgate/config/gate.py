"""Configuration of the gates. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from memgate.config.checks import check_types, in_range
from memgate.errors import require

Curve = Literal["normalised", "centred", "stretched", "identity", "sigmoid"]

BLOCKS = {"cifar": ("b1", "b2", "b3"), "imagenet": ("b1", "b2", "b3", "b4")}
"""Layout to the names of its blocks, in the order of the forward pass."""

_OVER_BLOCKS = ("blocks", "hidden_b1", "hidden_b2", "hidden_b3", "hidden_b4", "input", "tap")

GATE_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "entropy-gate": (*_OVER_BLOCKS, "curve", "slope", "detach_gate"),
    "block-scalar": (*_OVER_BLOCKS, "penalty"),
    "block-displacement": (*_OVER_BLOCKS, "penalty"),
    "block-entropy": (*_OVER_BLOCKS, "curve", "slope"),
    "block-two-way": (*_OVER_BLOCKS, "penalty", "target_loss"),
    "layer-exclusive": ("penalty", "bias"),
    "layer-shortcut-only": ("penalty", "bias"),
    "layer-two-way": ("penalty", "bias", "window", "temperature", "spread"),
    "channel-gate": ("hidden_unit", "first_bias", "opening", "inner", "concrete_temperature"),
    "convnet-aig": ("hidden_unit", "first_bias"),
    "skipnet": ("skip_gate", "stage", "opening"),
    "fbs": ("density", "saliency", "inner"),
    "gater": ("gater_depth", "gater_width", "bottleneck", "opening", "gate_dropout"),
}
"""Gated network to the options of :class:`GateConfig` that it uses."""


@dataclass(frozen=True)
class GateConfig:
    """Options of the gates; each gated network uses those of :data:`GATE_OPTIONS`.

    Example:
        >>> from memgate import GateConfig
        >>> GateConfig(blocks="b2,b3", curve="centred").names
        ('b2', 'b3')
    """

    blocks: str = "b3"
    """entropy-gate and block-*: the gated blocks, such as b3 (the papers), b2,b3 or b3,b4."""
    hidden_b3: int = 512
    """Hidden units of B3's gate, 1 to 65536 (papers: 512)."""
    hidden_b2: int = 216
    """Hidden units of B2's gate, 1 to 65536 (papers: 216)."""
    tap: Literal["o1", "o2"] = "o1"
    """Input of a block's gate. o1: output of the block's first unit (the papers); o2: of its last unit (Model 4 in the
    authors' released code)."""
    curve: Curve = "normalised"
    """entropy-gate and block-entropy: entropy H to gate value g. normalised: sigmoid(slope*(H/ln K - 1/2)), the same
    range for every number of classes K; centred: sigmoid(H - ln(K)/2), as in the papers; stretched: the authors' code
    of 2020; identity: H; sigmoid: sigmoid(H)."""
    slope: float = 8.0
    """Slope of the normalised curve, above 0: 8 gives g in [0.018, 0.982]."""
    detach_gate: bool = False
    """entropy-gate: keep the classification loss from training the features through g."""
    hidden_b1: int = 512
    """Hidden units of B1's gate, 1 to 65536 (in no paper)."""
    hidden_b4: int = 512
    """Hidden units of B4's gate, 1 to 65536 (in no paper)."""
    input: Literal["pooled", "flatten"] = "pooled"
    """Features that a block's gate reads. pooled: the mean of the map over positions (papers: Model 4); flatten: the
    whole map (papers: Models 1 to 3; such a gate has more weights than a ResNet-110)."""
    penalty: float = 0.0
    """Weight lambda of the gates' penalty in the loss; 0 for none (papers: 0.00001 to 1000). block-scalar,
    layer-exclusive, layer-shortcut-only: mean of g^2; block-displacement: mean squared distance between o1 and the
    block's output; two-way gates: cross-entropy towards skipping."""
    target_loss: Literal["ce", "bce"] = "ce"
    """block-two-way, loss of the penalty. ce: cross-entropy of the pair towards (1, 0); bce: binary cross-entropy of
    each of the two."""
    window: Literal["tube-1x1", "tube-3x3", "element-1x1"] = "tube-1x1"
    """layer-two-way: kernel of the gate's convolution, and one g for all channels of a position (tube) or one per
    channel (element)."""
    temperature: float = 1.0
    """layer-two-way: the gate is the softmax of its logits divided by this, above 0 (authors' code: 10000, which keeps
    g at 1/2)."""
    bias: float = -6.0
    """layer-*: initial bias of the gate's convolution, in layer-two-way of the branch's logit. Below 0, g starts near
    0 with the shortcut open. (The authors' two-way gates had -6 on both logits, which equals 0 here.)"""
    spread: Literal["fan-in", "fan-out"] = "fan-in"
    """layer-two-way: initial weights of the gate's convolution, normal by fan-in, or by fan-out as in the authors'
    code (with two outputs so large that, without its temperature, g is 0 or 1 at random)."""

    hidden_unit: int = 16
    """channel-gate, convnet-aig: hidden units of the gate in each residual unit, 1 to 65536 (papers: 16)."""
    first_bias: bool = False
    """channel-gate, convnet-aig: give the gate's first linear layer a bias, though BatchNorm follows it (convnet-aig:
    as the authors' code)."""
    opening: float = 0.0
    """channel-gate, skipnet, gater: initial bias of the gate's logits. 0: about half of the channels, units or filters
    start open; 2: most. skipnet: a unit that all samples skip trains its gate only, so 2 trains more of the units from
    the start than 0, the authors' code."""
    inner: Literal["both", "first", "last"] = "both"
    """channel-gate and fbs with bottleneck units: the gated maps between the three convolutions."""
    concrete_temperature: float = 2 / 3
    """channel-gate: temperature of the sigmoid in the backward pass, above 0 (paper: 2/3)."""
    skip_gate: Literal["ff-1", "ff-2", "recurrent"] = "ff-1"
    """skipnet: layers of a gate. ff-1: max pooling and two convolutions (authors: ResNet-38 and -74); ff-2: one
    convolution (authors: ResNet-110); recurrent: one LSTM for all units."""
    stage: Literal["supervised", "reinforce"] = "supervised"
    """skipnet: how the gates are trained. supervised: by the gradient of their probabilities; reinforce: their choices
    are drawn and rewarded (REINFORCE), which is meant to start from a supervised run (--init-gates loaded)."""
    density: float = 0.5
    """fbs: share of the channels of each gated map that are kept, in (0, 1]."""
    saliency: Literal["mean-1", "plain"] = "mean-1"
    """fbs: weights of the channels. mean-1: the saliencies divided by their mean over the map; plain: as they are
    (paper), by which the values of a deep network may become infinite."""

    gater_depth: int = 20
    """gater: layers of the ResNet of basic units that chooses the filters, 6n+2, 2000 at most (paper: 20)."""
    gater_width: float = 1.0
    """gater: factor of that ResNet's channels, above 0, to 64."""
    bottleneck: int = 8
    """gater: features of an image from which all filters are chosen, 1 to 65536 (paper: 8 on CIFAR)."""
    gate_dropout: float = 0.0
    """gater: share of the gates, in [0, 1), that training closes by chance at its end; it rises linearly from 0
    (paper: 0.05 for DenseNet and Shake-Shake)."""

    def __post_init__(self) -> None:
        check_types(self, "model.gate.")
        known = BLOCKS["imagenet"]
        given = self.blocks.split(",")
        require(
            given == [name for name in known if name in given],
            f"--model.gate.blocks {self.blocks!r} must name some of {', '.join(known)} in this order, each once, "
            "separated by commas, such as b2,b3.",
        )
        for name in known:
            in_range(f"--model.gate.hidden-{name}", self.hidden(name), 1, 65_536, " units")
        in_range("--model.gate.hidden-unit", self.hidden_unit, 1, 65_536, " units")
        in_range("--model.gate.bottleneck", self.bottleneck, 1, 65_536, " features")
        require(
            8 <= self.gater_depth <= 2000 and self.gater_depth % 6 == 2,
            f"--model.gate.gater-depth {self.gater_depth} is not a depth of a basic ResNet: it must be 6n+2, such as "
            "8, 14, 20.",
        )
        require(
            0 <= self.gate_dropout < 1,
            f"--model.gate.gate-dropout {self.gate_dropout} is out of range: a share of the gates in [0, 1), such as "
            "0.05.",
        )
        require(
            0 < self.gater_width <= 64,
            f"--model.gate.gater-width {self.gater_width} is out of range: above 0, to 64.",
        )
        positive = ("slope", "temperature", "concrete_temperature")
        for flag, value in ((name.replace("_", "-"), getattr(self, name)) for name in positive):
            require(0 < value <= 1e9, f"--model.gate.{flag} {value} must be a number above 0, to 1e9.")
        require(
            0 <= self.penalty < math.inf,
            f"--model.gate.penalty {self.penalty} must be a number from 0 (no penalty), such as 0.01.",
        )
        require(
            0 < self.density <= 1,
            f"--model.gate.density {self.density} is out of range: a share of the channels in (0, 1], such as 0.5.",
        )
        for flag, value in (("bias", self.bias), ("opening", self.opening)):
            require(math.isfinite(value), f"--model.gate.{flag} {value} must be a number, such as -6.")

    def gated_maps(self, maps: int) -> range:
        """Numbers of the gated maps between the convolutions of a unit that has so many, counted from 1."""
        numbers = range(1, maps + 1)
        return {"both": numbers, "first": numbers[:1], "last": numbers[-1:]}[self.inner]

    @property
    def names(self) -> tuple[str, ...]:
        """The gated blocks in the order of the forward pass."""
        return tuple(self.blocks.split(","))

    def hidden(self, block: str) -> int:
        """Hidden units of a block's gate."""
        return getattr(self, f"hidden_{block}")

    def changed(self) -> dict[str, Any]:
        """Name to value of the options that differ from their default."""
        values = {option.name: (getattr(self, option.name), option.default) for option in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}
