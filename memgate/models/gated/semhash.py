"""Improved SemHash: binary gates that are trained through a saturating sigmoid (Kaiser and Bengio 2018).

In training, normal noise is added to the logits. Half of the samples, each drawn by itself, use the saturating sigmoid
max(0, min(1, 1.2 sigmoid(x) - 0.1)) of all their gates, the others 1 where x is above 0 and 0 elsewhere; both have the
gradient of the saturating sigmoid, which is exactly 0 beyond x = -ln 11 and ln 11. In evaluation there is no noise,
and every gate is 0 or 1 (GaterNet paper, section 3.2.2).
"""

import torch
from torch import Tensor

from memgate.models.draws import normal, uniform

SLOPE, SHIFT = 1.2, -0.1
"""Of the saturating sigmoid SLOPE * sigmoid(x) + SHIFT before it is limited to [0, 1]."""

STREAMS = 2
"""Streams of random numbers that :func:`hashed` draws from: noise, and the samples with binary gates; that of
:func:`dropped` follows."""


def saturating_sigmoid(x: Tensor) -> Tensor:
    """max(0, min(1, 1.2 sigmoid(x) - 0.1)), in the shape of x: 0 up to -ln 11 = -2.398, 1 from ln 11 on."""
    return (SLOPE * torch.sigmoid(x) + SHIFT).clamp(0, 1)


def hashed(logits: Tensor, keys: Tensor | None, stream: int) -> Tensor:
    """Weights [b, c] of gates in training: in (0, 1] or 0 for about half of the samples, 0 or 1 for the others.

    Args:
        logits: [b, c].
        keys: of the samples [b], from which noise and choice are drawn (:mod:`memgate.models.draws`); None draws from
            PyTorch's global generator.
        stream: number of the first of two streams.
    """
    if keys is None:
        noise, choice = torch.randn_like(logits), torch.rand_like(logits[:, :1])
    else:
        noise = normal(keys, stream, logits.shape[1]).to(logits.dtype)
        choice = uniform(keys, stream + 1, 1)
    return of_noisy(logits + noise, choice < 0.5)


def of_noisy(x: Tensor, binary: Tensor) -> Tensor:
    """Weights [b, c] of gates from logits with their noise.

    Args:
        x: [b, c].
        binary: whether all gates of a sample are 0 or 1 [b, 1].
    """
    soft = saturating_sigmoid(x)
    hard = (x > 0).to(x.dtype)
    return torch.where(binary, hard + (soft - soft.detach()), soft)


def dropped(weights: Tensor, keys: Tensor | None, stream: int, rate: float) -> Tensor:
    """Weights [b, c] of gates of which a share is 0 by chance and the others are divided by 1 - rate (dropout).

    Args:
        weights: [b, c].
        keys: of the samples [b]; None draws from PyTorch's global generator.
        stream: number of the stream.
        rate: the share, in [0, 1).
    """
    drawn = torch.rand_like(weights) if keys is None else uniform(keys, stream, weights.shape[1])
    return torch.where(drawn < rate, 0.0, weights / (1 - rate))
