"""Entropy in nats, the curves that map it to a gate value, and the precision of both. Pure functions."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def at_least_float32(values: Tensor) -> Tensor:
    """The values in float32 where they have 16 bits, and in their own precision otherwise.

    What is logged must not be rounded to 16 bits; a network in float64 (``network.double()``, for audits) stays in it.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def entropy(logits: Tensor) -> Tensor:
    """Entropy H [b] of the softmax in nats, in [0, ln K].

    It is exact near 0 because no logarithm of a probability is taken.

    Args:
        logits: [b, K].
    """
    return entropy_of(torch.log_softmax(at_least_float32(logits), dim=1))


def entropy_of(log_p: Tensor) -> Tensor:
    """Entropy [b] in nats of distributions with log-probabilities [b, K]."""
    return -(log_p.exp() * log_p).sum(dim=1)


def masked_entropy(logits: Tensor) -> Tensor:
    """Entropy [b] in nats as :func:`entropy`, in which a class with the logit -inf has no part: 0 ln 0 is 0.

    It is NaN where the logits have no softmax. For recorded values: training needs no such care.

    Args:
        logits: [b, K].
    """
    log_p = torch.log_softmax(at_least_float32(logits), dim=1)
    return entropy_of(log_p.clamp(min=torch.finfo(log_p.dtype).min))


def choice_entropy(logits: Tensor, probability: Tensor) -> Tensor:
    """Entropy in nats, in [0, ln 2], of choices between two, in the shape of the logits; exact where almost certain.

    Args:
        logits: of one of the two against the other.
        probability: sigmoid of the logits.
    """
    return functional.softplus(logits) - logits * probability


def _normalised(h: Tensor, classes: int, slope: float) -> Tensor:
    """The same range for every number of classes: [0.018, 0.982] at slope 8."""
    return torch.sigmoid(slope * (h / math.log(classes) - 0.5))


def _centred(h: Tensor, classes: int, _slope: float) -> Tensor:
    """The papers' "entropy scaled about the origin": in [0.24, 0.76] for 10 classes, in [0.09, 0.91] for 100."""
    return torch.sigmoid(h - math.log(classes) / 2)


def _stretched(h: Tensor, classes: int, _slope: float) -> Tensor:
    """The authors' code of 2020: slope 8/2.3 per nat for every number of classes, centre 0.0003 nats off ln(K)/2."""
    return torch.sigmoid((h - math.log(classes) / 2 + 1.15) * 8 / 2.3 - 4)


def _identity(h: Tensor, _classes: int, _slope: float) -> Tensor:
    """H, in [0, ln K]: Model 2 "without sigmoid", where 1 - g can be negative."""
    return h


def _sigmoid(h: Tensor, _classes: int, _slope: float) -> Tensor:
    """Not centred, in [0.5, K/(K+1)]: every sample counts as routed."""
    return torch.sigmoid(h)


CURVES: dict[str, Callable[[Tensor, int, float], Tensor]] = {
    "normalised": _normalised,
    "centred": _centred,
    "stretched": _stretched,
    "identity": _identity,
    "sigmoid": _sigmoid,
}
"""Name of a curve to its function of (H [b], K, slope)."""


def gate_value(h: Tensor, curve: str, classes: int, slope: float) -> Tensor:
    """Gate value g [b], rising with H: samples that the gate's classifier is unsure of go through.

    At H = ln(K)/2, g is 0.5 for ``normalised`` and ``centred``, and within 0.001 of it for ``stretched``.

    Args:
        h: gate entropy H in nats [b].
        curve: a key of CURVES.
        classes: K.
        slope: of the curve ``normalised``; the others ignore it.
    """
    return CURVES[curve](h, classes, slope)
