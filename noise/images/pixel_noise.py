"""Noise of single pixel values: gaussian, shot, impulse, speckle of CIFAR-10-C.

Every function maps images uint8 [n, H, W, C] and random words uint64 [n, H*W*C], one per value, to float64
[n, H, W, C] in units of uint8 pixels, not yet rounded. Row i depends on image i and words i only.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from noise.streams import normals, uniforms

CELL_BITS = 11
"""(0, 1) is divided into 2^11 equal cells; tables of 2 MB fit into the cache of one core."""


def gaussian(images: NDArray[np.uint8], words: NDArray[np.uint64], *, sigma: float) -> NDArray[np.float64]:
    """Images plus normal noise of standard deviation ``sigma`` (a share of full intensity) on every value, clipped."""
    values = normals(words).reshape(images.shape)
    values *= 255 * sigma
    values += images
    return np.clip(values, 0, 255, out=values)


def speckle(images: NDArray[np.uint8], words: NDArray[np.uint64], *, sigma: float) -> NDArray[np.float64]:
    """Images plus normal noise of standard deviation ``sigma`` times the value on every value, clipped."""
    values = normals(words).reshape(images.shape)
    values *= sigma
    values += 1
    values *= images
    return np.clip(values, 0, 255, out=values)


def impulse(images: NDArray[np.uint8], words: NDArray[np.uint64], *, amount: float) -> NDArray[np.float64]:
    """Images in which each value becomes 0 or 255 with probability ``amount``, both equally likely.

    Channels are drawn independently, as in scikit-image, so most changes alter the colour. (Grey data has one channel
    here, see :meth:`noise.task.Task.render`.)
    """
    draws = uniforms(words).reshape(images.shape)
    values = images.astype(np.float64)
    values[draws < amount / 2] = 0
    values[draws > 1 - amount / 2] = 255
    return values


def shot(images: NDArray[np.uint8], words: NDArray[np.uint64], *, photons: float) -> NDArray[np.float64]:
    """Images with photon noise: Poisson(x * photons) / photons for intensity x = pixel / 255, clipped at 1.

    The Poisson number is exact: the smallest count whose distribution function reaches the uniform number of the
    word. Nearly always the cell of that number contains a single count, which a table holds; the other counts are
    found by bisection.
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
    # A single division after an exact product: a value halfway between two integers is exactly halfway.
    return np.minimum(counts * 255.0 / photons, 255).reshape(images.shape)


@lru_cache(maxsize=2)
def _poisson_tables(photons: float) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Distribution functions of the Poisson numbers of all 256 pixel values, and the first count of each cell.

    Cached, because both depend on ``photons`` only and take as long as 300 images.

    Returns:
        below: [256, K] float64, P(count <= k) for k = 0..K-1, read only. Counts above K - 1 = ``photons`` are
            full intensity too, so the last column is 1.
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
