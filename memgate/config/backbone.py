"""Sizes of the backbones: units per block, channels, and which options each has. Imports no torch."""

from collections.abc import Mapping
from typing import Literal

from memgate.config.gate import BLOCKS
from memgate.errors import require

BackboneName = Literal["resnet", "densenet", "shake-shake"]

BACKBONE_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "resnet": (
        "block", "shortcut", "layout", "activation", "squeeze_excitation", "reduction", "width", "first_block",
        "initialisation",
    ),
    "densenet": ("growth", "initialisation"),
    "shake-shake": ("width", "initialisation"),
}  # fmt: skip
"""Network without gates to the options of :class:`ModelConfig` that it uses beside its depth."""

EXPANSION = {"basic": 1, "bottleneck": 4}
"""Kind of residual unit to its expansion: channels of its output over those of its 3x3 convolutions."""

IMAGENET_UNITS = {
    "basic": {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)},
    "bottleneck": {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)},
}
"""Kind of residual unit to depth to units per block (He et al. 2016, table 1)."""

STEM = {"cifar": 16, "imagenet": 64}
"""Layout to the channels of a ResNet's stem and of B1; each further block has twice as many."""

SHAKE_CHANNELS = 64
"""Channels of a Shake-Shake network's B1 at width 1 (26 2x64d); each further block has twice as many."""

LAYERS_PER_N = {"basic": 6, "bottleneck": 9}
"""Kind of residual unit to the layers that one more unit in each of the three CIFAR blocks adds."""

MOST_WEIGHTS = 2_000_000_000
"""Of the last block's convolutions, so that a slip of the keyboard does not fill the memory."""


def units_of_blocks(family: str, depth: int, block: str, layout: str) -> dict[str, int]:
    """Block to its number of residual units (or dense layers), in the order of the forward pass.

    Args:
        family: a key of :data:`BACKBONE_OPTIONS`.
        depth: layers of the network.
        block: kind of residual unit, a key of :data:`EXPANSION`.
        layout: a key of :data:`STEM`.

    Raises:
        MemgateError: there is no such depth.
    """
    blocks = BLOCKS[layout]
    if layout == "imagenet":
        known = IMAGENET_UNITS[block]
        require(
            depth in known,
            f"--model.depth {depth} is not a depth of a {block} ResNet of --model.layout imagenet: "
            f"there are {', '.join(map(str, known))}.",
        )
        return dict(zip(blocks, known[depth], strict=True))
    # Layers outside the units: stem and head, of a DenseNet the two transitions too.
    outside = 4 if family == "densenet" else 2
    kind = f"{block} ResNet" if family == "resnet" else family
    usual = {"resnet": (2, 3, 18), "densenet": (6, 16, 41), "shake-shake": (2, 4, 6)}[family]
    per_n = LAYERS_PER_N[block]
    n, rest = divmod(depth - outside, per_n)
    require(
        n >= 1 and rest == 0,
        f"--model.depth {depth} is not a depth of a {kind}: it must be {per_n}n+{outside}, "
        f"such as {', '.join(str(per_n * units + outside) for units in usual)}.",
    )
    return dict.fromkeys(blocks, n)


def last_block_weights(family: str, units: int, channels: int) -> float:
    """Weights of the last block's 3x3 convolutions, half of the network's or more.

    Args:
        family: a key of :data:`BACKBONE_OPTIONS`.
        units: of that block.
        channels: of its 3x3 convolutions.
    """
    if family == "densenet":
        return 36 * channels**2 * units + 2 * channels**2 * units**2
    convolutions = 2 if family == "resnet" else 4
    return 9 * convolutions * channels**2 * units


def unit_names(units: Mapping[str, int]) -> tuple[str, ...]:
    """Names of all residual units in the order of the forward pass: ``b1u01``, ``b1u02``, padded so that they sort.

    Args:
        units: block to its number of units.
    """
    digits = max(2, len(str(max(units.values()))))
    return tuple(
        f"{block}u{number:0{digits}d}" for block, count in units.items() for number in range(1, count + 1)
    )
