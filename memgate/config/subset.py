"""Configuration of a subset run: one of many models, each trained on its own random subset. Imports no torch."""

from dataclasses import dataclass
from fractions import Fraction

from memgate.config.checks import LARGEST_SEED, check_types, in_range
from memgate.errors import require

LARGEST_BLOCK = 20
"""Most models of a block."""

MOST_MODELS = 10_000
"""Most models of a group."""


def block_of(fraction: float) -> tuple[int, int]:
    """Models that contain a sample and all models of a block, (a, B): the fraction a/B in lowest terms.

    Args:
        fraction: share of the models that contain a sample, in (0, 1).

    Raises:
        MemgateError: it is no a/B with B up to 20.

    Example:
        >>> block_of(0.5), block_of(0.7)
        ((1, 2), (7, 10))
    """
    require(
        0 < fraction < 1,
        f"The fraction {fraction} of a subset is out of range: above 0 and below 1, such as 0.5.",
    )
    near = Fraction(fraction).limit_denominator(LARGEST_BLOCK)
    require(
        abs(float(near) - fraction) < 1e-9,
        f"The fraction {fraction} of a subset is no a/B with B up to {LARGEST_BLOCK}, and each sample is in exactly a "
        "of B models: take a multiple of 0.05, or 1/3, 0.125 and the like to the last digit.",
    )
    return near.numerator, near.denominator


@dataclass(frozen=True)
class SubsetConfig:
    """Which random subset of the training split a run is trained on; by default all of it.

    Example:
        >>> from memgate import SubsetConfig
        >>> SubsetConfig(model=3).fraction  # the fourth model of a group, trained on half of the samples
        0.5
    """

    model: int | None = None
    """Number of the model in its group, from 0: the run is trained on this model's subset, and logs all samples.
    None: an ordinary run, trained on all samples. 'memgate subsets' trains a whole group."""
    fraction: float = 0.5
    """Share of the models that contain a sample, as a/B with B up to 20: each sample is in exactly a of the models 0
    to B-1, of B to 2B-1, and so on."""
    seed: int = 0
    """Seed of the subsets, which are those of (seed, fraction, model, sample id), independent of --seed."""

    @property
    def words(self) -> tuple[str, ...]:
        """Words for a run's name; empty for an ordinary run."""
        if self.model is None:
            return ()
        return (f"subset{self.model}", f"f{self.fraction:g}", *([f"ss{self.seed}"] if self.seed else []))

    def __post_init__(self) -> None:
        check_types(self, "subset.")
        in_range("--subset.model", self.model, 0, MOST_MODELS - 1)
        block_of(self.fraction)
        in_range("--subset.seed", self.seed, 0, LARGEST_SEED)
