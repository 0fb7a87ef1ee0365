"""Models of random subsets that memorise by construction, with a cut that takes what it is told to."""

from collections.abc import Iterator

import numpy as np

from memgate.data.subset_masks import members
from probes.memorisation.verdict import Block, logged, sides_of

MODELS, SAMPLES, CLASSES = 24, 300, 10

GROUPS = {
    "all": np.ones(SAMPLES, bool),
    "clean": np.arange(SAMPLES) >= 60,
    "corrupted": np.arange(SAMPLES) < 60,
}
"""The first 60 samples are corrupted: right by chance without training on them."""


def planted_blocks(
    seed: int, memory_gone: float = 0.0, damage: float = 0.0, memorised: float = 0.9
) -> Iterator[Block]:
    """Blocks of models at one epoch, along the routes ``learned`` and ``skip``.

    Args:
        seed: of the draws.
        memory_gone: probability that the cut takes what a model knows of a sample only because it was trained on it.
        damage: probability that the cut turns a prediction into a random one, whatever it comes from.
        memorised: probability that a model that was trained on a sample has memorised it.
    """
    rng = np.random.default_rng(seed)
    mask = members(np.arange(SAMPLES), MODELS, 0.5, 0)
    general = rng.random(mask.shape) < np.where(GROUPS["corrupted"], 0.1, 0.8)
    memory = mask & (rng.random(mask.shape) < memorised)
    learned = general | memory
    skip = general | (memory & (rng.random(mask.shape) >= memory_gone))
    guess = rng.random(mask.shape) < 1 / CLASSES
    skip = np.where(rng.random(mask.shape) < damage, guess, skip)
    for first in range(0, MODELS, 2):
        rows = slice(first, first + 2)
        values = {"learned": learned[rows], "skip": skip[rows], logged(1): learned[rows]}
        yield mask[rows], {("right", route): of.astype(np.float32) for route, of in values.items()}


def planted_sides(*args, **settings):
    """The sides of :func:`planted_blocks`."""
    return sides_of(planted_blocks(*args, **settings), 1, GROUPS)
