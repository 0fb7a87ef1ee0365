"""Entropy, and the curves that turn it into a gate value. Pure functions, natural logarithm."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax.

    Args:
        logits: [b, K].

    Returns:
        H in nats [b], in [0, ln K]; exact at 0 because it never takes the logarithm of a probability.
    """
    return entropy_of(torch.log_softmax(logits.float(), dim=1))


def entropy_of(log_p: Tensor) -> Tensor:
    """Entropy in nats [b] of distributions given by their log-probabilities [b, K]."""
    return -(log_p.exp() * log_p).sum(dim=1)


def _normalised(h: Tensor, classes: int, slope: float) -> Tensor:
    """Same range for every class count: [0.018, 0.982] at slope 8."""
    return torch.sigmoid(slope * (h / math.log(classes) - 0.5))


def _centred(h: Tensor, classes: int, _slope: float) -> Tensor:
    """The papers' "entropy scaled about the origin": [0.24, 0.76] for 10 classes, [0.09, 0.91] for 100."""
    return torch.sigmoid(h - math.log(classes) / 2)


def _stretched(h: Tensor, classes: int, _slope: float) -> Tensor:
    """The authors' code of 2020: 8/2.3 per nat for every class count, its centre 0.0003 off zero."""
    return torch.sigmoid((h - math.log(classes) / 2 + 1.15) * 8 / 2.3 - 4)


def _identity(h: Tensor, _classes: int, _slope: float) -> Tensor:
    """H itself, in [0, ln K]: the "without sigmoid" variant of Model 2, where 1 - g can be negative."""
    return h


def _sigmoid(h: Tensor, _classes: int, _slope: float) -> Tensor:
    """Without centring, in [0.5, K/(K+1)]: every sample counts as routed."""
    return torch.sigmoid(h)


CURVES: dict[str, Callable[[Tensor, int, float], Tensor]] = {
    "normalised": _normalised,
    "centred": _centred,
    "stretched": _stretched,
    "identity": _identity,
    "sigmoid": _sigmoid,
}


def gate_value(h: Tensor, curve: str, classes: int, slope: float) -> Tensor:
    """Gate value g of an entropy; rises with H, so a sample the gate's classifier is unsure of goes through.

    Args:
        h: gate entropy H in nats [b].
        curve: a key of CURVES.
        classes: K.
        slope: of the curve ``normalised``; the others have none.

    Returns:
        g [b]; at H = ln(K)/2 it is 0.5 on normalised and centred, and within 1e-3 of it on stretched.
    """
    return CURVES[curve](h, classes, slope)
