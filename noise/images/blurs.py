"""Blurs of CIFAR-10-C: gaussian, defocus, glass, motion, zoom.

Every function maps images uint8 [n, H, W, C] and random words uint64 [n, k] to float32 or float64 [n, H, W, C] in
units of uint8 pixels, not yet rounded. Row i depends on image i and words i only. Sums over many pixels have a fixed
order and never use BLAS, so that the result is the same on every machine.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from noise.streams import below, uniforms


def gaussian_blur(
    images: NDArray[np.uint8] | NDArray[np.float32], _words: NDArray[np.uint64], *, sigma: float
) -> NDArray[np.float32]:
    """Images [n, H, W, C] blurred by a Gaussian of ``sigma`` pixels, truncated at 4 sigma; the edge is replicated."""
    values = images.astype(np.float32)
    ndimage.gaussian_filter(values, (0, sigma, sigma, 0), output=values, mode="nearest", truncate=4.0)
    return values


def defocus_blur(
    images: NDArray[np.uint8], _words: NDArray[np.uint64], *, radius: float, alias: float
) -> NDArray[np.float32]:
    """Images [n, H, W, C] blurred by :func:`disk`; the image is mirrored at the centre of its edge pixels."""
    values = np.empty(images.shape, dtype=np.float32)
    ndimage.correlate(images, disk(radius, alias)[None, :, :, None], output=values, mode="mirror")
    return values


def disk(radius: float, alias: float) -> NDArray[np.float64]:
    """Kernel [m, m]: a uniform disk of ``radius`` pixels whose rim is smoothed by a Gaussian of ``alias`` pixels.

    The Gaussian has 3 x 3 taps up to radius 8 and 5 x 5 above. The grid is large enough for all of it, also near
    radius 8, where the original truncates it.

    Returns:
        [m, m] float64, m odd, without zero rows and columns at the border; sums to 1.
    """
    reach = math.floor(radius) + 2
    distance = np.arange(-reach, reach + 1)
    disk_pixels = distance[:, None] ** 2 + distance**2 <= radius**2
    taps = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    smooth = np.exp(-(taps**2) / (2 * alias**2))
    kernel = disk_pixels / disk_pixels.sum()
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, smooth / smooth.sum(), axis, mode="constant")
    # A tap below 1e-9 cannot change a rounded pixel, and each dropped tap saves a pass over the images.
    kernel[kernel < 1e-9] = 0
    rim = np.flatnonzero(kernel.any(axis=0))[0]
    return kernel[rim : len(kernel) - rim, rim : len(kernel) - rim]


def glass_blur(
    images: NDArray[np.uint8], words: NDArray[np.uint64], *, sigma: float, distance: float, passes: float
) -> NDArray[np.float32]:
    """Images [n, H, W, C] blurred, with each pixel replaced by a nearby one, and blurred again.

    The code of CIFAR-10-C states a swap of two pixels, but its assignment between views of one array copies one over
    the other, and the published images show the copy; so this is a copy too. (A swap would carry single pixels far
    away.) Where the original truncates after the first blur, values are rounded here.

    Args:
        images: [n, H, W, C] uint8.
        words: [n, H*W], one per pixel.
        sigma: standard deviation of both Gaussian blurs, in pixels.
        distance: largest distance of the nearby pixel along each axis, in pixels.
        passes: number of replacements of every pixel, 1 to 4.
    """
    values = np.rint(gaussian_blur(images, words, sigma=sigma))
    places = near_places(words, images.shape[1:3], int(distance), int(passes))
    flat = values.reshape(len(images), -1, images.shape[-1])
    moved = np.take_along_axis(flat, places[..., None], axis=1).reshape(images.shape)
    return gaussian_blur(moved, words, sigma=sigma)


def near_places(
    words: NDArray[np.uint64], shape: tuple[int, ...], distance: int, passes: int
) -> NDArray[np.int64]:
    """Index of the original pixel that each pixel shows after all passes, [n, H*W].

    Pixels are visited from the last row up and from right to left. Each pixel at least ``distance`` from the edge
    takes the current value of the pixel -distance to distance-1 rows and columns away.

    Args:
        words: [n, H*W]; bits 16p to 16p+15 of a pixel's word are its draw in pass p.
        shape: (H, W).
        distance: in pixels, 1 or more.
        passes: 1 to 4.

    Returns:
        [n, H*W] int64 in 0..H*W-1.
    """
    height, width = shape
    count, span = len(words), 2 * distance
    # One row per pixel, not per image, so that each step reads and writes one contiguous row.
    places = np.repeat(np.arange(height * width)[:, None], count, axis=1)
    flat = places.reshape(-1)
    for turn in range(passes):
        draws = below((words.T >> np.uint64(16 * turn)) & np.uint64(0xFFFF), span * span)
        away = (draws // span - distance) * width + draws % span - distance
        others = (away + np.arange(height * width)[:, None]) * count + np.arange(count)
        for row in range(height - distance, distance, -1):
            for pixel in range(row * width + width - distance, row * width + distance, -1):
                places[pixel] = flat[others[pixel]]
    return np.ascontiguousarray(places.T)


def motion_blur(
    images: NDArray[np.uint8], words: NDArray[np.uint64], *, radius: float, sigma: float
) -> NDArray[np.float32]:
    """Images [n, H, W, C] blurred along a line at an angle uniform over (-45, 45) degrees from the horizontal.

    As in ImageMagick: 2 * radius + 1 steps to one side of the pixel, weighted by half a Gaussian of ``sigma`` steps,
    each at the nearest pixel; the edge is replicated.

    Args:
        images: [n, H, W, C] uint8.
        words: [n, 1].
        radius: half the number of steps, rounded up.
        sigma: standard deviation of the Gaussian, in steps of one pixel.
    """
    steps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    angles = (uniforms(words[:, 0]) - 0.5) * (math.pi / 2)
    directions = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    offsets = np.ceil(directions[:, None] * steps[:, None] - 0.5).astype(np.int64)
    # Rounding leaves few distinct patterns of offsets; images of one pattern are shifted together.
    patterns, member = np.unique(offsets.reshape(len(images), -1), axis=0, return_inverse=True)
    result = np.empty(images.shape, dtype=np.float32)
    for number, pattern in enumerate(patterns.reshape(-1, len(steps), 2).tolist()):
        chosen = np.flatnonzero(member.reshape(-1) == number)
        result[chosen] = _shifted_sum(images[chosen], pattern, weights)
    return result


def _shifted_sum(
    images: NDArray[np.uint8], offsets: list[list[int]], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Sum over i of weights[i] * image shifted by offsets[i] = (rows, columns), the edge replicated: [n, H, W, C]."""
    height, width = images.shape[1:3]
    margin = max(max(abs(down), abs(right)) for down, right in offsets)
    frame = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    padded = np.pad(images, frame, mode="edge").astype(np.float32)
    total = np.zeros(images.shape, dtype=np.float32)
    for (down, right), weight in zip(offsets, weights, strict=True):
        top, left = margin + down, margin + right
        total += weight * padded[:, top : top + height, left : left + width]
    return total


