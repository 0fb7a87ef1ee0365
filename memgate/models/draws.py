"""Random numbers that depend on a key and a position only, computed on the device of the keys.

Gates that draw in training need numbers of which each depends on (seed, epoch, sample) alone: then a resumed run, or
one whose batch is divided among devices, draws the same ones. A counter-based generator needs no state: the numbers
are SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators") of key and counter.
"""

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64: the odd number nearest to 2^64 / golden ratio
_FIRST, _SECOND = -4658895280553007687, -7723592293110705685  # 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

BITS = 23
"""Random bits of a number, so that float32 also holds the half that is added to keep it from 0."""


def keys_of(seed: int, index: Tensor) -> Tensor:
    """A key for each sample, int64 of the shape of ``index``.

    Args:
        seed: of the epoch's stream, in [0, 2^63).
        index: rows of the samples, int64.
    """
    return _mixed(index * _GOLDEN + seed)


def uniform(keys: Tensor, stream: int, count: int) -> Tensor:
    """Numbers in (0, 1), float32 [b, count], which are never 0 or 1.

    Args:
        keys: int64 [b].
        stream: number of an independent stream, from 0.
        count: of numbers per key.
    """
    counters = torch.arange(count, device=keys.device) + (stream << 32) + 1
    bits = _shifted(_mixed(keys[:, None] + counters * _GOLDEN), 64 - BITS)
    return (bits.float() + 0.5) * 2.0**-BITS


def normal(keys: Tensor, stream: int, count: int) -> Tensor:
    """Numbers of the standard normal distribution, float32 [b, count], within 5.4 of 0; see :func:`uniform`."""
    return torch.special.ndtri(uniform(keys, stream, count))


def _mixed(values: Tensor) -> Tensor:
    """SplitMix64's finaliser of int64 values, whose products wrap around."""
    values = (values ^ _shifted(values, 30)) * _FIRST
    values = (values ^ _shifted(values, 27)) * _SECOND
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Int64 values shifted to the right as if they had no sign."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)
