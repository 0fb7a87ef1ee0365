"""Settings of the estimates of memorisation. Imports neither scipy nor pandas: the command line reads it."""

from dataclasses import dataclass
from typing import Literal

from memgate.config.checks import check_types, in_range
from memgate.errors import require

PROBE = "memorisation"
"""Name of the probe."""

THRESHOLD = 0.15
"""Least influence of a published pair."""

MEMORISED = 0.25
"""Least memorisation score of a sample whose influence was published."""

MOST = 100_000
"""Most pairs that are kept."""

LARGEST_PAIRS = 10_000_000
"""Largest number of pairs that are kept in memory and stored."""


@dataclass(frozen=True)
class MemorisationConfig:
    """What is estimated, beside the memorisation score of every sample at every logged epoch."""

    attacks: Literal["last", "all"] = "last"
    """Epochs at which LiRA and RMIA are carried out: the last that all models have, or all of them."""
    influence: float = THRESHOLD
    """Least influence of a pair of samples that is stored, at the last epoch."""
    memorised: float = MEMORISED
    """Least memorisation score of a sample whose influence is looked for; -1 for all samples."""
    pairs: int = MOST
    """Most pairs that are stored of influence on test samples, and among training samples; 0: none is looked for."""

    def __post_init__(self) -> None:
        check_types(self)
        require(self.influence > 0, f"--influence {self.influence:g} is no threshold: above 0 and up to 1.")
        in_range("--influence", self.influence, 0, 1)
        in_range("--memorised", self.memorised, -1, 1)
        in_range("--pairs", self.pairs, 0, LARGEST_PAIRS)