def zoom_blur(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, factor: float) -> NDArray[np.float64]:
    """Mean [n, H, W, C] of the image and of its centre zoomed by 1.00, 1.01, ... up to ``factor``.

    The zooms are the hundredths themselves; those of CIFAR-10-C's script are a floating-point range, which has one
    more zoom at severities 1 and 2 and a last zoom of 33 instead of 32 pixels at severity 5.
    """
    count, height, width, channels = images.shape
    columns = images.reshape(count, height * width, channels).swapaxes(0, 1).reshape(height * width, -1)
    blurred = _zoom_operator(height, width, factor) @ columns.astype(np.float64)
    return blurred.reshape(height * width, count, channels).swapaxes(0, 1).reshape(images.shape)


@lru_cache(maxsize=1)
def _zoom_operator(height: int, width: int, factor: float) -> sparse.csr_array:
    """The sparse matrix [H*W, H*W] that maps an image to its :func:`zoom_blur`, which is linear in the pixels.

    Cached, because for large images building it takes longer than using it.
    """
    zooms = [1 + hundredths / 100 for hundredths in range(math.floor((factor - 1) * 100 + 1e-6) + 1)]
    total = sparse.eye_array(height * width, format="csr")
    for zoom in zooms:
        total = total + sparse.kron(zoom_matrix(height, zoom), zoom_matrix(width, zoom), format="csr")
    return total / (len(zooms) + 1)


def zoom_matrix(length: int, zoom: float) -> sparse.csr_array:
    """The matrix [length, length] that enlarges the centre of a row of ``length`` pixels by ``zoom``.

    The n = ceil(length / zoom) central pixels become round(n * zoom) pixels by linear interpolation between the
    centres of the first and the last, and the central ``length`` of these are kept.

    Returns:
        [length, length] sparse; every row sums to 1.
    """
    inner = math.ceil(length / zoom)
    outer = round(inner * zoom)
    step = (inner - 1) / max(outer - 1, 1)
    position = np.arange((outer - length) // 2, (outer - length) // 2 + length) * step
    lower = np.minimum(np.floor(position).astype(np.int64), inner - 1)
    share = position - lower
    upper = np.minimum(lower + 1, inner - 1)
    rows, columns = np.tile(np.arange(length), 2), np.concatenate([lower, upper]) + (length - inner) // 2
    return sparse.csr_array((np.concatenate([1 - share, share]), (rows, columns)), shape=(length, length))
