"""Configuration of the network: its backbone and its gates. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from memgate.config.backbone import (
    BACKBONE_OPTIONS,
    EXPANSION,
    LAYERS_PER_N,
    MOST_WEIGHTS,
    SHAKE_CHANNELS,
    STEM,
    BackboneName,
    last_block_weights,
    unit_names,
    units_of_blocks,
)
from memgate.config.checks import check_types, in_range
from memgate.config.gate import GATE_OPTIONS, GateConfig
from memgate.errors import require

ModelName = Literal[
    "resnet",
    "densenet",
    "shake-shake",
    "entropy-gate",
    "block-scalar",
    "block-displacement",
    "block-entropy",
    "block-two-way",
    "layer-exclusive",
    "layer-shortcut-only",
    "layer-two-way",
    "channel-gate",
    "convnet-aig",
    "skipnet",
    "fbs",
    "gater",
]

GATES_OF_CHANNELS = ("channel-gate", "fbs")
"""Networks whose gates open or close the inner channels of a residual unit."""

GATES_OF_UNITS = ("convnet-aig", "skipnet")
"""Networks whose gates take or skip a whole residual unit."""

GATES_OF_FILTERS = ("gater",)
"""Networks whose gates open or close the filters of each unit's last convolution, all chosen by one network."""


