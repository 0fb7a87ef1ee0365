"""Reliability of a score of samples that was measured twice: the noise ceiling of its correlation with others."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from probes.stats.intervals import CONFIDENCE

RELIABLE_SAMPLES = 30
"""Fewest samples with which a reliability gets an interval."""


def split_half(
    first: ArrayLike, second: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Reliability of the mean of two halves of a measurement, with the ends of its interval over samples.

    Spearman-Brown's 2 r / (1 + r) of Pearson's correlation r of the halves (Spearman 1910, Brown 1910): the squared
    correlation of the whole measurement with the truth. The interval is that of r on Fisher's z scale, by the
    influence of each sample on r, which holds for any distribution with many samples.

    Args:
        first: [n] the score by one half of the measurements; NaN: left out.
        second: [n] by the other half.
        confidence: level in (0, 1).

    Returns:
        Reliability, at most 1, lower and upper end. All NaN where a half is constant or r is -1; the ends NaN with
        fewer than :data:`RELIABLE_SAMPLES` samples, or where r is 1.
    """
    halves = np.array([first, second], np.float64)
    halves = halves[:, ~np.isnan(halves).any(axis=0)]
    n = halves.shape[1]
    if n < 2 or (np.ptp(halves, axis=1) == 0).any():
        return np.nan, np.nan, np.nan
    scaled = (halves - halves.mean(axis=1, keepdims=True)) / halves.std(axis=1, keepdims=True)
    r = float(np.clip((scaled[0] * scaled[1]).mean(), -1, 1))
    if r < -1 + 1e-9:
        return np.nan, np.nan, np.nan
    value = 2 * r / (1 + r)
    if n < RELIABLE_SAMPLES or r > 1 - 1e-9:
        return value, np.nan, np.nan
    acts = scaled[0] * scaled[1] - r / 2 * (scaled**2).sum(axis=0)
    half = float(ndtri(0.5 + confidence / 2)) * float(acts.std()) / np.sqrt(n) / (1 - r**2)
    low, high = (float(np.tanh(np.arctanh(r) + side * half)) for side in (-1, 1))
    return value, 2 * low / (1 + low), 2 * high / (1 + high)
