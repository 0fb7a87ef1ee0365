"""Noise of single pixel values: gaussian, shot, impulse, speckle of CIFAR-10-C.

Every function maps images, uint8 [n, H, W, C], and words, uint64 [n, H*W*C] or one random word per value, to
float64 [n, H, W, C] in units of uint8 pixels, not yet rounded. Row i depends on image i and words i only.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from noise.streams import normals, uniforms

CELL_BITS = 11
"""2^11 equal cells of (0, 1): tables of 2 MB, small enough for the cache of one core."""


def gaussian(images: NDArray[np.uint8], words: NDArray[np.uint64], *, sigma: float) -> NDArray[np.float64]:
    """Normal noise of standard deviation ``sigma`` (a share of full intensity) on every value; clipped."""
    values = normals(words).reshape(images.shape)
    values *= 255 * sigma
    values += images
    return np.clip(values, 0, 255, out=values)


def speckle(images: NDArray[np.uint8], words: NDArray[np.uint64], *, sigma: float) -> NDArray[np.float64]:
    """Normal noise of standard deviation ``sigma`` times the value itself; clipped."""
    values = normals(words).reshape(images.shape)
    values *= sigma
    values += 1
    values *= images
    return np.clip(values, 0, 255, out=values)


def impulse(images: NDArray[np.uint8], words: NDArray[np.uint64], *, amount: float) -> NDArray[np.float64]:
    """Salt and pepper: with probability ``amount`` a value becomes 0 or 255, equally likely.

    Every channel is drawn by itself, as scikit-image does it, so that most hits change the colour.
    """
    draws = uniforms(words).reshape(images.shape)
    values = images.astype(np.float64)
    values[draws < amount / 2] = 0
    values[draws > 1 - amount / 2] = 255
    return values


def shot(images: NDArray[np.uint8], words: NDArray[np.uint64], *, photons: float) -> NDArray[np.float64]:
    """Photon noise: Poisson(x * photons) / photons for intensity x = pixel / 255; clipped at full intensity.

    The Poisson number is exact: the smallest count whose distribution function reaches the word's uniform
    number. Nearly always the cell in which that number lies holds one count only, which a table gives; the
    others are found by bisection.
    """
    below, first = _poisson_tables(float(photons))
    pixels, draws = images.reshape(-1).astype(np.intp), words.reshape(-1)
    cell = (draws >> np.uint64(64 - CELL_BITS)).astype(np.intp)
    cell += pixels * first.shape[1]
    counts = first.take(cell)
    ambiguous = np.flatnonzero(counts < first.take(cell + 1))
    low, high = counts[ambiguous], first.take(cell[ambiguous] + 1)
    wanted, start = uniforms(draws[ambiguous]), pixels[ambiguous] * below.shape[1]
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) // 2
        reached = below.take(start + middle) >= wanted
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    counts[ambiguous] = low
    # One division after an exact product: a value that lies halfway between two pixels is exactly there.
    return np.minimum(counts * 255.0 / photons, 255).reshape(images.shape)


@lru_cache(maxsize=2)
def _poisson_tables(photons: float) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Distribution functions of the Poisson numbers of all 256 pixel values, and where their cells begin.

    Kept for the next images, because both depend on ``photons`` alone and take as long as 300 images.

    Returns:
        below: [256, K] float64, P(count <= k) for k = 0..K-1, read only. More than K - 1 = ``photons`` counts
            are full intensity like K - 1 of them, so the last column is 1.
        first: [256, 2^CELL_BITS + 1] int32, the smallest k with below[k] >= j / 2^CELL_BITS, read only.
    """
    mean = np.arange(256) / 255 * photons
    below = pdtr(np.arange(math.ceil(photons) + 1.0), mean[:, None])
    np.maximum.accumulate(below, axis=1, out=below)
    below[:, -1] = 1
    edges = np.arange(2**CELL_BITS + 1) / 2**CELL_BITS
    first = np.array([np.searchsorted(row, edges) for row in below], dtype=np.int32)
    below.flags.writeable = first.flags.writeable = False
    return below, first
