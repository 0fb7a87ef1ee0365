"""Options of the gates probe, names of its forced routes, and which networks it takes. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from memgate.config.model import ROUTED_ABOVE
from memgate.config.run import ModelConfig
from memgate.errors import require

PROBE = "gates"
"""Name of the probe and of its file."""

VARIANT = "patterns"
"""Variant under which results are stored."""

LEARNED, ALL_OPEN, SAME_CLASS, OTHER_CLASS, RARE_CLOSED = (
    "learned", "all open", "same class", "other class", "rare closed",
)  # fmt: skip
"""Routes of a sample: its own pattern; every channel open; the pattern of another sample with the same given label, or
with another one; its own pattern with the rare filters closed."""

FORCED = (ALL_OPEN, SAME_CLASS, OTHER_CLASS, RARE_CLOSED)


FEWEST = 50
"""Smallest number of samples that the analyses can be limited to."""


@dataclass(frozen=True)
class GatesConfig:
    """When a filter counts as always on, always off or rare, and which routes are forced."""

    always: float = 0.99
    """A filter is always on (off) where it is on (off) for more than this share of the samples, in [0.5, 1)."""
    rare: float = 0.05
    """A filter is rare where it is on for some samples, but at most this share of them, in (0, 0.5]."""
    threshold: float = ROUTED_ABOVE
    """layer-* only: a unit counts as open for a sample where its mean gate value g is above this, in [0, 1)."""
    routes: bool = True
    """Also run each sample along forced routes: all channels open, another sample's pattern, rare filters closed."""
    seed: int = 0
    """Of the draw of the other sample, and of the samples and folds of the analyses, 0 or above."""
    analyses: bool = True
    """Also what linear probes read in the patterns (class, given label, corruption, hardness), and nearest neighbours,
    by patterns and by features."""
    analysed: int = 10_000
    """Samples of a split in these analyses, at most, chosen by hash with --seed, 50 or above. Fewer where more than
    4,000 filters differ between samples."""
    neighbours: int = 10
    """Nearest neighbours of a sample, from 1 to 49."""

    def __post_init__(self) -> None:
        require(
            0.5 <= self.always < 1, f"--always {self.always} must be a share from 0.5, below 1, such as 0.99."
        )
        require(0 < self.rare <= 0.5, f"--rare {self.rare} must be a share above 0, to 0.5, such as 0.05.")
        require(0 <= self.threshold < 1, f"--threshold {self.threshold} must be in [0, 1), such as 0.5.")
        require(self.seed >= 0, f"--seed {self.seed} must be 0 or above.")
        require(
            self.analysed >= FEWEST,
            f"--analysed {self.analysed} is too few samples: give {FEWEST} or more, or leave the analyses out by "
            "--no-analyses.",
        )
        require(
            0 < self.neighbours < FEWEST,
            f"--neighbours {self.neighbours} must be a number of samples from 1 to {FEWEST - 1}, such as 10.",
        )


def part_name(sizes: Mapping[str, int]) -> Literal["filter", "unit"]:
    """What gates open or close, by their numbers of filters (:func:`gate_sizes`): a unit where each has one."""
    return "unit" if all(size == 1 for size in sizes.values()) else "filter"


def gate_sizes(name: str, model: ModelConfig) -> Mapping[str, int]:
    """Gate to the number C of filters that it opens or closes, in the order of the forward pass.

    A gate of a whole unit has C = 1.

    Args:
        name: of the run, for the message.
        model: its configuration.

    Raises:
        MemgateError: the network has no gates, or gates over whole blocks.
    """
    require(
        bool(model.gate_names),
        f"{name} is an ungated network (resnet): it has no gates to probe. Train one with --model.name channel-gate.",
    )
    require(
        not model.block_gated,
        f"{name} has gates that mix two paths over whole blocks ({model.name}), none that opens or closes: "
        "'memgate probe routing' is for these.",
    )
    return model.gate_channels or dict.fromkeys(model.gate_names, 1)


def check_threshold(config: GatesConfig, name: str, model: ModelConfig) -> None:
    """Refuse a threshold for gates that decide themselves.

    Args:
        config: of the probe.
        name: of the run, for the message.
        model: its configuration.

    Raises:
        MemgateError: see above.
    """
    require(
        config.threshold == ROUTED_ABOVE or not model.hard_gates,
        f"--threshold {config.threshold} does nothing for {name}: its gates ({model.name}) are open or closed by "
        "themselves. Leave it out.",
    )