@dataclass(frozen=True)
class ModelConfig:
    """Backbone and gates of the network.

    Example:
        >>> from memgate import GateConfig, ModelConfig
        >>> ModelConfig("entropy-gate", depth=56, gate=GateConfig(blocks="b2,b3")).gate_names
        ('b2', 'b3')
        >>> ModelConfig("layer-exclusive", depth=14).gate_names[:2]
        ('b1u01', 'b1u02')
    """

    name: ModelName = "entropy-gate"
    """No gate: resnet, densenet (DenseNet-BC), shake-shake (Shake-Shake-Image). Gates over whole blocks: entropy-gate
    (Model 4: entropy of the gate's own classifier), block-scalar (Model 1), block-displacement (Model 1.2),
    block-entropy (Model 2: entropy of the gate's softmax), block-two-way (Model 3: skip or pass). Gates in every
    residual unit: layer-exclusive, layer-shortcut-only, layer-two-way. Gates that open or close the channels inside
    every unit: channel-gate (batch-shaping paper), fbs (the most salient ones). Gates that take or skip whole units:
    convnet-aig, skipnet. A second network that opens or closes the filters of a backbone: gater (GaterNet)."""
    depth: int = 20
    """Layers, 2000 at most. ResNets of layout cifar: 6n+2 for basic units (14, 20, 32, 56, 110), 9n+2 for bottleneck
    units (29, 164); of layout imagenet: 18 or 34 for basic, 50, 101 or 152 for bottleneck units. densenet: 6n+4 (40,
    100, 190, 250). shake-shake: 6n+2 (26)."""
    block: Literal["basic", "bottleneck"] = "basic"
    """Residual unit. basic: two 3x3 convolutions; bottleneck: 1x1-3x3-1x1 with expansion 4."""
    shortcut: Literal["projection", "pad"] = "projection"
    """Shortcut where the width changes. projection: 1x1 convolution and BatchNorm (option B); pad: zero padding
    (option A)."""
    gate: GateConfig = field(default_factory=GateConfig)
    """The gates."""
    layout: Literal["cifar", "imagenet"] = "cifar"
    """cifar: three blocks of n units, 16, 32 and 64 channels; imagenet: four blocks, 64 to 512 channels, after a 3x3
    stem without pooling, for small images."""
    activation: Literal["post", "pre"] = "post"
    """post: ReLU after the addition (ResNet); pre: BatchNorm and ReLU before each convolution (Pre-ResNet)."""
    squeeze_excitation: bool = False
    """Weight the channels of each residual branch by squeeze-and-excitation."""
    reduction: int = 16
    """With --model.squeeze-excitation: channels of a unit per hidden unit, 1 to 256 (Hu et al.: 16)."""
    width: float = 1.0
    """Factor of the channels of a ResNet's stem and of every block, above 0, to 64; of shake-shake, of every block (1:
    2x64d, 1.5: 2x96d)."""
    growth: int = 12
    """densenet: maps k that each layer adds, 1 to 256 (papers: 12 at depth 100, 24 at 250, 40 at 190)."""
    first_block: Literal["usual", "narrow"] = "usual"
    """narrow: B1 of a bottleneck ResNet of layout cifar has a quarter of its channels, 4 inside its units and 16
    between them (ResNet-164 of the GaterNet paper)."""
    initialisation: Literal["he", "torch"] = "he"
    """Initial weights of the convolutions: he: normal by fan-out; torch: PyTorch's default (the papers' ResNet-34)."""
    backbone: BackboneName = "resnet"
    """gater: the network whose filters are gated."""

    def __post_init__(self) -> None:
        check_types(self, "model.")
        require(0 < self.width <= 64, f"--model.width {self.width} is out of range: above 0, to 64.")
        in_range("--model.depth", self.depth, 1, 2000)
        in_range("--model.growth", self.growth, 1, 256, " maps")
        in_range("--model.reduction", self.reduction, 1, 256, " channels")
        self._check_backbone()
        units = self.units  # raises for a depth that does not exist
        size = "growth" if self.family == "densenet" else "width"
        require(
            last_block_weights(self.family, list(units.values())[-1], list(self.widths.values())[-1])
            <= MOST_WEIGHTS,
            f"--model.{size} {getattr(self, size)} and --model.depth {self.depth} make a network of more than "
            f"{MOST_WEIGHTS:,} weights: take smaller ones.",
        )
        require(
            self.name not in GATES_OF_FILTERS or bool(self.gate_names),
            f"--model.depth {self.depth} has one layer in each block, of which the first is not gated, so there is "
            "nothing to gate: take depth 16 or more.",
        )
        if self.gate_names:
            self._check_gate(units)

    def _check_backbone(self) -> None:
        """Refuse options that the backbone does not have."""
        require(
            self.backbone == "resnet" or self.name in GATES_OF_FILTERS,
            f"--model.backbone {self.backbone} does nothing for {self.name}: leave it at resnet, or take --model.name "
            + (f"{self.backbone}." if self.name in BACKBONE_OPTIONS else "gater."),
        )
        used = BACKBONE_OPTIONS[self.family]
        for option in dict.fromkeys(name for names in BACKBONE_OPTIONS.values() for name in names):
            value, default = getattr(self, option), type(self).__dataclass_fields__[option].default
            require(
                option in used or value == default,
                f"--model.{option.replace('_', '-')} {value} does nothing for {self._kind}: leave it at {default}.",
            )
        require(
            self.reduction == 16 or self.squeeze_excitation,
            f"--model.reduction {self.reduction} does nothing without --model.squeeze-excitation: add it, or leave "
            "it at 16.",
        )
        require(
            self.first_block == "usual" or (self.block, self.layout) == ("bottleneck", "cifar"),
            f"--model.first-block {self.first_block} is of bottleneck units in the layout cifar: add --model.block "
            "bottleneck, or leave it at usual.",
        )

    def _check_gate(self, units: Mapping[str, int]) -> None:
        for option, value in self.gate.changed().items():
            default = getattr(GateConfig(), option)
            require(
                self.uses(option),
                f"--model.gate.{option.replace('_', '-')} {value} does nothing for {self.name}: leave it at "
                f"{default}.",
            )
            block = option.removeprefix("hidden_")
            require(
                block == option or block == "unit" or block in self.gate.names,
                f"--model.gate.hidden-{block} {value} does nothing without a gate over {block.upper()}: leave it at "
                f"{default}, or add {block} to --model.gate.blocks.",
            )
        require(
            self.gate.inner == "both" or self.block == "bottleneck",
            f"--model.gate.inner {self.gate.inner} does nothing for basic units, which have one inner map: leave it "
            "at both, or take --model.block bottleneck.",
        )
        if not self.block_gated:
            return
        missing = [name for name in self.gate.names if name not in units]
        require(
            not missing,
            f"--model.gate.blocks {self.gate.blocks}: a ResNet of --model.layout {self.layout} has no block "
            f"{', '.join(missing)}, only {', '.join(units)}.",
        )
        require(
            all(units[name] >= 2 for name in self.gate.names),
            f"--model.depth {self.depth} has one unit in each block, so o1 = o2 and there is nothing to gate: "
            f"take depth {LAYERS_PER_N[self.block] * 2 + 2} or more, or --model.name resnet.",
        )

    @property
    def family(self) -> str:
        """The network without gates that it is or that its gates are in: a key of :data:`BACKBONE_OPTIONS`."""
        return self.name if self.name in BACKBONE_OPTIONS else self.backbone

    @property
    def _kind(self) -> str:
        """Name of the network in messages, with the backbone of a gater that has another than a ResNet."""
        return self.name if self.backbone == "resnet" else f"{self.name} on {self.backbone}"

    @property
    def units(self) -> dict[str, int]:
        """Block to its number of residual units (or dense layers), in the order of the forward pass."""
        return units_of_blocks(self.family, self.depth, self.block, self.layout)

    @property
    def block_gated(self) -> bool:
        """Whether whole blocks are gated."""
        return self.uses("blocks")

    @property
    def hard_gates(self) -> bool:
        """Whether its units have gates that are open or closed, so that closed parts need no computation."""
        return self.name in (*GATES_OF_CHANNELS, *GATES_OF_UNITS, *GATES_OF_FILTERS)

    @property
    def widths(self) -> dict[str, int]:
        """Block to the channels of its 3x3 convolutions: those of the layout times ``width``, doubled per block.

        The layers of a DenseNet have the same number in every block instead.
        """
        if self.family == "densenet":
            return dict.fromkeys(self.units, self.growth)
        first = SHAKE_CHANNELS if self.family == "shake-shake" else STEM[self.layout]
        widths = {block: self._scaled(first * 2**number) for number, block in enumerate(self.units)}
        return {**widths, "b1": self._scaled(first / 4)} if self.first_block == "narrow" else widths

    @property
    def stem_width(self) -> int:
        """Channels of a ResNet's stem: as many as its B1's 3x3 convolutions have where that is not narrow."""
        return self._scaled(STEM[self.layout])

    def _scaled(self, channels: float) -> int:
        """A number of channels times ``width``, at least 1."""
        return max(round(self.width * channels), 1)

    @property
    def inner_maps(self) -> int:
        """Maps between the convolutions of a residual unit."""
        return 1 if self.block == "basic" else 2

    @property
    def gate_channels(self) -> dict[str, int]:
        """Gate to the number C of things it opens or closes: channels, or the unit itself; empty for gates that mix.

        In a bottleneck unit the channels of both inner maps, where both are gated, follow one another; in a
        Shake-Shake unit, the filters of both branches.
        """
        if self.name in GATES_OF_UNITS:
            return dict.fromkeys(self.gate_names, 1)
        if self.name in GATES_OF_FILTERS:
            return {name: self._filters(name.partition("u")[0]) for name in self.gate_names}
        if self.name not in GATES_OF_CHANNELS:
            return {}
        maps = len(self.gate.gated_maps(self.inner_maps))
        return {name: maps * self.widths[name.partition("u")[0]] for name in unit_names(self.units)}

    @property
    def gate_names(self) -> tuple[str, ...]:
        """Names of the gates in the order of the forward pass; empty for an ungated network.

        A gate over a block has the block's name, one in a unit is called ``b1u01`` (B1's first unit).
        """
        if self.block_gated:
            return self.gate.names
        if self.name in BACKBONE_OPTIONS:
            return ()
        names = unit_names(self.units)
        if (
            self.name in GATES_OF_FILTERS and self.family == "densenet"
        ):  # all but the first layer of each block
            return tuple(name for name in names if int(name.partition("u")[2]) > 1)
        # SkipNet's gates read the output of the unit before, so its first unit has none.
        return names[1 if self.name == "skipnet" else 0 :]

    def _filters(self, block: str) -> int:
        """Filters of the last convolution of a unit of a block, of both branches in Shake-Shake."""
        factor = {"resnet": EXPANSION[self.block], "densenet": 1, "shake-shake": 2}[self.family]
        return factor * self.widths[block]

    @property
    def penalty_names(self) -> tuple[str, ...]:
        """Names of the penalties that the network adds to its loss; empty for none."""
        if not self.uses("penalty") or not self.gate.penalty:
            return ()
        named = {"block-displacement": "displacement", "block-two-way": self.gate.target_loss}
        return (named.get(self.name, "ce" if self.name == "layer-two-way" else "l2"),)

    def uses(self, option: str) -> bool:
        """Whether this network uses an option of :class:`GateConfig`."""
        return option in GATE_OPTIONS.get(self.name, ())

    def has_o1(self, block: str) -> bool:
        """Whether the output of a block's first unit can stand for the block's: not of one that has a single unit.

        Nor in a DenseNet, whose head reads the maps of all of the block's layers.
        """
        return self.family != "densenet" and self.units[block] > 1

    @property
    def has_gate_classifier(self) -> bool:
        """Whether the gates have classifiers of their own, trained by their own loss and optimiser."""
        return self.name == "entropy-gate"

    @property
    def gates_are_supervised(self) -> bool:
        """Whether the gates are in a first stage that has no loss of their own (SkipNet's)."""
        return self.uses("stage") and self.gate.stage == "supervised"

    @property
    def gate_is_entropy(self) -> bool:
        """Whether the gate value is the entropy H, in [0, ln K] instead of [0, 1]."""
        return self.uses("curve") and self.gate.curve == "identity"

    @property
    def gate_is_two_way(self) -> bool:
        """Whether the gate chooses between two, so that its entropy H is in [0, ln 2] instead of [0, ln K]."""
        return self.hard_gates or self.name.endswith("two-way")

    @property
    def variant(self) -> tuple[str, ...]:
        """Words for a run's name that say how the backbone differs from the CIFAR ResNet of its depth and unit."""
        return (
            *([self.backbone] if self.backbone != "resnet" else []),
            *(["pad"] if self.shortcut == "pad" else []),
            *(["imagenet"] if self.layout == "imagenet" else []),
            *(["pre"] if self.activation == "pre" else []),
            *(["narrow"] if self.first_block == "narrow" else []),
            *(["se"] if self.squeeze_excitation else []),
            *([f"r{self.reduction}"] if self.reduction != 16 else []),
            *([f"w{self.width:g}"] if self.width != 1 else []),
            *([f"k{self.growth}"] if self.family == "densenet" else []),
            *(["torch"] if self.initialisation == "torch" else []),
        )


ROUTED_ABOVE = 0.5
"""A sample with g above this counts as routed through the block."""
